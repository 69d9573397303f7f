// The plan of the last operation as a picture: one column a level, one box a fetch, a line to what it waits for.
import { useSyncExternalStore } from 'react';
import { lastPlan, onPlan } from './transport.js';

const WIDTH = 138;
const HEIGHT = 46;

function place(fetches) {
  const rows = {};
  return Object.fromEntries(
    fetches.map((fetch) => {
      const row = (rows[fetch.level] = (rows[fetch.level] ?? -1) + 1);
      return [fetch.id, { x: 8 + (fetch.level - 1) * (WIDTH + 30), y: 8 + row * (HEIGHT + 16) }];
    }),
  );
}

function Picture({ plan }) {
  const at = place(plan.fetches);
  const spots = Object.values(at);
  const width = Math.max(...spots.map((one) => one.x)) + WIDTH + 8;
  const height = Math.max(...spots.map((one) => one.y)) + HEIGHT + 8;
  return (
    <svg className="plan" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img">
      <title>{`${plan.fetches.length} fetches in ${plan.levels} levels`}</title>
      {plan.fetches.flatMap((fetch) =>
        fetch.after.map((id) => (
          <line
            key={`${id}-${fetch.id}`}
            x1={at[id].x + WIDTH}
            y1={at[id].y + HEIGHT / 2}
            x2={at[fetch.id].x}
            y2={at[fetch.id].y + HEIGHT / 2}
          />
        )),
      )}
      {plan.fetches.map((fetch) => (
        <g key={fetch.id} transform={`translate(${at[fetch.id].x} ${at[fetch.id].y})`}>
          <title>{fetch.selection}</title>
          <rect width={WIDTH} height={HEIGHT} rx="6" />
          <text x="10" y="19" className="module">
            {fetch.module}
          </text>
          <text x="10" y="36">{fetch.at || 'root'}</text>
        </g>
      ))}
    </svg>
  );
}

function Plan() {
  const plan = useSyncExternalStore(onPlan, lastPlan);
  if (!plan) return <p>Run an operation: its plan is drawn here.</p>;
  if (plan.failed) return <p>{plan.failed}</p>;
  return (
    <>
      <p>
        {plan.fetches.length} fetches in {plan.levels} levels
        {plan.ms === undefined ? ', for each event' : ` · answered in ${plan.ms} ms`}
      </p>
      <div className="scroll">
        <Picture plan={plan} />
      </div>
      <h3>If a module is away</h3>
      <ul>
        {Object.entries(plan.lostWithout).map(([module, paths]) => (
          <li key={module}>
            without <b>{module}</b> these are null: {paths.join(', ')}
          </li>
        ))}
      </ul>
    </>
  );
}

export const planPlugin = {
  title: 'Plan of the last operation',
  icon: () => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5">
      <rect x="2" y="9" width="7" height="6" rx="1" />
      <rect x="15" y="3" width="7" height="6" rx="1" />
      <rect x="15" y="15" width="7" height="6" rx="1" />
      <path d="M9 12h3V6h3M12 12v6h3" />
    </svg>
  ),
  content: () => (
    <section className="panel">
      <h2>Plan</h2>
      <Plan />
    </section>
  ),
};
