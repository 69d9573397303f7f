// Operations to start from, made of the schema: the dashboard, and for each module its lists and commands.
import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import { useEffect, useState } from 'react';
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { ask } from './transport.js';

const fieldsOf = (type) => Object.values(type.getFields());
const callable = (field) => !field.args.some(isRequiredArgument);

function selection(type, depth, pad = '  ') {
  const lines = fieldsOf(type)
    .filter(callable)
    .flatMap((field) => {
      const inner = getNamedType(field.type);
      if (isLeafType(inner)) return [`${pad}  ${field.name}`];
      if (!depth || !isObjectType(inner)) return [];
      const below = selection(inner, depth - 1, `${pad}  `);
      return below && [`${pad}  ${field.name} ${below}`];
    });
  return lines.length ? `{\n${lines.join('\n')}\n${pad}}` : '';
}

function list(field) {
  const node = getNamedType(fieldsOf(getNamedType(field.type)).find((one) => one.name === 'nodes').type);
  const scalars = fieldsOf(node)
    .filter((one) => isLeafType(getNamedType(one.type)) && callable(one))
    .map((one) => one.name);
  const name = field.name[0].toUpperCase() + field.name.slice(1);
  return `query ${name} {\n  ${field.name}(first: 5) {\n    totalCount\n    nodes {\n      ${scalars.join('\n      ')}\n    }\n  }\n}\n`;
}

function sample(type) {
  if (isNonNullType(type)) return sample(type.ofType);
  if (isListType(type)) return [sample(type.ofType)];
  if (isEnumType(type)) return type.getValues()[0].name;
  if (isInputObjectType(type)) {
    return Object.fromEntries(fieldsOf(type).filter(isRequiredInputField).map((one) => [one.name, sample(one.type)]));
  }
  return { Int: 1, Boolean: true, Decimal: '1', Date: new Date().toISOString().slice(0, 10) }[type.name] ?? '';
}

function command(field) {
  const [input] = field.args;
  const payload = fieldsOf(getNamedType(field.type)).find((one) => !['userErrors', 'receipt'].includes(one.name));
  const shown = payload ? `    ${payload.name} { id }\n` : '';
  const name = field.name[0].toUpperCase() + field.name.slice(1);
  return {
    query: `mutation ${name}($input: ${input.type}) {\n  ${field.name}(input: $input) {\n${shown}    userErrors { code message field }\n    receipt { id status }\n  }\n}\n`,
    variables: JSON.stringify({ input: sample(input.type) }, null, 2),
  };
}

const dashboard = (schema) => ({
  name: 'The whole dashboard',
  query: `query Dashboard {\n  dashboard ${selection(schema.getType('Dashboard'), 3)}\n}\n`,
});

function examplesOf(schema, modules) {
  const query = schema.getQueryType().getFields();
  const mutation = schema.getMutationType()?.getFields() ?? {};
  const groups = Object.entries(modules).map(([module, names]) => [
    module,
    [
      ...names
        .filter((name) => query[name] && getNamedType(query[name].type).name.endsWith('Connection'))
        .map((name) => ({ name, query: list(query[name]) })),
      ...names.filter((name) => mutation[name]?.args.length).map((name) => ({ name, ...command(mutation[name]) })),
    ],
  ]);
  return [...(query.dashboard ? [['all modules', [dashboard(schema)]]] : []), ...groups.filter(([, found]) => found.length)];
}

function Examples() {
  const schema = useGraphiQL((state) => state.schema);
  const { updateActiveTabValues } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const [modules, setModules] = useState({});
  useEffect(() => void ask('/graphiql/modules').then(setModules), []);
  if (!schema) return <p>The schema is on its way.</p>;
  const open = ({ query, variables = '' }) => {
    queryEditor.setValue(query);
    variableEditor.setValue(variables);
    updateActiveTabValues({ query, variables });
  };
  return examplesOf(schema, modules).map(([module, found]) => (
    <details key={module} open={module === 'all modules'}>
      <summary>{module}</summary>
      {found.map((example) => (
        <button key={example.name} type="button" className="example" onClick={() => open(example)}>
          {example.name}
        </button>
      ))}
    </details>
  ));
}

export const examplesPlugin = {
  title: 'Examples',
  icon: () => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5">
      <path d="M4 5h10M4 10h16M4 15h8M4 20h13" />
    </svg>
  ),
  content: () => (
    <section className="panel">
      <h2>Examples</h2>
      <Examples />
    </section>
  ),
};
