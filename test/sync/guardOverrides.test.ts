import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Policy } from '../../src/domain/policy.ts';
import { endGuardOverride, getGuards, overrideGuard } from '../../src/review/guards.ts';
import { getConnection } from '../../src/tenancy/connections.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';

const HOUR = 3_600_000;
let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `u${from + at}`);
const held = (acme: Connected) => acme.inState('held');
const open = (acme: Connected) => acme.inState('open');
const inHours = (hours: number) => new Date(install.clock.now().getTime() + hours * HOUR).toISOString();

/** A hundred users, all applied. No guard but too-many-deletions finds anything: it lets ten go. */
async function settled(hasFeed = false, policy: Omit<z.input<typeof Policy>, 'guards'> = {}) {
  const users = names(1, 100).map((id) => ({ id }));
  const guards = { ...noGuards, deletedPercent: 10, deletedAtLeast: 5 };
  const acme = await install.connect({ directory: aDirectory({ users, hasFeed }), guards, policy });
  await acme.syncAndApply();
  return acme;
}

const override = (
  { connection, administrator }: Connected,
  {
    allowed,
    hours = 24,
    guard = 'too-many-deletions',
  }: { allowed: number | null; hours?: number; guard?: string },
) =>
  overrideGuard(install, administrator, {
    connection,
    guard: guard as 'too-many-deletions',
    allowed,
    until: inHours(hours),
    reason: 'a merger',
  });

const lastRun = async (acme: Connected) => {
  const [run] = await install.store.runs.list(
    acme.tenant,
    { connection: acme.connection },
    { limit: 1, after: null },
  );
  return run;
};

describe('An override of a guard', () => {
  it.each([
    [30, 30, 0],
    [29, 30, 30],
    [null, 30, 0],
  ])('that allows %s lets %i deletions through: %i are held', async (allowed, leaving, expected) => {
    const acme = await settled();
    await override(acme, { allowed });
    acme.directory.remove(...names(1, leaving));
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
  });

  it.each([false, true])(
    'opens what the guard held, at the next plan of whatever kind (a delta: %s)',
    async (hasFeed) => {
      const acme = await settled(hasFeed);
      acme.directory.remove(...names(1, 30));
      await acme.sync();
      expect(await held(acme)).toHaveLength(30);
      await override(acme, { allowed: 40 });
      acme.directory.edit('u99', { displayName: 'Edited' });
      expect(await acme.sync()).toMatchObject({ kind: hasFeed ? 'delta' : 'full' });
      expect(await held(acme)).toEqual([]);
      expect(await open(acme)).toHaveLength(31);
    },
  );

  it('ends by itself: what was not approved by then is held again', async () => {
    const acme = await settled();
    await override(acme, { allowed: null, hours: 2 });
    acme.directory.remove(...names(1, 30));
    await acme.sync();
    await acme.approve('u1', 'u2');
    install.clock.advance(2 * HOUR);
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
    expect(await held(acme)).toHaveLength(28);
    expect((await getGuards(install, acme.administrator, acme.connection)).overrides).toEqual([]);
  });

  it('is ended before its time by who may make one, and another takes its place', async () => {
    const acme = await settled();
    const first = await override(acme, { allowed: null });
    const second = await override(acme, { allowed: 40 });
    expect((await getGuards(install, acme.administrator, acme.connection)).overrides).toEqual([second]);
    await expect(endGuardOverride(install, acme.administrator, first.id)).rejects.toMatchObject({
      code: 'not-found',
    });
    await endGuardOverride(install, acme.administrator, second.id);
    acme.directory.remove(...names(1, 30));
    await acme.sync();
    expect(await held(acme)).toHaveLength(30);
  });

  it('is shown with the connection, and in what the guards found: whose, why, until when', async () => {
    const acme = await settled();
    const made = await override(acme, { allowed: 40 });
    acme.directory.remove(...names(1, 30));
    await acme.sync();
    const { by, reason, until, allowed } = made;
    expect([by, reason]).toEqual([acme.administrator.actor.name, 'a merger']);
    expect(await getConnection(install, acme.administrator, acme.connection)).toMatchObject({
      overrides: [made],
    });
    const finding = {
      guard: 'too-many-deletions',
      counted: 30,
      limit: 10,
      overridden: { by, reason, until, allowed },
    };
    expect((await lastRun(acme))?.findings).toMatchObject([finding]);
    expect(await getGuards(install, acme.administrator, acme.connection)).toMatchObject({
      findings: [
        {
          ...finding,
          explanation: `30 users would be suspended or deleted; up to 10 go without a person looking at them; let through until ${until} by ${by}: a merger`,
        },
      ],
    });
    const entries = await auditOf(install.database.url, acme.tenant);
    expect(entries.find(({ action }) => action === 'guard.overridden')).toMatchObject({
      actor: acme.administrator.actor,
      subject: { kind: 'connection', id: acme.connection },
      details: { guard: 'too-many-deletions', allowed: 40, until, reason: 'a merger' },
    });
    expect(entries.findLast(({ action }) => action === 'plan.stored')).toMatchObject({
      details: { findings: [finding] },
    });
  });

  it('of one guard lets nothing through that another holds', async () => {
    const acme = await settled(false, { protected: { users: ['u1@example.test'] } });
    await override(acme, { allowed: null });
    acme.directory.remove(...names(1, 30));
    await acme.sync();
    expect(await held(acme)).toEqual(['u1']);
  });

  it('of another connection lets nothing through', async () => {
    const [acme, other] = [await settled(), await settled()];
    await override(other, { allowed: null });
    acme.directory.remove(...names(1, 30));
    await acme.sync();
    expect(await held(acme)).toHaveLength(30);
  });

  it('lets go what was held because the directory had shrunk', async () => {
    const users = names(1, 100).map((id) => ({ id }));
    const guards = { ...noGuards, deletedAtLeast: 5, shrunkenPercent: 25 };
    const acme = await install.connect({ directory: aDirectory({ users }), guards });
    await acme.syncAndApply();
    acme.directory.remove(...names(1, 30));
    await acme.sync();
    await acme.sync();
    expect(await held(acme)).toHaveLength(30);
    await override(acme, { allowed: null, guard: 'shrunken-directory' });
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });

  it('of a shrunken directory that allows fewer lets none go, also by a run that does not read everybody', async () => {
    const users = names(1, 100).map((id) => ({ id }));
    const guards = { ...noGuards, deletedAtLeast: 5, shrunkenPercent: 25 };
    const acme = await install.connect({ directory: aDirectory({ users, hasFeed: true }), guards });
    await acme.syncAndApply();
    acme.directory.remove(...names(1, 30));
    await acme.sync({ full: true });
    expect(await held(acme)).toHaveLength(30);
    await override(acme, { allowed: 29, guard: 'shrunken-directory' });
    acme.directory.edit('u99', { displayName: 'Edited' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await held(acme)).toHaveLength(30);
    await acme.sync({ full: true });
    expect(await held(acme)).toHaveLength(30);
    await override(acme, { allowed: 30, guard: 'shrunken-directory' });
    acme.directory.edit('u99', { displayName: 'Edited again' });
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });

  it.each(['protected-users', 'last-administrator', 'last-holder', 'too-few-seats', 'policy-in-doubt'])(
    'is never of %s',
    async (guard) => {
      const acme = await settled();
      await expect(override(acme, { allowed: null, guard })).rejects.toMatchObject({
        code: 'invalid-input',
        message: expect.stringContaining('guard'),
      });
    },
  );

  it.each([
    ['past', -1],
    ['more than ninety days away', 91 * 24],
  ])('is refused with an end that is %s', async (_, hours) => {
    const acme = await settled();
    await expect(override(acme, { allowed: null, hours })).rejects.toMatchObject({ code: 'invalid-input' });
  });

  it('is for administrators: a reviewer decides change by change', async () => {
    const acme = await settled();
    for (const role of ['reviewer', 'auditor'] as const) {
      const administrator = await aCaller(install, acme.tenant, role);
      const asThem = { ...acme, connection: acme.connection, administrator } as Connected;
      await expect(override(asThem, { allowed: null })).rejects.toMatchObject({ code: 'forbidden' });
    }
  });

  it('is out of reach of other tenants, as if the connection were not there', async () => {
    const [acme, other] = [await settled(), await settled()];
    const made = await override(acme, { allowed: null });
    const asThem = { connection: acme.connection, administrator: other.administrator } as Connected;
    await expect(override(asThem, { allowed: null })).rejects.toMatchObject({ code: 'not-found' });
    await expect(endGuardOverride(install, other.administrator, made.id)).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(getGuards(install, other.administrator, acme.connection)).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});
