import { describe, expect, it } from 'vitest';
import type { Fields } from '../../src/domain/authUser.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import {
  compileMatching,
  type FoundAuthUser,
  linkedBecause,
  Matching,
  match,
  matchKeysOf,
} from '../../src/domain/matching.ts';
import { aCandidate, aPlanContext } from '../support/builders.ts';
import { unknownId } from '../support/tenancy.ts';

const { tenant } = aPlanContext();
const below = unknownId() as TenantId;
type Rule = Matching[number];
const email = (confidence: Rule['confidence'] = 'certain'): Rule => ({ by: 'email', confidence });
const number = (confidence: Rule['confidence'] = 'certain'): Rule => ({ by: 'employeeId', confidence });
const name = (confidence: Rule['confidence'] = 'certain'): Rule => ({ by: 'userName', confidence });
const fits = (expression: string, confidence: Rule['confidence'] = 'certain'): Rule => ({
  ...{ by: 'expression', expression, confidence },
});

const ada: Fields = { email: 'ada@example.test', employeeId: 'E-7', userName: 'ada', familyName: 'Obi' };
const mail = { email: 'ADA@example.test' };

function matched(
  rules: readonly Rule[],
  found: readonly (Partial<FoundAuthUser> & { fields: Fields })[],
  verified: readonly TenantId[] = [tenant],
) {
  const users = found.map((one) => aCandidate({ id: unknownId() as FoundAuthUser['id'], ...one }));
  const said = match(ada, users, {
    tenant,
    matching: compileMatching(rules),
    verifiedDomains: new Map(verified.map((one) => [one, new Set(['example.test'])])),
    placeOf: (of) => (of === below ? 'Offices' : null),
  });
  switch (said.kind) {
    case 'none':
      return 'none';
    case 'certain':
      return `${said.cause} ${users.findIndex(({ id }) => id === said.authUser.id)}`;
    case 'uncertain':
      return `${said.cause}: ${said.candidates.map(({ because }) => because).join('; ')}`;
  }
}

describe('match', () => {
  it.each<[string, readonly Rule[], readonly (Partial<FoundAuthUser> & { fields: Fields })[], string]>([
    ['a number', [number()], [{ fields: { employeeId: ' e-7' } }], 'matched-by-rule 0'],
    ['a number as a number', [number()], [{ fields: { employeeId: 7 } }], 'none'],
    ['a user name', [name()], [{ fields: { userName: 'ADA' } }], 'matched-by-rule 0'],
    [
      'a number that somebody whom a directory has already shares',
      [number()],
      [{ fields: { employeeId: 'E-7' } }, { fields: { employeeId: 'E-7' }, links: 1 }],
      'several-candidates: has the same employee number; has the same employee number and is linked to another directory user',
    ],
    [
      'a number of nobody but whom a directory has',
      [number()],
      [{ fields: { employeeId: 'E-7' }, links: 1 }],
      'none',
    ],
    ['what no rule asks for', [email()], [{ fields: { employeeId: 'E-7', userName: 'ada' } }], 'none'],
    [
      'a likely number',
      [number('likely')],
      [{ fields: { employeeId: 'E-7' } }],
      'match-unsure: has the same employee number',
    ],
    [
      'an address, which is always asked for',
      [number()],
      [{ fields: mail }],
      'match-unsure: has the same address',
    ],
    [
      'a likely rule and a certain one',
      [name('likely'), number()],
      [{ fields: { ...ada } }],
      'matched-by-rule 0',
    ],
    ['an address and a number', [email(), number()], [{ fields: ada }], 'matched-by-email 0'],
    [
      'certain rules that name two people',
      [email(), number()],
      [{ fields: mail }, { fields: { employeeId: 'E-7' } }],
      'several-candidates: has the same address; has the same employee number',
    ],
    [
      'a certain rule, and a likely one behind it that names somebody else',
      [number(), name('likely')],
      [{ fields: { employeeId: 'E-7' } }, { fields: { userName: 'ada' } }],
      'matched-by-rule 0',
    ],
    [
      'a certain rule, and a likely one before it that names somebody else',
      [name('likely'), number()],
      [{ fields: { employeeId: 'E-7' } }, { fields: { userName: 'ada' } }],
      'several-candidates: has the same employee number; has the same user name',
    ],
    [
      'a number, where somebody else has the address',
      [number()],
      [{ fields: { employeeId: 'E-7' } }, { fields: mail, links: 1 }],
      'several-candidates: has the same employee number; has the same address and is linked to another directory user',
    ],
    [
      'a number of somebody whom a directory has',
      [number()],
      [{ fields: { employeeId: 'E-7' }, links: 1 }],
      'none',
    ],
    [
      'a number of somebody who was deleted',
      [number()],
      [{ fields: { employeeId: 'E-7' }, state: 'deleted' }],
      'none',
    ],
    [
      'a number in a tenant below, however certain the rule',
      [number()],
      [{ fields: { employeeId: 'E-7' }, tenant: below }],
      'match-unsure: is in the tenant Offices and has the same employee number',
    ],
    ['a number longer than any', [number()], [{ fields: { employeeId: 'E'.repeat(300) } }], 'none'],
  ])('of %s', (_, rules, found, said) => {
    expect(matched(rules, found)).toBe(said);
  });

  it('takes a user name that is an address for no more than an address', () => {
    const upn = { ...ada, userName: 'ada@example.test' };
    const by = (verified: readonly TenantId[]) =>
      match(upn, [aCandidate({ fields: { userName: 'ada@example.test' } })], {
        tenant,
        matching: compileMatching([name()]),
        verifiedDomains: new Map(verified.map((one) => [one, new Set(['example.test'])])),
        placeOf: () => null,
      });
    expect(by([])).toMatchObject({ kind: 'uncertain', cause: 'match-unsure' });
    expect(by([tenant])).toMatchObject({ kind: 'certain', cause: 'matched-by-rule' });
  });

  it('believes an expression where they share what is believed by itself, and nowhere else', () => {
    const same = fits('user.familyName == candidate.familyName');
    const obi = { familyName: 'Obi' };
    expect(matched([same], [{ fields: { ...obi, employeeId: 'E-7' } }])).toBe('matched-by-rule 0');
    expect(matched([same], [{ fields: { familyName: 'Bell', employeeId: 'E-7' } }])).toBe('none');
    expect(matched([same], [{ fields: { ...obi, ...mail } }], [])).toMatch(
      /^match-unsure: has the same address|fits/,
    );
    expect(matched([same], [{ fields: { ...obi, ...mail } }])).toBe('matched-by-rule 0');
    expect(matched([same], [{ fields: { ...obi, employeeId: 'E-7' }, tenant: below }])).toMatch(
      /^match-unsure/,
    );
    expect(matched([fits('true')], [{ fields: mail }], [])).toMatch(/^match-unsure/);
  });

  it('says of each candidate all rules that name it, and how far each is believed', () => {
    const said = match(ada, [aCandidate({ fields: ada, tenant: below })], {
      tenant,
      matching: compileMatching([number(), name('likely'), email()]),
      verifiedDomains: new Map(),
      placeOf: () => null,
    });
    expect(said).toMatchObject({
      candidates: [
        {
          because: 'has the same employee number, has the same user name and has the same address',
          evidence: [
            { by: 'employeeId', confidence: 'certain' },
            { by: 'userName', confidence: 'likely' },
            { by: 'email', confidence: 'certain' },
          ],
        },
      ],
    });
  });
});

describe('Matching', () => {
  it('is by addresses alone where nothing is said', () => {
    expect(Matching.parse(undefined)).toEqual([email()]);
    expect(matchKeysOf(ada, compileMatching([email()]))).toBeNull();
  });

  it('looks for what an expression may refine', () => {
    expect(matchKeysOf(ada, compileMatching([fits('true')]))).toEqual({ employeeId: 'e-7', userName: 'ada' });
    expect(matchKeysOf({}, compileMatching([fits('true')]))).toBeNull();
  });

  it.each([
    ['user.familyName = candidate.familyName', /^line 1, column 17/],
    ['user.nickname == candidate.nickname', /nickname/],
    ['user.familyName', /gives string, not bool/],
    ['groups.size() > 0', /groups/],
  ])('refuses the expression %s, and says where', (expression, message) => {
    const { error } = Matching.safeParse([fits(expression)]);
    expect(error?.issues[0]).toMatchObject({
      path: [0, 'expression'],
      message: expect.stringMatching(message),
    });
  });

  it('takes an expression that cannot be evaluated for somebody for a no', () => {
    const badge = fits('user.custom.badge == candidate.custom.badge');
    expect(matched([badge], [{ fields: { employeeId: 'E-7' } }])).toBe('none');
  });
});

describe('What a link is because of', () => {
  it.each([
    [{ email: 'Ada@acme.example' }, 'has the same address'],
    [
      { email: 'other@acme.example', employeeId: 'e-7', userName: 'ADA' },
      'has the same employee number and has the same user name',
    ],
    [{ email: 'other@acme.example' }, null],
  ])('%j: %s', (stored, because) => {
    const wanted = { email: 'ada@acme.example', employeeId: 'E-7', userName: 'ada' };
    expect(linkedBecause(stored, wanted)).toBe(because);
  });
});
