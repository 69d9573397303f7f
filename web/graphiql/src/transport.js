// One operation, sent as the one who is signed in; its plan is fetched beside it for the plan panel.
import { token } from './session.js';

let plan = null;
const listeners = new Set();

export const lastPlan = () => plan;
export const onPlan = (listener) => (listeners.add(listener), () => listeners.delete(listener));

async function send(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await token()}` },
    body: JSON.stringify(body),
  });
  return answer.json();
}

export async function ask(path) {
  const answer = await fetch(path, { headers: { authorization: `Bearer ${await token()}` } });
  return answer.json();
}

export async function fetcher({ query, operationName, variables }) {
  const body = { query, operationName, variables };
  const began = performance.now();
  const answer = await send('/graphql', body);
  if (operationName !== 'IntrospectionQuery') {
    const ms = Math.round(performance.now() - began);
    const found = await send('/graphiql/plan', body);
    plan = found.errors ? { failed: found.errors[0].message } : { ...found, ms };
    listeners.forEach((listener) => listener());
  }
  return answer;
}
