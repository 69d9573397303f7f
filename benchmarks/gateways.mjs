// node gateways.mjs NODE_MODULES GATEWAY SUPERGRAPH PORT  (benchmarks/router.py starts it)
// Serves a supergraph at /graphql by `apollo`, `hive` or `hive-rust` (Hive Gateway with its Rust planner). Documents and
// plans are cached by each; identical requests under way are not shared.
import http from 'http';
import fs from 'fs';
import { createRequire } from 'module';

const [, , modules, name, file, port] = process.argv;
const require = createRequire(modules + '/');
const supergraph = fs.readFileSync(file, 'utf8');

async function apollo() {
  const { ApolloGateway } = require('@apollo/gateway');
  const { parse, getOperationAST } = require('graphql');
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const gateway = new ApolloGateway({ supergraphSdl: supergraph, logger: quiet });
  const { schema, executor } = await gateway.load();
  const documents = new Map();
  return async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { query, variables } = JSON.parse(Buffer.concat(chunks));
    let document = documents.get(query);
    if (!document) documents.set(query, (document = parse(query)));
    const operation = getOperationAST(document);
    const { data, errors } = await executor({
      document, operation, operationName: operation.name?.value, request: { query, variables }, schema, context: {},
      queryHash: query, metrics: {}, logger: quiet, source: query,
    });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(errors ? { data, errors } : { data }));
  };
}

async function hive(options) {
  const { createGatewayRuntime } = require('@graphql-hive/gateway-runtime');
  return createGatewayRuntime({
    supergraph,
    logging: false,
    transportEntries: { '*.http': { options: { deduplicateInflightRequests: false } } },
    ...options,
  });
}

const handlers = {
  apollo,
  hive,
  'hive-rust': () => hive({ unifiedGraphHandler: require('@graphql-hive/router-runtime').unifiedGraphHandler }),
};
http.createServer(await handlers[name]()).listen(Number(port), '127.0.0.1');
