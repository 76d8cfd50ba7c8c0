import { v7 } from 'uuid';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConnectionId, type TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { createRole, grantRole, listRoles, revokeRole } from '../../src/tenancy/roles.ts';
import { editUser, getUser, listUsers } from '../../src/tenancy/users.ts';
import { asOwner } from '../support/database.ts';
import {
  aBareConnection,
  aCaller,
  aTenancy,
  aTenant,
  aUser,
  auditOf,
  giveByDirectory,
  unknownId,
} from '../support/tenancy.ts';
import { untilWaiting } from '../support/waiting.ts';

const { database, deps, operator } = await aTenancy();
const tenant = await aTenant(deps);
const admin = await aCaller(deps, tenant);
await createRole(deps, operator, { name: 'editor', type: 'assignable' });

const names = async (caller: Caller, input: Parameters<typeof listUsers>[2]) =>
  (await listUsers(deps, caller, input)).items.map(({ displayName }) => displayName);

describe('listUsers', () => {
  let searched: TenantId;
  let seeker: Caller;
  let connection: ConnectionId;
  beforeAll(async () => {
    searched = await aTenant(deps);
    connection = await aBareConnection(database.url, searched);
    seeker = await aCaller(deps, searched);
    const below = await aTenant(deps, { parent: searched });
    const person = (displayName: string, more: object = {}) => ({
      displayName,
      userName: `${displayName.toLowerCase()}@login`,
      email: `mail.${displayName}@example.com`,
      ...more,
    });
    await aUser(database.url, searched, person('Ada', { connection }));
    await aUser(database.url, searched, person('Bob', { state: 'suspended' }));
    await aUser(database.url, searched, person('100%'));
    await aUser(database.url, searched, person('100x', { userName: 'a_da' }));
    await aUser(database.url, below, person('Below'));
    await aUser(database.url, tenant, person('Ada of others', { connection }));
  });

  it('gives the users of the subtree, oldest first', async () => {
    expect(await names(seeker, {})).toEqual(['Ada', 'Bob', '100%', '100x', 'Below']);
  });

  it.each([
    ['ada', ['Ada']],
    ['ADA@LOG', ['Ada']],
    ['Mail.b', ['Bob', 'Below']],
    ['mail.bob@EXAMPLE.com', ['Bob']],
    ['da', []],
    ['100%', ['100%']],
    ['%', []],
    ['_', []],
    ['a_', ['100x']],
    ['\\', []],
    ["'; DROP TABLE auth_user; --", []],
    [' \u200b', ['Ada', 'Bob', '100%', '100x', 'Below']],
  ])('finds by the beginning %j exactly %j', async (search, found) => {
    expect(await names(seeker, { search })).toEqual(found);
  });

  it('filters by state, connection and tenant together', async () => {
    expect(await names(seeker, { state: 'suspended' })).toEqual(['Bob']);
    expect(await names(seeker, { connection })).toEqual(['Ada']);
    expect(await names(seeker, { connection, state: 'deleted' })).toEqual([]);
    expect(await names(operator, { tenant: searched, search: 'Ada' })).toEqual(['Ada']);
    expect(await names(operator, { search: 'Ada' })).toEqual(['Ada', 'Ada of others']);
  });

  it('goes through all pages without leaving one out', async () => {
    const seen: (string | null)[] = [];
    let after: string | null = null;
    do {
      const page = await listUsers(deps, seeker, { limit: 2, after });
      seen.push(...page.items.map(({ displayName }) => displayName));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(['Ada', 'Bob', '100%', '100x', 'Below']);
  });

  it('does not say whether a tenant of others exists', async () => {
    const answer = { code: 'not-found' };
    await expect(listUsers(deps, seeker, { tenant })).rejects.toMatchObject(answer);
    await expect(listUsers(deps, seeker, { tenant: unknownId() })).rejects.toMatchObject(answer);
  });
});

describe('getUser', () => {
  it('shows identities, and each role with where it comes from', async () => {
    const connection = await aBareConnection(database.url, tenant);
    const id = await aUser(database.url, tenant, { displayName: 'Linked', connection });
    await grantRole(deps, admin, { user: id, role: 'editor' });
    await giveByDirectory(database.url, tenant, { user: id, role: 'editor', connection });
    const user = await getUser(deps, admin, id);
    expect(user.identities).toMatchObject([{ connection, externalId: `external-${id}` }]);
    const origins = user.roles.map(({ name, origin, connection: from }) => [name, origin, from]);
    expect(origins).toHaveLength(2);
    expect(origins).toEqual(
      expect.arrayContaining([
        ['editor', 'manual', null],
        ['editor', 'directory', connection],
      ]),
    );
  });

  it('says the same about a user of another tenant as about one that does not exist', async () => {
    const foreign = await aUser(database.url, await aTenant(deps));
    const said = (id: string) => [
      getUser(deps, admin, id),
      editUser(deps, admin, { user: id, displayName: 'X' }),
      grantRole(deps, admin, { user: id, role: 'editor' }),
      revokeRole(deps, admin, { user: id, role: 'editor' }),
    ];
    const heard = async (id: string) =>
      (await Promise.allSettled(said(id))).map((outcome) =>
        outcome.status === 'rejected'
          ? [outcome.reason.code, outcome.reason.message, outcome.reason.remedy]
          : ['answered'],
      );
    expect(await heard(foreign)).toEqual(await heard(unknownId()));
    expect((await heard(foreign)).map(([code]) => code)).toEqual(Array(4).fill('not-found'));
    await expect(getUser(deps, admin, 'no-id')).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('editUser', () => {
  it('changes the fields given, gives a new version, and records names without values', async () => {
    const id = await aUser(database.url, tenant, {
      userName: 'old',
      attributes: { department: 'Ops', phone: '1', floor: 3 },
    });
    const after = await editUser(deps, admin, {
      user: id,
      email: ' Grace@BÜCHER.example ',
      displayName: 'Grace Secretname',
      attributes: { department: 'R&D', phone: null, floor: 3 },
    });
    expect(after).toMatchObject({
      userName: 'old',
      email: 'Grace@BÜCHER.example',
      displayName: 'Grace Secretname',
      attributes: { department: 'R&D', floor: 3 },
      version: 2,
      updatedAt: deps.clock.now(),
    });
    expect(Object.keys(after.attributes)).not.toContain('phone');
    const [row] = await asOwner(database.url, async (client) => {
      const { rows } = await client.query('SELECT email_key FROM auth_user WHERE id = $1', [id]);
      return rows;
    });
    expect(row).toEqual({ email_key: 'grace@xn--bcher-kva.example' });
    const entry = (await auditOf(database.url, tenant)).at(-1);
    expect(entry).toMatchObject({ action: 'auth-user.edited', actor: admin.actor, subject: { id } });
    expect(entry?.details).toEqual({
      fields: ['email', 'displayName', 'attributes.department', 'attributes.phone'],
    });
  });

  it('leaves version and audit alone when nothing differs', async () => {
    const id = await aUser(database.url, tenant, { displayName: 'Same', attributes: { a: ['x'] } });
    const entries = (await auditOf(database.url, tenant)).length;
    const edit = { displayName: ' Same ', attributes: { a: ['x'], b: null, constructor: null } };
    expect((await editUser(deps, admin, { user: id, ...edit })).version).toBe(1);
    expect(await auditOf(database.url, tenant)).toHaveLength(entries);
  });

  it('empties an address together with the key that it is compared by', async () => {
    const id = await aUser(database.url, tenant, { email: 'gone@example.com' });
    expect((await editUser(deps, admin, { user: id, email: null })).email).toBeNull();
    const { rows } = await asOwner(database.url, (client) =>
      client.query('SELECT email_key FROM auth_user WHERE id = $1', [id]),
    );
    expect(rows).toEqual([{ email_key: null }]);
  });
});

describe('an edit', () => {
  it.each([
    [{ email: 'nobody' }, 'email'],
    [{ attributes: { email: 'x@example.com' } }, 'attributes.email'],
    [{ attributes: { 'a\u0000b': 'x' } }, 'attributes.a\u0000b'],
    [{ attributes: { nested: { a: 1 } } }, 'attributes.nested'],
    [{ state: 'deleted' }, 'state'],
  ])('like %j is refused', async (edit, path) => {
    const id = await aUser(database.url, tenant);
    await expect(editUser(deps, admin, { user: id, ...edit } as never)).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [{ path }],
    });
  });

  it('of a version that is no longer the present one is refused', async () => {
    const id = await aUser(database.url, tenant, { displayName: 'First' });
    await editUser(deps, admin, { user: id, version: 1, displayName: 'Second' });
    const late = editUser(deps, admin, { user: id, version: 1, displayName: 'Third' });
    await expect(late).rejects.toMatchObject({ code: 'changed-since-shown' });
    expect(await getUser(deps, admin, id)).toMatchObject({ displayName: 'Second', version: 2 });
  });

  it('is not lost when several come at once', async () => {
    const id = await aUser(database.url, tenant);
    const edit = (name: string) => editUser(deps, admin, { user: id, attributes: { [name]: 1 } });
    const outcomes = await asOwner(database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM auth_user WHERE id = $1 FOR UPDATE', [id]);
      const edits = Promise.allSettled(['a', 'b'].map(edit));
      await untilWaiting(client, 2); // both have seen the user as it was
      await client.query('COMMIT');
      return await edits;
    });
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused).toMatchObject([{ code: 'changed-since-shown' }]);
    const [first] = Object.keys((await getUser(deps, admin, id)).attributes);
    await edit(first === 'a' ? 'b' : 'a');
    expect(await getUser(deps, admin, id)).toMatchObject({ attributes: { a: 1, b: 1 }, version: 3 });
  });

  it('of a deleted user, or by somebody who only reads, is refused', async () => {
    const id = await aUser(database.url, tenant, { state: 'deleted' });
    const edit = { user: id, displayName: 'Back' };
    await expect(editUser(deps, admin, edit)).rejects.toMatchObject({ code: 'not-allowed-now' });
    const reviewer = await aCaller(deps, tenant, 'reviewer');
    await expect(editUser(deps, reviewer, edit)).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('roles given by hand', () => {
  it('come once and go once, each with a new version and an audit entry', async () => {
    const user = await aUser(database.url, tenant);
    const given = { user, role: 'editor' };
    expect(await grantRole(deps, admin, given)).toMatchObject({ version: 2, roles: [{ origin: 'manual' }] });
    expect((await grantRole(deps, admin, given)).version).toBe(2);
    expect(await revokeRole(deps, admin, given)).toMatchObject({ version: 3, roles: [] });
    expect((await revokeRole(deps, admin, given)).version).toBe(3);
    const about = (await auditOf(database.url, tenant)).filter(({ subject }) => subject.id === user);
    expect(about.map(({ action }) => action)).toEqual(['role.granted', 'role.revoked']);
  });

  it('leave alone what a directory gave', async () => {
    const connection = ConnectionId.parse(v7());
    const user = await aUser(database.url, tenant, { connection });
    await giveByDirectory(database.url, tenant, { user, role: 'editor', connection });
    const refused = revokeRole(deps, admin, { user, role: 'editor' });
    await expect(refused).rejects.toMatchObject({ code: 'not-allowed-now' });
    await grantRole(deps, admin, { user, role: 'editor' });
    const after = await revokeRole(deps, admin, { user, role: 'editor' });
    expect(after.roles.map(({ origin }) => origin)).toEqual(['directory']);
  });

  it('are refused for deleted users and for unknown roles', async () => {
    const gone = await aUser(database.url, tenant, { state: 'deleted' });
    await expect(grantRole(deps, admin, { user: gone, role: 'editor' })).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    const user = await aUser(database.url, tenant);
    await expect(grantRole(deps, admin, { user, role: 'nonsense' })).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe('createRole', () => {
  it('makes a role that every tenant sees, recorded at the root', async () => {
    const role = await createRole(deps, operator, { name: 'viewer', description: 'Looks' });
    expect((await listRoles(deps, admin, { limit: 500 })).items).toContainEqual(role);
    expect((await auditOf(database.url, deps.store.root)).at(-1)).toMatchObject({
      action: 'role.created',
      subject: { kind: 'role', id: role.id },
    });
    await expect(createRole(deps, operator, { name: 'viewer' })).rejects.toMatchObject({
      code: 'name-taken',
    });
  });

  it('is for the system alone', async () => {
    await expect(createRole(deps, admin, { name: 'mine' })).rejects.toMatchObject({ code: 'forbidden' });
  });
});
