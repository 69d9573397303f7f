// Who is signed in. Tokens live in memory only: a reload asks again, and no storage or history ever holds one.
let session = null;
const listeners = new Set();

export const current = () => session;
export const subscribe = (listener) => (listeners.add(listener), () => listeners.delete(listener));

function become(next) {
  session = next && { ...next, renewAt: Date.now() + (next.expiresIn - 30) * 1000 };
  listeners.forEach((listener) => listener());
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const content = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw new Error(content.errors?.[0]?.message ?? `The server answered ${answer.status}.`);
  return content;
}

export async function signIn(email, password) {
  const answer = await post('/auth/login', { email, password });
  if (answer.mfaToken) throw new Error('This account asks for a second factor: use mewayz token instead.');
  become({ ...answer, email });
}

export async function switchTenant(tenant) {
  become({ ...(await post('/auth/switch', { refreshToken: session.refreshToken, tenant })), email: session.email });
}

export async function signOut() {
  const { refreshToken } = session;
  become(null);
  await post('/auth/logout', { refreshToken }).catch(() => {});
}

// The token to send now; one that is about to end is renewed first.
export async function token() {
  if (session && Date.now() > session.renewAt) {
    try {
      become({ ...(await post('/auth/refresh', { refreshToken: session.refreshToken })), email: session.email });
    } catch {
      become(null);
    }
  }
  if (!session) throw new Error('Signed out: sign in again.');
  return session.accessToken;
}
