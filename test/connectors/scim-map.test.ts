import { describe, expect, it } from 'vitest';
import { toGroupRecord, toUserRecord } from '../../connectors/scim/map.ts';
import { DirectoryUser } from '../../src/domain/directory.ts';

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const BADGE = 'urn:example:params:scim:schemas:badge:2.0:User';

function mapped(attributes: Readonly<Record<string, unknown>>) {
  const record = toUserRecord({ id: 'u1', ...attributes });
  if (record.kind !== 'user') throw new Error(record.problem);
  return record.user;
}
const nobody = mapped({});

describe("a user's state", () => {
  it.each([
    [undefined, 'active'],
    [null, 'active'],
    [true, 'active'],
    ['true', 'active'],
    ['True', 'active'],
    [false, 'suspended'],
    ['false', 'suspended'],
    ['False', 'suspended'],
    ['FALSE', 'suspended'],
  ])('with active %j is %s', (active, state) => {
    expect(mapped({ active }).state).toBe(state);
  });

  it.each(['maybe', '', 0, 1, [], {}, ['False']])('is unknown, not gone, with active %j', (active) => {
    expect(toUserRecord({ id: 'u1', active })).toMatchObject({
      kind: 'unreadable',
      externalId: 'u1',
      problem: expect.stringContaining('active'),
    });
  });
});

describe("a user's fields", () => {
  it.each([
    ['userName', (value: string) => ({ userName: value })],
    ['displayName', (value: string) => ({ displayName: value })],
    ['displayName', (value: string) => ({ name: { formatted: value } })],
    ['givenName', (value: string) => ({ name: { givenName: value } })],
    ['familyName', (value: string) => ({ name: { familyName: value } })],
    ['jobTitle', (value: string) => ({ title: value })],
    ['employeeType', (value: string) => ({ userType: value })],
    ['locale', (value: string) => ({ locale: value })],
    ['department', (value: string) => ({ [ENTERPRISE]: { department: value } })],
    ['division', (value: string) => ({ [ENTERPRISE]: { division: value } })],
    ['costCenter', (value: string) => ({ [ENTERPRISE]: { costCenter: value } })],
    ['company', (value: string) => ({ [ENTERPRISE]: { organization: value } })],
    ['employeeId', (value: string) => ({ [ENTERPRISE]: { employeeNumber: value } })],
    ['department', (value: string) => ({ [ENTERPRISE.toLowerCase()]: { department: value } })],
    [
      'department',
      (value: string) => ({ 'urn:scim:schemas:extension:enterprise:1.0': { department: value } }),
    ],
    ['department', (value: string) => ({ [`${ENTERPRISE}:department`]: value })],
    ['email', (value: string) => ({ emails: [{ value }] })],
    ['email', (value: string) => ({ emails: [value] })],
    ['phone', (value: string) => ({ phoneNumbers: [{ value, type: 'work' }] })],
    ['phone', (value: string) => ({ phoneNumbers: [{ value }] })],
    ['mobilePhone', (value: string) => ({ phoneNumbers: [{ value, type: 'Mobile' }] })],
  ] as const)(
    '%s comes from %o, trimmed and in one spelling, and nothing else changes',
    (field, attributes) => {
      expect(mapped(attributes('  Zoe\u0308 '))).toEqual({ ...nobody, [field]: 'Zo\u00eb' });
      expect(mapped(attributes('   '))).toEqual(nobody);
    },
  );

  it('that a service sends as numbers are text', () => {
    expect(mapped({ [ENTERPRISE]: { employeeNumber: 701_984 } }).employeeId).toBe('701984');
  });

  it('stay empty where the service holds null', () => {
    const nulls = {
      userName: null,
      name: null,
      emails: null,
      phoneNumbers: null,
      [ENTERPRISE]: null,
      groups: null,
    };
    expect(mapped(nulls)).toEqual(nobody);
    expect(nobody).toMatchObject({ userName: null, email: null, manager: null, custom: {}, aliases: [] });
  });

  it('are those of a DirectoryUser', () => {
    const user = mapped({ nickName: 'Addie', emails: ['a@x.example'], [BADGE]: { levels: [1, 2] } });
    expect(DirectoryUser.parse(user)).toEqual(user);
  });
});

describe('the address', () => {
  const home = { value: 'home@x.example', type: 'home' };
  const work = { value: 'work@x.example', type: 'work' };
  const bare = { value: 'bare@x.example' };
  const primary = { value: 'main@x.example', type: 'other', primary: true };

  it.each([
    [[home, bare, work, primary], 'main@x.example', ['bare@x.example', 'work@x.example']],
    [[home, bare, work], 'work@x.example', ['bare@x.example']],
    [[home, bare], 'bare@x.example', []],
    [[home], 'home@x.example', []],
    [[work, { ...home, primary: 'True' }], 'home@x.example', ['work@x.example']],
    [[{ value: '', primary: true }, work, work], 'work@x.example', []],
    [[], null, []],
  ])('of %j is %s, and others that reach them are %j', (emails, email, aliases) => {
    expect(mapped({ emails })).toMatchObject({ email, aliases });
  });
});

describe('the manager', () => {
  it.each([
    [{ value: 'u9', $ref: '../Users/u8', displayName: 'Boss' }, 'u9'],
    [{ managerId: 'u9' }, 'u9'],
    ['u9', 'u9'],
    [9, '9'],
    [{ $ref: 'https://elsewhere.example/v2/Users/u%209/' }, 'u 9'],
    [{ $ref: '../Users/%E0%A4%A' }, '%E0%A4%A'],
    [{ $ref: '../Groups/g1', displayName: 'Boss' }, 'Boss'],
    [{ value: ' ', displayName: ' Boss ' }, 'Boss'],
    [{}, null],
    ['', null],
    [null, null],
  ])('of %j is %j', (manager, expected) => {
    expect(mapped({ [ENTERPRISE]: { manager } }).manager).toBe(expected);
    expect(mapped({ [`${ENTERPRISE}:manager`]: manager }).manager).toBe(expected);
  });
});

describe('all other attributes', () => {
  it('keep the names that SCIM gives them in a path', () => {
    const others = {
      externalId: 'E-1',
      nickName: ' Addie ',
      timezone: 'Europe/London',
      roles: [{ value: 'admin', type: 'app' }, { value: 'auditor' }],
      entitlements: ['printer'],
      addresses: [
        { type: 'home', locality: 'Elsewhere' },
        { type: 'work', locality: 'London', country: 'GB', formatted: '1 Road\nLondon' },
      ],
      costs: { plan: 'gold', deep: { er: 1 } },
      [BADGE]: { number: 7, remote: false, skills: ['a', ' b '], empty: [], off: null, deep: { er: 1 } },
      [ENTERPRISE]: { department: 'R&D', rank: 3 },
      [`${BADGE}:colour`]: 'blue',
    };
    expect(mapped(others).custom).toEqual({
      externalId: 'E-1',
      nickName: 'Addie',
      timezone: 'Europe/London',
      roles: ['admin', 'auditor'],
      entitlements: ['printer'],
      'addresses.locality': 'London',
      'addresses.country': 'GB',
      'addresses.formatted': '1 Road London',
      'costs.plan': 'gold',
      [`${BADGE}:number`]: 7,
      [`${BADGE}:remote`]: false,
      [`${BADGE}:skills`]: ['a', 'b'],
      [`${BADGE}:colour`]: 'blue',
      [`${ENTERPRISE}:rank`]: 3,
    });
  });

  it('leave out what says nothing about the person, is private or large, or cannot be stored', () => {
    const others = {
      ...{ schemas: ['x'], meta: { version: '1' }, groups: [{ value: 'g1' }], password: 'secret value' },
      ...{ photos: [{ value: 'https://x.example/p' }], x509Certificates: [{ value: 'MIIB' }] },
      ...{ 'bad\u0000ge': 'x', note: 'a\u0000b', nothing: [null, '', {}] },
    };
    expect(mapped(others).custom).toEqual({ note: 'ab' });
  });

  it('are whole at ten thousand characters', () => {
    expect(mapped({ biography: 'x'.repeat(10_000) }).custom['biography']).toHaveLength(10_000);
  });
});

describe('a record that cannot be understood', () => {
  it.each([
    ['a title that turned into a list', { id: 'u1', title: ['secret value'] }, 'u1', 'title'],
    ['e-mails that turned into text', { id: 'u1', emails: 'secret value' }, 'u1', 'emails'],
    ['a name that turned into text', { id: 'u1', name: 'secret value' }, 'u1', 'name'],
    [
      'a department that is an object',
      { id: 'u1', [ENTERPRISE]: { department: { x: 'secret value' } } },
      'u1',
      'department',
    ],
    ['a number as id', { id: 17 }, null, 'id'],
    ['no id', { userName: 'secret value' }, null, 'id'],
    ['a NUL in its id', { id: 'u\u00001' }, null, 'id'],
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

describe('a group', () => {
  it('has an id and a name', () => {
    expect(toGroupRecord({ id: 'g1', displayName: ' Staff ', members: 'whatever' })).toEqual({
      kind: 'group',
      group: { externalId: 'g1', name: 'Staff', email: null },
    });
  });

  it.each([{ id: 'g1' }, { id: 'g1', displayName: 7 }])('without a name is unknown: %j', (record) => {
    expect(toGroupRecord(record)).toMatchObject({ kind: 'unreadable', externalId: 'g1' });
  });
});
