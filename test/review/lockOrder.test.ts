import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { groupChanges } from '../../src/review/changeGroups.ts';
import { decide } from '../../src/review/decide.ts';
import { choosePairs, listPairs } from '../../src/review/pairs.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';
import { untilWaiting } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const ada = { id: 'old', email: 'ada@one.test', employeeId: 'e-7', displayName: 'Ada' };

/** Two tenants below one, each with changes of its own and one pair. */
async function two(): Promise<{ readonly above: TenantId; readonly both: readonly [Connected, Connected] }> {
  const above = await install.tenant();
  const one = async () => {
    const directory = aDirectory({ users: [ada, { id: 'bob', email: 'bob@one.test' }] });
    const connected = await install.connect({
      directory,
      tenant: await install.tenant(above),
      guards: noGuards,
    });
    await connected.syncAndApply();
    directory.remove('old');
    directory.add({ ...ada, id: 'new', email: 'ada@two.test' });
    await connected.sync();
    return connected;
  };
  return { above, both: [await one(), await one()] };
}

/**
 * Begins `work` while another transaction has these rows, which then wants the end of the audit log of this tenant. It gets it only if
 * `work` has not taken that before the rows.
 */
async function against<T>(rows: string, tenant: TenantId, work: () => Promise<T>): Promise<T> {
  return await asOwner(install.database.url, async (client) => {
    await client.query('BEGIN');
    await client.query(rows);
    const working = work();
    working.catch(() => {}); // looked at below
    await untilWaiting(client, 1);
    await client.query('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [tenant]);
    await client.query('COMMIT');
    return await working;
  });
}

describe('Audit logs are locked when no row is waited for any more', () => {
  it('by a decision on a group of several connections', async () => {
    const { above, both } = await two();
    const [first, last] = both[0].tenant < both[1].tenant ? both : [both[1], both[0]];
    const caller = await aCaller(install, above);
    const { revisions } = await groupChanges(install, caller, { by: 'kind' });
    const decided = await against(
      `SELECT FROM change WHERE connection_id = '${last.connection}' FOR UPDATE`,
      first.tenant,
      () => decide(install, caller, { verdict: 'reject', reason: 'not now', revisions }),
    );
    expect(decided.decided).toBeGreaterThan(3);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('by a verdict on pairs of several connections, in whatever order they are named', async () => {
    const { above, both } = await two();
    const [first, last] = both;
    const caller = await aCaller(install, above);
    const { items } = await listPairs(install, caller, {});
    const pairs = [first, last].flatMap(({ connection }) =>
      items
        .filter((pair) => pair.connection === connection)
        .map(({ id, fingerprint }) => ({ id, fingerprint })),
    );
    expect(pairs).toHaveLength(2);
    const chosen = await against(
      `SELECT FROM auth_user WHERE tenant_id = '${last.tenant}' FOR UPDATE`,
      first.tenant,
      () => choosePairs(install, caller, { verdict: 'same', reason: 'HR says so', pairs }),
    );
    expect(chosen).toEqual({ decided: 2, refused: [] });
    expect(await install.auditIsWhole()).toBe(true);
  });
});
