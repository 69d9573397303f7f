import { graphql } from './gql/gql.js';
import type { TypedDocumentString } from './gql/graphql.js';

type GraphQLError = { message: string; extensions: { code: string; module?: string; retryAfterMs?: number } };

class ApiError extends Error {
  constructor(readonly errors: GraphQLError[]) {
    super(errors.map((error) => `${error.extensions.code}: ${error.message}`).join('; '));
  }
}

const Customers = graphql(`
  query Customers($after: String) {
    customers(first: 50, after: $after) {
      nodes { id name openInvoices { number balance { amount currency } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const RegisterCustomer = graphql(`
  mutation RegisterCustomer($input: RegisterCustomerInput!) {
    registerCustomer(input: $input) {
      customer { id version }
      userErrors { code message field }
      receipt { id status }
    }
  }
`);

async function post(path: string, body: unknown, token?: string): Promise<any> {
  const answer = await fetch(`${process.env.API}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  return answer.json();
}

async function run<Data, Variables>(document: TypedDocumentString<Data, Variables>, variables: Variables): Promise<Data> {
  const { data, errors } = await post('/graphql', { query: document.toString(), variables }, session.accessToken);
  if (errors?.length || !data) throw new ApiError(errors ?? []);
  return data;
}

async function* customers() {
  for (const variables: { after?: string | null } = {}; ; ) {
    const page = (await run(Customers, variables)).customers;
    yield* page?.nodes ?? [];
    if (!page?.pageInfo.hasNextPage) return;
    variables.after = page.pageInfo.endCursor;
  }
}

const session: { accessToken: string } = await post('/auth/login', { email: process.env.EMAIL, password: process.env.PASSWORD });
const input = { name: 'From TypeScript', idempotencyKey: 'guide-ts-1' }; // sent again with the same key, it is done once
const { registerCustomer } = await run(RegisterCustomer, { input });
for (const refusal of registerCustomer?.userErrors ?? []) console.error(refusal.code, refusal.message);
let found = 0;
for await (const customer of customers()) found += customer.id === registerCustomer?.customer?.id ? 1 : 0;
console.log(JSON.stringify({ found }));
