import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller, PrincipalRole } from '../../src/domain/permission.ts';
import type { ReviewRule } from '../../src/domain/reviewRules.ts';
import { getChange } from '../../src/review/changes.ts';
import { decide } from '../../src/review/decide.ts';
import { overrideGuard } from '../../src/review/guards.ts';
import { choosePairs, listPairs } from '../../src/review/pairs.ts';
import { getTimeline } from '../../src/review/timeline.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { disablePrincipal } from '../../src/tenancy/principals.ts';
import { moveTenant } from '../../src/tenancy/tenantLife.ts';
import { setTenantPolicy } from '../../src/tenancy/tenantPolicy.ts';
import { getTenant, updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

type Require = Exclude<ReviewRule['decide'], 'approve'>['require'];

/** Joiners u1 to u<users>, of whom the policy says what it takes to approve them. */
async function asking(require: Partial<Require>, users = 1, tenant?: TenantId): Promise<Connected> {
  const rules = [{ name: 'all', when: 'true', decide: { require } }] as ReviewRule[];
  const directory = aDirectory({ users });
  const where = tenant === undefined ? {} : { tenant };
  const acme = await install.connect({ directory, guards: noGuards, policy: { rules }, ...where });
  await acme.sync();
  return acme;
}

const somebody = (acme: Connected, role: PrincipalRole = 'reviewer') => aCaller(install, acme.tenant, role);

async function approve(acme: Connected, by: Caller, ...externalIds: readonly string[]) {
  const shown = (await acme.live()).filter(({ externalId }) => externalIds.includes(externalId));
  const changes = shown.map(({ id, fingerprint, decision }) => ({
    ...{ id, fingerprint, decision: decision?.id ?? null },
  }));
  return await decide(install, by, { verdict: 'approve', reason: 'checked', changes });
}

async function approveAll(acme: Connected, by: Caller, filter: object = {}) {
  const of = { connection: acme.connection, revision: await acme.revision(), filter };
  return await decide(install, by, { verdict: 'approve', reason: 'checked', ...of });
}

const stateOf = async (acme: Connected, externalId = 'u1') => (await acme.changeOf(externalId)).state;

describe('Where a policy asks for two approvals', () => {
  it('the first waits for the second, and shows who gave it', async () => {
    const acme = await asking({ approvals: 2 });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    expect(await approve(acme, one, 'u1')).toEqual({ decided: 0, waiting: 1, refused: [] });
    const waiting = await acme.changeOf('u1');
    expect(waiting).toMatchObject({
      state: 'open',
      decision: null,
      approvals: { needed: 2, from: 'reviewer', given: [{ by: one.actor.name, reason: 'checked' }] },
    });
    await expect(acme.apply()).rejects.toMatchObject({ code: 'not-allowed-now' });
    expect(await approve(acme, other, 'u1')).toEqual({ decided: 1, waiting: 0, refused: [] });
    const approved = await acme.changeOf('u1');
    expect(approved).toMatchObject({ state: 'approved', decision: { by: other.actor.name } });
    expect(approved.approvals?.given.map(({ by }) => by)).toEqual([one.actor.name, other.actor.name]);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
    const { id: user } = await acme.user('u1');
    const { items } = await getTimeline(install, acme.administrator, { user });
    expect(items.filter(({ what }) => what === 'decided')).toMatchObject([
      { by: one.actor.name, approval: { number: 1, of: 2, last: false } },
      { by: other.actor.name, approval: { number: 2, of: 2, last: true } },
    ]);
    const actions = (await auditOf(install.database.url, acme.tenant)).map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(['changes.approval-given', 'changes.approved']));
  });

  it('nobody gives both', async () => {
    const acme = await asking({ approvals: 2 });
    const one = await somebody(acme);
    await approve(acme, one, 'u1');
    expect(await approve(acme, one, 'u1')).toMatchObject({
      decided: 0,
      waiting: 0,
      refused: [{ because: 'approved-already', explanation: expect.stringContaining('somebody else') }],
    });
    expect(await approveAll(acme, one)).toMatchObject({
      decided: 0,
      left: [{ because: 'approved-already', changes: 1 }],
    });
    expect(await stateOf(acme)).toBe('open');
  });

  it('and by now for fewer, those that were given are enough once one of them is given again', async () => {
    const acme = await asking({ approvals: 3 });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await approve(acme, one, 'u1');
    await approve(acme, other, 'u1');
    const rules: ReviewRule[] = [
      { name: 'all', when: 'true', decide: { require: { approvals: 2, from: 'reviewer' } } },
    ];
    await updateConnection(install, acme.administrator, {
      connection: acme.connection,
      policy: { rules, guards: noGuards },
    });
    await acme.sync();
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 1, refused: [] });
  });

  it('of two who give theirs at once, exactly one completes it', async () => {
    const acme = await asking({ approvals: 2 }, 40);
    const racing = [await somebody(acme), await somebody(acme)];
    const results = await Promise.all(racing.map((by) => approveAll(acme, by)));
    expect(results.reduce((sum, { decided }) => sum + decided, 0)).toBe(40);
    expect(results.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(40);
    expect(await acme.inState('approved')).toHaveLength(40);
  });

  it('one by somebody who may not decide any more does not count', async () => {
    const acme = await asking({ approvals: 2 });
    const [gone, one, other] = [await somebody(acme), await somebody(acme), await somebody(acme)];
    await approve(acme, gone, 'u1');
    await disablePrincipal(install, acme.administrator, gone.principal);
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    expect((await acme.changeOf('u1')).approvals?.given.map(({ by }) => by)).toEqual([one.actor.name]);
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 1 });
  });

  it('one by somebody of a tenant above counts, although this tenant does not see them', async () => {
    const acme = await asking({ approvals: 2 });
    const above = await aCaller(install, install.store.root, 'reviewer');
    await approve(acme, above, 'u1');
    expect(await approve(acme, await somebody(acme), 'u1')).toMatchObject({ decided: 1 });
  });

  it('a refusal between them makes them begin anew', async () => {
    const acme = await asking({ approvals: 2 });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await approve(acme, one, 'u1');
    await acme.decide('reject', 'u1');
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    expect(await stateOf(acme)).toBe('rejected');
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 1 });
  });

  it('a refusal of all makes them begin anew too who were just approving', async () => {
    const acme = await asking({ approvals: 2 });
    const one = await somebody(acme);
    const { id } = await acme.changeOf('u1');
    const revision = await acme.revision();
    const refusing = await asOwner(install.database.url, async (sql) => {
      await sql.query('BEGIN');
      await sql.query('SELECT FROM change WHERE id = $1 FOR UPDATE', [id]);
      await sql.query(
        `INSERT INTO approval (decision_id, change_id, tenant_id, connection_id, principal_id, created_at)
         SELECT gen_random_uuid(), id, tenant_id, connection_id, $2, now() FROM change WHERE id = $1`,
        [id, one.principal],
      );
      const rejection = {
        verdict: 'reject',
        reason: 'not now',
        connection: acme.connection,
        revision,
      };
      const refused = decide(install, acme.administrator, rejection);
      await vi.waitFor(async () => {
        const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        expect((await sql.query(waiting)).rowCount).toBe(1);
      }, 5_000);
      await sql.query('COMMIT');
      return await refused;
    });
    expect(refusing).toMatchObject({ decided: 1 });
    const given = await asOwner(install.database.url, (sql) =>
      sql.query('SELECT FROM approval WHERE change_id = $1', [id]),
    );
    expect(given.rowCount).toBe(0);
  });

  it('what was approved and taken back takes two again', async () => {
    const acme = await asking({ approvals: 2 });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await approve(acme, one, 'u1');
    await approve(acme, other, 'u1');
    await acme.decide('hold', 'u1');
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    expect(await stateOf(acme)).toBe('held');
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 1 });
  });

  it('both let go what a guard holds, knowing what it found; one given before does not', async () => {
    const groups = [{ id: 'g', members: ['u1'], name: 'G' }];
    const mapping = { roles: [{ group: 'G', role: 'keeper' }] };
    const acme = await install.connect({
      directory: aDirectory({ users: 3, groups }),
      mapping,
      guards: noGuards,
    });
    await acme.syncAndApply();
    const rules: ReviewRule[] = [
      { name: 'all', when: 'true', decide: { require: { approvals: 2, from: 'reviewer' } } },
    ];
    const policy = (keepOneOf: string[]) =>
      updateConnection(install, acme.administrator, {
        ...{
          connection: acme.connection,
          policy: { rules, guards: noGuards, keepOneOf, samePerson: 'show' as const },
        },
      });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await policy([]);
    acme.directory.remove('u1');
    await acme.sync();
    expect(await approve(acme, one, 'u1')).toMatchObject({ waiting: 1 });
    await policy(['keeper']);
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({ state: 'held', approvals: { given: [] } });
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    expect(await stateOf(acme)).toBe('held');
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 1 });
    expect(await acme.apply()).toMatchObject({ applied: 1, held: 0 });
  });

  it('both are of the same content: what the directory says later takes two again', async () => {
    const acme = await asking({ approvals: 2 });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await approve(acme, one, 'u1');
    acme.directory.edit('u1', { displayName: 'Somebody else' });
    await acme.sync();
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
  });

  it('a run that changes others leaves what was given', async () => {
    const acme = await asking({ approvals: 2 }, 3);
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await approveAll(acme, one);
    acme.directory.edit('u3', { displayName: 'Somebody else' });
    await acme.sync();
    expect(await approveAll(acme, other)).toMatchObject({ decided: 2, waiting: 1 });
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
  });

  it('what nothing is asked of is approved by one beside what waits for another', async () => {
    const acme = await asking({ approvals: 2 }, 2);
    await asOwner(install.database.url, (client) =>
      client.query(`UPDATE change SET verdict_id = NULL WHERE connection_id = $1 AND external_id = 'u2'`, [
        acme.connection,
      ]),
    );
    expect(await approveAll(acme, await somebody(acme))).toMatchObject({ decided: 1, waiting: 1 });
    expect(await acme.inState('approved')).toEqual(['u2']);
  });
});

describe('Whose approval counts', () => {
  it('is said by the role that the policy names', async () => {
    const acme = await asking({ approvals: 1, from: 'tenant-administrator' });
    expect(await approve(acme, await somebody(acme), 'u1')).toMatchObject({
      decided: 0,
      refused: [{ because: 'needs-role', explanation: expect.stringContaining('tenant-administrator') }],
    });
    expect(await approve(acme, await somebody(acme, 'tenant-administrator'), 'u1')).toMatchObject({
      decided: 1,
    });
  });

  it('leaves out whoever has changed the configuration since the last apply', async () => {
    const acme = await asking({ approvals: 1, configurators: 'refused' });
    const [author, reviewer] = [await somebody(acme, 'tenant-administrator'), await somebody(acme)];
    await updateConnection(install, author, { connection: acme.connection, schedule: '0 5 * * *' });
    expect(await approve(acme, author, 'u1')).toMatchObject({
      decided: 0,
      refused: [{ because: 'own-configuration', explanation: expect.stringContaining('another reviewer') }],
    });
    expect(await approve(acme, reviewer, 'u1')).toMatchObject({ decided: 1 });
    await acme.apply();
    acme.directory.add({ id: 'later' });
    install.clock.advance(60_000);
    await acme.sync();
    expect(await approve(acme, author, 'later')).toMatchObject({ decided: 1 });
  });

  it('leaves out whoever has set a guard aside, or changed the policy of the tenant', async () => {
    const acme = await asking({ configurators: 'refused' }, 2);
    const [one, other] = [
      await somebody(acme, 'tenant-administrator'),
      await somebody(acme, 'tenant-administrator'),
    ];
    await overrideGuard(install, one, {
      ...{ connection: acme.connection, guard: 'too-many-changes', allowed: null, reason: 'a merger' },
      until: new Date(install.clock.now().getTime() + 86_400_000).toISOString(),
    });
    await setTenantPolicy(install, other, { tenant: acme.tenant, timeZone: 'Europe/Berlin' });
    for (const by of [one, other])
      expect(await approve(acme, by, 'u1')).toMatchObject({ refused: [{ because: 'own-configuration' }] });
    expect(await approve(acme, await somebody(acme), 'u1')).toMatchObject({ decided: 1 });
  });

  it('leaves out each who has changed a policy that the connection goes by, of tenants above too, and nobody for one elsewhere', async () => {
    const [parent, elsewhere] = [await install.tenant(), await install.tenant()];
    const require = { configurators: 'refused' } as const;
    const acme = await asking(require, 1, await install.tenant(parent));
    const authorOf = (tenant: TenantId) => aCaller(install, tenant, 'tenant-administrator');
    const [first, last, above] = [
      await somebody(acme, 'tenant-administrator'),
      await authorOf(acme.tenant),
      await authorOf(parent),
    ];
    await setTenantPolicy(install, first, { tenant: acme.tenant, timeZone: 'Europe/Berlin' });
    await setTenantPolicy(install, last, { tenant: acme.tenant, timeZone: 'Europe/Paris' });
    await setTenantPolicy(install, above, { tenant: parent, timeZone: 'Europe/Rome' });
    for (const by of [first, last, above])
      expect(await approve(acme, by, 'u1')).toMatchObject({ refused: [{ because: 'own-configuration' }] });
    const free = await aCaller(install, parent, 'tenant-administrator');
    await setTenantPolicy(install, install.operator, { tenant: elsewhere, timeZone: 'Europe/Rome' });
    await setTenantPolicy(install, free, { tenant: await install.tenant(parent), timeZone: 'Europe/Rome' });
    expect(await approve(acme, free, 'u1')).toMatchObject({ decided: 1 });
    await acme.apply();
    install.clock.advance(60_000);
    acme.directory.add({ id: 'later' });
    await acme.sync();
    expect(await approve(acme, first, 'later')).toMatchObject({ decided: 1 });
  });

  it('leaves them out of what waits already, whatever else is applied', async () => {
    const acme = await asking({ configurators: 'refused' }, 3);
    const [author, reviewer] = [await somebody(acme, 'tenant-administrator'), await somebody(acme)];
    await updateConnection(install, author, { connection: acme.connection, schedule: '0 5 * * *' });
    await approve(acme, reviewer, 'u1');
    install.clock.advance(60_000);
    await acme.apply();
    expect(await approve(acme, author, 'u2')).toMatchObject({ refused: [{ because: 'own-configuration' }] });
    expect(await approve(acme, reviewer, 'u3')).toMatchObject({ decided: 1 });
  });

  it('leaves out whoever last changed a policy before there was the connection, of tenants above too, until its first apply', async () => {
    const parent = await install.tenant();
    const tenant = await install.tenant(parent);
    const [own, above] = [
      await aCaller(install, tenant, 'tenant-administrator'),
      await aCaller(install, parent, 'tenant-administrator'),
    ];
    await setTenantPolicy(install, above, { tenant: parent, timeZone: 'Europe/Rome' });
    await setTenantPolicy(install, own, { tenant, timeZone: 'Europe/Berlin' });
    const acme = await asking({ configurators: 'refused' }, 1, tenant);
    for (const by of [own, above])
      expect(await approve(acme, by, 'u1')).toMatchObject({ refused: [{ because: 'own-configuration' }] });
    expect(await approve(acme, await somebody(acme), 'u1')).toMatchObject({ decided: 1 });
    install.clock.advance(60_000);
    await acme.apply();
    acme.directory.add({ id: 'later' });
    await acme.sync();
    expect(await approve(acme, above, 'later')).toMatchObject({ decided: 1 });
  });

  it('leaves out whoever has moved or renamed the tenant, or written the policies that it came under, of whose connections alone', async () => {
    const [parent, other] = [await install.tenant(), await install.tenant()];
    const above = await asking({ configurators: 'refused' }, 1, parent);
    const acme = await asking({ configurators: 'refused' }, 1, await install.tenant(parent));
    const system = () => aCaller(install, install.store.root, 'system');
    const [namer, mover] = [await system(), await system()];
    const { version } = await getTenant(install, namer, parent);
    await updateTenant(install, namer, { tenant: parent, version, name: `renamed ${parent}` });
    const author = await aCaller(install, other, 'tenant-administrator');
    await setTenantPolicy(install, author, { tenant: other, timeZone: 'Europe/Rome' });
    install.clock.advance(60_000);
    await moveTenant(install, mover, { tenant: acme.tenant, parent: other });
    const refused = { refused: [{ because: 'own-configuration' }] };
    expect(await approve(acme, author, 'u1')).toMatchObject(refused);
    expect(await approve(above, namer, 'u1')).toMatchObject(refused);
    expect(await approve(acme, mover, 'u1')).toMatchObject(refused);
    expect(await approve(above, mover, 'u1')).toMatchObject({ decided: 1 });
    expect(await approve(acme, namer, 'u1')).toMatchObject({ decided: 1 });
  });

  it('leaves out whoever has said of the very change that it is about somebody else than a guard took it for', async () => {
    const rules = [
      { name: 'all', when: 'true', decide: { require: { configurators: 'refused' } } },
    ] as ReviewRule[];
    const ada = { id: 'old', displayName: 'Ada Obi', employeeId: 'E-7' };
    const acme = await install.connect({
      directory: aDirectory({ users: [ada] }),
      guards: noGuards,
      policy: { samePerson: 'hold', rules },
    });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await acme.sync();
    await approve(acme, one, 'old');
    await acme.apply();
    install.clock.advance(60_000);
    acme.directory.remove('old');
    acme.directory.add({ ...ada, id: 'new' });
    acme.directory.add({ id: 'third' });
    await acme.sync();
    const { items } = await listPairs(install, one, { connection: acme.connection });
    const pairs = items.map(({ id, fingerprint }) => ({ id, fingerprint: fingerprint ?? '' }));
    await choosePairs(install, one, { verdict: 'different', reason: 'HR says so', pairs });
    for (const changed of ['new', 'old']) {
      expect(await approve(acme, one, changed)).toMatchObject({
        refused: [{ because: 'own-configuration' }],
      });
    }
    expect(await approve(acme, one, 'third')).toMatchObject({ decided: 1 });
    install.clock.advance(60_000);
    await acme.apply();
    for (const changed of ['new', 'old']) {
      expect(await approve(acme, one, changed), 'an apply of others alters nothing').toMatchObject({
        refused: [{ because: 'own-configuration' }],
      });
      expect(await approve(acme, other, changed)).toMatchObject({ decided: 1 });
    }
  });

  it('leaves out an approval by whoever changed the configuration after it', async () => {
    const acme = await asking({ approvals: 2, configurators: 'refused' });
    const [author, one, other] = [
      await somebody(acme, 'tenant-administrator'),
      await somebody(acme),
      await somebody(acme),
    ];
    await approve(acme, author, 'u1');
    await updateConnection(install, author, { connection: acme.connection, schedule: '0 6 * * *' });
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 1 });
  });
});

describe('A change past its deadline', () => {
  const overdue = (acme: Connected) =>
    asOwner(install.database.url, (client) =>
      client.query(`UPDATE change SET created_at = '2026-01-01' WHERE connection_id = $1`, [acme.connection]),
    );

  it('takes an approval by the role that it is escalated to; others given before still count', async () => {
    const acme = await asking({
      approvals: 2,
      deadlineHours: 4,
      escalateTo: 'tenant-administrator',
      configurators: 'allowed',
    });
    const [one, other, senior] = [
      await somebody(acme),
      await somebody(acme),
      await somebody(acme, 'tenant-administrator'),
    ];
    await approve(acme, one, 'u1');
    await overdue(acme);
    expect(await approve(acme, other, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    expect((await acme.changeOf('u1')).approvals).toMatchObject({
      overdue: true,
      escalateTo: 'tenant-administrator',
    });
    expect(await approve(acme, senior, 'u1')).toMatchObject({ decided: 1 });
  });

  it('is noted once, for people to be told', async () => {
    const acme = await asking({ deadlineHours: 4 }, 3);
    await overdue(acme);
    const noted = async () => {
      await install.store.decisions.openAgain(install.clock.now());
      const entries = await auditOf(install.database.url, acme.tenant);
      return entries.filter(({ action }) => action === 'changes.overdue').map(({ details }) => details);
    };
    const once = [{ rule: 'all', escalateTo: null, changes: 3 }];
    expect(await noted()).toEqual(once);
    expect(await noted()).toEqual(once);
  });

  it('is noted although what another connection put off cannot be opened', async () => {
    const acme = await asking({ deadlineHours: 4 });
    const broken = await asking({ validHours: 4 });
    await broken.approve('u1');
    install.clock.advance(4 * 3_600_000);
    await overdue(acme);
    const mapped = (mapping: string) =>
      asOwner(install.database.url, (sql) =>
        sql.query('UPDATE connection SET mapping = $2 WHERE id = $1', [broken.connection, mapping]),
      );
    await mapped('{"rules": 5}');
    await expect(install.store.decisions.openAgain(install.clock.now())).rejects.toThrow(
      'not all that waits',
    );
    await mapped('{}');
    expect(await install.store.decisions.openAgain(install.clock.now())).toBe(1);
    const actions = (await auditOf(install.database.url, acme.tenant)).map(({ action }) => action);
    expect(actions).toContain('changes.overdue');
  });
});

describe('An approval that is good for a time', () => {
  it('is not carried out after it, whoever keeps house: the change is open again, with a note', async () => {
    const acme = await asking({ validHours: 2 }, 2);
    await acme.approve('u1', 'u2');
    install.clock.advance(2 * 3_600_000);
    const revision = await acme.revision();
    await expect(acme.apply()).rejects.toMatchObject({ code: 'not-allowed-now' });
    const again = await acme.changeOf('u1');
    expect(again).toMatchObject({
      state: 'open',
      decision: null,
      note: { because: 'expired', by: acme.administrator.actor.name, reason: 'test' },
    });
    expect(await acme.decideAll('approve', {}, { revision })).toBe(0);
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      action: 'changes.opened-again',
      details: { because: 'expired', changes: 2 },
    });
  });

  it('is applied within it', async () => {
    const acme = await asking({ validHours: 2 });
    await acme.approve('u1');
    install.clock.advance(2 * 3_600_000 - 1);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('ends by itself, and takes all approvals again', async () => {
    const acme = await asking({ validHours: 2, approvals: 2 });
    const [one, other] = [await somebody(acme), await somebody(acme)];
    await approve(acme, one, 'u1');
    await approve(acme, other, 'u1');
    install.clock.advance(2 * 3_600_000);
    expect(await install.store.decisions.openAgain(install.clock.now())).toBe(1);
    expect((await acme.changeOf('u1')).approvals?.given).toEqual([]);
    expect(await approve(acme, one, 'u1')).toMatchObject({ decided: 0, waiting: 1 });
  });
});

describe('What a guard holds, and somebody let go for a time,', () => {
  it.each(['apply', 'housekeeping'])(
    'is held by it again when that is over, be it %s that finds it',
    async (by) => {
      const rules = [
        { name: 'all', when: 'change.set == "deleted"', decide: { require: { validHours: 2 } } },
      ] as ReviewRule[];
      const acme = await install.connect({
        directory: aDirectory({ users: 10 }),
        guards: { ...noGuards, deletedPercent: 10, deletedAtLeast: 1 },
        policy: { rules },
      });
      await acme.syncAndApply();
      acme.directory.remove('u1', 'u2');
      await acme.sync();
      const held = await acme.changeOf('u1');
      expect(held).toMatchObject({ state: 'held', decision: { madeBy: 'guard' } });
      await approve(acme, acme.administrator, 'u1', 'u2');
      expect(await stateOf(acme)).toBe('approved');
      install.clock.advance(2 * 3_600_000);
      if (by === 'apply') await expect(acme.apply()).rejects.toMatchObject({ code: 'not-allowed-now' });
      else await install.store.decisions.openAgain(install.clock.now());
      expect(await acme.changeOf('u1')).toMatchObject({
        state: 'held',
        decision: { id: held.decision?.id },
        note: { because: 'expired' },
      });
      expect(await acme.decideAll('approve', {}, { revision: await acme.revision() })).toBe(0);
    },
  );
});

describe('A refusal', () => {
  it('of what is no longer true names what took its place', async () => {
    const acme = await asking({ approvals: 1 });
    const { id, fingerprint } = await acme.changeOf('u1');
    acme.directory.edit('u1', { displayName: 'Somebody else' });
    await acme.sync();
    const now = await acme.changeOf('u1');
    const changes = [{ id, fingerprint }];
    const result = await decide(install, acme.administrator, { verdict: 'approve', reason: 'late', changes });
    expect(result.refused).toEqual([
      { id, because: 'not-allowed-now', explanation: expect.stringContaining(now.id) },
    ]);
    expect((await getChange(install, acme.administrator, id)).state).toBe('superseded');
  });
});
