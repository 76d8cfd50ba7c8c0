import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toGroupRecord, toMemberRecord, toUserRecord } from '../../connectors/google/map.ts';
import { fieldsOf, ListPage } from '../../connectors/google/schema.ts';
import { DirectoryUser } from '../../src/domain/directory.ts';

const bare = { id: '100000000000000000001', suspended: false };

const full = {
  ...bare,
  kind: 'admin#directory#user',
  etag: '"abc"',
  primaryEmail: 'ada@example.com',
  name: { givenName: 'Ada', familyName: 'Lovelace', fullName: 'Ada Lovelace', displayName: 'Ada L.' },
  archived: false,
  orgUnitPath: '/Staff/Berlin',
  isGuestUser: false,
  aliases: ['lovelace@example.com'],
  nonEditableAliases: ['ada@alias.example', 'ada@example.com.test-google-a.com'],
  emails: [
    { address: 'ada@example.com', primary: true },
    { address: 'Lovelace@example.com' },
    { address: 'ada@home.example', type: 'home' },
  ],
  externalIds: [
    { type: 'login_id', value: 'L-9' },
    { type: 'organization', value: 'E-1' },
  ],
  relations: [
    { type: 'assistant', value: 'help@example.com' },
    { type: 'manager', value: 'boss@example.com' },
  ],
  organizations: [
    { name: 'Old Ltd', title: 'Clerk' },
    {
      name: 'Example Ltd',
      title: 'Engineer',
      department: 'R&D',
      costCenter: '42',
      description: 'Employee',
      location: 'Europe',
      primary: true,
    },
  ],
  phones: [
    { type: 'home', value: '+49 30 9', primary: true },
    { type: 'work', value: '+49 30 1' },
    { type: 'work', value: '+49 30 2', primary: true },
    { type: 'work_mobile', value: '+49 170 1' },
    { type: 'mobile', value: '+49 170 2' },
  ],
  locations: [{ type: 'desk', area: 'desk', buildingId: 'BER-1', floorName: '3' }],
  languages: [
    { languageCode: 'fr', preference: 'not_preferred' },
    { languageCode: 'de' },
    { languageCode: 'en-GB', preference: 'preferred' },
  ],
  customSchemas: {
    HR: {
      grade: '7',
      level: 3,
      remote: true,
      sites: [{ type: 'work', value: 'BER' }, { value: 'PAR' }],
      left: '',
    },
  },
};

function userOf(object: unknown, listing: 'live' | 'deleted' = 'live'): DirectoryUser {
  const record = toUserRecord(object, listing);
  if (record.kind !== 'user') throw new Error(record.problem);
  return record.user;
}

describe('a user', () => {
  it('arrives field by field', () => {
    const user = userOf(full);
    expect(user).toEqual({
      externalId: '100000000000000000001',
      state: 'active',
      userName: 'ada@example.com',
      email: 'ada@example.com',
      displayName: 'Ada L.',
      givenName: 'Ada',
      familyName: 'Lovelace',
      jobTitle: 'Engineer',
      department: 'R&D',
      division: null,
      costCenter: '42',
      company: 'Example Ltd',
      employeeId: 'E-1',
      employeeType: 'Employee',
      officeLocation: 'BER-1',
      phone: '+49 30 2',
      mobilePhone: '+49 170 2',
      locale: 'en-GB',
      orgUnit: '/Staff/Berlin',
      userType: 'member',
      manager: 'boss@example.com',
      aliases: ['ada@alias.example', 'ada@home.example', 'lovelace@example.com'],
      custom: { 'HR.grade': '7', 'HR.level': 3, 'HR.remote': true, 'HR.sites': ['BER', 'PAR'] },
    });
    expect(DirectoryUser.parse(user)).toEqual(user);
  });

  it('without anything but id and state has no values instead of wrong ones', () => {
    const { externalId, state, userType, aliases, custom, ...rest } = userOf(bare);
    expect({ externalId, state, userType, aliases, custom }).toEqual({
      externalId: bare.id,
      state: 'active',
      userType: 'member',
      aliases: [],
      custom: {},
    });
    expect(Object.values(rest).filter((value) => value !== null)).toEqual([]);
  });

  it.each([
    ['live', { suspended: false }, 'active'],
    ['live', { suspended: true }, 'suspended'],
    ['live', { suspended: false, archived: true }, 'suspended'],
    ['live', { suspended: false, deletionTime: '2026-03-01T00:00:00.000Z' }, 'deprovisioned'],
    ['deleted', { suspended: false }, 'deprovisioned'],
    ['deleted', { suspended: undefined }, 'deprovisioned'],
  ] as const)('of the %s list with %o is %s', (listing, flags, state) => {
    expect(userOf({ ...bare, ...flags }, listing).state).toBe(state);
  });
});

describe('an attribute of a user', () => {
  it.each([
    ['displayName', { name: { fullName: 'Ada Lovelace' } }, 'Ada Lovelace'],
    ['jobTitle', { organizations: [{ title: 'First' }, { title: 'Second' }] }, 'First'],
    ['jobTitle', { organizations: { title: 'Alone' } }, 'Alone'],
    ['phone', { phones: { type: 'work', value: '1' } }, '1'],
    ['phone', { phones: [{ type: 'home', value: '1', primary: true }] }, null],
    ['mobilePhone', { phones: [{ type: 'work_mobile', value: '2' }] }, '2'],
    ['locale', { languages: [{ languageCode: 'de' }] }, 'de'],
    ['locale', { languages: [{ languageCode: 'de', preference: 'not_preferred' }] }, null],
    ['officeLocation', { locations: [{ type: 'desk', area: 'Paris' }] }, 'Paris'],
    [
      'officeLocation',
      { locations: [{ type: 'desk', area: 'desk' }], organizations: [{ location: 'EU' }] },
      'EU',
    ],
    ['userType', { isGuestUser: true }, 'guest'],
    ['employeeId', { externalIds: [{ type: 'custom', value: 'x' }] }, null],
    ['givenName', { name: { givenName: ' A\u200bda\u00a0' } }, 'Ada'],
    ['familyName', { name: { familyName: 'Mu\u0308ller' } }, 'Müller'],
    ['orgUnit', { orgUnitPath: '/' }, '/'],
  ] as const)('%s comes from %o', (field, attributes, expected) => {
    expect(userOf({ ...bare, ...attributes })[field]).toBe(expected);
  });
});

describe('custom fields', () => {
  it('are left out where their name holds control characters; values lose theirs', () => {
    const customSchemas = {
      'H\u0000R': { grade: '7' },
      HR: { 'le\u001fvel': 3, 'half\udc00': true, note: 'a\u0000b' },
    };
    expect(userOf({ ...bare, customSchemas }).custom).toEqual({ 'HR.note': 'ab' });
  });
});

describe('the other addresses of a user', () => {
  it('are the same in whatever order Google lists them', () => {
    const turned = { ...full, emails: full.emails.toReversed(), aliases: full.aliases.toReversed() };
    const { aliases } = userOf({ ...turned, aliases: ['b@example.com', 'a@example.com'] });
    expect(aliases).toEqual(userOf({ ...full, aliases: ['a@example.com', 'b@example.com'] }).aliases);
  });
});

describe('an object that cannot be read', () => {
  it.each([
    ['a list of texts where objects belong', { phones: ['+49 30 1'] }, 'phones.0'],
    ['a number as a name', { name: { givenName: 7 } }, 'name.givenName'],
    ['a text as a flag', { suspended: 'false' }, 'suspended'],
    ['no flag at all', { suspended: undefined }, 'suspended'],
    ['null in place of the flag', { suspended: null }, 'suspended'],
    ['an odd custom field', { customSchemas: { HR: { grade: { deep: 1 } } } }, 'customSchemas.HR.grade'],
    [
      'an odd custom field with an odd name',
      { customSchemas: { 'H\u0000R': { grade: { deep: 1 } } } },
      'customSchemas.HR.grade',
    ],
  ])('because of %s is named with its id and the field, without its value', (_what, broken, field) => {
    const record = toUserRecord({ ...full, ...broken }, 'live');
    expect(record).toMatchObject({ kind: 'unreadable', externalId: full.id });
    if (record.kind !== 'unreadable') return;
    expect(record.problem).toContain(field);
    expect(record.problem).not.toMatch(/\+49|false'|"false"/);
  });

  it.each([
    [{ ...full, id: 1e20 }],
    [{ ...full, id: '' }],
    [{ ...full, id: '1\u0000', type: 'USER' }],
    [{ ...full, id: '1\n', type: 'USER' }],
    [{ ...full, id: '1\ud800', type: 'USER' }],
    [null],
    ['ada'],
    [[]],
  ])('and has no readable id is reported as unknown to all: %o', (object) => {
    for (const record of [toUserRecord(object, 'live'), toGroupRecord(object), toMemberRecord(object)])
      expect(record).toMatchObject({ kind: 'unreadable', externalId: null });
  });
});

describe('groups and members', () => {
  it.each([
    [{ id: 'g1', name: 'Staff', email: 'staff@example.com' }, 'Staff', 'staff@example.com'],
    [
      { id: 'g1', email: 'staff@example.com', directMembersCount: '12' },
      'staff@example.com',
      'staff@example.com',
    ],
    [{ id: 'g1', name: ' ' }, 'g1', null],
    [{ id: 'g1', name: 'St\u0000aff\u0007' }, 'Staff', null],
  ])('a group always has a name: %o', (object, name, email) => {
    expect(toGroupRecord(object)).toEqual({ kind: 'group', group: { externalId: 'g1', name, email } });
  });

  it.each([
    [
      { id: '1', type: 'USER' },
      { kind: 'user', externalId: '1' },
    ],
    [{ id: 'C0example', type: 'CUSTOMER' }, { kind: 'everyone' }],
    [{ id: 'g2', type: 'GROUP' }, null],
    [{ id: '2', type: 'EXTERNAL' }, null],
  ])('of members only users and the whole account count: %o', (object, expected) => {
    expect(toMemberRecord(object)).toEqual(expected);
  });

  it('a member of a type not known yet is unreadable, not left out', () => {
    expect(toMemberRecord({ id: '1', type: 'ROBOT' })).toMatchObject({ kind: 'unreadable', externalId: '1' });
  });
});

describe('a page', () => {
  const kind = 'admin#directory#users';

  it.each([
    ['an empty list', { users: [] }],
    ['no list but the right kind', { kind }],
    ['no list, the right kind and a next page', { kind, nextPageToken: 't' }],
  ])('is empty with %s', (_what, body) => {
    expect(ListPage.users.parse(body).objects).toEqual([]);
  });

  it.each([
    ['nothing', {}],
    ['only a next page', { nextPageToken: 't' }],
    ['null in place of the list', { kind, users: null }],
    ['an object in place of the list', { kind, users: { id: '1' } }],
    ['the kind of another list', { kind: 'admin#directory#groups' }],
    ['an empty token', { kind, users: [], nextPageToken: '' }],
    ['a list instead of an object', []],
    ['null', null],
  ])('is none with %s', (_what, body) => {
    expect(ListPage.users.safeParse(body).success).toBe(false);
  });

  it.each(Object.entries(fieldsOf))('of %s is asked for with its kind and its next page', (list, fields) => {
    const key = list === 'activities' ? 'items' : list;
    expect(fields.split(/[,(]/)).toEqual(expect.arrayContaining(['kind', 'nextPageToken', key]));
  });
});

it('the README tells for every field of a user where it comes from', () => {
  const readme = readFileSync(new URL('../../connectors/google/README.md', import.meta.url), 'utf8');
  const section = readme.split('## ').find((text) => text.startsWith('What becomes of a user')) ?? '';
  const told = [...section.matchAll(/^\| `(\w+)` /gm)].map(([, field]) => field);
  expect(told).toEqual(Object.keys(DirectoryUser.shape));
});
