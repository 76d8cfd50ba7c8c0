import { describe, expect, it } from 'vitest';
import { desiredHashOf } from '../../src/domain/authUser.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { compileMapping, MAPPING_VERSION, Mapping } from '../../src/domain/mapping.ts';
import { aDirectoryUser, surely } from '../support/builders.ts';

const group = (externalId: string, name: string) => ({ externalId: ExternalId.parse(externalId), name });
const compiled = (mapping: object) => surely(compileMapping(Mapping.parse(mapping)));

describe('A mapping', () => {
  it('takes every field of a directory user unless it is told to leave it', () => {
    const user = aDirectoryUser({ department: 'Engines', jobTitle: 'Analyst' });
    expect(compiled({}).map(user, []).fields).toMatchObject({
      department: 'Engines',
      jobTitle: 'Analyst',
      phone: null,
    });
    expect(compiled({ omit: ['jobTitle'] }).map(user, []).fields).not.toHaveProperty('jobTitle');
  });

  it('takes the custom attributes that it names, and null where there is none', () => {
    const user = aDirectoryUser({ custom: { badge: 7, other: 'x' } });
    const { fields } = compiled({ custom: ['badge', 'missing'] }).map(user, []);
    expect(fields).toMatchObject({ 'custom.badge': 7, 'custom.missing': null });
    expect(fields).not.toHaveProperty('custom.other');
  });

  it('takes no attribute that the directory does not have, whatever it is called', () => {
    const names = ['constructor', 'toString', '__proto__'];
    const { fields } = compiled({ custom: names }).map(aDirectoryUser({ custom: {} }), []);
    for (const name of names) expect(fields[`custom.${name}`]).toBeNull();
    const named = aDirectoryUser({ custom: { constructor: 'Brunel' } });
    expect(compiled({ custom: names }).map(named, []).fields['custom.constructor']).toBe('Brunel');
  });

  it.each([
    ['active', 'active'],
    ['suspended', 'suspended'],
    ['deprovisioned', 'deleted'],
  ] as const)('makes %s %s', (state, wanted) => {
    expect(compiled({}).map(aDirectoryUser({ state }), []).state).toBe(wanted);
  });

  const mapping = {
    roles: [
      { group: 'g1', role: 'engineer' },
      { group: 'Analysts', role: 'analyst' },
      { group: 'g1', role: 'member' },
    ],
    everyone: ['member'],
  };

  it.each<[string, ReturnType<typeof group>[], string[]]>([
    ['no group', [], ['member']],
    ['a group named by its id', [group('g1', 'Engineers')], ['engineer', 'member']],
    ['a group named by its name', [group('g2', 'Analysts')], ['analyst', 'member']],
    ['a name in another case', [group('g2', 'analysts')], ['member']],
    [
      'both, and one twice',
      [group('g2', 'Analysts'), group('g1', 'x'), group('g1', 'x')],
      ['analyst', 'engineer', 'member'],
    ],
  ])('gives to a user in %s the roles, sorted and once each', (_, groups, roles) => {
    expect(compiled(mapping).map(aDirectoryUser(), groups).roles).toEqual(roles);
  });

  it.each<[string, object, boolean, boolean]>([
    ['by default', {}, false, false],
    ['where it asks for all', { groups: null }, true, true],
    ['where it names none', { groups: [] }, false, false],
    ['where it names some', { groups: ['Analysts'] }, false, true],
    ['where roles name one', { groups: [], roles: [{ group: 'g1', role: 'r' }] }, true, false],
  ])('%s reads the groups that it needs', (_, given, first, second) => {
    const { reads } = compiled(given);
    expect([reads(group('g1', 'Engineers')), reads(group('g2', 'Analysts'))]).toEqual([first, second]);
  });

  it('does not let go of the fields that identify a person to others', () => {
    for (const field of ['userName', 'email', 'displayName'])
      expect(Mapping.safeParse({ omit: [field] }).success).toBe(false);
  });

  it('wants the same for the same user, and something else for any other difference', () => {
    const hash = (given: object, roles: string[] = []) =>
      desiredHashOf({ ...compiled({}).map(aDirectoryUser(given), []), roles });
    expect(hash({})).toBe(hash({}));
    const others = [
      hash({ displayName: null }),
      hash({ state: 'suspended' }),
      hash({}, ['r']),
      hash({ phone: '' }),
    ];
    expect(new Set([hash({}), ...others]).size).toBe(4); // an empty phone is no phone
  });

  it('makes of one user what its version made of them: whoever changes that raises MAPPING_VERSION, or nobody is mapped again', () => {
    const { map } = compiled({
      ...{ omit: ['phone'], custom: ['costCentre'], everyone: ['member'], groups: [] },
      roles: [{ group: 'g1', role: 'engineer' }],
      rules: [
        { when: { attribute: { name: 'department', equals: 'Sales' } }, roles: ['seller'], tenant: 'North' },
      ],
    });
    const user = aDirectoryUser({
      ...{
        displayName: 'Ada',
        userName: 'ada',
        email: 'Ada@Example.test',
        department: 'Sales',
        jobTitle: 'Lead',
      },
      ...{ givenName: 'Ada', familyName: 'L', manager: 'u2', custom: { costCentre: '12' }, phone: '1' },
    });
    expect([MAPPING_VERSION, desiredHashOf(map(user, [group('g1', 'Engineers')]))]).toEqual([
      1,
      'a015241b955a66fc70af082fe653e7b8b07837579b30755be0458deb2557459e',
    ]);
  });
});
