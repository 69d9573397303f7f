// node gateways.mjs NODE_MODULES < {supergraph, operations: [{query, variables}]} > {gateway: [answer, ...]}
// Loads a supergraph in @apollo/gateway and in Hive Gateway and executes each operation in both.
import { createRequire } from 'module';
import fs from 'fs';

const require = createRequire(process.argv[2] + '/');
const { supergraph, operations } = JSON.parse(fs.readFileSync(0, 'utf8'));
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

async function apollo() {
  const { ApolloGateway } = require('@apollo/gateway');
  const { parse, getOperationAST } = require('graphql');
  const gateway = new ApolloGateway({ supergraphSdl: supergraph, logger: quiet });
  const { schema, executor } = await gateway.load();
  const answers = [];
  for (const { query, variables } of operations) {
    const document = parse(query);
    const operation = getOperationAST(document);
    const request = { query, variables };
    const { data, errors } = await executor({
      document, operation, operationName: operation.name?.value, request, schema, context: {}, queryHash: query,
      metrics: {}, logger: quiet, source: query,
    });
    answers.push({ data, errors });
  }
  await gateway.stop();
  return answers;
}

async function hive() {
  const { createGatewayRuntime } = require('@graphql-hive/gateway-runtime');
  const gateway = createGatewayRuntime({ supergraph, logging: false, maskedErrors: false });
  const answers = [];
  for (const { query, variables } of operations) {
    const response = await gateway.fetch('http://gateway/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    answers.push(await response.json());
  }
  await gateway.dispose?.();
  return answers;
}

const answers = {};
for (const [name, gateway] of [['@apollo/gateway', apollo], ['Hive Gateway', hive]]) answers[name] = await gateway();
console.log(JSON.stringify(answers));
process.exit(0);
