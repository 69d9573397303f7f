import './workers.js';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useGraphiQL } from '@graphiql/react';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import { useState, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { examplesPlugin } from './examples.jsx';
import { planPlugin } from './plan.jsx';
import { current, signIn, signOut, subscribe, switchTenant } from './session.js';
import './style.css';
import { fetcher } from './transport.js';

const WELCOME = `# Press Ctrl-Enter to run this. The panels on the left: documentation, history, explorer,
# examples of every module, and the plan of what ran last.
query Dashboard {
  dashboard {
    crm { closingThisMonth rotten }
  }
}
`;
const plugins = [HISTORY_PLUGIN, explorerPlugin(), examplesPlugin, planPlugin];

function Door() {
  const [error, setError] = useState('');
  const enter = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setError('');
    await signIn(form.get('email'), form.get('password')).catch((failed) => setError(failed.message));
  };
  return (
    <main className="door">
      <form onSubmit={enter}>
        <h1>GraphiQL</h1>
        <label>
          E-mail
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {error && <p role="alert">{error}</p>}
        <button type="submit">Sign in</button>
        <small>On a demo installation ./justw demo logins prints people and passwords to sign in with.</small>
      </form>
    </main>
  );
}

function Who({ session }) {
  const responseEditor = useGraphiQL((state) => state.responseEditor);
  const switchTo = async (tenant) => {
    await switchTenant(tenant);
    responseEditor?.setValue(''); // what is still shown there is the other tenant's
  };
  return (
    <div className="who">
      <span>{session.email}</span>
      <select aria-label="Tenant" value={session.tenant.id} onChange={(event) => switchTo(event.target.value)}>
        {session.tenants.map((tenant) => (
          <option key={tenant.id} value={tenant.id}>
            {tenant.name}
          </option>
        ))}
      </select>
      <button type="button" onClick={signOut}>
        Sign out
      </button>
    </div>
  );
}

function App() {
  const session = useSyncExternalStore(subscribe, current);
  if (!session) return <Door />;
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      initialQuery={WELCOME}
      isHeadersEditorEnabled={false}
      showPersistHeadersSettings={false}
      defaultEditorToolsVisibility="variables"
    >
      <GraphiQL.Logo>
        <Who session={session} />
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

createRoot(document.getElementById('root')).render(<App />);
