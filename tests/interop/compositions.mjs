// node compositions.mjs NODE_MODULES < [[{name, url, sdl}, ...], ...] > [{sdl, hints}, ...]
// Composes each set with @apollo/composition: the supergraph, null where there is none, and the hints' codes and levels.
import { createRequire } from 'module';
import fs from 'fs';

const require = createRequire(process.argv[2] + '/');
const { composeServices } = require('@apollo/composition');
const { parse } = require('graphql');

function composed(subgraphs) {
  const { supergraphSdl, hints } = composeServices(
    subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })),
  );
  const told = (hints ?? []).map(({ definition }) => `${definition.code} ${definition.level.name}`);
  return { sdl: supergraphSdl ?? null, hints: told.sort() };
}

console.log(JSON.stringify(JSON.parse(fs.readFileSync(0, 'utf8')).map(composed)));
