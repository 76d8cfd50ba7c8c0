import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mapping } from '../../src/domain/mapping.ts';
import { adjustNewcomer } from '../../src/review/adjust.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { commentOnChange } from '../../src/review/assign.ts';
import { decide } from '../../src/review/decide.ts';
import { explainUser } from '../../src/review/explain.ts';
import { explainPerson, findPerson } from '../../src/review/standing.ts';
import { getTimeline } from '../../src/review/timeline.ts';
import { undoApply } from '../../src/review/undo.ts';
import { replanRun } from '../../src/sync/replan.ts';
import { listRuns } from '../../src/sync/runs.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aTenant } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
  untilNow();
});
afterAll(() => install.close());

/** The database dates what plans make. */
const untilNow = () => install.clock.advance(Date.now() - install.clock.now().getTime());

const mapping = Mapping.parse({
  groups: [],
  everyone: ['member'],
  roles: [{ group: 'g1', role: 'engineer' }],
  rules: [{ when: { attribute: { name: 'department', equals: 'Engines' } }, roles: ['builder'] }],
  scope: "user.department != 'Board'",
  attributes: {
    displayName: { value: "user.givenName + ' ' + user.familyName" },
    company: { default: 'Harbor' },
    locale: { transform: ['lower'] },
    officeLocation: { owner: 'first' },
    costCenter: { owner: 'local' },
  },
});

async function settled(): Promise<Connected> {
  const directory = aDirectory({ users: 3, groups: [{ id: 'g1', name: 'Engineers', members: ['u1'] }] });
  directory.edit('u1', {
    department: 'Engines',
    givenName: 'Ada',
    familyName: 'Obi',
    locale: 'de-DE',
    company: null,
  });
  directory.edit('u2', { department: 'Board' });
  directory.edit('u3', { department: 'Sales', givenName: 'Bo', familyName: 'Li', officeLocation: 'B 2' });
  const acme = await install.connect({ directory, mapping, guards: noGuards });
  await acme.syncAndApply();
  return acme;
}

const timeline = async (acme: Connected, externalId: string, limit = 100) => {
  const { id } = await acme.user(externalId);
  return (await getTimeline(install, acme.administrator, { user: id, limit })).items;
};
const person = (acme: Connected, externalId: string, caller = acme.administrator) =>
  explainPerson(install, caller, { connection: acme.connection, externalId });

describe('The timeline of an auth user', () => {
  it('tells what the directory said, which rule fired, who decided and why, and what was written', async () => {
    const acme = await settled();
    acme.directory.edit('u1', { department: 'Wings' });
    await acme.sync();
    const change = await acme.changeOf('u1');
    const shown = { id: change.id, fingerprint: change.fingerprint, decision: null };
    const hold = { verdict: 'hold', reason: 'Asked HR', changes: [shown] } as const;
    await decide(install, acme.administrator, hold);
    await acme.approve('u1');
    await acme.apply();
    untilNow();
    await acme.grant('u1', 'guest');
    const items = await timeline(acme, 'u1');
    expect(items.map(({ what }) => what)).toEqual([
      ...['proposed', 'decided', 'carried-out'],
      ...['proposed', 'decided', 'decided', 'carried-out'],
      'recorded',
    ]);
    const events = await acme.events();
    const { id } = await acme.user('u1');
    const eventOf = (version: number) =>
      events.find((event) => event.authUser === id && event.userVersion === version)?.id;
    expect(items).toMatchObject([
      {
        kind: 'create',
        cause: 'joined',
        rolesGained: [
          // Read anew since then: what gave these is not known for certain.
          { role: 'builder', because: [{ from: 'rule', rule: 1 }], certain: false },
          { role: 'engineer', because: [{ from: 'group', group: 'g1' }], certain: false },
          { role: 'member', because: [{ from: 'everyone' }], certain: false },
        ],
      },
      { verdict: 'approve', madeBy: 'person', by: acme.administrator.actor.name, reason: 'test' },
      { outcome: 'applied', version: 1, event: eventOf(1), by: acme.administrator.actor.name },
      {
        change: change.id,
        kind: 'update',
        fields: [{ field: 'department', before: 'Engines', after: 'Wings' }],
        rolesLost: ['builder'],
      },
      { change: change.id, verdict: 'hold', reason: 'Asked HR' },
      { change: change.id, verdict: 'approve' },
      { change: change.id, outcome: 'applied', version: 2, event: eventOf(2) },
      { action: 'role.granted', by: { name: install.operator.actor.name }, details: { role: 'guest' } },
    ]);
    expect(await timeline(acme, 'u1', 2)).toEqual(items.slice(-2));
  });

  it('names the part of the mapping that gave a role, of whoever is as they were read then; and the guard that held', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { department: 'Engines' });
    await acme.sync();
    const user = await acme.user('u3');
    await asOwner(install.database.url, (client) =>
      client.query(
        `WITH made AS (INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, reason, finding)
         SELECT gen_random_uuid(), tenant_id, connection_id, 'hold', 'guard', 'too many', '{"guard": "too-many-changes", "counted": 3, "limit": 1}'
         FROM change WHERE auth_user_id = $1 AND state = 'open' RETURNING id, tenant_id)
       INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint)
       SELECT made.id, c.id, made.tenant_id, c.fingerprint FROM made, change c WHERE c.auth_user_id = $1 AND c.state = 'open'`,
        [user.id],
      ),
    );
    const last = (await timeline(acme, 'u3')).slice(-2);
    expect(last).toMatchObject([
      {
        what: 'proposed',
        rolesGained: [{ role: 'builder', because: [{ from: 'rule', rule: 1 }], certain: true }],
      },
      { what: 'decided', madeBy: 'guard', by: null, finding: { guard: 'too-many-changes' } },
    ]);
  });

  it('leaves out what was done by hand for whoever may not read the audit log, and is not for a neighbour', async () => {
    const acme = await settled();
    await acme.grant('u1', 'guest');
    const { id } = await acme.user('u1');
    const reviewer = await aCaller(install, acme.tenant, 'reviewer');
    const seen = await getTimeline(install, reviewer, { user: id });
    expect(seen.items.map(({ what }) => what)).toEqual(['proposed', 'decided', 'carried-out']);
    const neighbour = await aCaller(install, await aTenant(install));
    await expect(getTimeline(install, neighbour, { user: id })).rejects.toMatchObject({ code: 'not-found' });
    await expect(person(acme, 'u2', neighbour)).rejects.toMatchObject({ code: 'not-found' });
    expect(await findPerson(install, neighbour, 'u2')).not.toContain(acme.connection);
    expect(await findPerson(install, acme.administrator, 'u2')).toEqual([acme.connection]);
    const application = await aCaller(install, acme.tenant, 'application');
    await expect(getTimeline(install, application, { user: id })).rejects.toMatchObject({
      code: 'forbidden',
    });
  });
});

describe('What people said of somebody new, and took back later', () => {
  it('is in the timeline, and the reason of a role', async () => {
    const acme = await settled();
    await acme.grant('u1', 'guest'); // so that there is such a role
    acme.directory.add({ id: 'new', department: 'Engines', givenName: 'N', familyName: 'W' });
    await acme.sync();
    const { administrator } = acme;
    const { id, fingerprint } = await acme.changeOf('new');
    await commentOnChange(install, administrator, { change: id, text: 'Starts on Monday?' });
    untilNow();
    const edited = { change: id, fingerprint, roles: ['member', 'guest'], reason: 'Builds nothing yet' };
    await adjustNewcomer(install, administrator, edited);
    await acme.approve('new');
    const { apply } = await startApply(install, administrator, { connection: acme.connection });
    await carryOutApply(install, apply, { signal: new AbortController().signal });
    const user = await acme.user('new');
    const { roles } = await explainUser(install, administrator, user.id);
    const said = { from: 'adjustment', by: administrator.actor.name, reason: 'Builds nothing yet' };
    expect(roles.map(({ role, because }) => [role, because])).toEqual([
      ['guest', [said]],
      ['member', [{ from: 'everyone' }]],
    ]);
    untilNow();
    await undoApply(install, administrator, { apply, reason: 'Hired by mistake' });
    const items = await timeline(acme, 'new');
    expect(items.map(({ what }) => what).sort()).toEqual([
      ...['adjusted', 'carried-out', 'commented', 'decided', 'proposed', 'proposed', 'proposed', 'withdrawn'],
    ]);
    expect(items.find(({ what }) => what === 'commented')).toMatchObject({
      change: id,
      text: 'Starts on Monday?',
    });
    expect(items.find(({ what }) => what === 'adjusted')).toMatchObject({
      rolesAdded: ['guest'],
      rolesRemoved: ['builder'],
      reason: 'Builds nothing yet',
    });
    expect(items.filter((item) => item.what === 'proposed' && item.undoes !== null)).toMatchObject([
      { kind: 'delete', undoes: expect.any(String), undoReason: 'Hired by mistake' },
    ]);
    const [run] = (await listRuns(install, administrator, { connection: acme.connection })).items;
    expect(await replanRun(install, administrator, run?.id ?? '')).toMatchObject({
      same: { record: 1 },
      differences: [],
    });
  });
});

describe('Where a field comes from', () => {
  it('is an attribute, an expression, a default, a person, or what was there before', async () => {
    const acme = await settled();
    await acme.edit('u1', { attributes: { costCenter: '4711', badge: 'B 17', department: 'Wings' } });
    const { id } = await acme.user('u1');
    const { fields } = await explainUser(install, acme.administrator, id);
    const of = Object.fromEntries(fields.map((field) => [field.field, field]));
    const { connection } = acme;
    expect(of).toMatchObject({
      email: {
        because: { from: 'attribute', attribute: 'email', changed: false },
        connection,
        owner: 'directory',
      },
      displayName: {
        value: 'Ada Obi',
        because: { from: 'expression', expression: mapping.attributes?.['displayName']?.value },
      },
      company: { value: 'Harbor', because: { from: 'default' }, connection },
      locale: { value: 'de-de', because: { from: 'attribute', attribute: 'locale', changed: true } },
      costCenter: {
        because: { from: 'hand', by: acme.administrator.actor.name },
        connection: null,
        owner: null,
        wanted: null,
      },
      badge: { because: { from: 'hand' }, owner: null },
      department: {
        value: 'Wings',
        because: { from: 'hand' },
        owner: 'directory',
        wanted: { connection, value: 'Engines' },
      },
    });
    acme.directory.edit('u3', { officeLocation: 'C 3', department: 'Marketing' });
    await acme.sync();
    const other = await explainUser(install, acme.administrator, (await acme.user('u3')).id);
    expect(other.fields.filter(({ because }) => because?.from === 'before')).toMatchObject([
      { field: 'department', value: 'Sales', wanted: { value: 'Marketing' } },
      { field: 'officeLocation', value: 'B 2', owner: 'first', wanted: { value: 'C 3' } },
    ]);
  });
});

describe('A role that the mapping gives', () => {
  it('is named where it is not held: it waits; or somebody has taken it back, and that is agreed on', async () => {
    const acme = await settled();
    const { administrator, connection } = acme;
    const explained = async () => await explainUser(install, administrator, (await acme.user('u3')).id);
    acme.directory.edit('u3', { department: 'Engines' });
    await acme.sync();
    const builder = { role: 'builder', connection, because: [{ from: 'rule', rule: 1, group: null }] };
    expect(await explained()).toMatchObject({ notHeld: [builder], identities: [{ isAgreed: false }] });
    await acme.approve('u3');
    const { apply } = await startApply(install, administrator, { connection });
    await carryOutApply(install, apply, { signal: new AbortController().signal });
    expect(await explained()).toMatchObject({ notHeld: [], identities: [{ isAgreed: true }] });
    await undoApply(install, administrator, { apply });
    await acme.approve('u3');
    await acme.apply();
    const undone = await explained();
    expect(undone).toMatchObject({ notHeld: [builder], identities: [{ isAgreed: true }] });
    expect(undone.fields.find(({ field }) => field === 'department')).toMatchObject({
      value: 'Sales',
      because: { from: 'before' },
      wanted: { value: 'Engines' },
    });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });
});

describe('Somebody whom a directory has, and who is no auth user', () => {
  it('is out of scope, and what the scope looks at says why', async () => {
    const acme = await settled();
    expect(await person(acme, 'u2')).toMatchObject({
      standing: 'out-of-scope',
      because: "user.department != 'Board'",
      looksAt: { department: 'Board' },
      user: null,
      change: null,
    });
    const { email } = acme.directory.users.find(({ externalId }) => externalId === 'u2') ?? {};
    const address = email?.toUpperCase() ?? '';
    const byAddress = await explainPerson(install, acme.administrator, {
      connection: acme.connection,
      address,
    });
    expect(byAddress).toMatchObject({ externalId: 'u2', standing: 'out-of-scope' });
  });

  it('could not be read, is not active, was refused, waits, or is not there', async () => {
    const acme = await settled();
    acme.directory.add(
      { id: 'new' },
      { id: 'refused' },
      { id: 'asleep', state: 'suspended' },
      { id: 'broken' },
      { id: 'twin', email: acme.directory.users[0]?.email ?? null },
    );
    acme.directory.faults = { unreadable: ['broken'] };
    await acme.sync();
    await acme.decide('reject', 'refused');
    const { administrator, connection } = acme;
    expect(await person(acme, 'broken')).toMatchObject({
      standing: 'unreadable',
      because: expect.any(String),
    });
    expect(await person(acme, 'asleep')).toMatchObject({ standing: 'not-active', because: 'suspended' });
    expect(await person(acme, 'new')).toMatchObject({
      standing: 'waits',
      change: { kind: 'create', state: 'open' },
    });
    expect(await person(acme, 'twin')).toMatchObject({
      standing: 'conflict',
      change: { remedy: expect.any(String) },
    });
    expect(await person(acme, 'refused')).toMatchObject({
      standing: 'refused',
      timeline: [{ what: 'proposed' }, { what: 'decided', verdict: 'reject' }],
    });
    expect(await person(acme, 'nobody')).toMatchObject({
      standing: 'absent',
      lastComplete: { run: expect.any(String) },
    });
    expect(await person(acme, 'u1')).toMatchObject({ standing: 'linked', user: (await acme.user('u1')).id });
    const nobody = explainPerson(install, administrator, { connection, address: 'nobody@acme.example' });
    await expect(nobody).rejects.toMatchObject({ code: 'not-found' });
    await expect(explainPerson(install, administrator, { connection })).rejects.toMatchObject({
      code: 'invalid-input',
    });
  });

  it('has the history of what was proposed and came to nothing', async () => {
    const acme = await settled();
    acme.directory.add({ id: 'short', department: 'Sales' });
    await acme.sync();
    acme.directory.remove('short');
    await acme.sync();
    expect(await person(acme, 'short')).toMatchObject({
      standing: 'absent',
      timeline: [
        { what: 'proposed', kind: 'create' },
        { what: 'withdrawn', note: { because: 'away' } },
      ],
    });
  });
});
