/** Applies that wait for their time, come in parts, are frozen, paused, resumed and cancelled. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { ApplyPolicy, Window } from '../../src/domain/applyPolicy.ts';
import type { ApplyId, TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import type { ReviewRule } from '../../src/domain/reviewRules.ts';
import {
  cancelApply,
  getApply,
  listAppliedChanges,
  listApplies,
  pauseApply,
  resumeApply,
} from '../../src/review/applies.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { advanceApplies } from '../../src/review/dueApplies.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { setTenantPolicy } from '../../src/tenancy/tenantPolicy.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const MINUTE = 60_000;
const never = () => new AbortController().signal;

async function connected(
  apply: z.input<typeof ApplyPolicy>,
  users = 3,
  tenant?: TenantId,
): Promise<Connected> {
  const directory = aDirectory({ users });
  const of = tenant === undefined ? {} : { tenant };
  const acme = await install.connect({ directory, guards: noGuards, policy: { apply }, ...of });
  await acme.sync();
  return acme;
}

const advance = (acme: Connected) => advanceApplies(install, { connections: [acme.connection] });
const carryOut = (id: ApplyId) => carryOutApply(install, id, { signal: never() });
const applyOf = async (acme: Connected, id: ApplyId) => await getApply(install, acme.administrator, id);
const startByHand = (acme: Connected, despiteFreeze: string | null = null) =>
  startApply(install, acme.administrator, { connection: acme.connection, despiteFreeze });

/** The only apply that there is. */
async function only(acme: Connected) {
  const { items } = await listApplies(install, acme.administrator, { connection: acme.connection });
  expect(items).toHaveLength(1);
  return items[0] as (typeof items)[number];
}

async function freeze(tenant: TenantId, forMinutes: number): Promise<void> {
  const now = install.clock.now().getTime();
  const from = new Date(now - MINUTE).toISOString();
  const until = new Date(now + forMinutes * MINUTE).toISOString();
  await setTenantPolicy(install, install.operator, { tenant, freezes: [{ name: 'Year end', from, until }] });
}

async function setApply(acme: Connected, apply: z.input<typeof ApplyPolicy>): Promise<void> {
  const before = await install.store.connections.get(acme.tenant, acme.connection);
  if (before === null) throw new Error('the connection is there');
  const policy = { ...before.policy, apply: { ...before.policy.apply, ...apply } };
  await updateConnection(install, install.operator, { connection: acme.connection, policy });
}

/** An hour a day, from some time after now on. */
function anHourLater(): Window {
  const hour = (install.clock.now().getUTCHours() + 3) % 24;
  return { cron: `0 ${hour} * * *`, minutes: 60, timeZone: 'UTC' };
}

const actionsOn = async (acme: Connected) =>
  (await auditOf(install.database.url, acme.tenant))
    .filter(({ subject }) => subject.kind === 'apply')
    .map(({ action, actor }) => `${action} ${actor.kind} ${actor.name}`);

describe('An automatic apply', () => {
  it('begins as soon as something is approved, in the name of the policy', async () => {
    const acme = await connected({ start: 'automatic' });
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    await acme.approveAll();
    const { begun } = await advance(acme);
    expect(begun).toHaveLength(1);
    expect(await carryOut(begun[0] as ApplyId)).toMatchObject({ applied: 3 });
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    expect(await only(acme)).toMatchObject({
      state: 'finished',
      by: 'policy',
      total: 3,
      done: 3,
      halt: null,
    });
    expect(await actionsOn(acme)).toEqual([
      'apply.planned system policy',
      'apply.started system policy',
      'apply.finished system policy',
    ]);
  });

  it('begins although that of another connection cannot', async () => {
    const rules = [{ name: 'all', when: 'true', decide: { require: { validHours: 1 } } }] as ReviewRule[];
    const apply = { start: 'automatic', delayMinutes: 120 } as const;
    const broken = await install.connect({
      ...{ directory: aDirectory({ users: 1 }), guards: noGuards },
      policy: { apply, rules },
    });
    await broken.sync();
    await broken.approveAll();
    expect(await advance(broken)).toMatchObject({ begun: [], waiting: [expect.any(String)] });
    await asOwner(install.database.url, (sql) =>
      sql.query('UPDATE connection SET mapping = $2 WHERE id = $1', [broken.connection, '{"rules": 5}']),
    );
    install.clock.advance(120 * MINUTE);
    const acme = await connected({ start: 'automatic' });
    await acme.approveAll();
    await expect(advanceApplies(install)).rejects.toThrow('applies of some connections do not go on');
    expect(await only(acme)).toMatchObject({ state: 'running' });
    await asOwner(install.database.url, (sql) =>
      sql.query('UPDATE connection SET mapping = $2 WHERE id = $1', [broken.connection, '{}']),
    );
  });

  it('is begun once, however many ask at the same time', async () => {
    const acme = await connected({ start: 'automatic' });
    await acme.approveAll();
    const asked = await Promise.all(Array.from({ length: 5 }, () => advance(acme)));
    expect(asked.flatMap(({ begun }) => begun)).toHaveLength(1);
    expect(await only(acme)).toMatchObject({ state: 'running', total: 3 });
    await carryOut((await only(acme)).id);
  });

  it('waits while it can be stopped; stopped, what it would have done stays approved for whoever starts it', async () => {
    const acme = await connected({ start: 'automatic', delayMinutes: 60 });
    await acme.approveAll();
    expect(await advance(acme)).toMatchObject({ begun: [] });
    const waiting = await only(acme);
    const startsAt = new Date(install.clock.now().getTime() + 60 * MINUTE).toISOString();
    expect(waiting).toMatchObject({
      state: 'waiting',
      startsAt,
      halt: { because: 'delay' },
      actions: ['cancel'],
    });
    const cancelled = { apply: waiting.id, reason: 'Wrong people' };
    expect(await cancelApply(install, acme.administrator, cancelled)).toMatchObject({
      state: 'cancelled',
      halt: { because: 'person', by: acme.administrator.actor.name, reason: 'Wrong people' },
      actions: [],
    });
    install.clock.advance(61 * MINUTE);
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    expect(await acme.inState('approved')).toEqual(['u1', 'u2', 'u3']);
    expect(await acme.apply()).toMatchObject({ applied: 3 });
  });

  it('begins when its delay is over', async () => {
    const acme = await connected({ start: 'automatic', delayMinutes: 60 });
    await acme.approve('u1');
    await advance(acme);
    install.clock.advance(30 * MINUTE);
    await acme.approve('u2');
    await advance(acme);
    install.clock.advance(30 * MINUTE);
    const { begun } = await advance(acme);
    expect(await carryOut(begun[0] as ApplyId)).toMatchObject({ applied: 1 });
    expect(await acme.inState('applied')).toEqual(['u1']); // the delay of the other one is its own
    install.clock.advance(30 * MINUTE);
    const { begun: later } = await advance(acme);
    expect(await carryOut(later[0] as ApplyId)).toMatchObject({ applied: 1 });
  });

  it('runs in its window alone: pauses when that closes, and goes on in the next', async () => {
    const windows = [anHourLater()];
    const acme = await connected({ start: 'automatic', windows });
    await acme.approveAll();
    await advance(acme);
    const waiting = await only(acme);
    expect(waiting).toMatchObject({ state: 'waiting', halt: { because: 'window' } });
    install.clock.advance(Date.parse(waiting.startsAt ?? '') - install.clock.now().getTime());
    expect((await advance(acme)).begun).toEqual([waiting.id]);
    install.clock.advance(60 * MINUTE);
    await carryOut(waiting.id);
    expect(await applyOf(acme, waiting.id)).toMatchObject({
      state: 'paused',
      done: 0,
      halt: { because: 'window' },
      resumesAt: new Date(install.clock.now().getTime() + 23 * 60 * MINUTE).toISOString(),
    });
    install.clock.advance(23 * 60 * MINUTE);
    expect((await advance(acme)).begun).toEqual([waiting.id]);
    expect(await carryOut(waiting.id)).toMatchObject({ applied: 3 });
  });

  it('goes on outside its window when somebody resumes it there', async () => {
    const windows = [anHourLater()];
    const acme = await connected({ start: 'automatic', windows });
    await acme.approveAll();
    await advance(acme);
    const { id, startsAt } = await only(acme);
    install.clock.advance(Date.parse(startsAt ?? '') - install.clock.now().getTime());
    await advance(acme);
    install.clock.advance(60 * MINUTE);
    await carryOut(id);
    await resumeApply(install, acme.administrator, { apply: id });
    expect(await carryOut(id)).toMatchObject({ applied: 3 });
  });

  it('waits for a person where the policy wants no more automatic ones, and begins where it does again', async () => {
    const acme = await connected({ start: 'automatic', delayMinutes: 60 });
    await acme.approveAll();
    await advance(acme);
    const { id } = await only(acme);
    await setApply(acme, { start: 'by-hand' });
    install.clock.advance(60 * MINUTE);
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    expect(await applyOf(acme, id)).toMatchObject({ state: 'waiting', halt: { because: 'by-hand' } });
    await setApply(acme, { start: 'automatic' });
    expect((await advance(acme)).begun).toEqual([id]);
    expect(await carryOut(id)).toMatchObject({ applied: 3 });
  });

  it('leaves out approvals that are good no longer when its time has come', async () => {
    const rules = [{ name: 'soon', when: 'true', decide: { require: { validHours: 1 } } }];
    const apply = { start: 'automatic', delayMinutes: 120 } as const;
    const directory = aDirectory({ users: 2 });
    const acme = await install.connect({ directory, guards: noGuards, policy: { apply, rules } });
    await acme.sync();
    await acme.approveAll();
    await advance(acme);
    install.clock.advance(120 * MINUTE);
    const { begun } = await advance(acme);
    await carryOut(begun[0] as ApplyId);
    expect(await applyOf(acme, begun[0] as ApplyId)).toMatchObject({ state: 'finished', total: 0, done: 0 });
    expect(await acme.inState('open')).toEqual(['u1', 'u2']);
  });

  it('is started by whoever cannot wait: all that waited comes with it', async () => {
    const windows = [anHourLater()];
    const acme = await connected({ start: 'automatic', windows });
    await acme.approveAll();
    const { waiting } = await advance(acme);
    const { apply } = await startByHand(acme);
    expect(await carryOut(apply)).toMatchObject({ applied: 3 });
    expect(await applyOf(acme, waiting[0] as ApplyId)).toMatchObject({
      state: 'cancelled',
      halt: { because: 'started-by-hand' },
    });
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
  });

  it('leaves a connection that is paused, and a tenant that is suspended, alone until they work again', async () => {
    const acme = await connected({ start: 'automatic' });
    await acme.approveAll();
    const set = (state: 'paused' | 'active') =>
      updateConnection(install, install.operator, { connection: acme.connection, state });
    await set('paused');
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    await set('active');
    const suspend = (state: 'suspended' | 'active') =>
      asOwner(install.database.url, (client) =>
        client.query('UPDATE tenant SET state = $2 WHERE id = $1', [acme.tenant, state]),
      );
    await suspend('suspended');
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    await suspend('active');
    const { begun } = await advance(acme);
    await suspend('suspended');
    await expect(carryOut(begun[0] as ApplyId)).rejects.toMatchObject({ code: 'tenant-suspended' });
    await suspend('active');
    const again = await advance(acme);
    expect(await carryOut(again.begun[0] as ApplyId)).toMatchObject({ applied: 3 });
  });
});

describe('A freeze period', () => {
  it('stops every start, also of tenants below; an administrator who says why goes on despite it', async () => {
    const above = await install.tenant();
    const below = await install.tenant(above);
    const acme = await connected({}, 2, below);
    await acme.approveAll();
    await freeze(below, 60);
    await expect(startByHand(acme)).rejects.toMatchObject({
      code: 'not-allowed-now',
      message: expect.stringContaining('“Year end”'),
    });
    const reviewer = await aCaller(install, below, 'reviewer');
    const despite = { connection: acme.connection, despiteFreeze: 'Leaver with keys' };
    await expect(startApply(install, reviewer, despite)).rejects.toMatchObject({ code: 'forbidden' });
    const { apply } = await startByHand(acme, 'Leaver with keys');
    expect(await carryOut(apply)).toMatchObject({ applied: 2 });
    expect(await applyOf(acme, apply)).toMatchObject({ despiteFreeze: 'Leaver with keys' });
  });

  it('of a tenant above is not for those below to lift, nor to know the name of', async () => {
    const above = await install.tenant();
    const acme = await connected({}, 1, await install.tenant(above));
    await acme.approveAll();
    await freeze(above, 60);
    await expect(startByHand(acme, 'Please')).rejects.toMatchObject({
      message: expect.stringMatching(/^A freeze period of a tenant above holds until /),
      remedy: expect.stringContaining('administrator of the tenant above'),
    });
    const ofAbove = await aCaller(install, above);
    const despite = { connection: acme.connection, despiteFreeze: 'Checked' };
    const { apply } = await startApply(install, ofAbove, despite);
    expect(await carryOut(apply)).toMatchObject({ applied: 1 });
  });

  it('of a tenant above holds whatever those below lift of their own, and once it begins', async () => {
    const above = await install.tenant();
    const acme = await connected({ progressive: { first: { changes: 1 } } }, 3, await install.tenant(above));
    await acme.approveAll();
    await freeze(acme.tenant, 120); // lasts longer than that of the tenant above
    await freeze(above, 60);
    await expect(startByHand(acme, 'Please')).rejects.toMatchObject({
      message: expect.stringMatching(/^A freeze period of a tenant above holds until /),
    });
    await freeze(above, 0);
    const { apply } = await startByHand(acme, 'Ours');
    expect(await carryOut(apply)).toMatchObject({ applied: 1 });
    await freeze(above, 60);
    install.clock.advance(15 * MINUTE);
    expect((await advance(acme)).begun).toEqual([]);
    expect(await applyOf(acme, apply)).toMatchObject({ state: 'paused', halt: { because: 'freeze' } });
    const resume = { apply, despiteFreeze: 'Please' };
    await expect(resumeApply(install, acme.administrator, resume)).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    await freeze(above, 0);
    expect((await advance(acme)).begun).toEqual([apply]);
    await freeze(above, 60);
    expect(await carryOut(apply)).toMatchObject({ applied: 1 }); // and a batch asks for itself
    const ofAbove = await aCaller(install, above);
    await resumeApply(install, ofAbove, { apply, despiteFreeze: 'Checked' });
    expect(await carryOut(apply)).toMatchObject({ applied: 3 });
  });

  it('that is declared or prolonged after another was set aside, or begins after it, stops the apply again; a shorter one does not', async () => {
    const acme = await connected({ progressive: { first: { changes: 1 } } }, 3);
    const period = (name: string, fromMinutes: number, untilMinutes: number) => {
      const at = (minutes: number) => new Date(start + minutes * MINUTE).toISOString();
      return { name, from: at(fromMinutes), until: at(untilMinutes) };
    };
    const start = install.clock.now().getTime();
    const declare = (...freezes: ReturnType<typeof period>[]) =>
      setTenantPolicy(install, install.operator, { tenant: acme.tenant, freezes });
    const goesOn = async () => (await advance(acme)).begun.length === 1;
    const [set, other] = [period('Year end', -1, 600), period('Audit', 0, 300)];
    await acme.approveAll();
    await declare(set, period('Next', 30, 60));
    const { apply } = await startByHand(acme, 'Leaver with keys');
    expect(await carryOut(apply)).toMatchObject({ applied: 1 });
    const stopped = async () => {
      expect(await carryOut(apply)).toMatchObject({ applied: 1 }); // a batch asks for itself
      expect(await applyOf(acme, apply)).toMatchObject({ state: 'paused', halt: { because: 'freeze' } });
      expect(await goesOn()).toBe(false);
    };
    install.clock.advance(15 * MINUTE);
    expect(await goesOn()).toBe(true);
    await declare(set, other);
    await stopped();
    await declare(period('Year end', 0, 500));
    expect(await goesOn()).toBe(true);
    await declare(period('Year end', -1, 601));
    await stopped();
    await declare({ ...set, name: 'Of the same time' });
    expect(await goesOn()).toBe(false);
    await declare(set, period('Next', 30, 60));
    expect(await goesOn()).toBe(true);
    install.clock.advance(20 * MINUTE);
    await stopped();
    await expect(resumeApply(install, acme.administrator, { apply })).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    await resumeApply(install, acme.administrator, { apply, despiteFreeze: 'Both' });
    expect(await carryOut(apply)).toMatchObject({ applied: 3 });
    expect(await applyOf(acme, apply)).toMatchObject({ state: 'finished', despiteFreeze: 'Both' });
  });

  it('lets an automatic apply wait, pauses one that runs, and lets both go on when it is over', async () => {
    const acme = await connected({ start: 'automatic' });
    await acme.approve('u1');
    await freeze(acme.tenant, 60);
    expect(await advance(acme)).toMatchObject({ begun: [] });
    const waiting = await only(acme);
    expect(waiting).toMatchObject({ state: 'waiting', halt: { because: 'freeze' } });
    await freeze(acme.tenant, 0); // it ends sooner than was said
    expect((await advance(acme)).begun).toEqual([waiting.id]);
    await freeze(acme.tenant, 30);
    expect(await carryOut(waiting.id)).toMatchObject({ applied: 0 });
    const paused = await applyOf(acme, waiting.id);
    expect(paused).toMatchObject({ state: 'paused', halt: { because: 'freeze', by: null } });
    const resume = { apply: waiting.id };
    await expect(resumeApply(install, acme.administrator, resume)).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    install.clock.advance(30 * MINUTE);
    expect((await advance(acme)).begun).toEqual([waiting.id]);
    expect(await carryOut(waiting.id)).toMatchObject({ applied: 1 });
  });
});

describe('A progressive apply', () => {
  const progressive = { first: { changes: 2 }, pauseMinutes: 15, troublePercent: 20 };

  it('carries a few out, pauses, and goes on with the rest', async () => {
    const acme = await connected({ progressive }, 10);
    await acme.approveAll();
    const { apply, total } = await startByHand(acme);
    expect(total).toBe(10);
    expect(await carryOut(apply)).toMatchObject({ applied: 2 });
    const resumesAt = new Date(install.clock.now().getTime() + 15 * MINUTE).toISOString();
    expect(await applyOf(acme, apply)).toMatchObject({
      ...{ state: 'paused', done: 2, halt: { because: 'first-part' }, resumesAt },
      actions: ['resume', 'cancel'],
    });
    expect(await carryOut(apply)).toMatchObject({ applied: 2 }); // a job that comes twice
    install.clock.advance(15 * MINUTE);
    expect((await advance(acme)).begun).toEqual([apply]);
    expect(await carryOut(apply)).toMatchObject({ applied: 10 });
    expect(await applyOf(acme, apply)).toMatchObject({
      state: 'finished',
      done: 10,
      halt: null,
      resumesAt: null,
    });
  });

  it('carries out no more than the first part, whoever and however often it is taken up', async () => {
    const acme = await connected({ progressive }, 10);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    await Promise.all([carryOut(apply), carryOut(apply), carryOut(apply)]);
    expect(await applyOf(acme, apply)).toMatchObject({ state: 'paused', done: 2 });
    await cancelApply(install, acme.administrator, { apply });
  });

  it('goes on without a pause where the policy wants none', async () => {
    const acme = await connected({ progressive: { ...progressive, pauseMinutes: 0 } }, 5);
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 5 });
  });

  it('stays paused where too much had moved, until somebody has looked', async () => {
    const acme = await connected({}, 4);
    await acme.syncAndApply();
    await setApply(acme, { progressive });
    for (let n = 1; n <= 4; n++) acme.directory.edit(`u${n}`, { department: 'Engines' });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    for (let n = 1; n <= 4; n++) await acme.edit(`u${n}`, { displayName: 'Edited here' });
    expect(await carryOut(apply)).toMatchObject({ moved: 2, applied: 0 });
    expect(await applyOf(acme, apply)).toMatchObject({
      state: 'paused',
      halt: {
        because: 'trouble',
        reason: '0 failed and 2 had moved of 2 carried out: 100 %, more than the 20 % of the policy',
      },
      explanation: 'too many changes failed or had moved',
      remedy: expect.stringContaining(`rollcall applies resume ${apply}`),
      resumesAt: null,
    });
    install.clock.advance(24 * 60 * MINUTE);
    expect(await advance(acme)).toEqual({ begun: [], waiting: [] });
    await acme.sync(); // proposes them afresh, which alters nothing of what became of them here
    const { items } = await listAppliedChanges(install, acme.administrator, { apply, outcome: ['moved'] });
    expect(items.map(({ outcomeReason }) => outcomeReason)).toEqual(
      Array(2).fill('the auth user was changed since this was proposed'),
    );
    await resumeApply(install, acme.administrator, { apply });
    expect(await carryOut(apply)).toMatchObject({ moved: 2 }); // what had been approved was replaced
    expect(await applyOf(acme, apply)).toMatchObject({ state: 'finished', halt: null, remedy: null }); // nothing was left to keep back
  });

  it('does not go on while the connection is not healthy', async () => {
    const acme = await connected({ progressive }, 10);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    await carryOut(apply);
    acme.directory.faults = { fails: { page: 1 } };
    await acme.sync().catch(() => {});
    install.clock.advance(15 * MINUTE);
    expect(await advance(acme)).toMatchObject({ begun: [] });
    const paused = await applyOf(acme, apply);
    expect(paused).toMatchObject({ state: 'paused', halt: { because: 'health', by: null } });
    expect(paused.halt?.reason).toMatch(/^degraded\. The last run failed: /);
    expect(paused.remedy).toContain(`rollcall sync ${acme.connection}`);
    await resumeApply(install, acme.administrator, { apply });
    expect(await carryOut(apply)).toMatchObject({ applied: 10 });
  });
});

describe('Pausing', () => {
  it('does not end while the connection is paused', async () => {
    const acme = await connected({}, 3);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    await pauseApply(install, acme.administrator, { apply });
    const set = (state: 'active' | 'paused') =>
      updateConnection(install, install.operator, { connection: acme.connection, state });
    await set('paused');
    await expect(resumeApply(install, acme.administrator, { apply })).rejects.toMatchObject({
      code: 'not-allowed-now',
      message: 'The connection is paused.',
    });
    await set('active');
    expect(await resumeApply(install, acme.administrator, { apply })).toMatchObject({ state: 'running' });
  });

  it('stays when another process had looked at what is due before', async () => {
    const acme = await connected({ progressive: { first: { changes: 1 } } }, 3);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    await carryOut(apply);
    install.clock.advance(15 * MINUTE);
    const now = install.clock.now();
    const [seen] = await install.store.dueApplies.due({ applies: [apply] }, now);
    if (seen === undefined) throw new Error('its pause is over');
    expect((await advance(acme)).begun).toEqual([apply]);
    await pauseApply(install, acme.administrator, { apply, reason: 'Looks odd' });
    const said = { actor: { kind: 'system', id: null, name: 'worker' }, reason: null } as const;
    expect(await install.store.applyControl.resumeAsSeen(seen, said, seen.halt, now)).toBe(false);
    await install.store.dueApplies.putOff(seen, { because: 'freeze', until: now }, now);
    expect(await applyOf(acme, apply)).toMatchObject({ state: 'paused', halt: { because: 'person' } });
  });

  it('lets nothing begin until it is resumed; both are in the audit log', async () => {
    const acme = await connected({}, 3);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    const reason = 'Looks odd';
    expect(await pauseApply(install, acme.administrator, { apply, reason })).toMatchObject({
      state: 'paused',
      halt: { because: 'person', reason },
    });
    expect(await carryOut(apply)).toMatchObject({ applied: 0 });
    await expect(startByHand(acme)).rejects.toMatchObject({
      code: 'not-allowed-now',
      message: `Apply ${apply} of this connection is paused.`,
    });
    expect(await resumeApply(install, acme.administrator, { apply })).toMatchObject({
      state: 'running',
      halt: null,
    });
    expect(await carryOut(apply)).toMatchObject({ applied: 3 });
    const { name } = acme.administrator.actor;
    expect(await actionsOn(acme)).toEqual([
      ...[`apply.started person ${name}`, `apply.paused person ${name}`],
      ...[`apply.resumed person ${name}`, `apply.finished person ${name}`],
    ]);
  });

  it('of a cancelled or finished apply is refused, and so is anything by whoever may not apply or see it', async () => {
    const acme = await connected({}, 1);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    const others: readonly (readonly [Caller, string])[] = [
      [await aCaller(install, acme.tenant, 'auditor'), 'forbidden'],
      [await aCaller(install, await install.tenant()), 'not-found'],
    ];
    for (const [caller, code] of others)
      for (const act of [pauseApply, resumeApply, cancelApply])
        await expect(act(install, caller, { apply })).rejects.toMatchObject({ code });
    await cancelApply(install, acme.administrator, { apply });
    for (const act of [pauseApply, resumeApply, cancelApply])
      await expect(act(install, acme.administrator, { apply })).rejects.toMatchObject({
        code: 'not-allowed-now',
      });
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('in the middle keeps what was done: what is left goes on from there, each change once', async () => {
    const acme = await connected({ progressive: { first: { changes: 3 }, pauseMinutes: 60 } }, 8);
    await acme.approveAll();
    const { apply } = await startByHand(acme);
    await carryOut(apply);
    await cancelApply(install, acme.administrator, { apply });
    expect(await applyOf(acme, apply)).toMatchObject({ state: 'cancelled', done: 3, applied: 3 });
    expect(await acme.inState('approved')).toHaveLength(5);
    expect((await acme.events()).filter(({ type }) => type === 'user.created')).toHaveLength(3);
  });
});
