import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decide } from '../../src/review/decide.ts';
import { requestRun } from '../../src/sync/runs.ts';
import { readingOf } from '../../src/sync/sync.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf, unknownId } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Joiners u1 to u<count>, all open. */
async function joiners(count = 3): Promise<Connected> {
  const acme = await install.connect({ directory: aDirectory({ users: count }), guards: noGuards });
  await acme.sync();
  return acme;
}

const noUsage = { requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 };
const ruling = { verdict: 'approve' as const, reason: 'looks right' };

async function shown(acme: Connected, ...ids: readonly string[]) {
  const changes = (await acme.live()).filter(
    ({ externalId }) => ids.length === 0 || ids.includes(externalId),
  );
  return changes.map(({ id, fingerprint }) => ({ id, fingerprint }));
}

describe('A decision on named changes', () => {
  it('is refused where the content is another one by now, and only there', async () => {
    const acme = await joiners(3);
    const others = await shown(acme, 'u2', 'u3');
    const [first] = await shown(acme, 'u1');
    const altered = [{ id: first?.id, fingerprint: '0'.repeat(64) }, ...others];
    const result = await decide(install, acme.administrator, { ...ruling, changes: altered });
    expect(result).toMatchObject({
      decided: 2,
      refused: [{ id: first?.id, because: 'changed-since-shown', explanation: expect.any(String) }],
    });
    expect(await acme.inState('open')).toEqual(['u1']);
  });

  it('does not carry over to what the directory says later', async () => {
    const acme = await joiners(1);
    const before = await shown(acme);
    acme.directory.edit('u1', { displayName: 'Somebody else' });
    await acme.sync();
    const late = await decide(install, acme.administrator, { ...ruling, changes: before });
    expect(late).toMatchObject({ decided: 0, refused: [{ because: 'not-allowed-now' }] });
    expect(await acme.inState('open')).toEqual(['u1']);
  });

  it('is made once: the same again is refused and changes nothing', async () => {
    const acme = await joiners(2);
    const changes = await shown(acme);
    await decide(install, acme.administrator, { ...ruling, changes });
    const before = await acme.live();
    const again = await decide(install, acme.administrator, { ...ruling, reason: 'once more', changes });
    expect(again.refused.map(({ because }) => because)).toEqual(['not-allowed-now', 'not-allowed-now']);
    expect(await acme.live()).toEqual(before);
  });

  it('that names a change twice counts it once', async () => {
    const acme = await joiners(2);
    const [one] = await shown(acme);
    const result = await decide(install, acme.administrator, { ...ruling, changes: [one, one] });
    expect(result.decided).toBe(1);
    const entry = (await auditOf(install.database.url, acme.tenant)).at(-1);
    expect(entry).toMatchObject({ action: 'changes.approved', details: { changes: 1 } });
  });

  it('that names a change twice, once as it is not, decides nothing about it', async () => {
    const acme = await joiners(1);
    const [one] = await shown(acme);
    const altered = { id: one?.id, fingerprint: '0'.repeat(64) };
    const result = await decide(install, acme.administrator, { ...ruling, changes: [one, altered] });
    expect(result).toMatchObject({ decided: 0, refused: [{ because: 'changed-since-shown' }] });
    expect(await acme.inState('open')).toEqual(['u1']);
  });

  it("sees neither another tenant's changes nor ones that do not exist, and says the same of both", async () => {
    const [acme, other] = [await joiners(1), await joiners(1)];
    const [foreign] = await shown(other);
    const changes = [foreign, { id: unknownId(), fingerprint: foreign?.fingerprint }];
    const result = await decide(install, acme.administrator, { ...ruling, changes });
    expect(result.refused.map(({ because }) => because)).toEqual(['not-found', 'not-found']);
    expect(await other.inState('open')).toEqual(['u1']);
  });

  it('keeps the evidence of what was shown, and is audited with its reason', async () => {
    const acme = await joiners(2);
    await acme.approve('u1');
    expect((await acme.changeOf('u1')).decision).toMatchObject({
      verdict: 'approve',
      madeBy: 'person',
      by: acme.administrator.actor.name,
      reason: 'test',
    });
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      actor: acme.administrator.actor,
      action: 'changes.approved',
      subject: { kind: 'change-set', id: acme.connection },
      details: { changes: 1, reason: 'test' },
    });
  });

  it('may be taken back before it is applied', async () => {
    const acme = await joiners(2);
    await acme.approve('u1', 'u2');
    await acme.decide('reject', 'u1');
    await acme.decide('hold', 'u2');
    expect(await acme.inState('rejected')).toEqual(['u1']);
    expect(await acme.inState('held')).toEqual(['u2']);
    await expect(acme.apply()).rejects.toMatchObject({ code: 'not-allowed-now' });
  });
});

describe('A decision on a whole set', () => {
  it('is about the revision that was seen: what arrived later is not included', async () => {
    const acme = await joiners(3);
    const revision = await acme.revision();
    acme.directory.add({ id: 'late' });
    acme.directory.edit('u1', { displayName: 'Edited later' });
    await acme.sync();
    expect(await acme.decideAll('approve', {}, { revision })).toBe(2);
    expect(await acme.inState('approved')).toEqual(['u2', 'u3']);
    expect(await acme.inState('open')).toEqual(['late', 'u1']);
  });

  it('is audited with what was asked for, but for whom was searched', async () => {
    const acme = await joiners(2);
    const filter = { kind: ['create'], department: '', search: 'u1' };
    await acme.decideAll('approve', filter, { includeHeld: true });
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      action: 'changes.approved',
      details: {
        by: 'filter',
        filter: { kind: ['create'], department: '', search: 'not kept' },
        revision: await acme.revision(),
        includeHeld: true,
        changes: 1,
      },
    });
  });

  it('that names a connection twice is refused, with the place', async () => {
    const acme = await joiners(1);
    const { connection } = acme;
    const revisions = [
      { connection, revision: await acme.revision() },
      { connection, revision: 0 },
    ];
    await expect(decide(install, acme.administrator, { ...ruling, revisions })).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [{ path: 'revisions.1.connection', message: 'is named before already' }],
    });
  });

  it('says in our own words what is wrong with a reason or a moment', async () => {
    const acme = await joiners(1);
    const [one] = await shown(acme);
    const given = { verdict: 'reject', reason: 'x'.repeat(1_001), until: 'tomorrow', changes: [one] };
    await expect(decide(install, acme.administrator, given)).rejects.toMatchObject({
      fields: [
        { path: 'reason', message: 'is longer than 1000 characters' },
        { path: 'until', message: 'is no moment with its time zone, such as 2026-12-31T18:00:00Z' },
      ],
    });
  });

  it('at a revision that was never shown is refused', async () => {
    const acme = await joiners(1);
    const revision = (await acme.revision()) + 1;
    await expect(acme.decideAll('approve', {}, { revision })).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
  });

  it('can be narrowed by set, kind, cause and search', async () => {
    const acme = await joiners(4);
    await acme.approveAll();
    await acme.apply();
    acme.directory.add({ id: 'new1' }, { id: 'new2' });
    acme.directory.edit('u1', { displayName: 'Edited' });
    acme.directory.remove('u2');
    await acme.sync();
    expect(await acme.approveAll({ set: 'changed' })).toBe(1);
    expect(await acme.approveAll({ kind: ['delete'], cause: 'left' })).toBe(1);
    expect(await acme.approveAll({ search: 'NEW1@' })).toBe(1);
    expect(await acme.inState('open')).toEqual(['new2']);
  });

  it('leaves what was refused as it is', async () => {
    const acme = await joiners(2);
    await acme.decide('reject', 'u1');
    expect(await acme.approveAll()).toBe(1);
    expect(await acme.inState('rejected')).toEqual(['u1']);
  });

  it("is refused for another tenant's connection, as if it were not there", async () => {
    const [acme, other] = [await joiners(1), await joiners(1)];
    const input = { ...ruling, connection: other.connection, revision: 1 };
    await expect(decide(install, acme.administrator, input)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('Who decides', () => {
  it('needs a role that includes it, and a reason', async () => {
    const acme = await joiners(1);
    const changes = await shown(acme);
    const auditor = await aCaller(install, acme.tenant, 'auditor');
    await expect(decide(install, auditor, { ...ruling, changes })).rejects.toMatchObject({
      code: 'forbidden',
    });
    const silent = { verdict: 'approve', reason: '  ', changes };
    await expect(decide(install, acme.administrator, silent)).rejects.toMatchObject({
      code: 'invalid-input',
    });
    expect(await acme.inState('open')).toEqual(['u1']);
  });

  it('may stand above the tenant', async () => {
    const acme = await joiners(1);
    const changes = await shown(acme);
    expect(await decide(install, install.operator, { ...ruling, changes })).toMatchObject({ decided: 1 });
    expect((await acme.changeOf('u1')).decision).toMatchObject({ by: install.operator.actor.name });
  });
});

describe('A plan that is being stored', () => {
  it('keeps nobody waiting who decides, nor whoever asks for a run', async () => {
    const acme = await joiners(2);
    const { runs, planning } = install.store;
    const work = { connection: acme.connection, tenant: acme.tenant };
    const connection = await install.store.connections.get(acme.tenant, acme.connection);
    if (connection === null) throw new Error('the connection is there');
    const how = { wanted: null, trigger: 'demand' as const, requestedBy: 'test', at: install.clock.now() };
    const taken = await runs.take(work, { ...readingOf(connection), full: true, users: null }, how);
    if (taken === null) throw new Error('there is a run to take');
    const run = await runs.concludePull(taken.run, { kind: 'partial', reason: 'page-failed' }, null, noUsage);
    const asked = planning.inPlan(run, async () => {
      expect(await acme.approve('u1')).toMatchObject({ decided: 1 }); // within the plan's transaction: it would wait for itself
      return await requestRun(install, acme.administrator, { connection: acme.connection });
    });
    expect(await asked).toMatchObject({ already: false });
    expect(await acme.inState('approved')).toEqual(['u1']);
  });
});

describe('A later run', () => {
  it('with one of five hundred changes altered keeps the other decisions', async () => {
    const acme = await joiners(500);
    await acme.approveAll({ search: 'u1' });
    await acme.decideAll('reject', { search: 'u2' });
    const before = new Map((await acme.live()).map((one) => [one.externalId as string, one]));
    acme.directory.edit('u1', { displayName: 'Altered' });
    await acme.sync();
    const after = new Map((await acme.live()).map((one) => [one.externalId as string, one]));
    expect(after.size).toBe(500);
    const kept = [...after].filter(([id, change]) => {
      const was = before.get(id);
      return was?.id === change.id && was.state === change.state && was.decision?.at === change.decision?.at;
    });
    expect(kept).toHaveLength(499);
    expect(after.get('u1')).toMatchObject({ state: 'open', decision: null });
  });

  it('does not ask again for what was refused until it changes', async () => {
    const acme = await joiners(2);
    await acme.decide('reject', 'u1');
    await acme.sync();
    await acme.sync();
    expect(await acme.pending()).toEqual(['u2']);
    acme.directory.edit('u1', { displayName: 'Another content' });
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1', 'u2']);
  });

  it('that reads only a part keeps the decisions on those whom it did not see', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 4, pageSize: 2 }) });
    await acme.sync();
    await acme.approveAll();
    for (const id of ['u1', 'u4']) acme.directory.edit(id, { displayName: 'Edited' });
    acme.directory.faults = { fails: { page: 2 } };
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u2', 'u3', 'u4']);
    expect(await acme.inState('open')).toEqual(['u1']);
  });

  it('withdraws a change that is no longer true', async () => {
    const acme = await joiners(2);
    await acme.approveAll();
    acme.directory.remove('u1');
    await acme.sync();
    expect(await acme.inState('superseded')).toEqual(['u1']);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });
});
