import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import {
  diffConfiguration,
  exportConfiguration,
  loadConfiguration,
} from '../../src/configuration/configuration.ts';
import { verifyAudit } from '../../src/review/audit.ts';
import { clockAt } from '../support/clock.ts';
import { asOwner, type FreshStore, freshStore } from '../support/database.ts';
import type { LoaderOrder } from '../support/loader.ts';
import { anOperator } from '../support/tenancy.ts';

const USERS = 2_600;
const configuration = [
  'roles: [{name: dispatcher, type: assignable}]',
  'tenants:',
  ...Array.from({ length: 20 }, (_, at) => `  - {path: Customer ${at}, domains: [c${at}.example]}`),
  'users:',
  ...Array.from(
    { length: USERS },
    (_, at) =>
      `  - {tenant: Customer ${at % 20}, userName: u${at}, email: u${at}@c${at % 20}.example, roles: [{role: dispatcher}]}`,
  ),
].join('\n');

const script = fileURLToPath(new URL('../support/loader.ts', import.meta.url));

/** Starts a load and kills its process, with SIGKILL, once so many users are written. */
async function killedAfter(database: FreshStore, users: number): Promise<void> {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const order: LoaderOrder = {
    url: database.url,
    secretKey: database.secretKey,
    configuration,
    stopsAt: users,
  };
  child.stdin.end(JSON.stringify(order));
  const gone = new Promise((resolve) => child.once('close', resolve));
  for await (const line of createInterface(child.stdout)) {
    const { what, done } = JSON.parse(line) as { what: string; done: number };
    if (what === 'users' && done >= users) child.kill('SIGKILL');
  }
  await gone;
  expect(child.signalCode).toBe('SIGKILL');
}

const counted = (database: FreshStore) =>
  asOwner(database.url, async (client) => {
    const { rows } = await client.query(
      `SELECT (SELECT count(*)::int FROM auth_user) AS users, (SELECT count(*)::int FROM role_assignment) AS assignments,
         (SELECT count(*)::int FROM event WHERE type = 'user.created') AS events,
         (SELECT count(*)::int FROM audit_entry WHERE action = 'auth-user.created') AS entries`,
    );
    return rows[0];
  });

let killed: FreshStore;
let whole: FreshStore;
beforeAll(async () => {
  killed = await freshStore();
  whole = await freshStore();
});
afterAll(async () => {
  await killed.drop();
  await whole.drop();
});

async function loadedAgain(database: FreshStore) {
  const deps = { store: database.store, clock: clockAt('2026-05-01T09:00:00Z'), connectors };
  const caller = await anOperator(deps);
  const { stamp, differences } = await diffConfiguration(deps, caller, { configuration });
  await loadConfiguration(deps, caller, { configuration, stamp });
  expect((await diffConfiguration(deps, caller, { configuration })).differences).toEqual([]);
  expect((await verifyAudit(deps, caller, {})).tenants.every(({ ok }) => ok)).toBe(true);
  return { left: differences.length, file: (await exportConfiguration(deps, caller)).configuration };
}

it('a load that was killed goes on where it was, and leaves what one that was not leaves', async () => {
  await killedAfter(killed, 2_000);
  const { users } = await counted(killed);
  expect(users).toBeGreaterThanOrEqual(2_000);
  expect(users).toBeLessThan(USERS);
  expect(users % 2_000).toBe(0);
  const again = await loadedAgain(killed);
  expect(again.left).toBe(USERS - users);
  expect(await counted(killed)).toEqual({ users: USERS, assignments: USERS, events: USERS, entries: USERS });
  expect(again.file).toBe((await loadedAgain(whole)).file);
}, 240_000);
