import { v7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { deleteTenant } from '../../src/tenancy/tenantLife.ts';
import { asOwner } from '../support/database.ts';
import { Install } from '../support/install.ts';
import { aTenant, auditOf } from '../support/tenancy.ts';
import { untilWaiting } from '../support/waiting.ts';
import { killWorkers, startWorker } from './killed.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterEach(killWorkers);
afterAll(() => install.close());

const remove = () => startWorker(install, { remove: 'deleted tenants' });

/** Due when a worker looks: its clock is the machine's, and that of the install is behind. */
async function due(tenant: TenantId): Promise<void> {
  await deleteTenant(install, install.operator, { tenant, at: install.clock.now() });
}

/** Starts a worker and kills it when it waits for the row that `statement` holds. */
async function killedAt(statement: string, values: readonly unknown[]): Promise<void> {
  await asOwner(install.database.url, async (client) => {
    await client.query('BEGIN');
    await client.query(statement, [...values]);
    const worker = remove();
    await untilWaiting(client, 1);
    await worker.kill();
    await client.query('ROLLBACK');
  });
}

async function count(select: string, values: readonly unknown[]): Promise<number> {
  return await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query<{ count: string }>(`SELECT count(*) AS count FROM ${select}`, [
      ...values,
    ]);
    return Number(rows[0]?.count);
  });
}

describe('A worker that is killed while it deletes a tenant', () => {
  it('leaves those marked that it had marked, and the next one marks the others, each once', async () => {
    const top = await aTenant(install);
    await asOwner(install.database.url, (client) =>
      client.query(
        `INSERT INTO tenant (id, parent_id, name, path, data_key)
         SELECT gen_random_uuid(), $1, 'part ' || n, '', '' FROM generate_series(1, 250) AS n`,
        [top],
      ),
    );
    await due(top);
    await killedAt('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [top]); // the last one to be marked
    const deleted = (state: string) =>
      count('tenant WHERE (parent_id = $1 OR id = $1) AND state = $2', [top, state]);
    expect(await deleted('deleted')).toBe(200);
    expect(await deleted('suspended')).toBe(1);
    await remove().outcome;
    expect(await deleted('deleted')).toBe(251);
    const told = `event e JOIN tenant t ON t.id = e.tenant_id WHERE (t.parent_id = $1 OR t.id = $1) AND e.type = 'tenant.deleted'`;
    expect(await count(told, [top])).toBe(251);
    expect(await count(`(SELECT DISTINCT e.tenant_id FROM ${told}) AS once`, [top])).toBe(251);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('leaves what it had not removed to the next one', async () => {
    const tenant = await aTenant(install);
    const ids = Array.from({ length: 2_500 }, () => v7());
    await asOwner(install.database.url, async (client) => {
      await client.query(
        `INSERT INTO auth_user (id, tenant_id, state) SELECT id, $2, 'active' FROM unnest($1::uuid[]) AS id`,
        [ids, tenant],
      );
    });
    const users = () => count('auth_user WHERE tenant_id = $1', [tenant]);
    await due(tenant);
    await killedAt('SELECT FROM auth_user WHERE id = $1 FOR UPDATE', [ids[1_500]]);
    expect(await users()).toBe(1_500); // the first batch is gone, the second is not
    await killedAt('SELECT FROM auth_user WHERE id = $1 FOR UPDATE', [ids[2_400]]);
    expect(await users()).toBe(500);
    await remove().outcome;
    expect(await users()).toBe(0);
    const actions = (await auditOf(install.database.url, tenant)).map(({ action }) => action);
    expect(actions.filter((action) => action === 'tenant.deleted')).toHaveLength(1);
    expect(await install.auditIsWhole()).toBe(true);
  });
});
