// One operation, sent as the one who is signed in; its plan is fetched beside it for the plan panel. A subscription
// comes as server-sent events, on a connection of its own.
import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-sse';
import { token } from './session.js';

let plan = null;
const listeners = new Set();

export const lastPlan = () => plan;
export const onPlan = (listener) => (listeners.add(listener), () => listeners.delete(listener));

const signed = async () => ({ authorization: `Bearer ${await token()}` });
const live = createClient({ url: '/graphql', headers: signed, retryAttempts: 0 });

async function send(path, body) {
  const headers = { 'content-type': 'application/json', ...(await signed()) };
  return (await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

export async function ask(path) {
  return (await fetch(path, { headers: await signed() })).json();
}

async function showPlan(body, ms) {
  const found = await send('/graphiql/plan', body);
  plan = found.errors ? { failed: found.errors[0].message } : { ...found, ms };
  listeners.forEach((listener) => listener());
}

export async function fetcher({ query, operationName, variables }, { documentAST } = {}) {
  const body = { query, operationName, variables };
  if (documentAST && getOperationAST(documentAST, operationName)?.operation === 'subscription') {
    await showPlan(body);
    return live.iterate(body);
  }
  const began = performance.now();
  const answer = await send('/graphql', body);
  if (operationName !== 'IntrospectionQuery') await showPlan(body, Math.round(performance.now() - began));
  return answer;
}
