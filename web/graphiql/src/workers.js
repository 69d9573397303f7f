// Monaco's workers come from the bundle, not from a CDN.
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker.js?worker';
import JsonWorker from 'monaco-editor/esm/vs/language/json/json.worker.js?worker';
import GraphQLWorker from 'monaco-graphql/esm/graphql.worker.js?worker';

globalThis.MonacoEnvironment = {
  getWorker: (_, label) =>
    label === 'json' ? new JsonWorker() : label === 'graphql' ? new GraphQLWorker() : new EditorWorker(),
};
