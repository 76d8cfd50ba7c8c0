import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { ReviewRule } from '../../src/domain/reviewRules.ts';
import { pauseApply, resumeApply } from '../../src/review/applies.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { groupChanges } from '../../src/review/changeGroups.ts';
import { decide } from '../../src/review/decide.ts';
import { advanceApplies } from '../../src/review/dueApplies.ts';
import { overrideGuard } from '../../src/review/guards.ts';
import { listReplayed, replayPolicy, testPolicy } from '../../src/review/policyDrafts.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { moveTenant } from '../../src/tenancy/tenantLife.ts';
import { getConnectionPolicy, getTenantPolicy, setTenantPolicy } from '../../src/tenancy/tenantPolicy.ts';
import { updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';
import { oneThenOther } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

type Rules = readonly ReviewRule[];

const rule = (name: string, when: string, decide: ReviewRule['decide']): ReviewRule => ({
  name,
  when,
  decide,
});
const approveAll = rule('everybody', 'true', 'approve');

const DAY = 86_400_000;

/** Joiners u1 to u3. */
async function withRules(rules: Rules, tenant?: TenantId): Promise<Connected> {
  const directory = aDirectory({ users: 3 });
  const acme = await install.connect({
    directory,
    guards: noGuards,
    policy: { rules: [...rules] },
    ...(tenant === undefined ? {} : { tenant }),
  });
  await acme.sync();
  return acme;
}

async function setRules(acme: Connected, rules: Rules): Promise<void> {
  const policy = { samePerson: 'show' as const, guards: noGuards, rules: [...rules] };
  await updateConnection(install, install.operator, { connection: acme.connection, policy });
}

/** What the rules say of each, by external id. */
async function verdicts(acme: Connected): Promise<Readonly<Record<string, string | null>>> {
  const rows = await asOwner(install.database.url, async (client) => {
    const { rows: found } = await client.query<{ id: string; said: string | null }>(
      `SELECT c.external_id AS id, v.verdict || ' ' || v.rule AS said FROM change c LEFT JOIN policy_verdict v ON v.id = c.verdict_id
       WHERE c.connection_id = $1 AND c.state <> 'superseded' ORDER BY 1`,
      [acme.connection],
    );
    return found;
  });
  return Object.fromEntries(rows.map(({ id, said }) => [id, said]));
}

const hold: ReviewRule['decide'] = { hold: { reason: 'somebody looks' } };

const tenantRules = (tenant: TenantId, rules: Rules) =>
  setTenantPolicy(install, install.operator, { tenant, rules: [...rules] });

describe('Policy rules', () => {
  it('approve, hold and reject what is new in a plan, the first that holds, with one decision and one audit entry each', async () => {
    const acme = await withRules([
      rule('not u2', 'user.userName.startsWith("u2")', { reject: { reason: 'a test account' } }),
      rule('look at u3', 'user.userName.startsWith("u3")', { hold: { reason: 'somebody looks' } }),
      approveAll,
    ]);
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.inState('rejected')).toEqual(['u2']);
    expect(await acme.inState('held')).toEqual(['u3']);
    expect((await acme.changeOf('u2')).decision).toMatchObject({
      ...{ verdict: 'reject', madeBy: 'policy', by: null, until: null },
      reason: 'policy rule “not u2”: a test account',
    });
    const entries = (await auditOf(install.database.url, acme.tenant)).filter(
      ({ actor }) => actor.name === 'policy',
    );
    expect(
      entries.map(({ action, details }) => `${action} ${details['changes']}: ${details['rule']}`).sort(),
    ).toEqual(['changes.approved 1: everybody', 'changes.held 1: look at u3', 'changes.rejected 1: not u2']);
    await acme.apply();
    expect((await acme.users()).map(({ externalId }) => externalId)).toEqual(['u1']);
  });

  it('leave a change open that none speaks of, and note how many have to approve it', async () => {
    const acme = await withRules([
      rule('two', 'user.userName.startsWith("u2")', {
        require: { approvals: 2, from: 'tenant-administrator' },
      }),
    ]);
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
    expect(await verdicts(acme)).toEqual({ u1: null, u2: 'require two', u3: null });
    const { approvals } = await acme.changeOf('u2');
    expect(approvals).toMatchObject({ needed: 2, from: 'tenant-administrator', configurators: 'refused' });
  });

  it('approve nothing that needs a person to be put right', async () => {
    const directory = aDirectory({
      users: [
        { id: 'a', email: 'x@y.test' },
        { id: 'b', email: 'x@y.test' },
      ],
    });
    const acme = await install.connect({ directory, policy: { rules: [approveAll] } });
    await acme.sync();
    const kinds = (await acme.live()).map(({ kind, state }) => `${kind} ${state}`);
    expect(kinds.filter((one) => one.startsWith('conflict'))).not.toEqual([]);
    expect(kinds.filter((one) => one === 'conflict approved')).toEqual([]);
  });

  it('hold a change of which they cannot be evaluated, and say why', async () => {
    const acme = await withRules([rule('level', 'user.custom.level > 3', 'approve')]);
    expect(await acme.inState('held')).toEqual(['u1', 'u2', 'u3']);
    expect((await acme.changeOf('u1')).decision?.reason).toBe(
      'policy rule “level”: the condition of the rule cannot be evaluated for it: no such key: level',
    );
  });

  it('keep their decision over later runs, and decide again on other content', async () => {
    const acme = await withRules([rule('sales', 'user.department == "Sales"', hold), approveAll]);
    const before = await acme.changeOf('u1');
    const seen = await acme.revision();
    await acme.sync();
    expect(await acme.changeOf('u1')).toEqual(before);
    expect(await acme.revision()).toBe(seen);
    acme.directory.edit('u1', { department: 'Sales' });
    await acme.sync();
    expect(await acme.inState('held')).toEqual(['u1']);
    expect((await acme.changeOf('u1')).id).not.toBe(before.id);
  });

  it('approve again what had moved, once it is proposed anew', async () => {
    const acme = await withRules([approveAll]);
    await acme.apply();
    acme.directory.edit('u1', { jobTitle: 'Smith' });
    await acme.sync();
    await acme.edit('u1', { displayName: 'By hand' });
    expect(await acme.apply()).toMatchObject({ moved: 1 });
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('decide with a delta as with a full run', async () => {
    const acme = await install.connect({
      directory: aDirectory({ users: 3, hasFeed: true }),
      guards: noGuards,
      policy: { rules: [approveAll] },
    });
    await acme.syncAndApply();
    acme.directory.edit('u2', { jobTitle: 'Smith' });
    const run = await acme.sync();
    expect(run).toMatchObject({ kind: 'delta' });
    expect(await acme.inState('approved')).toEqual(['u2']);
  });
});

describe('What is ignored', () => {
  it('is refused for so many days, and waits for a person then, although the rule is still there', async () => {
    const acme = await withRules([rule('later', 'true', { ignore: { reason: 'not now', days: 10 } })]);
    const until = new Date(install.clock.now().getTime() + 10 * DAY).toISOString();
    expect(await acme.inState('rejected')).toEqual(['u1', 'u2', 'u3']);
    expect((await acme.changeOf('u1')).decision).toMatchObject({ madeBy: 'policy', until });
    install.clock.advance(10 * DAY);
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
    expect((await acme.changeOf('u1')).note).toMatchObject({
      because: 'time-up',
      was: 'rejected',
      by: 'a policy rule',
    });
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
  });

  it('waits for a person between runs too, and what a person had put off is held again where a rule says so', async () => {
    const acme = await withRules([
      rule('u1', 'user.userName.startsWith("u1")', { ignore: { reason: 'not now', days: 1 } }),
      rule('u2', 'user.userName.startsWith("u2")', hold),
    ]);
    const { id, fingerprint, decision } = await acme.changeOf('u2');
    const until = new Date(install.clock.now().getTime() + DAY).toISOString();
    const changes = [{ id, fingerprint, decision: decision?.id ?? null }];
    await decide(install, acme.administrator, { verdict: 'reject', reason: 'later', until, changes });
    install.clock.advance(DAY);
    await install.store.decisions.openAgain(install.clock.now());
    expect(await acme.inState('open')).toEqual(['u1', 'u3']);
    expect(await acme.inState('held')).toEqual(['u2']);
    expect((await acme.changeOf('u2')).decision).toMatchObject({ madeBy: 'policy' });
  });
});

describe('When rules change', () => {
  it('all that waits is judged anew with the next plan, what an earlier rule had decided too, and nothing else is', async () => {
    const acme = await withRules([rule('u1', 'user.userName.startsWith("u1")', 'approve')]);
    await acme.decide('approve', 'u2');
    const seen = await acme.revision();
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
    await setRules(acme, [rule('u3', 'user.userName.startsWith("u3")', 'approve')]);
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u2', 'u3']);
    expect((await acme.changeOf('u2')).decision).toMatchObject({ madeBy: 'person' });
    // What was approved by rule is open again; whoever approves all that they saw before did not see it waiting.
    expect(await acme.inState('open')).toEqual(['u1']);
    expect(await acme.decideAll('approve', {}, { revision: seen })).toBe(0);
    await setRules(acme, []);
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1', 'u3']);
    expect(await verdicts(acme)).toEqual({ u1: null, u2: null, u3: null });
    const quiet = await acme.revision();
    await acme.sync();
    expect(await acme.revision()).toBe(quiet);
  });

  it.each(['moved', 'renamed'] as const)(
    'all that waits is judged anew within a minute once the tenant is %s, what was approved before too',
    async (done) => {
      const [parent, strict] = [await install.tenant(), await install.tenant()];
      const acme = await withRules(
        [rule('by name', '!tenant.name.startsWith("Other")', 'approve')],
        await install.tenant(parent),
      );
      const below = await withRules([approveAll], await install.tenant(acme.tenant));
      await tenantRules(strict, [rule('look', 'true', hold)]);
      for (const one of [acme, below]) expect(await one.inState('approved')).toEqual(['u1', 'u2', 'u3']);
      if (done === 'moved')
        await moveTenant(install, install.operator, { tenant: acme.tenant, parent: strict });
      else
        await updateTenant(install, install.operator, { tenant: acme.tenant, name: `Other ${acme.tenant}` });
      await install.store.decisions.openAgain(install.clock.now());
      expect(await acme.inState(done === 'moved' ? 'held' : 'open')).toEqual(['u1', 'u2', 'u3']);
      expect(await below.inState(done === 'moved' ? 'held' : 'approved')).toEqual(['u1', 'u2', 'u3']);
      expect(await install.auditIsWhole()).toBe(true);
    },
  );

  it('all that waits is judged anew within a minute once the connection is called otherwise, or has another time zone', async () => {
    const acme = await withRules([rule('by name', '!connection.name.startsWith("Other")', 'approve')]);
    await updateConnection(install, install.operator, { connection: acme.connection, name: 'Other' });
    await install.store.decisions.openAgain(install.clock.now());
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
    const nine = await withRules([rule('morning', 'time.hour == 9', 'approve')]);
    expect(await nine.inState('approved')).toEqual(['u1', 'u2', 'u3']);
    await updateConnection(install, install.operator, {
      connection: nine.connection,
      timeZone: 'Asia/Tokyo',
    });
    await install.store.decisions.openAgain(install.clock.now());
    expect(await nine.inState('open')).toEqual(['u1', 'u2', 'u3']);
  });

  it('an approval given before anybody has judged anew goes by the new ones, by name and by filter', async () => {
    const acme = await withRules([]);
    await setRules(acme, [
      rule('two', 'user.userName.startsWith("u1")', {
        require: { approvals: 2, from: 'reviewer', configurators: 'allowed' },
      }),
      rule('u3', 'user.userName.startsWith("u3")', hold),
    ]);
    expect(await acme.decide('approve', 'u1')).toMatchObject({ decided: 0, waiting: 1 });
    await setRules(acme, [rule('u2', 'user.userName.startsWith("u2")', hold)]);
    expect(await acme.decideAll('approve', {})).toBe(1); // u3 was held when that was shown
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.inState('held')).toEqual(['u2']);
    expect(await acme.inState('open')).toEqual(['u3']);
  });

  it('what earlier ones had approved is not applied any more, neither by hand nor by itself', async () => {
    const acme = await withRules([approveAll]);
    const apply = { start: 'automatic' } as const;
    const policy = { samePerson: 'show' as const, guards: noGuards };
    await updateConnection(install, install.operator, {
      connection: acme.connection,
      policy: { ...policy, apply, rules: [rule('u1', 'user.userName.startsWith("u1")', hold)] },
    });
    expect(await advanceApplies(install, { connections: [acme.connection] })).toEqual({
      begun: [],
      waiting: [],
    });
    await expect(acme.apply()).rejects.toMatchObject({ code: 'not-allowed-now' });
    expect(await acme.inState('held')).toEqual(['u1']);
    expect(await acme.inState('open')).toEqual(['u2', 'u3']);
  });

  it('nobody approves or applies while a plan has the change set and they are not looked at yet', async () => {
    const acme = await withRules([approveAll]);
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM connection WHERE id = $1 FOR NO KEY UPDATE', [acme.connection]);
      await tenantRules(acme.tenant, [rule('look', 'true', hold)]);
      await expect(acme.apply()).rejects.toMatchObject({
        code: 'not-allowed-now',
        message: expect.stringContaining('rules'),
      });
      await client.query('ROLLBACK');
    });
    await expect(acme.apply()).rejects.toMatchObject({ code: 'not-allowed-now' });
    expect(await acme.inState('held')).toEqual(['u1', 'u2', 'u3']);
  });

  it('what earlier ones had approved is not carried out by an apply that is resumed', async () => {
    const acme = await withRules([approveAll]);
    const { administrator, connection } = acme;
    const { apply } = await startApply(install, administrator, { connection });
    await pauseApply(install, administrator, { apply });
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM connection WHERE id = $1 FOR NO KEY UPDATE', [connection]);
      await tenantRules(acme.tenant, [rule('u1', 'user.userName.startsWith("u1")', hold)]);
      await expect(resumeApply(install, administrator, { apply })).rejects.toMatchObject({
        code: 'not-allowed-now',
        message: expect.stringContaining('rules'),
      });
      await client.query('ROLLBACK');
    });
    expect(await resumeApply(install, administrator, { apply })).toMatchObject({ state: 'running' });
    const { signal } = new AbortController();
    expect(await carryOutApply(install, apply, { signal })).toMatchObject({ applied: 2 });
    expect(await acme.inState('held')).toEqual(['u1']);
  });

  it('while a plan has the change set, nobody waits for that, and what waits is judged anew after it', async () => {
    const acme = await withRules([]);
    const tidy = () => install.store.decisions.openAgain(install.clock.now());
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM connection WHERE id = $1 FOR NO KEY UPDATE', [acme.connection]);
      await tenantRules(acme.tenant, [approveAll]);
      await tidy();
      expect(await acme.inState('approved')).toEqual([]);
      await client.query('COMMIT');
    });
    await tidy();
    expect(await acme.inState('approved')).toEqual(['u1', 'u2', 'u3']);
  });

  it.each(['judging', 'changing'] as const)(
    'at the moment of judging, the last of them counts in the end: %s first',
    async (first) => {
      const acme = await withRules([]);
      const tidy = () => install.store.decisions.openAgain(install.clock.now());
      await tenantRules(acme.tenant, [approveAll]);
      const change = () => tenantRules(acme.tenant, [rule('look', 'true', hold)]);
      const [one, other] = first === 'judging' ? [tidy, change] : [change, tidy];
      await oneThenOther<unknown, unknown>(install.database.url, acme.tenant, one, other);
      await tidy();
      expect(await acme.inState('held')).toEqual(['u1', 'u2', 'u3']);
      expect(await install.auditIsWhole()).toBe(true);
    },
  );

  it('all at once, with moves, other names and plans, none stops another, and what came last counts', async () => {
    const [top, other] = [await install.tenant(), await install.tenant()];
    const middle = await install.tenant(top);
    const all = [await withRules([], top), await withRules([], middle), await withRules([], middle)];
    for (const round of [1, 2, 3]) {
      const rules = [round === 3 ? rule('look', 'true', hold) : approveAll];
      await Promise.all([
        ...[top, middle].map((tenant) => tenantRules(tenant, rules)),
        moveTenant(install, install.operator, { tenant: middle, parent: round === 2 ? top : other }),
        ...all.map(({ connection }, at) =>
          updateConnection(install, install.operator, { connection, name: `${round} ${at} ${connection}` }),
        ),
        install.store.decisions.openAgain(install.clock.now()),
        ...all.map((one) => one.sync()),
      ]);
    }
    await install.store.decisions.openAgain(install.clock.now());
    for (const one of all) expect(await one.inState('held')).toEqual(['u1', 'u2', 'u3']);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('all that waits is judged anew within a minute without any plan, once for all processes', async () => {
    const tenant = await install.tenant();
    const [acme, resting] = [await withRules([], tenant), await withRules([], await install.tenant(tenant))];
    const tidy = () => install.store.decisions.openAgain(install.clock.now());
    await tidy();
    const seen = await acme.revision();
    await tenantRules(tenant, [rule('u1', 'user.userName.startsWith("u1")', 'approve')]);
    await Promise.all([tidy(), tidy()]);
    for (const one of [acme, resting]) expect(await one.inState('approved')).toEqual(['u1']);
    expect(await acme.revision()).toBe(seen + 1);
    await setRules(acme, [rule('u1', 'user.userName.startsWith("u1")', hold)]);
    const entries = await auditOf(install.database.url, acme.tenant);
    const changed = entries.findLast(({ action }) => action === 'connection.updated');
    expect(changed?.details).toMatchObject({
      rules: {
        before: [],
        after: [{ name: 'u1', condition: expect.stringMatching(/^[0-9a-f]{12}$/), decide: hold }],
      },
    });
    await tidy();
    expect(await acme.inState('held')).toEqual(['u1']);
    expect(await resting.inState('approved')).toEqual(['u1']);
    const quiet = await acme.revision();
    await tidy();
    await acme.sync();
    expect(await acme.revision()).toBe(quiet);
  });

  it('what the same rules say again keeps its decision', async () => {
    const acme = await withRules([approveAll]);
    const before = (await acme.changeOf('u1')).decision;
    await setRules(acme, [rule('nobody', 'change.kind == "delete"', hold), approveAll]);
    await acme.sync();
    expect((await acme.changeOf('u1')).decision).toEqual(before);
  });
});

describe('What a guard holds', () => {
  it('is opened by no rule, and says how many have to let it go; once the guard is overridden the rule decides', async () => {
    const acme = await install.connect({
      directory: aDirectory({ users: 20 }),
      policy: { rules: [rule('leavers', 'change.set == "deleted"', 'approve')] },
    });
    await acme.syncAndApply();
    acme.directory.remove(...Array.from({ length: 12 }, (_, at) => `u${at + 1}`));
    await acme.sync();
    expect(await acme.inState('held')).toHaveLength(12);
    expect((await acme.changeOf('u1')).decision).toMatchObject({ madeBy: 'guard' });
    expect((await verdicts(acme))['u1']).toBe('approve leavers');
    const until = new Date(install.clock.now().getTime() + DAY).toISOString();
    for (const guard of [
      'too-many-deletions',
      'too-many-deletions-in-window',
      'shrunken-directory',
      'shrunken-domain',
      'too-many-changes',
    ] as const)
      await overrideGuard(install, acme.administrator, {
        ...{ connection: acme.connection, guard, allowed: null, until, reason: 'a merger' },
      });
    await acme.sync();
    expect(await acme.inState('approved')).toHaveLength(12);
  });
});

describe('Rules of tenants', () => {
  it('hold for all connections below, and one below can only be stricter', async () => {
    const parent = await install.tenant();
    const child = await install.tenant(parent);
    await tenantRules(parent, [
      rule('u1', 'user.userName.startsWith("u1")', hold),
      rule('two', 'user.userName.startsWith("u2")', { require: { approvals: 2, from: 'reviewer' } }),
    ]);
    await tenantRules(child, [approveAll]);
    const acme = await withRules(
      [rule('u3', 'user.userName.startsWith("u3")', { reject: { reason: 'no' } })],
      child,
    );
    expect(await verdicts(acme)).toEqual({ u1: 'hold u1', u2: 'require two', u3: 'reject u3' });
    await tenantRules(parent, []);
    await acme.sync();
    expect(await verdicts(acme)).toEqual({
      ...{ u1: 'approve everybody', u2: 'approve everybody', u3: 'reject u3' },
    });
    const beside = await withRules([], await install.tenant());
    expect(await beside.inState('open')).toEqual(['u1', 'u2', 'u3']);
  });

  it('come with a tenant that is moved below another', async () => {
    const [above, moved] = [await install.tenant(), await install.tenant()];
    await tenantRules(above, [rule('all', 'true', hold)]);
    const acme = await withRules([approveAll], moved);
    expect(await acme.inState('approved')).toHaveLength(3);
    await moveTenant(install, install.operator, { tenant: moved, parent: above });
    await acme.sync();
    expect(await acme.inState('held')).toHaveLength(3);
  });

  it('are told to whoever sees that tenant; others are told that there are some, and what of theirs decides nothing', async () => {
    const parent = await install.tenant();
    const child = await install.tenant(parent);
    await tenantRules(parent, [rule('a secret of the parent', 'true', hold)]);
    const acme = await withRules([approveAll], child);
    const own = await getConnectionPolicy(install, acme.administrator, acme.connection);
    expect(own).toMatchObject({ inherited: [], hasHidden: true, idle: [{ rule: 'everybody' }] });
    const seen = await getConnectionPolicy(install, install.operator, acme.connection);
    expect(seen).toMatchObject({ inherited: [{ tenant: parent }], hasHidden: false });
    const ofChild = await getTenantPolicy(install, acme.administrator, child);
    expect(ofChild).toMatchObject({ rules: [], version: 0, inherited: [], hasHidden: true, idle: [] });
    const tested = await testPolicy(install, acme.administrator, {
      ...{ connection: acme.connection, cases: [{ name: 'any', change: {}, expect: 'approve' }] },
    });
    expect(tested).toMatchObject({ passed: 1, hasHidden: true });
    expect(JSON.stringify([own, ofChild, tested])).not.toContain('a secret of the parent');
    await expect(getTenantPolicy(install, acme.administrator, parent)).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(
      setTenantPolicy(install, acme.administrator, { tenant: parent, rules: [] }),
    ).rejects.toMatchObject({ code: 'not-found' });
  });

  it('are changed by administrators, at the version that they saw, with an audit entry that repeats no condition', async () => {
    const tenant = await install.tenant();
    const reviewer = await aCaller(install, tenant, 'reviewer');
    await expect(setTenantPolicy(install, reviewer, { tenant, rules: [] })).rejects.toMatchObject({
      code: 'forbidden',
    });
    const rules = [rule('ada', 'user.email == "ada@example.test"', hold)];
    expect(await tenantRules(tenant, rules)).toMatchObject({ version: 1, rules });
    expect(await tenantRules(tenant, rules)).toMatchObject({ version: 1 });
    await expect(
      setTenantPolicy(install, install.operator, { tenant, version: 0, rules: [] }),
    ).rejects.toMatchObject({ code: 'changed-since-shown' });
    const changed = await setTenantPolicy(install, install.operator, {
      tenant,
      version: 1,
      timeZone: 'Asia/Tokyo',
    });
    expect(changed).toMatchObject({ version: 2, timeZone: 'Asia/Tokyo', rules });
    const entries = (await auditOf(install.database.url, tenant)).filter(
      ({ action }) => action === 'tenant.policy-changed',
    );
    expect(entries).toHaveLength(2);
    expect(entries[0]?.details).toMatchObject({
      before: { rules: [] },
      after: { rules: [{ name: 'ada', decide: hold }] },
    });
    expect(JSON.stringify(entries)).not.toContain('ada@example.test');
  });
});

describe('A replay', () => {
  it('tells what a draft would have decided on the changes of the last days, and alters nothing', async () => {
    const acme = await withRules([rule('u1', 'user.userName.startsWith("u1")', 'approve')]);
    const before = await acme.live();
    const rules = [
      rule('u2', 'user.userName.startsWith("u2")', hold),
      rule('never', 'false', hold),
      approveAll,
    ];
    const request = { connection: acme.connection, draft: { rules } };
    const replay = await replayPolicy(install, acme.administrator, request);
    expect(replay).toMatchObject({ changes: 3, same: 1 });
    expect(replay.differences.map(({ from, to, changes }) => `${from} > ${to}: ${changes}`).sort()).toEqual([
      'nothing > approve: 1',
      'nothing > hold: 1',
    ]);
    expect(replay.rules).toEqual([
      { rule: 'u2', changes: 1 },
      { rule: 'never', changes: 0 },
      { rule: 'everybody', changes: 2 },
    ]);
    expect(await acme.live()).toEqual(before);
    const asWithout = [rule('looked at', 'true', { require: { approvals: 1 } as never })];
    const usual = await replayPolicy(install, acme.administrator, {
      ...request,
      draft: { rules: asWithout },
    });
    expect(usual).toMatchObject({
      same: 2,
      differences: [{ from: 'approve', to: 'require 1 from reviewer' }],
    });
    const inTime = [rule('in time', 'true', { require: { approvals: 1, deadlineHours: 8 } as never })];
    const urgent = await replayPolicy(install, acme.administrator, { ...request, draft: { rules: inTime } });
    expect(urgent).toMatchObject({ same: 0 });
    for (const wrong of [{ from: 'banana' }, { to: 'approved' }])
      await expect(listReplayed(install, acme.administrator, { ...request, ...wrong })).rejects.toMatchObject(
        { code: 'invalid-input' },
      );
    await asOwner(install.database.url, (client) =>
      client.query(`UPDATE change SET created_at = $2 WHERE connection_id = $1 AND external_id <> 'u1'`, [
        acme.connection,
        new Date(install.clock.now().getTime() - 91 * DAY).toISOString(),
      ]),
    );
    expect(await replayPolicy(install, acme.administrator, request)).toMatchObject({ changes: 1 });
    const further = { ...request, days: 92 };
    expect(await replayPolicy(install, acme.administrator, further)).toMatchObject({ changes: 3 });
    const notItsOwn = { ...request, draft: { rules, timeZone: 'Asia/Tokyo' } };
    await expect(replayPolicy(install, acme.administrator, notItsOwn)).rejects.toMatchObject({
      fields: [{ path: 'draft.timeZone' }],
    });
  });

  it('lists the differences page by page, those asked for, over all connections of a tenant and those below', async () => {
    const tenant = await install.tenant();
    const [one, two] = [await withRules([], tenant), await withRules([], await install.tenant(tenant))];
    const beside = await withRules([]);
    const rules = [
      rule('u2', 'user.userName.startsWith("u2")', { require: { approvals: 2 } as never }),
      approveAll,
    ];
    const request = { tenant, draft: { rules } };
    const all: string[] = [];
    let after: string | null = null;
    do {
      const page = await listReplayed(install, one.administrator, {
        ...request,
        to: 'approve',
        limit: 3,
        after,
      });
      all.push(...page.items.map(({ change }) => change));
      after = page.next;
    } while (after !== null);
    const wanted = [...(await one.live()), ...(await two.live())].filter(
      ({ externalId }) => externalId !== 'u2',
    );
    expect(all.toSorted()).toEqual(wanted.map(({ id }) => id).sort());
    const { items } = await listReplayed(install, one.administrator, { ...request, to: 'require' });
    expect(items.map(({ to }) => to)).toEqual(['require 2 from reviewer', 'require 2 from reviewer']);
    await expect(replayPolicy(install, beside.administrator, request)).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(
      replayPolicy(install, beside.administrator, { connection: one.connection, draft: { rules } }),
    ).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('What speaks for the risk of a change, beside what it says itself', () => {
  const signals = async (acme: Connected) =>
    Object.fromEntries(
      (await acme.live()).map(({ externalId, risk }) => [
        externalId,
        risk.reasons.map(({ signal }) => signal),
      ]),
    );

  it('is that somebody who leaves is the manager of others, or the last who has a role', async () => {
    const users = [
      { id: 'boss' },
      { id: 'u1', manager: 'boss' },
      { id: 'u2', manager: 'U3@example.test' },
      { id: 'u3', email: 'u3@example.test' },
      { id: 'u4' },
    ];
    const groups = [
      { id: 'clerks', members: ['u1', 'u4'] },
      { id: 'keepers', members: ['u4'] },
    ];
    const roles = [
      { group: 'clerks', role: 'clerk' },
      { group: 'keepers', role: 'keeper' },
    ];
    const acme = await install.connect({
      directory: aDirectory({ users, groups, hasFeed: true }),
      mapping: { roles },
      guards: noGuards,
    });
    await acme.syncAndApply();
    acme.directory.remove('boss', 'u3', 'u4');
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await signals(acme)).toEqual({
      boss: ['manages-others'],
      u3: ['manages-others'],
      u4: ['removed-with-roles', 'last-holder'],
    });
  });

  it('is that somebody new has an address of another domain than those that the tenant has verified', async () => {
    const users = [
      { id: 'u1', email: 'u1@acme.test' },
      { id: 'u2', email: 'u2@elsewhere.test' },
      { id: 'u3', email: null },
    ];
    const acme = await install.connect({ directory: aDirectory({ users }), verifiedDomains: ['acme.test'] });
    await acme.sync();
    expect(await signals(acme)).toEqual({ u1: [], u2: ['broken-pattern'], u3: [] });
  });

  it('is the hour, where the policy says which are usual, and rules can go by it', async () => {
    const policy = {
      usualHours: { days: ['friday' as const], from: 9, to: 10 },
      rules: [rule('by day', 'change.risk == "low"', 'approve')],
    };
    const started = install.clock.now().getTime();
    install.clock.advance(Date.parse('2026-05-01T09:59:00Z') - started);
    const byDay = await install.connect({ directory: aDirectory({ users: 1 }), policy });
    await byDay.sync();
    expect(await byDay.inState('approved')).toEqual(['u1']);
    install.clock.advance(60_000);
    const later = await install.connect({ directory: aDirectory({ users: 1 }), policy });
    await later.sync();
    expect(await signals(later)).toEqual({ u1: ['unusual-hour'] });
    expect(await later.inState('open')).toEqual(['u1']);
    install.clock.advance(started - install.clock.now().getTime());
  });
});

describe('Changes that a rule has the say on', () => {
  it('are listed, grouped and decided on by its name, at whatever level it stands, and those of none too', async () => {
    const tenant = await install.tenant();
    await tenantRules(tenant, [rule('look', 'user.userName.startsWith("u1")', hold)]);
    const acme = await withRules([rule('look', 'user.userName.startsWith("u2")', hold)], tenant);
    const idsOf = async (filter: object) => (await acme.changes(filter)).map(({ externalId }) => externalId);
    expect(await idsOf({ rule: 'look' })).toEqual(['u1', 'u2']);
    expect(await idsOf({ rule: 'look', kind: ['update'] })).toEqual([]);
    expect(await idsOf({ rule: '' })).toEqual(['u3']);
    expect(await idsOf({ rule: "loo' OR true --" })).toEqual([]);
    const groups = await groupChanges(install, acme.administrator, { by: 'kind', rule: 'look' });
    expect(groups).toMatchObject({
      changes: 2,
      items: [{ key: 'create', changes: 2, filter: { rule: 'look' } }],
    });
    const done = await decide(install, acme.administrator, {
      ...{ verdict: 'approve', reason: 'seen', connection: acme.connection, includeHeld: true },
      ...{ revision: await acme.revision(), filter: { rule: 'look' } },
    });
    expect(done).toMatchObject({ decided: 2 });
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
    expect((await auditOf(install.database.url, tenant)).at(-1)?.details).toMatchObject({
      filter: { rule: 'look' },
    });
  });
});
