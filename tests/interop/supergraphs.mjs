// node supergraphs.mjs NODE_MODULES < [sdl, ...] > [null or what is wrong, ...]
// Reads each supergraph as Apollo's router does: @apollo/federation-internals builds it, its subgraphs and its API schema.
import { createRequire } from 'module';
import fs from 'fs';

const require = createRequire(process.argv[2] + '/');
const { Supergraph, ROUTER_SUPPORTED_SUPERGRAPH_FEATURES: supportedFeatures } = require('@apollo/federation-internals');

function problem(sdl) {
  try {
    const supergraph = Supergraph.build(sdl, { supportedFeatures });
    supergraph.subgraphs();
    supergraph.apiSchema();
    return null;
  } catch (error) {
    return String(error.message);
  }
}

console.log(JSON.stringify(JSON.parse(fs.readFileSync(0, 'utf8')).map(problem)));
