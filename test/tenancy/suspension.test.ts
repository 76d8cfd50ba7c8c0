import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { listEvents } from '../../src/review/changes.ts';
import { listRuns, requestRun } from '../../src/sync/runs.ts';
import {
  deleteTenant,
  keepTenant,
  moveTenant,
  resumeTenant,
  suspendTenant,
} from '../../src/tenancy/tenantLife.ts';
import { getTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';
import { aCaller, aTenant, auditOf } from '../support/tenancy.ts';
import { untilFeedIsUpToDate, untilWaiting } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const never = () => new AbortController().signal;
const suspend = (tenant: string) => suspendTenant(install, install.operator, tenant);
const resume = (tenant: string) => resumeTenant(install, install.operator, tenant);
const request = (one: Connected, by = one.administrator) =>
  requestRun(install, by, { connection: one.connection });
const apply = (one: Connected) => startApply(install, one.administrator, { connection: one.connection });
const inADay = () => new Date(install.clock.now().getTime() + 86_400_000);

/** A tenant with a connection, below another. */
async function connected(users = 2) {
  const above = await aTenant(install);
  const one = await install.connect({
    directory: aDirectory({ users, pageSize: 2 }),
    tenant: await aTenant(install, { parent: above }),
  });
  return { above, one };
}

describe.each([
  ['itself', ({ one }: Awaited<ReturnType<typeof connected>>) => one.tenant],
  ['one above it', ({ above }: Awaited<ReturnType<typeof connected>>) => above],
])('While %s is suspended', (_, whichOf) => {
  it('no run is taken on for a tenant, and one that waits fails with the reason', async () => {
    const both = await connected();
    const { one } = both;
    const { run } = await request(one);
    await suspend(whichOf(both));
    await expect(request(one, install.operator)).rejects.toMatchObject({ code: 'tenant-suspended' });
    expect(await one.sync({ run })).toMatchObject({
      result: 'failed',
      failure: { kind: 'tenant-suspended' },
    });
    expect(one.directory.requests).toEqual([]);
    await resume(whichOf(both));
    expect(await one.sync()).toMatchObject({ result: 'finished' });
  });

  it('what a schedule starts is passed over, without a trace among the runs', async () => {
    const both = await connected();
    const { one } = both;
    await suspend(whichOf(both));
    expect(await one.sync({ trigger: 'schedule' })).toEqual({
      result: 'skipped',
      because: 'tenant-suspended',
    });
    expect((await listRuns(install, one.administrator, {})).items).toEqual([]);
    expect(one.directory.requests).toEqual([]);
  });

  it('nothing is applied, and what was approved still is afterwards', async () => {
    const both = await connected();
    const { one } = both;
    await one.sync();
    await one.approveAll();
    await suspend(whichOf(both));
    await expect(apply(one)).rejects.toMatchObject({ code: 'tenant-suspended' });
    expect(await one.users()).toEqual([]);
    await resume(whichOf(both));
    expect(await one.apply()).toMatchObject({ applied: 2 });
  });

  it('it is not among those whose schedules are kept', async () => {
    const both = await connected();
    const working = async () => (await install.store.tenants.working([both.one.tenant])).has(both.one.tenant);
    expect(await working()).toBe(true);
    await suspend(whichOf(both));
    expect(await working()).toBe(false);
    await resume(whichOf(both));
    expect(await working()).toBe(true);
  });
});

describe('A tenant that is suspended', () => {
  it('in the middle of a run gets what the run finds, and no more', async () => {
    const { one } = await connected(4);
    one.directory.faults = {
      beforePage: async (list, page) => {
        if (list === 'users' && page === 2) await suspend(one.tenant);
      },
    };
    expect(await one.sync()).toMatchObject({ result: 'finished', counts: { new: 4 } });
    expect(await one.pending()).toHaveLength(4);
    expect(await one.users()).toEqual([]);
  });

  it('in the middle of an apply gets what is in the batch under way; the rest stays approved for the next', async () => {
    const { one } = await connected(3_500);
    one.directory.pageSize = 500;
    await one.sync();
    await one.approveAll();
    const { apply: id } = await apply(one);
    const { url } = install.database;
    const carried = await asOwner(url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [one.tenant]);
      const carrying = expect(carryOutApply(install, id, { signal: never() })).rejects.toMatchObject({
        code: 'tenant-suspended',
      });
      await untilWaiting(client, 2); // two batches are written, and neither is committed
      await asOwner(url, (other) =>
        other.query(`UPDATE tenant SET state = 'suspended' WHERE id = $1`, [one.tenant]),
      );
      await client.query('COMMIT');
      return { carrying };
    });
    await carried.carrying;
    const users = await one.users();
    expect(users).toHaveLength(2_000);
    expect(await one.inState('approved')).toHaveLength(1_500);
    expect((await auditOf(install.database.url, one.tenant)).map(({ action }) => action)).toContain(
      'apply.abandoned',
    );
    expect(await carryOutApply(install, id, { signal: never() })).toMatchObject({ applied: 2_000 });
    await resume(one.tenant);
    expect(await one.apply()).toMatchObject({ applied: 1_500 });
    expect(await one.events()).toHaveLength(3_500);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('is seen, and changed, by those above; its own state is not for it to say', async () => {
    const { above, one } = await connected();
    const admin = await aCaller(install, above);
    await suspendTenant(install, admin, one.tenant);
    expect(await getTenant(install, admin, one.tenant)).toMatchObject({ state: 'suspended' });
    expect(await suspendTenant(install, admin, one.tenant)).toMatchObject({ version: 2 }); // again is no error
    for (const verb of [suspendTenant, resumeTenant, keepTenant])
      await expect(verb(install, one.administrator, one.tenant)).rejects.toMatchObject({
        code: 'not-allowed-now',
      });
    await expect(suspendTenant(install, install.operator, install.store.root)).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    const reviewer = await aCaller(install, above, 'reviewer');
    await expect(resumeTenant(install, reviewer, one.tenant)).rejects.toMatchObject({ code: 'forbidden' });
    expect(await resumeTenant(install, admin, one.tenant)).toMatchObject({ state: 'active', version: 3 });
  });

  it('is told of in its log and in the feed, once each', async () => {
    const { one } = await connected();
    await suspend(one.tenant);
    await suspend(one.tenant);
    await resume(one.tenant);
    await resume(one.tenant);
    await untilFeedIsUpToDate(install.database.url);
    const told = (await listEvents(install, one.administrator, { limit: 500 })).items.map(({ type }) => type);
    expect(told).toEqual(['tenant.created', 'tenant.suspended', 'tenant.resumed']);
    const actions = (await auditOf(install.database.url, one.tenant)).map(({ action }) => action);
    expect(actions.filter((action) => /suspended|resumed/.test(action))).toEqual([
      'tenant.suspended',
      'tenant.resumed',
    ]);
  });
});

/** With a part, an administrator above that part, and what only those further above may do. */
async function customer() {
  const top = await aTenant(install);
  const part = await aTenant(install, { parent: top });
  const onlyFromAbove = async (work: () => Promise<unknown>) => {
    const before = await getTenant(install, install.operator, part);
    await expect(work()).rejects.toMatchObject({ code: 'not-allowed-now' });
    expect(await getTenant(install, install.operator, part)).toEqual(before);
  };
  return { top, part, admin: await aCaller(install, top), onlyFromAbove };
}

describe('A suspension', () => {
  it('from above is lifted from there alone, and its parts are not moved out of it', async () => {
    const { top, part, admin, onlyFromAbove } = await customer();
    const inside = await aTenant(install, { parent: await aTenant(install, { parent: part }) });
    await suspend(part);
    await onlyFromAbove(() => resumeTenant(install, admin, part));
    expect(await suspendTenant(install, admin, part)).toMatchObject({ version: 2 }); // does not make it theirs
    await onlyFromAbove(() => resumeTenant(install, admin, part));
    await onlyFromAbove(() => moveTenant(install, admin, { tenant: inside, parent: top }));
    await moveTenant(install, admin, { tenant: inside, parent: part }); // stays below it
    expect(await resume(part)).toMatchObject({ state: 'active' });
    await moveTenant(install, admin, { tenant: inside, parent: top });
  });

  it('of one’s own is for everybody above to lift, and for those further above to make theirs', async () => {
    const { top, part, admin, onlyFromAbove } = await customer();
    const colleague = await aCaller(install, top);
    await suspendTenant(install, admin, part);
    expect(await resumeTenant(install, colleague, part)).toMatchObject({ state: 'active' });
    await suspendTenant(install, admin, part);
    expect(await resume(part)).toMatchObject({ state: 'active' });
    await suspendTenant(install, admin, part);
    await suspend(part);
    await onlyFromAbove(() => resumeTenant(install, admin, part));
    await resume(part);
    await suspendTenant(install, admin, part); // nothing is left of who had it suspended before
    expect(await resumeTenant(install, admin, part)).toMatchObject({ state: 'active' });
  });

  it('from before it was stored by whom is, by the audit log, of whoever suspended it last', async () => {
    const both = [await customer(), await customer()] as const;
    await suspend(both[0].part);
    await suspendTenant(install, both[1].admin, both[1].part);
    const text = readFileSync(
      new URL('../../prisma/migrations/20261122091100_suspended_by/migration.sql', import.meta.url),
      'utf8',
    );
    const statement = text.match(/^UPDATE tenant t SET[\s\S]*?;/m)?.[0] ?? '';
    const parts = both.map(({ part }) => part);
    const rows = await asOwner(install.database.url, async (client) => {
      await client.query('UPDATE tenant SET suspended_by = NULL WHERE id = ANY ($1)', [parts]);
      await client.query(statement);
      return (await client.query('SELECT id, suspended_by FROM tenant WHERE id = ANY ($1)', [parts])).rows;
    });
    expect(Object.fromEntries(rows.map((row) => [row.id, row.suspended_by]))).toEqual({
      [both[0].part]: install.store.root,
      [both[1].part]: both[1].top,
    });
  });
});

describe('A deletion that is scheduled', () => {
  it('suspends the tenant until it is called off, which makes it what it was', async () => {
    const { one } = await connected();
    const at = inADay();
    const schedule = () => deleteTenant(install, install.operator, { tenant: one.tenant, at });
    expect(await schedule()).toMatchObject({ state: 'suspended', deleteAt: at });
    await expect(request(one)).rejects.toMatchObject({ code: 'tenant-suspended' });
    await expect(resume(one.tenant)).rejects.toMatchObject({ code: 'not-allowed-now' });
    expect(await keepTenant(install, install.operator, one.tenant)).toMatchObject({
      state: 'active',
      deleteAt: null,
    });
    await suspend(one.tenant);
    await schedule();
    await deleteTenant(install, install.operator, { tenant: one.tenant, at: inADay() }); // another date
    expect(await keepTenant(install, install.operator, one.tenant)).toMatchObject({
      state: 'suspended',
      deleteAt: null,
    });
    await resume(one.tenant);
    expect(await one.sync()).toMatchObject({ result: 'finished' });
    const actions = (await auditOf(install.database.url, one.tenant)).map(({ action }) => action);
    expect(actions.filter((action) => action.startsWith('tenant.deletion'))).toEqual([
      'tenant.deletion-scheduled',
      'tenant.deletion-called-off',
      'tenant.deletion-scheduled',
      'tenant.deletion-scheduled',
      'tenant.deletion-called-off',
    ]);
  });

  it('is refused for a date that has passed, and cannot be called off once it is due', async () => {
    const tenant = await aTenant(install);
    const at = (ms: number) => new Date(install.clock.now().getTime() + ms);
    await expect(deleteTenant(install, install.operator, { tenant, at: at(-1) })).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [{ path: 'at' }],
    });
    await deleteTenant(install, install.operator, { tenant, at: at(1_000) });
    install.clock.advance(1_000);
    await expect(keepTenant(install, install.operator, tenant)).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    await expect(deleteTenant(install, install.operator, { tenant, at: at(1_000) })).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
  });

  it('from above is neither called off below nor given another date, and the suspension before it stays whose it was', async () => {
    const { admin, part, onlyFromAbove } = await customer();
    const schedule = (by = install.operator) => deleteTenant(install, by, { tenant: part, at: inADay() });
    await schedule(admin);
    await schedule(); // the date is from above now
    await onlyFromAbove(() => keepTenant(install, admin, part));
    await onlyFromAbove(() => schedule(admin));
    await keepTenant(install, install.operator, part);

    await suspendTenant(install, admin, part);
    await schedule();
    expect(await keepTenant(install, install.operator, part)).toMatchObject({ state: 'suspended' });
    expect(await resumeTenant(install, admin, part)).toMatchObject({ state: 'active' });

    await suspend(part);
    await schedule(admin);
    expect(await keepTenant(install, admin, part)).toMatchObject({ state: 'suspended' });
    await onlyFromAbove(() => resumeTenant(install, admin, part));
    await resume(part);

    await schedule(admin);
    await suspend(part); // so that calling the deletion off does not resume it
    expect(await keepTenant(install, admin, part)).toMatchObject({ state: 'suspended' });
    await onlyFromAbove(() => resumeTenant(install, admin, part));
  });

  it('lets nothing new begin below', async () => {
    const tenant = await aTenant(install);
    const child = await aTenant(install, { parent: tenant });
    await deleteTenant(install, install.operator, { tenant, at: inADay() });
    for (const parent of [tenant, child])
      await expect(aTenant(install, { parent })).rejects.toMatchObject({ code: 'not-allowed-now' });
  });
});
