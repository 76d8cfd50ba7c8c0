import { describe, expect, it } from 'vitest';
import { readGroup, readMember, readUser } from '../../connectors/entra/map.ts';
import { DirectoryUser } from '../../src/domain/directory.ts';

const EXTENSION = 'extension_0123456789abcdef0123456789abcdef_badge';

function userFrom(item: object, extensions: readonly string[] = []): DirectoryUser {
  const record = readUser({ id: 'u1', accountEnabled: true, ...item }, extensions);
  if (record.kind !== 'user') return expect.unreachable(record.problem);
  return DirectoryUser.parse(record.user);
}

describe('a user', () => {
  it('arrives with every field', () => {
    const user = userFrom({
      userPrincipalName: 'ada@contoso.example',
      mail: 'Ada.Lovelace@contoso.example',
      displayName: 'Ada Lovelace',
      givenName: 'Ada',
      surname: 'Lovelace',
      jobTitle: 'Analyst',
      department: 'Engines',
      employeeOrgData: { division: 'Analytical', costCenter: '4711' },
      companyName: 'Contoso',
      employeeId: '42',
      employeeType: 'Employee',
      officeLocation: '12/34',
      businessPhones: ['+44 20 1'],
      mobilePhone: '+44 7 1',
      preferredLanguage: 'en-GB',
      userType: 'Member',
      manager: { id: 'u0', '@odata.type': '#microsoft.graph.user' },
      proxyAddresses: ['smtp:ada@contoso.example', 'SMTP:Ada.Lovelace@contoso.example'],
      city: 'London',
    });
    expect(user).toEqual({
      externalId: 'u1',
      state: 'active',
      userName: 'ada@contoso.example',
      email: 'Ada.Lovelace@contoso.example',
      displayName: 'Ada Lovelace',
      givenName: 'Ada',
      familyName: 'Lovelace',
      jobTitle: 'Analyst',
      department: 'Engines',
      division: 'Analytical',
      costCenter: '4711',
      company: 'Contoso',
      employeeId: '42',
      employeeType: 'Employee',
      officeLocation: '12/34',
      phone: '+44 20 1',
      mobilePhone: '+44 7 1',
      locale: 'en-GB',
      orgUnit: null,
      userType: 'member',
      manager: 'u0',
      aliases: ['ada@contoso.example'],
      custom: { city: 'London' },
    });
  });
});

describe('a user in odd shape', () => {
  it('is the same whether Graph leaves a property out, nulls it, or holds blanks in it', () => {
    const bare = userFrom({});
    const names = [
      'mail',
      'displayName',
      'city',
      'employeeOrgData',
      'proxyAddresses',
      'businessPhones',
      'manager',
    ];
    expect(userFrom(Object.fromEntries(names.map((name) => [name, null])))).toEqual(bare);
    expect(
      userFrom({ mail: ' ', displayName: '\u200b', city: '', otherMails: [''], businessPhones: [] }),
    ).toEqual(bare);
  });

  it.each([
    [true, 'active'],
    [false, 'suspended'],
  ])('with accountEnabled %s is %s', (accountEnabled, state) => {
    expect(userFrom({ accountEnabled }).state).toBe(state);
  });

  it.each([
    ['Guest', 'guest'],
    ['guest', 'guest'],
    ['Member', 'member'],
    [null, 'member'],
  ])('with userType %s is a %s', (userType, expected) => {
    const user = userFrom({ userType, userPrincipalName: 'jane_partner.example#EXT#@contoso.example' });
    expect([user.userType, user.userName]).toEqual([expected, 'jane_partner.example#EXT#@contoso.example']);
  });

  it('has text in one spelling', () => {
    expect(userFrom({ displayName: ' Zoe\u0308\u200b\u0000 ' }).displayName).toBe('Zoë');
  });
});

describe('addresses', () => {
  const mail = 'ada@contoso.example';
  it.each([
    [
      'leave out the main one whatever its case',
      ['SMTP:ADA@contoso.example', 'smtp:a@x.example'],
      ['a@x.example'],
    ],
    ['leave out what is no mail', ['X500:/o=x', 'SIP:ada@contoso.example', 'EUM:7;x', 'smtp:'], []],
    [
      'come once, in a fixed order',
      ['smtp:b@x.example', 'smtp:A@x.example', 'smtp:B@x.example'],
      ['A@x.example', 'B@x.example'],
    ],
    ['keep a main one that mail does not name', ['SMTP:old@contoso.example'], ['old@contoso.example']],
  ])('%s', (_, proxyAddresses, aliases) => {
    expect(userFrom({ mail, proxyAddresses }).aliases).toEqual(aliases);
    expect(userFrom({ mail, proxyAddresses: proxyAddresses.toReversed() }).aliases).toEqual(aliases);
  });

  it('give the e-mail address where mail is empty', () => {
    const user = userFrom({ mail: null, proxyAddresses: ['smtp:a@x.example', 'SMTP:b@x.example'] });
    expect([user.email, user.aliases]).toEqual(['b@x.example', ['a@x.example']]);
  });

  it('that a person gave for recovery are no aliases', () => {
    expect(userFrom({ otherMails: ['me@home.example'] })).toMatchObject({
      aliases: [],
      custom: { otherMails: ['me@home.example'] },
    });
  });
});

describe('attributes without a field of their own', () => {
  it('are kept by their names, and only with a value', () => {
    const { custom } = userFrom({
      onPremisesExtensionAttributes: {
        extensionAttribute1: ' A ',
        extensionAttribute2: null,
        extensionAttribute15: 'Z',
      },
      onPremisesSyncEnabled: false,
      employeeHireDate: '2020-01-01T00:00:00Z',
      state: 'NRW',
      businessPhones: ['1', '2'],
    });
    expect(custom).toEqual({
      extensionAttribute1: 'A',
      extensionAttribute15: 'Z',
      onPremisesSyncEnabled: false,
      employeeHireDate: '2020-01-01T00:00:00Z',
      state: 'NRW',
      businessPhones: ['1', '2'],
    });
  });

  it('are left out where their name holds control characters; values lose theirs', () => {
    const onPremisesExtensionAttributes = {
      'extension\u0000Attribute1': 'A',
      'half\udc00': 'B',
      note: 'a\u0000b',
    };
    expect(userFrom({ onPremisesExtensionAttributes }).custom).toEqual({ note: 'ab' });
  });

  it.each([
    ['text', 'text'],
    [7, 7],
    [false, false],
    [['a', ' '], ['a']],
  ])('hold a directory extension %j', (value, kept) => {
    expect(userFrom({ [EXTENSION]: value }, [EXTENSION]).custom).toEqual({ [EXTENSION]: kept });
    expect(userFrom({ [EXTENSION]: value }).custom).toEqual({});
  });
});

describe('what cannot be read', () => {
  it.each([
    [{ id: 'u1' }, 'u1', 'accountEnabled'],
    [{ id: 'u1', accountEnabled: null }, 'u1', 'accountEnabled'],
    [{ accountEnabled: true }, null, 'id'],
    [{ id: '', accountEnabled: true }, null, 'id'],
    [{ id: 'u1\u0000', accountEnabled: true }, null, 'id'],
    [{ id: 'u1\n', accountEnabled: true }, null, 'id'],
    [{ id: 'u1\ud800', accountEnabled: true }, null, 'id'],
    [{ id: 'u1', accountEnabled: true, manager: { id: 'u\u0000' } }, 'u1', 'manager.id'],
    [{ id: 'u1', accountEnabled: true, mail: 17 }, 'u1', 'mail'],
    [{ id: 'u1', accountEnabled: true, proxyAddresses: 'hunter2' }, 'u1', 'proxyAddresses'],
    [{ id: 'u1', accountEnabled: true, proxyAddresses: [1] }, 'u1', 'proxyAddresses.0'],
    [{ id: 'u1', accountEnabled: true, manager: {} }, 'u1', 'manager.id'],
    [
      { id: 'u1', accountEnabled: true, onPremisesExtensionAttributes: { extensionAttribute1: ['hunter2'] } },
      'u1',
      'onPremisesExtensionAttributes',
    ],
    [{ id: 'u1', accountEnabled: true, [EXTENSION]: { secret: 'hunter2' } }, 'u1', EXTENSION],
    [null, null, 'the object'],
    ['hunter2', null, 'the object'],
  ])('says for %j whose it is and which field, never the value', (item, externalId, field) => {
    const record = readUser(item, [EXTENSION]);
    expect(record).toMatchObject({ kind: 'unreadable', externalId, problem: expect.stringContaining(field) });
    expect(JSON.stringify(record)).not.toContain('hunter2');
  });

  it('is a member without a kind; members of other kinds are left out', () => {
    const type = '@odata.type';
    expect(readMember({ [type]: '#microsoft.graph.user', id: 'u1' })).toEqual({
      kind: 'user',
      externalId: 'u1',
    });
    expect(readMember({ [type]: '#microsoft.graph.group', id: 'g1' })).toBeNull();
    expect(readMember({ [type]: '#microsoft.graph.device', id: 'd1' })).toBeNull();
    expect(readMember({ id: 'u1' })).toMatchObject({ kind: 'unreadable', externalId: 'u1' });
    for (const id of [undefined, 'u1\u0000']) {
      expect(readMember({ [type]: '#microsoft.graph.user', id })).toMatchObject({
        kind: 'unreadable',
        externalId: null,
      });
    }
  });

  it('is a group with a control character in its id; its name loses them', () => {
    expect(readGroup({ id: 'g1\u0000', displayName: 'Sales' })).toMatchObject({
      kind: 'unreadable',
      externalId: null,
    });
    expect(readGroup({ id: 'g1', displayName: 'Sa\u0000les\u0007' })).toMatchObject({
      group: { name: 'Sales' },
    });
  });

  it('is a group without a name', () => {
    expect(readGroup({ id: 'g1', displayName: ' Sales ', mail: '' })).toEqual({
      kind: 'group',
      group: { externalId: 'g1', name: 'Sales', email: null },
    });
    expect(readGroup({ id: 'g1', displayName: null })).toMatchObject({
      kind: 'unreadable',
      externalId: 'g1',
    });
  });
});
