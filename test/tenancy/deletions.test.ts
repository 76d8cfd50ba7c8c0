import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { startApply } from '../../src/review/apply.ts';
import { listAudit, verifyAudit } from '../../src/review/audit.ts';
import { listEvents } from '../../src/review/changes.ts';
import { listConnections } from '../../src/tenancy/connections.ts';
import { listPrincipals } from '../../src/tenancy/principals.ts';
import { deleteTenant, moveTenant } from '../../src/tenancy/tenantLife.ts';
import { removeDueTenants } from '../../src/tenancy/tenantRemoval.ts';
import {
  createTenant,
  describeTenant,
  getTenant,
  listTenants,
  verifyDomain,
} from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { fillEveryTable } from '../support/everyTable.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aTenant, aUser, auditOf } from '../support/tenancy.ts';
import { untilFeedIsUpToDate, untilWaiting } from '../support/waiting.ts';

let install: Install;
const logged: { readonly event?: string }[] = [];
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const never = () => new AbortController().signal;
const log = {
  info: (line: object) => void logged.push(line),
  warn: (line: object) => void logged.push(line),
};
const remove = (tenant: string, at: Date | null = null) =>
  deleteTenant(install, install.operator, { tenant, at });
const soon = () => new Date(install.clock.now().getTime() + 1_000);
const tidy = () => removeDueTenants({ store: install.store, clock: install.clock, log }, never());
const stateOf = (tenant: TenantId) =>
  asOwner(install.database.url, async (client) => {
    const { rows } = await client.query(
      'SELECT state, purged_at IS NOT NULL AS purged FROM tenant WHERE id = $1',
      [tenant],
    );
    return rows[0] as { state: string; purged: boolean };
  });

/** Due, deleted, and long enough after that for it to be recorded as purged. */
async function untilPurged(tenant: TenantId): Promise<void> {
  await remove(tenant, soon());
  install.clock.advance(1_000);
  await tidy();
  install.clock.advance(600_000);
  await tidy();
}

describe('A deletion at once', () => {
  it('is refused with all that uses the tenant, counted', async () => {
    const tenant = await aTenant(install);
    for (const _ of [1, 2]) await aTenant(install, { parent: tenant });
    const acme = await install.connect({ directory: aDirectory({ users: 1 }), tenant });
    await aUser(install.database.url, tenant, { connection: acme.connection });
    await aUser(install.database.url, tenant, { state: 'deleted' });
    await install.store.runs.queue(
      { connection: acme.connection, tenant },
      { mapping: {} as never, readingFingerprint: '', full: false, users: null },
      install.operator.actor,
      install.clock.now(),
    );
    await expect(remove(tenant)).rejects.toMatchObject({
      code: 'tenant-in-use',
      message: 'The tenant is in use: 2 tenants below it, 1 connection, 1 user, 1 run or apply under way.',
    });
    expect(await getTenant(install, install.operator, tenant)).toMatchObject({ state: 'active', version: 1 });
  });

  it('takes a tenant that nothing uses out of every list; its name is free, and its log stays', async () => {
    const parent = await aTenant(install);
    const admin = await aCaller(install, parent);
    const name = 'For a while';
    const { id } = await createTenant(install, admin, { name, parent });
    await aCaller(install, id); // an administrator alone is no use
    expect(await deleteTenant(install, admin, { tenant: id })).toMatchObject({ id, state: 'deleted' });
    expect((await listTenants(install, admin)).items.map((one) => one.id)).toEqual([parent]);
    expect((await describeTenant(install, admin, parent)).children.items).toEqual([]);
    expect((await listPrincipals(install, admin)).items.filter(({ tenant }) => tenant === id)).toEqual([]);
    for (const attempt of [
      () => getTenant(install, admin, id),
      () => deleteTenant(install, admin, { tenant: id }),
      () => createTenant(install, admin, { name: 'Below it', parent: id }),
      () => moveTenant(install, install.operator, { tenant: id, parent: install.store.root }),
      () => aCaller(install, id),
    ])
      await expect(attempt()).rejects.toMatchObject({ code: 'not-found' });
    await expect(createTenant(install, admin, { name, parent })).resolves.toMatchObject({ name });
    const { items } = await listAudit(install, admin, { tenant: id, order: 'oldest' });
    expect(items.map(({ action }) => action)).toEqual([
      'tenant.created',
      'principal.created',
      'tenant.deleted',
    ]);
    expect(await verifyAudit(install, admin, { tenant: id })).toMatchObject({ tenants: [{ ok: true }] });
  });

  it('of one’s own tenant, or of the root, is refused', async () => {
    const tenant = await aTenant(install);
    const admin = await aCaller(install, tenant);
    await expect(deleteTenant(install, admin, { tenant })).rejects.toMatchObject({ code: 'not-allowed-now' });
    await expect(remove(install.store.root)).rejects.toMatchObject({ code: 'not-allowed-now' });
  });

  it('waits for who is adding a connection at that moment, and is refused then', async () => {
    const tenant = await aTenant(install);
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO connection (id, tenant_id, name, provider, settings, credentials, network, mapping, policy)
         VALUES ($1, $2, 'new', 'okta', '{}', '\\x00', '{}', '{}', '{}')`,
        [v7(), tenant],
      );
      const refused = expect(remove(tenant)).rejects.toMatchObject({ code: 'tenant-in-use' });
      await asOwner(install.database.url, (other) => untilWaiting(other, 1));
      await client.query('COMMIT');
      await refused;
      await client.query('DELETE FROM connection WHERE tenant_id = $1', [tenant]);
    });
  });
});

/** A tenant with a connection and people, and another below it with the same. */
async function twoLevels(): Promise<{ top: Connected; low: Connected; beside: TenantId }> {
  const top = await install.connect({ directory: aDirectory({ users: 3 }), guards: noGuards });
  const tenant = await aTenant(install, { parent: top.tenant });
  const low = await install.connect({ directory: aDirectory({ users: 2 }), tenant, guards: noGuards });
  for (const one of [top, low]) {
    await one.syncAndApply();
    one.directory.remove('u1');
    await one.sync();
    await one.approve('u1');
  }
  return { top, low, beside: await aTenant(install) };
}

/** Tables whose rows say whose they are. */
async function everyTable(): Promise<readonly string[]> {
  return await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
       WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  });
}

/** How many rows of each table say that they are of these tenants. */
async function heldBy(...tenants: readonly TenantId[]): Promise<Readonly<Record<string, number>>> {
  const tables = await everyTable();
  return await asOwner(install.database.url, async (client) => {
    const held: Record<string, number> = {};
    for (const name of tables) {
      const { rows } = await client.query(
        `SELECT count(*)::int AS rows FROM ${name} WHERE tenant_id = ANY ($1)`,
        [tenants],
      );
      if (rows[0].rows > 0) held[name] = rows[0].rows;
    }
    return held;
  });
}

describe('A deletion that is due', () => {
  it('takes the tenant and all below it, with changes that wait, and leaves their logs and an event each', async () => {
    const { top, low, beside } = await twoLevels();
    const reader = await aCaller(install, install.store.root, 'auditor');
    const others = await heldBy(beside);
    await remove(top.tenant, soon());
    await tidy();
    expect(await stateOf(top.tenant)).toEqual({ state: 'suspended', purged: false }); // not yet
    install.clock.advance(1_000);
    await tidy();
    for (const tenant of [top.tenant, low.tenant])
      expect(await stateOf(tenant)).toEqual({ state: 'deleted', purged: false });
    const log = Object.keys(await heldBy(top.tenant, low.tenant)).sort();
    expect(log).toEqual(['audit_entry', 'audit_head', 'event']);
    install.clock.advance(600_000);
    await tidy();
    for (const tenant of [top.tenant, low.tenant]) {
      expect(await stateOf(tenant)).toEqual({ state: 'deleted', purged: true });
      const actions = (await auditOf(install.database.url, tenant)).map(({ action }) => action);
      expect(actions).toContain('change.applied');
      expect(actions.slice(-2)).toEqual(['tenant.deleted', 'tenant.purged']);
    }
    expect(await heldBy(beside)).toEqual(others);
    expect(await install.auditIsWhole()).toBe(true);
    await untilFeedIsUpToDate(install.database.url);
    const told = (await listEvents(install, reader, { limit: 500 })).items.filter(({ tenant }) =>
      [top.tenant, low.tenant].includes(tenant),
    );
    expect(told.map(({ type, tenant, data }) => [type, tenant === data['tenant']])).toEqual([
      ['tenant.deleted', true],
      ['tenant.deleted', true],
    ]);
    const names = (await listConnections(install, install.operator, { limit: 500 })).items.map(
      ({ id }) => id,
    );
    expect(names).not.toContain(top.connection);
  });

  it('leaves nothing in any table that a tenant has anything in', async () => {
    const [tenant, beside] = [await aTenant(install), await aTenant(install)];
    await asOwner(install.database.url, async (client) => {
      for (const one of [tenant, beside]) await fillEveryTable(client, one);
    });
    const [before, others] = [await heldBy(tenant), await heldBy(beside)];
    expect(Object.keys(before)).toEqual(await everyTable());
    await untilPurged(tenant);
    expect(Object.keys(await heldBy(tenant)).sort()).toEqual(['audit_entry', 'audit_head', 'event']);
    expect(await heldBy(beside)).toEqual(others);
  });

  it('waits for a run that is under way', async () => {
    const { top } = await twoLevels();
    top.directory.add({ id: 'u9' });
    top.directory.faults = {
      beforePage: async (list, page) => {
        if (list !== 'users' || page !== 1) return;
        await remove(top.tenant, soon());
        install.clock.advance(1_000);
        logged.length = 0;
        await tidy();
        expect(await stateOf(top.tenant)).toMatchObject({ state: 'suspended' });
        expect(logged).toContainEqual(
          expect.objectContaining({ event: 'tenant.deletion-waits', tenant: top.tenant, runs: 1 }),
        );
      },
    };
    expect(await top.sync()).toMatchObject({ result: 'finished' });
    await tidy();
    expect(await stateOf(top.tenant)).toMatchObject({ state: 'deleted' });
    expect(Object.keys(await heldBy(top.tenant)).sort()).toEqual(['audit_entry', 'audit_head', 'event']);
  });

  it('ends an apply that is under way after its batch, which is all that it did', async () => {
    const top = await install.connect({ directory: aDirectory({ users: 2 }) });
    await top.sync();
    await top.approveAll();
    await startApply(install, top.administrator, { connection: top.connection });
    await remove(top.tenant, soon());
    install.clock.advance(1_000);
    await tidy();
    const actions = (await auditOf(install.database.url, top.tenant)).map(({ action }) => action);
    expect(actions.slice(-3)).toEqual(['tenant.deletion-scheduled', 'apply.abandoned', 'tenant.deleted']);
    expect(actions).not.toContain('change.applied');
    expect(Object.keys(await heldBy(top.tenant)).sort()).toEqual(['audit_entry', 'audit_head', 'event']);
  });

  it('finds what came late, and says that it is purged only when nothing has come for some minutes', async () => {
    const tenant = await aTenant(install);
    await remove(tenant, soon());
    install.clock.advance(1_000);
    await tidy();
    await aUser(install.database.url, tenant); // a statement that had begun before
    await tidy();
    expect(await stateOf(tenant)).toEqual({ state: 'deleted', purged: false });
    expect(await heldBy(tenant)).not.toHaveProperty('auth_user');
    install.clock.advance(600_000);
    await tidy();
    expect(await stateOf(tenant)).toEqual({ state: 'deleted', purged: true });
  });

  it('keeps, without a name, an administrator who decided in a tenant that was moved out since', async () => {
    const { top, low, beside } = await twoLevels();
    const boss = await aCaller(install, top.tenant);
    await asOwner(install.database.url, (client) =>
      client.query(`UPDATE decision SET principal_id = $1 WHERE tenant_id = $2 AND made_by = 'person'`, [
        boss.principal,
        low.tenant,
      ]),
    );
    await moveTenant(install, install.operator, { tenant: low.tenant, parent: beside });
    await untilPurged(top.tenant);
    expect(await heldBy(top.tenant)).toEqual(expect.objectContaining({ principal: 1 }));
    const left = await asOwner(install.database.url, (client) =>
      client.query(
        'SELECT id, name, disabled_at IS NOT NULL AS disabled FROM principal WHERE tenant_id = $1',
        [top.tenant],
      ),
    );
    expect(left.rows).toEqual([{ id: boss.principal, name: boss.principal, disabled: true }]);
    expect(await low.apply()).toMatchObject({ applied: 1 });
  });

  it.each([
    ['be marked', 'tenant', 'UPDATE', 'NEW.id'],
    ['be emptied', 'tenant_domain', 'DELETE', 'OLD.tenant_id'],
  ])(
    'of a tenant that cannot %s holds up no other one’s, and is tried again',
    async (_, table, when, whose) => {
      const [stuck, free] = [await aTenant(install), await aTenant(install)];
      for (const tenant of [stuck, free]) {
        await verifyDomain(install, install.operator, { tenant, domain: `${tenant}.example` });
        await remove(tenant, soon());
      }
      await asOwner(install.database.url, (client) =>
        client.query(
          `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF ${whose} = '${stuck}' THEN RAISE EXCEPTION 'stuck'; END IF; RETURN coalesce(NEW, OLD); END $$;
         CREATE TRIGGER refusing BEFORE ${when} ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse()`,
        ),
      );
      install.clock.advance(1_000);
      logged.length = 0;
      try {
        await tidy();
      } finally {
        await asOwner(install.database.url, (client) => client.query('DROP FUNCTION refuse() CASCADE'));
      }
      expect(logged).toContainEqual(
        expect.objectContaining({ event: 'tenant.removal-failed', tenant: stuck }),
      );
      expect(await heldBy(free)).not.toHaveProperty('tenant_domain');
      expect(await heldBy(stuck)).toHaveProperty('tenant_domain');
      await tidy();
      expect(await heldBy(stuck)).not.toHaveProperty('tenant_domain');
      expect((await stateOf(stuck)).state).toBe('deleted');
    },
  );

  it('is carried out by one process at a time, whichever it is', async () => {
    const { top, low } = await twoLevels();
    await remove(top.tenant, soon());
    install.clock.advance(1_000);
    await Promise.all([tidy(), tidy(), tidy()]);
    for (const tenant of [top.tenant, low.tenant]) {
      const actions = (await auditOf(install.database.url, tenant)).map(({ action }) => action);
      expect(actions.filter((action) => action === 'tenant.deleted')).toHaveLength(1);
    }
    await tidy();
    expect(Object.keys(await heldBy(top.tenant, low.tenant)).sort()).toEqual([
      'audit_entry',
      'audit_head',
      'event',
    ]);
  });
});
