import { expect, it } from 'vitest';
import { Directory, type DirectoryOptions, type Provider } from '../../simulators/directory.ts';
import { departments } from '../../simulators/population/company.ts';
import { guids, numericIds, oktaIds } from '../../simulators/population/ids.ts';
import { familyNames, givenNames } from '../../simulators/population/names.ts';
import { randomFrom, scramble, unscramble } from '../../simulators/population/random.ts';

const some = (provider: Provider, options: Partial<DirectoryOptions> = {}): Directory =>
  new Directory(provider, {
    users: 3_000,
    seed: 1,
    groups: null,
    plain: false,
    domain: 'firm.example',
    ...options,
  });

it('draws numbers evenly and repeatably', () => {
  const random = randomFrom(42);
  const draws = Array.from({ length: 10_000 }, () => random.int(10));
  for (let digit = 0; digit < 10; digit += 1) {
    const share = draws.filter((draw) => draw === digit).length / draws.length;
    expect(share).toBeGreaterThan(0.08);
    expect(share).toBeLessThan(0.12);
  }
  const again = randomFrom(42);
  expect(draws.every((draw) => draw === again.int(10))).toBe(true);
});

it('scrambles reversibly', () => {
  for (const value of [0, 1, 2, 999_999, 0x7fffffff, 0xffffffff]) {
    for (const salt of [0, 7, 0xdeadbeef]) expect(unscramble(scramble(value, salt), salt)).toBe(value);
  }
});

it.each([
  [
    'entra',
    guids(1, 'user'),
    guids(1, 'group'),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  ],
  ['okta', oktaIds(1, '00u'), oktaIds(2, '00u'), /^00u[0-9A-Za-z]{17}$/],
  ['google', numericIds(1, 'user'), numericIds(1, 'other'), /^1\d{20}$/],
] as const)(
  '%s: ids have their provider’s shape, differ, and lead back to the serial',
  (_, ids, others, shape) => {
    const made = Array.from({ length: 20_000 }, (__, serial) => ids.of(serial));
    expect(new Set(made).size).toBe(20_000);
    expect(made.every((id, serial) => shape.test(id) && ids.serialOf(id) === serial)).toBe(true);
    expect(others.serialOf(ids.of(5))).toBeNull();
    for (const wrong of ['', 'nonsense', ids.of(5).slice(0, -1), `${ids.of(5)}0`])
      expect(ids.serialOf(wrong)).toBeNull();
  },
);

it('spells every name in an address without two names sharing a spelling', () => {
  for (const { names } of [givenNames, familyNames]) {
    const slugs = names.map((name) => name.slug);
    expect(slugs.every((slug) => /^[a-z-]{2,}$/.test(slug))).toBe(true);
    expect(slugs.filter((slug, at) => slugs.indexOf(slug) !== at)).toEqual([]);
  }
});

it('gives nobody an address that somebody else has', () => {
  const { people } = some('okta', { users: 20_000 });
  expect(new Set(people.map((person) => person.local)).size).toBe(people.length);
});

it('employs a whole company: every department, a tree of managers without a circle', () => {
  const { people } = some('entra', { plain: true });
  expect(new Set(people.map((person) => person.department)).size).toBe(departments.length);
  for (const person of people) {
    let steps = 0;
    for (let at = person.serial; at > 0; at = people[at]?.manager ?? 0) steps += 1;
    expect(steps).toBeLessThan(12);
  }
});

it('has the oddities that its provider knows, and none when plain', () => {
  const statesOf = (directory: Directory) =>
    [...new Set(directory.people.map((person) => person.state))].sort();
  expect(statesOf(some('okta'))).toEqual([
    'active',
    'deleted',
    'disabled',
    'invited',
    'locked',
    'password-expired',
    'staged',
  ]);
  expect(statesOf(some('google'))).toEqual(['active', 'archived', 'deleted', 'disabled']);
  expect(statesOf(some('entra'))).toEqual(['active', 'deleted', 'disabled', 'invited']);
  const odd = some('entra').people;
  expect(odd.some((person) => person.kind === 'guest') && odd.some((person) => !person.hasMail)).toBe(true);
  const plain = some('entra', { plain: true }).people;
  expect(
    plain.every((person) => person.state === 'active' && person.hasMail && person.kind === 'employee'),
  ).toBe(true);
});

it('makes as many groups as asked for, with members in the order of the user list', () => {
  for (const groups of [0, 3, 200]) {
    const directory = some('entra', { groups });
    expect(directory.groups).toHaveLength(groups);
    for (const { members } of directory.groups) {
      expect(members).toEqual([...new Set(members)].sort((a, b) => a - b));
    }
  }
});

it('works for a directory of nobody, one and two', () => {
  for (const users of [0, 1, 2]) {
    for (const provider of ['entra', 'okta', 'google'] as const) {
      const directory = some(provider, { users, plain: true });
      expect(directory.page(0, 10, () => true).people).toHaveLength(users);
    }
  }
});
