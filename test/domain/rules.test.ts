import { describe, expect, it } from 'vitest';
import { desiredHashOf } from '../../src/domain/authUser.ts';
import { ExternalId, TenantId } from '../../src/domain/ids.ts';
import { parseInput } from '../../src/domain/input.ts';
import { compileMapping, Mapping } from '../../src/domain/mapping.ts';
import { mayLeadTo, placesBelow } from '../../src/domain/place.ts';
import { treeOf } from '../../src/domain/placeTree.ts';
import { aDirectoryUser, surely } from '../support/builders.ts';
import { unknownId } from '../support/tenancy.ts';

const group = (externalId: string, name: string) => ({ externalId: ExternalId.parse(externalId), name });
const compiled = (rules: object[], more: object = {}) =>
  surely(compileMapping(Mapping.parse({ ...more, rules })));
const placeOf = (tenant: string, given: object) =>
  compiled([{ tenant }]).map(aDirectoryUser(given), []).placed?.path;

it.each<[string, string, boolean]>([
  ['Offices/Berlin', 'Offices/Berlin', true],
  ['Offices/Berlin', 'Offices', true],
  ['Offices/Berlin', 'Offices/Berlin/East', false],
  ['Offices/Berlin', 'Offices/Rome', false],
  ['Offices', 'Offices/Berlin', false],
  ['Offices/{officeLocation}', 'Offices/Berlin', true],
  ['Offices/{officeLocation}', 'Depots/Berlin', false],
  ['Office {officeLocation} of {department}', 'Office Rome of Law', true],
  ['Office {officeLocation}', 'Depot Rome', false],
  ['Units/{orgUnit}', 'Units/any/depth', true],
  ['Units/{orgUnit}', 'Others/any', false],
  ['/', 'Offices', false],
])('the template %s leads to %s, or through it: %s', (template, path, leads) => {
  expect(mayLeadTo(template, path.split('/'))).toBe(leads);
});

describe('a rule is about', () => {
  const isAbout = (when: object, given: object = {}, groups = [group('g1', 'Sales')]) =>
    compiled([{ when, roles: ['hit'] }]).map(aDirectoryUser(given), groups).roles.length === 1;

  it.each<[string, object, object, boolean]>([
    ['everybody, without a condition', {}, {}, true],
    ['a group by its id', { group: 'g1' }, {}, true],
    ['a group by its name', { group: 'Sales' }, {}, true],
    ['no group in another case', { group: 'sales' }, {}, false],
    [
      'an attribute that equals',
      { attribute: { name: 'department', equals: 'R&D' } },
      { department: 'R&D' },
      true,
    ],
    [
      'no attribute in another case',
      { attribute: { name: 'department', equals: 'r&d' } },
      { department: 'R&D' },
      false,
    ],
    [
      'one of several values',
      { attribute: { name: 'department', in: ['A', 'B'] } },
      { department: 'B' },
      true,
    ],
    [
      'the beginning of a value',
      { attribute: { name: 'jobTitle', begins: 'Head' } },
      { jobTitle: 'Head of Ops' },
      true,
    ],
    ['nobody without a value', { attribute: { name: 'jobTitle', begins: 'H' } }, { jobTitle: null }, false],
    [
      'an attribute of its own',
      { attribute: { name: 'custom.floor', equals: '3' } },
      { custom: { floor: 3 } },
      true,
    ],
    [
      'one of its values',
      { attribute: { name: 'custom.sites', in: ['B'] } },
      { custom: { sites: ['A', 'B'] } },
      true,
    ],
    ['a guest', { attribute: { name: 'userType', equals: 'guest' } }, { userType: 'guest' }, true],
    ['an org unit', { orgUnit: { path: '/Sales' } }, { orgUnit: '/Sales' }, true],
    ['org units below', { orgUnit: { path: '/Sales' } }, { orgUnit: '/Sales/Berlin' }, true],
    [
      'none below, where it says so',
      { orgUnit: { path: '/Sales', below: false } },
      { orgUnit: '/Sales/Berlin' },
      false,
    ],
    ['none that only begins alike', { orgUnit: { path: '/Sales' } }, { orgUnit: '/Sales2' }, false],
    ['all org units below the top', { orgUnit: { path: '/' } }, { orgUnit: '/Any' }, true],
    ['both conditions together', { group: 'g1', orgUnit: { path: '/A' } }, { orgUnit: '/A' }, true],
    ['not one condition of two', { group: 'g1', orgUnit: { path: '/A' } }, { orgUnit: '/B' }, false],
  ])('%s', (_, when, given, expected) => {
    expect(isAbout(when, given)).toBe(expected);
  });
});

describe('in their order', () => {
  const rules = [
    { when: { group: 'g1' }, roles: ['one'], tenant: 'One' },
    { when: { group: 'g2' }, roles: ['two'], tenant: 'Two', create: true, stop: true },
    { roles: ['all'], tenant: 'All' },
  ];
  it.each<[string, string[], string[], string]>([
    ['the first that names a tenant decides it, and all give their roles', ['g1'], ['all', 'one'], 'One'],
    ['none is looked at after one that stops', ['g2'], ['two'], 'Two'],
    ['a stop does not undo what was before', ['g1', 'g2'], ['one', 'two'], 'One'],
    ['whoever is in none falls through', [], ['all'], 'All'],
  ])('%s', (_, groups, roles, path) => {
    const of = groups.map((id) => group(id, id));
    expect(compiled(rules).map(aDirectoryUser(), of)).toMatchObject({ roles, placed: { path } });
  });

  it('add to the roles of groups and of everyone, each once and sorted', () => {
    const more = { everyone: ['all', 'base'], roles: [{ group: 'g1', role: 'zed' }] };
    const { map } = compiled(rules, more);
    expect(map(aDirectoryUser(), [group('g1', 'x')]).roles).toEqual(['all', 'base', 'one', 'zed']);
  });

  it('have the groups read that they are about', () => {
    const { reads, readsGroups, groups } = compiled(rules);
    expect([reads(group('g2', 'x')), reads(group('g3', 'x')), readsGroups]).toEqual([true, false, true]);
    expect(groups).toEqual(['g1', 'g2']);
  });
});

describe('a tenant is named', () => {
  it.each<[string, object, string | null | undefined]>([
    ['Offices/{officeLocation}', { officeLocation: 'Berlin' }, 'Offices/Berlin'],
    ['Offices/{officeLocation}', { officeLocation: '  New \t York\u200b ' }, 'Offices/New York'],
    ['Offices/{officeLocation}', { officeLocation: 'Paris / La Défense' }, 'Offices/Paris-La Défense'],
    ['{company} {department}', { company: 'Acme', department: 'Ops' }, 'Acme Ops'],
    ['Floor {custom.floor}', { custom: { floor: 3 } }, 'Floor 3'],
    ['Units/{orgUnit}', { orgUnit: '/Sales/Berlin' }, 'Units/Sales/Berlin'],
    ['{orgUnit}', { orgUnit: '/' }, null],
    ['/', {}, null],
    ['{officeLocation}', { officeLocation: '{department}', department: 'x' }, '{department}'],
  ])('by %j of %j as %j', (template, given, path) => {
    expect(placeOf(template, given)).toBe(path);
  });

  it.each<[string, object]>([
    ['Offices/{officeLocation}', { officeLocation: null }],
    ['{custom.sites}', { custom: { sites: ['A', 'B'] } }],
    ['{officeLocation}', { officeLocation: 'x'.repeat(101) }],
    ['{officeLocation}', { officeLocation: unknownId() }],
    ['{custom.constructor}', { custom: {} }],
    ['{orgUnit}', { orgUnit: null }],
    ['{orgUnit}', { orgUnit: '/x'.repeat(17) }],
  ])('by %j not of %j, whom a later rule may place', (template, given) => {
    const { map } = compiled([{ tenant: template, roles: ['kept'] }, { tenant: 'Rest' }]);
    expect(map(aDirectoryUser(given), [])).toMatchObject({ roles: ['kept'], placed: { path: 'Rest' } });
    expect(placeOf(template, given)).toBeNull();
  });
});

it('wants the same of everybody as before where no rule names a tenant', () => {
  const user = aDirectoryUser({ department: 'R&D' });
  const before = surely(compileMapping(Mapping.parse({ everyone: ['member'] }))).map(user, []);
  const now = compiled([{ when: { attribute: { name: 'department', equals: 'x' } }, roles: ['r'] }], {
    everyone: ['member'],
  }).map(user, []);
  expect(desiredHashOf(now)).toBe(desiredHashOf(before));
  expect(JSON.stringify(Mapping.parse({}))).not.toContain('rules');
  const places = ['A', 'B'].map((tenant) => desiredHashOf(compiled([{ tenant }]).map(user, [])));
  expect(new Set([...places, desiredHashOf(before)]).size).toBe(3);
});

describe('when a mapping is saved', () => {
  const wrong = (rules: object[]) => {
    try {
      parseInput(Mapping, { rules });
      return [];
    } catch (error) {
      return (error as { fields: { path: string; message: string }[] }).fields.map(
        ({ path, message }) => `${path}: ${message}`,
      );
    }
  };
  it.each<[object[], string]>([
    [
      [{ roles: ['r'] }, {}],
      'rules.1: does nothing: it gives no role, names no tenant and does not stop (rule 2)',
    ],
    [[{ tenant: 'A/{office}' }], 'rules.0.tenant: names {office}, which is no attribute (rule 1)'],
    [[{ tenant: 'A//B' }], 'rules.0.tenant: has an empty name'],
    [[{ tenant: '/A' }], 'rules.0.tenant: has an empty name'],
    [[{ tenant: 'A/{department' }], 'rules.0.tenant: has a brace without its counterpart in "{department"'],
    [[{ tenant: 'Unit {orgUnit}' }], 'rules.0.tenant: has {orgUnit} beside other text'],
    [[{ tenant: ' A' }], 'rules.0.tenant: has a name that no tenant can have'],
    [[{ tenant: 'x/'.repeat(20) }], 'rules.0.tenant: is deeper than 16 tenants'],
    [[{ roles: ['r'], create: true }], 'rules.0.create: is of no use without a tenant (rule 1)'],
    [
      [{ when: { attribute: { name: 'department' } }, roles: ['r'] }],
      'rules.0.when.attribute: has to say one of',
    ],
    [
      [{ when: { attribute: { name: 'shoe', equals: '1' } }, roles: ['r'] }],
      'rules.0.when.attribute.name: is no attribute',
    ],
    [[{ when: { orgUnit: { path: 'Sales' } }, roles: ['r'] }], 'rules.0.when.orgUnit.path: is not the path'],
    [[{ when: { gruop: 'x' }, roles: ['r'] }], 'rules.0.when.gruop: is not known here'],
    [[{ stop: true }, { roles: ['r'] }], 'rules.1: is never looked at: rule 1 stops for everybody (rule 2)'],
  ])('%j is refused, with the rule’s position', (rules, said) => {
    expect(wrong(rules)[0]).toContain(said);
  });

  it('all that is right is taken', () => {
    expect(
      wrong([
        { when: { group: 'g' }, tenant: 'A/{custom.site}', create: true, stop: true },
        { roles: ['r'] },
      ]),
    ).toEqual([]);
  });
});

describe('where a group could not be read', () => {
  const unread = (id: string) => ({ membersUnknown: [group(id, id)], someUnreadable: false, read: [] });
  const rules = [
    { when: { group: 'vip' }, roles: ['vip'], tenant: 'Vip', stop: true },
    { when: { group: 'staff' }, roles: ['staff'] },
    { roles: ['all'], tenant: 'All' },
  ];
  const wanted = (of: string, stored: string[] | null, groups: string[] = []) => {
    const inDoubt = compiled(rules).inDoubt(unread(of));
    const named = groups.map((id) => group(id, id));
    return inDoubt?.map(aDirectoryUser(), named, stored === null ? null : { roles: stored, fields: {} });
  };

  it('nothing is in doubt that follows from no group', () => {
    expect(compiled([{ roles: ['all'] }]).inDoubt(unread('vip'))).toBeNull();
  });

  it('nobody loses a role that it may give, and nobody gains one that it may keep from them', () => {
    expect(wanted('staff', ['staff', 'odd'])?.roles).toEqual(['all', 'staff']);
    expect(wanted('vip', [])?.roles).toEqual([]);
    expect(wanted('vip', ['all', 'vip'])?.roles).toEqual(['all', 'vip']);
    expect(wanted('vip', null)?.roles).toEqual([]);
  });

  it('nobody moves because of it; whoever is known to be in it does', () => {
    expect(wanted('vip', ['all'])?.placed).toBeUndefined();
    expect(wanted('staff', ['all'])?.placed).toMatchObject({ path: 'All' });
    expect(wanted('vip', ['all'], ['vip'])).toMatchObject({ roles: ['vip'], placed: { path: 'Vip' } });
  });
});

it('a tree shows each tenant behind the one above it, whether it is there, and who would be in it', () => {
  const top = TenantId.parse(unknownId());
  const places = placesBelow(top, [
    { id: TenantId.parse(unknownId()), names: ['Offices'], closed: false },
    { id: TenantId.parse(unknownId()), names: ['Old'], closed: true },
    { id: TenantId.parse(unknownId()), names: ['A/B'], closed: false },
  ]);
  const { map } = compiled([
    { when: { attribute: { name: 'department', equals: 'old' } }, tenant: 'Old/Rest' },
    { when: { attribute: { name: 'department', equals: 'slash' } }, tenant: 'A/B' },
    { roles: ['r'], tenant: 'Offices/{officeLocation}', create: true },
  ]);
  const people = [
    { officeLocation: 'Rome' },
    { officeLocation: 'Berlin' },
    { officeLocation: 'Rome', state: 'suspended' },
    { department: 'old' },
    { department: 'slash' },
    {},
  ].map((given) => map(aDirectoryUser({ officeLocation: null, ...given } as object), []));
  const tree = treeOf(people, places);
  expect(tree.map(({ tenant, is, people: number }) => [tenant, is, number])).toEqual([
    [null, 'there', 1],
    ['A', 'missing', 0],
    ['A/B', 'missing', 1],
    ['Offices', 'there', 0],
    ['Offices/Berlin', 'made', 1],
    ['Offices/Rome', 'made', 1],
    ['Old', 'closed', 0],
    ['Old/Rest', 'closed', 1],
  ]);
  expect(tree[4]?.roles).toEqual([{ role: 'r', people: 1 }]);
});
