// Runs the audits of the npm package graphql-http against a server: node http_audit.mjs NODE_MODULES URL TOKEN
import { createRequire } from 'node:module';

const [, , modules, url, token] = process.argv;
const { serverAudits } = createRequire(`${modules}/`)('graphql-http');
const fetchFn = (address, options = {}) =>
  fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });

const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { status, reason } = await audit.fn();
  results.push({ name: audit.name, status, reason });
}
console.log(JSON.stringify(results));
process.exit(0);
