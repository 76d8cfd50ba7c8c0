import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toGroupRecord, toMemberRecord, toUserRecord } from '../../connectors/okta/map.ts';
import { scopesFor } from '../../connectors/okta/token.ts';
import { DirectoryUser } from '../../src/domain/directory.ts';
import { anOktaUser } from './oktaOrg.ts';

function mapped(profile: Record<string, unknown>, status = 'ACTIVE') {
  const record = toUserRecord(anOktaUser('00u1', { status, profile }));
  if (record.kind !== 'user') throw new Error(record.problem);
  return record.user;
}

describe("a user's state", () => {
  it.each([
    ['STAGED', 'suspended'],
    ['PROVISIONED', 'active'],
    ['ACTIVE', 'active'],
    ['RECOVERY', 'active'],
    ['PASSWORD_EXPIRED', 'active'],
    ['LOCKED_OUT', 'active'],
    ['SUSPENDED', 'suspended'],
    ['DEPROVISIONED', 'deprovisioned'],
  ])('%s is %s', (status, state) => {
    expect(mapped({}, status).state).toBe(state);
  });

  it('is unknown, not gone, where Okta has a status that Rollcall does not know', () => {
    expect(toUserRecord(anOktaUser('00u1', { status: 'FUTURE_STATE' }))).toMatchObject({
      kind: 'unreadable',
      externalId: '00u1',
      problem: expect.stringContaining('status'),
    });
  });

  it('is the current one while Okta is still changing it', () => {
    const changing = { ...anOktaUser('00u1'), transitioningToStatus: 'DEPROVISIONED' };
    expect(toUserRecord(changing)).toMatchObject({ kind: 'user', user: { state: 'active' } });
  });
});

describe("a user's fields", () => {
  it.each([
    ['login', 'userName'],
    ['email', 'email'],
    ['displayName', 'displayName'],
    ['firstName', 'givenName'],
    ['lastName', 'familyName'],
    ['title', 'jobTitle'],
    ['department', 'department'],
    ['division', 'division'],
    ['costCenter', 'costCenter'],
    ['organization', 'company'],
    ['employeeNumber', 'employeeId'],
    ['userType', 'employeeType'],
    ['primaryPhone', 'phone'],
    ['mobilePhone', 'mobilePhone'],
    ['locale', 'locale'],
    ['managerId', 'manager'],
    ['manager', 'manager'],
  ] as const)('%s becomes %s, and nothing else', (attribute, field) => {
    const without = mapped({ [attribute]: null });
    expect(mapped({ [attribute]: '  Zoe\u0308 ' })).toEqual({ ...without, [field]: 'Zo\u00eb' });
    expect(without[field]).toBeNull();
  });
});

describe("a user's fields, in odd cases,", () => {
  it('stay empty where the directory holds blanks, null or nothing', () => {
    const { externalId, state, userName, email, givenName, userType, aliases, custom, ...others } = mapped({
      title: '   ',
      department: null,
    });
    expect(Object.values(others).every((value) => value === null)).toBe(true);
    expect({ aliases, custom, userType }).toEqual({ aliases: [], custom: {}, userType: 'member' });
  });

  it('tell nothing of the kind of user from the free text userType', () => {
    expect(mapped({ userType: 'guest' })).toMatchObject({ userType: 'member', employeeType: 'guest' });
  });

  it('hold the managers id rather than the name, and keep the name beside it', () => {
    expect(mapped({ managerId: '00u9', manager: 'Grace Hopper' })).toMatchObject({
      manager: '00u9',
      custom: { manager: 'Grace Hopper' },
    });
  });

  it('never count the second e-mail, which people set themselves, among the addresses that reach a person', () => {
    expect(mapped({ secondEmail: 'ceo@example.com' })).toMatchObject({
      aliases: [],
      custom: { secondEmail: 'ceo@example.com' },
    });
  });

  it('keep an attribute of ten thousand characters whole', () => {
    expect(mapped({ biography: 'x'.repeat(10_000) }).custom['biography']).toHaveLength(10_000);
  });

  it('keep what an organisation defined itself under its own name', () => {
    const own = {
      badge: 7,
      remote: false,
      skills: ['a ', 'b'],
      levels: [1, 2],
      nickName: 'Addie',
      shoe: null,
      tags: [],
    };
    expect(mapped(own).custom).toEqual({
      badge: 7,
      remote: false,
      skills: ['a', 'b'],
      levels: ['1', '2'],
      nickName: 'Addie',
    });
  });

  it('leave out an attribute whose name holds control characters, and take them out of values', () => {
    expect(
      mapped({ 'bad\u0000ge': 'x', 'le\u001fvel': 7, 'half\udc00': true, note: 'a\u0000b' }).custom,
    ).toEqual({
      note: 'ab',
    });
  });

  it('are those of a DirectoryUser', () => {
    const user = mapped({ skills: ['a'], managerId: '00u9' });
    expect(DirectoryUser.parse(user)).toEqual(user);
  });
});

describe('a record that cannot be understood', () => {
  it.each([
    [
      'a title that turned into a list',
      anOktaUser('00u1', { profile: { title: ['secret value'] } }),
      '00u1',
      'profile.title',
    ],
    [
      'an attribute that holds an object',
      anOktaUser('00u1', { profile: { badge: { no: 'secret value' } } }),
      '00u1',
      'profile.badge',
    ],
    ['no profile', { id: '00u1', status: 'ACTIVE' }, '00u1', 'profile'],
    ['no id', { ...anOktaUser('00u1'), id: '' }, null, 'id'],
    ['a NUL in its id', anOktaUser('00u1\u0000'), null, 'id'],
    ['a line break in its id', anOktaUser('00u1\n'), null, 'id'],
    ['half a surrogate pair in its id', anOktaUser('00u1\ud800'), null, 'id'],
    [
      'an attribute with an odd name that holds an object',
      anOktaUser('00u1', { profile: { 'bad\u0000ge': { no: 'secret value' } } }),
      '00u1',
      'profile.badge',
    ],
    ['null', null, null, 'record'],
    ['a text', 'secret value', null, 'record'],
  ])('is reported with its id and field, without any value: %s', (_, record, externalId, field) => {
    const read = toUserRecord(record);
    expect(read).toMatchObject({
      kind: 'unreadable',
      externalId,
      problem: expect.stringContaining(`${field}:`),
    });
    expect(JSON.stringify(read)).not.toMatch(/secret value|\\u0000/);
  });
});

describe('groups and members', () => {
  it('have an id and, for groups, a name', () => {
    const group = {
      id: '00g1',
      type: 'APP_GROUP',
      profile: { name: ' Staff ', description: null, samAccountName: 'staff' },
    };
    expect(toGroupRecord(group)).toEqual({
      kind: 'group',
      group: { externalId: '00g1', name: 'Staff', email: null },
    });
    expect(toMemberRecord(anOktaUser('00u1', { status: 'FUTURE_STATE' }))).toEqual({
      kind: 'user',
      externalId: '00u1',
    });
  });

  it.each([{ id: '00g1', profile: { name: null } }, { id: '00g1' }])(
    'are unreadable without a name: %j',
    (group) => {
      expect(toGroupRecord(group)).toMatchObject({ kind: 'unreadable', externalId: '00g1' });
    },
  );

  it('have names without control characters', () => {
    expect(toGroupRecord({ id: '00g1', profile: { name: 'St\u0000aff\u0007' } })).toMatchObject({
      group: { name: 'Staff' },
    });
  });

  it('are unreadable groups with a control character in their id', () => {
    const group = { id: '00g1\u0000', profile: { name: 'Staff' } };
    expect(toGroupRecord(group)).toMatchObject({ kind: 'unreadable', externalId: null });
  });

  it.each([{}, null, { id: 7 }, { id: '00u1\u0000' }])(
    'are unreadable members without an id: %j',
    (member) => {
      expect(toMemberRecord(member)).toMatchObject({ kind: 'unreadable', externalId: null });
    },
  );
});

it('the README has a row for every field of a directory user and names every scope', () => {
  const readme = readFileSync(new URL('../../connectors/okta/README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `(\w+)` +\|/gm)].map(([, field]) => field);
  expect(rows).toEqual(expect.arrayContaining(Object.keys(DirectoryUser.shape)));
  const scopes = scopesFor({ appScope: '0oa1' });
  for (const scope of [...scopes.needed, ...scopes.optional]) expect(readme).toContain(`\`${scope}\``);
});
