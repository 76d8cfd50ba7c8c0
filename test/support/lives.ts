/** What happens in directories, drawn by chance: people with texts and addresses of all kinds, who come, change, move and go. */
import fc from 'fast-check';
import { Mapping } from '../../src/domain/mapping.ts';
import type { SomeDirectoryUser, TestDirectory } from './directory.ts';
import type { Rules } from './twinMatching.ts';

/** Text as directories have it: what is cut, composed, escaped or compared wrongly somewhere turns into a phantom change. */
const nasty = [
  'Ada Lovelace',
  'ADA LOVELACE',
  '  blanks around  ',
  'zero\u200bwidth',
  'Zo\u00eb composed',
  'Zoe\u0308 composed',
  '\u0130stanbul',
  'dotless \u0131',
  'tab\tand\nline\r\nbreak',
  'back\\slash \\N \\. \\t',
  '"double" \'single\' `tick`',
  '{"json": [1, null]} {a,b}',
  'NUL\u0000inside',
  '👩‍🚒 fire & 🇮🇹',
  '\ud800 half a pair',
  '%_\\% $1 :name ?',
  'x'.repeat(10_240),
  '   ',
  '\u200b',
];

export const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
);
const optional = fc.option(text, { nil: null });
const shared = fc.constantFrom(
  'shared@example.test',
  'SHARED@Example.Test',
  ' shared@example.test\u200b',
  'other@else.test',
  'no address',
);
/** Somebody's own, each in a spelling that one side or the other writes otherwise. */
const ownAddresses: Readonly<Record<string, (id: string) => string>> = {
  own: (id) => `${id}@example.test`,
  'own, shouted': (id) => `${id.toUpperCase()}@EXAMPLE.TEST`,
  'own with a tag': (id) => `${id}+payroll@example.test`,
  'own as a guest': (id) => `${id}_partner.test#EXT#@acme.onmicrosoft.test`,
  'own, Turkish': (id) => `\u0130\u0131.${id}@example.test`,
  'own, composed': (id) => `zo\u00eb.${id}@example.test`,
  'own, decomposed': (id) => `zoe\u0308.${id}@example.test`,
  'own in punycode': (id) => `${id}@xn--mnchen-3ya.test`,
  'own in its script': (id) => ` ${id}@M\u00dcNCHEN.test\u200b`,
};

const address = fc.oneof(
  { weight: 9, arbitrary: fc.constant('own') },
  { weight: 4, arbitrary: fc.constantFrom(...Object.keys(ownAddresses)) },
  { weight: 2, arbitrary: shared },
  // Somebody's: handed on, exchanged, or come to by several at once.
  { weight: 2, arbitrary: fc.nat(12).map((of) => `u${of}@example.test`) },
  fc.constant(null),
);
const state = fc.oneof(
  { weight: 8, arbitrary: fc.constant('active' as const) },
  fc.constantFrom('suspended' as const, 'deprovisioned' as const),
);
const note = fc.oneof(text, fc.integer(), fc.boolean(), fc.array(text, { maxLength: 3 }));
export const attributes = fc.record({
  state,
  address,
  displayName: optional,
  department: optional,
  jobTitle: optional,
  employeeId: fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.nat(25).map((number) => `${number % 2 === 0 ? 'E' : 'e'}${number >> 1}`) },
  ),
  manager: fc.constantFrom(null, null, 'm1'),
  note: fc.option(note, { nil: undefined }),
});
export type Attributes = typeof attributes extends fc.Arbitrary<infer T> ? T : never;

export function asUser(id: string, { address: chosen, note: value, ...rest }: Attributes): SomeDirectoryUser {
  const email = ownAddresses[chosen ?? '']?.(id) ?? chosen;
  return { id, ...rest, email, userName: email, custom: value === undefined ? {} : { note: value } };
}

/** Besides the default: other keys, in either order, believed or not. */
export const matching: fc.Arbitrary<Rules> = fc.oneof(
  fc.constant<Rules>([{ by: 'email', confidence: 'certain' }]),
  fc.array(
    fc.record({
      by: fc.constantFrom('email' as const, 'employeeId' as const, 'userName' as const),
      confidence: fc.constantFrom('certain' as const, 'likely' as const),
    }),
    { maxLength: 4 },
  ),
);

export const who = fc.nat(70);
export const edit = fc.oneof(
  fc.record({ does: fc.constant('edit' as const), who, to: attributes }),
  fc.record({ does: fc.constant('remove' as const), who }),
  fc.record({ does: fc.constant('add' as const), who, to: attributes }),
  fc.record({
    does: fc.constant('join group' as const),
    group: fc.constantFrom('g1', 'g2'),
    members: fc.array(who),
  }),
);
export type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

export const id = (index: number) => `u${index}`;
export const ids = (chosen: readonly number[]) => chosen.map(id);

export const rules = [
  { when: { group: 'g2' }, roles: ['ruled'] },
  { when: { attribute: { name: 'department', begins: 'Ada' } }, roles: ['of Ada'], stop: true },
  { roles: ['member', 'last'] },
];
/** Some of the tenants that are named are there, some are made, some are missing. */
export const placing = [
  { when: { group: 'g1' }, roles: ['grouped'], tenant: 'Group', create: true, stop: true },
  {
    when: { group: 'Group g2', attribute: { name: 'displayName', begins: 'Z' } },
    tenant: 'Fixed/{department}',
  },
  { when: { attribute: { name: 'custom.note', begins: 'A' } }, roles: ['noted'], tenant: '{custom.note}/x' },
  { tenant: 'Units/{department}', create: true },
];
export const THERE = ['Fixed', 'Fixed/Ada Lovelace', 'Ada Lovelace', 'Ada Lovelace/x'];

export const mappingWith = (given: readonly object[]) => Mapping.parse({ ...mapping, rules: given });

export const mapping = Mapping.parse({
  omit: ['jobTitle'],
  custom: ['note'],
  roles: [
    { group: 'g1', role: 'engineer' },
    { group: 'Group g2', role: 'a "quoted, role' },
    { group: 'g2', role: 'back\\slash' },
  ],
  everyone: ['member'],
});

export function change(directory: TestDirectory, edits: readonly Edit[]): void {
  for (const one of edits) {
    switch (one.does) {
      case 'edit': {
        const { id: _, ...to } = asUser(id(one.who), one.to);
        directory.edit(id(one.who), to);
        break;
      }
      case 'remove':
        directory.remove(id(one.who));
        break;
      case 'add':
        if (!directory.users.some((user) => user.externalId === id(one.who)))
          directory.add(asUser(id(one.who), one.to));
        break;
      case 'join group':
        directory.group(one.group, ids(one.members));
    }
  }
}
