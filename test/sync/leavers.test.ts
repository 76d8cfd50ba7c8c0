import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { getTimeline } from '../../src/review/timeline.ts';
import { undoApply } from '../../src/review/undo.ts';
import { replanRun } from '../../src/sync/replan.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { purgeDueUsers } from '../../src/tenancy/userPurge.ts';
import { getUser } from '../../src/tenancy/users.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, type ConnectOptions, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const DAY_MS = 86_400_000;

/** Leavers are kept for thirty days. */
async function settled(count: number, options: Partial<ConnectOptions> = {}): Promise<Connected> {
  const acme = await install.connect({
    directory: aDirectory({ users: count }),
    guards: noGuards,
    policy: { leavers: { graceDays: 30 } },
    ...options,
  });
  await acme.syncAndApply();
  return acme;
}

/** u1 has left `first`, and ten days later `second`, another directory of the tenant, has them active under the id x. */
async function leftAndKept(options: Pick<ConnectOptions, 'policy'>) {
  const tenant = await install.tenant();
  const first = await settled(2, { tenant, ...options });
  const { id } = await first.user('u1');
  const second = await install.connect({
    ...{ directory: aDirectory({ users: 0 }), tenant, guards: noGuards, ...options },
  });
  first.directory.remove('u1');
  await first.syncAndApply();
  await asOwner(install.database.url, (client) =>
    client.query(
      `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version) VALUES ($1, 'x', $2, $3, '\\x00', 1)`,
      [second.connection, tenant, id],
    ),
  );
  install.clock.advance(10 * DAY_MS);
  second.directory.add({ id: 'x' });
  await second.syncAndApply();
  expect((await first.user('u1')).state).toBe('active');
  return { first, second, id };
}

const kinds = async (acme: Connected) =>
  (await acme.live()).map(({ externalId, kind, cause }) => [externalId, kind, cause]);

describe('Whoever leaves', () => {
  it('is suspended at once, waits without a word, and is proposed for deletion when their time is over', async () => {
    const acme = await settled(4);
    acme.directory.remove('u1');
    acme.directory.edit('u2', { state: 'deprovisioned' });
    await acme.sync();
    expect(await kinds(acme)).toEqual([
      ['u2', 'suspend', 'deprovisioned'],
      ['u1', 'suspend', 'left'],
    ]);
    await acme.approveAll();
    await acme.apply();
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    install.clock.advance(29 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    install.clock.advance(DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([
      ['u1', 'delete', 'grace-over'],
      ['u2', 'delete', 'grace-over'],
    ]);
    await acme.approveAll();
    await acme.sync(); // as often as it likes: the decision stays
    expect(await acme.apply()).toMatchObject({ applied: 2 });
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    expect((await acme.users()).map(({ state }) => state)).toEqual([
      'deleted',
      'deleted',
      'active',
      'active',
    ]);
  });

  it('is the same auth user again when they return meanwhile, and waits anew when they leave again', async () => {
    const acme = await settled(2);
    const before = await acme.users();
    acme.directory.remove('u1');
    await acme.syncAndApply();
    install.clock.advance(20 * DAY_MS);
    acme.directory.add({ id: 'u1' });
    await acme.sync();
    expect(await kinds(acme)).toEqual([['u1', 'reactivate', 'returned']]);
    await acme.approveAll();
    await acme.apply();
    const withoutVersion = ({ version: _, ...user }: (typeof before)[number]) => user;
    expect((await acme.users()).map(withoutVersion)).toEqual(before.map(withoutVersion));
    install.clock.advance(20 * DAY_MS);
    await acme.sync();
    acme.directory.remove('u1');
    await acme.syncAndApply();
    install.clock.advance(20 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
  });

  it('who was suspended otherwise before that was carried out waits all the same', async () => {
    const acme = await settled(2);
    acme.directory.remove('u1');
    await acme.sync();
    await acme.approveAll();
    const { id } = await acme.user('u1');
    await asOwner(install.database.url, (client) =>
      client.query(`UPDATE auth_user SET state = 'suspended', version = version + 1 WHERE id = $1`, [id]),
    );
    expect(await acme.apply()).toMatchObject({ applied: 0, alreadyApplied: 1 });
    await acme.sync();
    install.clock.advance(29 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    install.clock.advance(2 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([['u1', 'delete', 'grace-over']]);
  });

  it('who comes back as suspended is no leaver any more', async () => {
    const acme = await settled(2);
    acme.directory.remove('u1');
    await acme.syncAndApply();
    acme.directory.add({ id: 'u1', state: 'suspended' });
    await acme.sync();
    install.clock.advance(31 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
  });

  it('who was suspended before waits from when they left', async () => {
    const acme = await settled(2);
    acme.directory.edit('u1', { state: 'suspended' });
    acme.directory.edit('u2', { state: 'suspended' });
    await acme.syncAndApply();
    install.clock.advance(60 * DAY_MS);
    acme.directory.remove('u1');
    acme.directory.edit('u2', { state: 'deprovisioned' });
    await acme.sync();
    install.clock.advance(29 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    install.clock.advance(DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([
      ['u1', 'delete', 'grace-over'],
      ['u2', 'delete', 'grace-over'],
    ]);
  });

  it('is not proposed for deletion by a run that could not read everything, nor while their own record is unreadable', async () => {
    const acme = await settled(6);
    acme.directory.remove('u1', 'u2');
    await acme.syncAndApply();
    install.clock.advance(31 * DAY_MS);
    acme.directory.faults = { emptyFirstPage: true };
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    acme.directory.add({ id: 'u1' });
    acme.directory.faults = { unreadable: ['u1'] };
    await acme.sync();
    expect(await kinds(acme)).toEqual([['u2', 'delete', 'grace-over']]);
  });

  it('is proposed by a delta too when their time is over', async () => {
    const acme = await settled(4, { directory: aDirectory({ users: 4, hasFeed: true }) });
    acme.directory.remove('u1');
    await acme.syncAndApply();
    install.clock.advance(30 * DAY_MS - 3_600_000);
    await acme.sync({ full: true });
    install.clock.advance(3_600_000);
    acme.directory.edit('u2', { department: 'Engines' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect((await kinds(acme)).toSorted()).toEqual([
      ['u1', 'delete', 'grace-over'],
      ['u2', 'update', 'edited'],
    ]);
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await kinds(acme)).toHaveLength(2);
  });

  it('keeps their time when the policy is changed, and all go at once where none is given any more', async () => {
    const acme = await settled(3);
    acme.directory.remove('u1');
    await acme.syncAndApply();
    install.clock.advance(DAY_MS);
    await updateConnection(install, acme.administrator, {
      connection: acme.connection,
      policy: { guards: noGuards, samePerson: 'show' },
    });
    acme.directory.remove('u2');
    await acme.sync();
    expect((await kinds(acme)).toSorted()).toEqual([
      ['u1', 'delete', 'grace-over'],
      ['u2', 'delete', 'left'],
    ]);
  });

  it('is counted by guards once, and not again when the deletion follows', async () => {
    const guards = {
      ...noGuards,
      deletedPercent: 0,
      deletedInWindowPercent: 0,
      deletedAtLeast: 3,
      windowHours: 8_760,
    };
    const acme = await settled(10, { guards: { ...guards, changedPercent: 0, changedAtLeast: 3 } });
    acme.directory.remove('u1', 'u2', 'u3');
    await acme.syncAndApply();
    install.clock.advance(30 * DAY_MS);
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
    acme.directory.remove('u4');
    await acme.sync();
    expect(await acme.inState('held')).toEqual(['u4']); // with the three it would be a fourth within the window
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
    await acme.approve('u1', 'u2', 'u3');
    await acme.apply();
    await acme.sync();
    expect(await acme.inState('held')).toEqual(['u4']);
  });

  it('waits anew when another directory had them active meanwhile, and suspended again', async () => {
    const { first, second } = await leftAndKept({});
    second.directory.edit('x', { state: 'suspended' });
    await second.syncAndApply();
    install.clock.advance(20 * DAY_MS);
    await first.sync({ full: true });
    expect([(await first.user('u1')).state, await kinds(first)]).toEqual(['suspended', []]);
    install.clock.advance(29 * DAY_MS);
    await first.sync({ full: true });
    expect(await kinds(first)).toEqual([]);
    install.clock.advance(DAY_MS);
    await first.sync({ full: true });
    expect(await kinds(first)).toEqual([['u1', 'delete', 'grace-over']]);
  });
});

describe('Whoever was deleted long ago', () => {
  const purging = { leavers: { graceDays: 0, purgeAfterDays: 90 } };
  const log = { info: () => {}, warn: (fields: object) => expect.fail(JSON.stringify(fields)) };
  const purge = () => purgeDueUsers({ ...install, store: install.store, log }, new AbortController().signal);

  it('is purged of all that is personal, and comes back as somebody new', async () => {
    const groups = [{ id: 'g', members: ['ada-17'] }];
    const directory = aDirectory({ users: 0, groups });
    directory.add({ id: 'ada-17', displayName: 'Ada Obi', email: 'ada.obi@example.test' }, { id: 'bob' });
    const mapping = { roles: [{ group: 'g', role: 'editor' }] };
    const acme = await settled(0, { directory, mapping, policy: purging });
    await acme.grant('ada-17', 'approver');
    directory.edit('ada-17', { department: 'Engines' });
    await acme.syncAndApply();
    const { id } = await acme.user('ada-17');
    directory.faults = { unreadable: ['ada-17'] };
    await acme.sync();
    expect(await traces(acme.tenant, ['ada-17'])).toContain('sync_run');
    directory.faults = {};
    directory.remove('ada-17');
    directory.group('g', []);
    await acme.syncAndApply();
    install.clock.advance(89 * DAY_MS);
    await purge();
    expect((await acme.user('ada-17')).fields).toMatchObject({ displayName: 'Ada Obi' });
    install.clock.advance(DAY_MS);
    await purge();
    const user = await getUser(install, acme.administrator, id);
    expect(user).toMatchObject({
      state: 'deleted',
      userName: null,
      email: null,
      displayName: null,
      attributes: {},
    });
    expect(user).toMatchObject({ purgedAt: install.clock.now(), roles: [], identities: [] });
    expect(await traces(acme.tenant, ['ada-17', 'ada obi', 'ada.obi', 'engines'])).toEqual([]);
    expect((await acme.events()).at(-1)).toMatchObject({ type: 'user.purged', authUser: id });
    const { items } = await getTimeline(install, acme.administrator, { user: id });
    expect(items).toContainEqual(expect.objectContaining({ action: 'auth-user.purged' }));
    const [last] = (await acme.changes({ state: ['applied'], kind: ['delete'] })).map(({ apply }) => apply);
    expect(await undoApply(install, acme.administrator, { apply: last })).toMatchObject({
      items: [{ because: 'purged', name: 'purged' }],
    });
    directory.add({ id: 'ada-17', displayName: 'Ada Obi', email: 'ada.obi@example.test' });
    await acme.sync();
    expect(await kinds(acme)).toEqual([['ada-17', 'create', 'joined']]);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('is purged of what the last runs have read of them too, and these can be planned again', async () => {
    const acme = await settled(2, { policy: purging });
    acme.directory.edit('u1', { state: 'deprovisioned' });
    await acme.syncAndApply();
    install.clock.advance(91 * DAY_MS);
    const { run } = (await acme.sync({ full: true })) as { run: string };
    await purge();
    expect((await acme.users()).filter(({ fields }) => fields['email'] === undefined)).toHaveLength(1);
    const staged = await asOwner(install.database.url, (client) =>
      client.query('SELECT external_id FROM staged_user WHERE run_id = $1', [run]),
    );
    expect(staged.rows).toEqual([{ external_id: 'u2' }]);
    expect(await replanRun(install, acme.administrator, run)).toMatchObject({ ok: true, people: 1 });
  });

  it('is purged also where an undo has deleted them, once the directory names them no more', async () => {
    const acme = await settled(1, { policy: purging });
    acme.directory.add({ id: 'ada-17' });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    await carryOutApply(install, apply, { signal: new AbortController().signal });
    await undoApply(install, acme.administrator, { apply });
    await acme.approveAll();
    await acme.apply();
    const { id, state } = await acme.user('ada-17');
    expect(state).toBe('deleted');
    install.clock.advance(91 * DAY_MS);
    await purge();
    await acme.sync({ full: true });
    expect([(await getUser(install, acme.administrator, id)).purgedAt, await kinds(acme)]).toEqual([
      null,
      [],
    ]);
    acme.directory.remove('ada-17');
    await acme.sync({ full: true });
    await purge();
    expect(await getUser(install, acme.administrator, id)).toMatchObject({
      ...{ state: 'deleted', displayName: null, identities: [] },
      purgedAt: install.clock.now(),
    });
  });

  it('is kept for as long as their last deletion asks, not by an earlier one that did not last', async () => {
    const { first, second, id } = await leftAndKept({ policy: purging });
    install.clock.advance(90 * DAY_MS);
    second.directory.edit('x', { state: 'deprovisioned' });
    await second.syncAndApply();
    expect((await first.user('u1')).state).toBe('deleted');
    const purgedAt = async () => (await getUser(install, first.administrator, id)).purgedAt;
    await purge();
    expect(await purgedAt()).toBeNull();
    install.clock.advance(90 * DAY_MS);
    await purge();
    expect(await purgedAt()).toEqual(install.clock.now());
  });

  it('is kept where they are back, where nobody has said how long, and where another directory has them too', async () => {
    const back = await settled(2, { policy: purging });
    const forever = await settled(2, { policy: {} });
    const shared = await settled(2, { policy: purging });
    const above = await install.tenant();
    const below = await settled(2, { policy: purging, tenant: await install.tenant(above) });
    for (const [acme, tenant] of [[shared, shared.tenant] as const, [below, above] as const]) {
      const keeping = await install.connect({ directory: aDirectory({ users: 0 }), tenant });
      const { id } = await acme.user('u1');
      await asOwner(install.database.url, (client) =>
        client.query(
          `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version) VALUES ($1, 'x', $2, $3, '\\x00', 1)`,
          [keeping.connection, acme.tenant, id],
        ),
      );
    }
    for (const acme of [back, forever, shared, below]) {
      acme.directory.remove('u1');
      await acme.syncAndApply();
    }
    install.clock.advance(91 * DAY_MS);
    back.directory.add({ id: 'u1' });
    await back.sync();
    await purge();
    for (const acme of [back, forever, shared, below]) expect((await acme.user('u1')).fields).not.toEqual({});
    await back.approveAll();
    await back.apply();
    await purge();
    expect((await back.user('u1')).state).toBe('active');
  });
});

/** Tables of the tenant in which one of these texts still is, the audit log aside. */
async function traces(tenant: string, texts: readonly string[]): Promise<readonly string[]> {
  return await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.table_name AS name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
       WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE' AND table_name NOT LIKE 'staged%' ORDER BY 1`,
    );
    const found: string[] = [];
    for (const { name } of rows) {
      const { rowCount } = await client.query(
        `SELECT FROM ${name} t WHERE tenant_id = $1 AND EXISTS (SELECT FROM unnest($2::text[]) AS s (text) WHERE to_jsonb(t)::text ILIKE '%' || s.text || '%')`,
        [tenant, texts],
      );
      if ((rowCount ?? 0) > 0) found.push(name);
    }
    return found;
  });
}
