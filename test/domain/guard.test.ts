import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Counted,
  enoughLinked,
  evaluateGuards,
  explainFinding,
  type Finding,
  GUARDS,
  OVERRIDABLE_GUARDS,
} from '../../src/domain/guard.ts';
import { Policy } from '../../src/domain/policy.ts';

const limits = Policy.parse({}).guards;
const quiet: Counted = {
  linkedUsers: 100,
  usersBefore: 100,
  usersNow: 100,
  deletions: 0,
  protectedUsers: 0,
  scopeEmptied: new Map(),
  lastAdministrators: 0,
  usersWhoLose: 0,
  unknownRoles: [],
  shrinking: [],
  usersWithoutSeat: 0,
  inPairs: 0,
  lastHolders: new Map(),
  leftInWindow: { users: 0, deleted: 0 },
  usersWhoLoseRoles: 0,
  usersWhoMove: 0,
  usersWhoChange: 0,
  blanked: new Map(),
};
const found = (counted: Partial<Counted>) =>
  evaluateGuards({ ...quiet, ...counted }, limits).map(({ guard }) => guard);

describe('evaluateGuards', () => {
  it.each<[string, Partial<Counted>, readonly string[]]>([
    ['nothing', {}, []],
    ['somebody who is protected', { protectedUsers: 1 }, ['protected-users']],
    ['the last who has a role', { lastHolders: new Map([['owner', 1]]) }, ['last-holder']],
    ['somebody for whom there is no seat', { usersWithoutSeat: 1 }, ['too-few-seats']],
    ['two who may be one person', { inPairs: 2 }, ['same-person']],
    ['deletions exactly at the limit', { deletions: 10 }, []],
    ['one deletion over', { deletions: 11 }, ['too-many-deletions']],
    [
      'deletions that reach the limit of the window',
      { deletions: 8, leftInWindow: { users: 12, deleted: 0 } },
      [],
    ],
    [
      'one over it',
      { deletions: 8, leftInWindow: { users: 13, deleted: 0 } },
      ['too-many-deletions-in-window'],
    ],
    [
      'a window whose deleted users are part of what it is measured by',
      { linkedUsers: 90, deletions: 9, leftInWindow: { users: 11, deleted: 10 } },
      [],
    ],
    [
      'one linked user fewer',
      { linkedUsers: 89, deletions: 8, leftInWindow: { users: 12, deleted: 10 } },
      ['too-many-deletions-in-window'],
    ],
    ['many who left, and nobody who is to', { leftInWindow: { users: 60, deleted: 60 } }, []],
    [
      'what a small directory may lose in a window',
      { linkedUsers: 3, deletions: 1, leftInWindow: { users: 4, deleted: 4 } },
      [],
    ],
    ['lost roles exactly at the limit', { usersWhoLoseRoles: 20 }, []],
    ['one lost role over', { usersWhoLoseRoles: 21 }, ['too-many-lost-roles']],
    ['moves exactly at the limit', { usersWhoMove: 20 }, []],
    ['one move over', { usersWhoMove: 21 }, ['too-many-moves']],
    ['changes exactly at the limit', { usersWhoChange: 50 }, []],
    ['one change over', { usersWhoChange: 51 }, ['too-many-changes']],
    ['changes of all of a small directory', { linkedUsers: 20, usersWhoChange: 20 }, []],
    ['one change over that', { linkedUsers: 21, usersWhoChange: 21 }, ['too-many-changes']],
    ['a field blanked exactly at the limit', { blanked: new Map([['email', 10]]) }, []],
    ['one blanked over', { blanked: new Map([['email', 11]]) }, ['bulk-blanking']],
    ['shrunken exactly at the limit', { usersNow: 75, deletions: 10 }, []],
    ['one user fewer than that', { usersNow: 74, deletions: 10 }, ['shrunken-directory']],
    ['shrunken, but nobody would be deleted', { usersNow: 10, deletions: 0 }, []],
    ['shrunken by what a small directory may lose', { usersNow: 10, deletions: 5 }, []],
    ['a partial snapshot says nothing about size', { usersNow: null, deletions: 10 }, []],
    ['a first run has nothing to compare with', { usersBefore: null, deletions: 10 }, []],
    ['a percentage is rounded down', { linkedUsers: 109, deletions: 11 }, ['too-many-deletions']],
    ['two users, both leave', { linkedUsers: 2, usersBefore: 2, usersNow: 0, deletions: 2 }, []],
    ['five of five leave', { linkedUsers: 5, deletions: 5 }, []],
    [
      'six of six leave',
      { linkedUsers: 6, deletions: 6 },
      ['too-many-deletions', 'too-many-deletions-in-window'],
    ],
    [
      'everything at once',
      {
        ...{
          protectedUsers: 9,
          usersNow: 1,
          deletions: 99,
          usersWhoLoseRoles: 99,
          usersWhoMove: 99,
          usersWhoChange: 99,
        },
        blanked: new Map([['email', 99]]),
      },
      [
        ...[
          'protected-users',
          'too-many-deletions',
          'too-many-deletions-in-window',
          'too-many-lost-roles',
          'too-many-moves',
        ],
        ...['bulk-blanking', 'too-many-changes', 'shrunken-directory'],
      ],
    ],
  ])('%s', (_, counted, guards) => {
    expect(found(counted)).toEqual(guards);
  });

  it('names the field of each that is blanked, with its count and limit', () => {
    const blanked = new Map([
      ['email', 30],
      ['phone', 3],
      ['department', 31],
    ]);
    expect(evaluateGuards({ ...quiet, blanked }, limits)).toEqual([
      { guard: 'bulk-blanking', counted: 30, limit: 10, field: 'email' },
      { guard: 'bulk-blanking', counted: 31, limit: 10, field: 'department' },
    ]);
  });

  it.each<[string, Partial<Counted>, readonly string[]]>([
    ['the last who administers', { lastAdministrators: 1 }, ['last-administrator']],
    ['a role that does not exist, and nobody who loses anything', { unknownRoles: ['x'] }, []],
    ['a role that does not exist', { unknownRoles: ['x'], usersWhoLose: 1 }, ['policy-in-doubt']],
  ])('fails closed for %s', (_, counted, expected) => {
    expect(found(counted)).toEqual(expected);
  });

  it.each([
    [30, 12, []],
    [30, 13, ['shrunken-group']],
    [20, 10, []],
    [20, 11, ['shrunken-group']],
  ])('of a part of %i finds those who leave it, %i: %j', (before, losing, expected) => {
    const group = { kind: 'group', part: 'g1', name: 'Group', before, losing } as const;
    expect(found({ shrinking: [group] })).toEqual(expected);
  });

  it('lets through what is overridden, up to what is allowed, and says whose decision it was', () => {
    const because = { by: 'Ada', reason: 'a merger', until: '2026-06-01T00:00:00.000Z' };
    const over = (allowed: number | null) =>
      evaluateGuards({ ...quiet, deletions: 30 }, { ...limits, deletedInWindowPercent: 100 }, [
        { guard: 'too-many-deletions', allowed, ...because },
      ]);
    const finding = { guard: 'too-many-deletions', counted: 30 };
    expect(over(30)).toEqual([{ ...finding, limit: 10, overridden: { allowed: 30, ...because } }]);
    expect(over(null)).toEqual([{ ...finding, limit: 10, overridden: { allowed: null, ...because } }]);
    expect(over(29)).toEqual([{ ...finding, limit: 29 }]);
    expect(over(5)).toEqual([{ ...finding, limit: 10 }]); // an override raises a limit
    expect(over(30).map(explainFinding)).toEqual([
      '30 users would be suspended or deleted; up to 10 go without a person looking at them; let through until 2026-06-01T00:00:00.000Z by Ada: a merger',
    ]);
  });

  it.each([
    'protected-users',
    'last-administrator',
    'last-holder',
    'too-few-seats',
    'policy-in-doubt',
    'same-person',
  ] as const)('holds for %s whatever is overridden', (guard) => {
    const all = {
      ...{ protectedUsers: 1, lastAdministrators: 1, lastHolders: new Map([['owner', 1]]) },
      ...{ usersWithoutSeat: 1, unknownRoles: ['x'], usersWhoLose: 1, inPairs: 1 },
    };
    const override = { guard, allowed: null, by: 'Ada', reason: 'r', until: '2026-06-01T00:00:00.000Z' };
    const finding = evaluateGuards({ ...quiet, ...all }, limits, [override]).find(
      (one) => one.guard === guard,
    );
    expect(finding).toMatchObject({ guard, counted: 1 });
    expect(finding).not.toHaveProperty('overridden');
    expect(OVERRIDABLE_GUARDS).not.toContain(guard);
  });

  it('lets nothing through at limits of nought', () => {
    const nought = { ...limits, deletedPercent: 0, deletedAtLeast: 0 };
    expect(evaluateGuards({ ...quiet, deletions: 1 }, nought)).toMatchObject([{ counted: 1, limit: 0 }]);
  });
});

/** Of which none is let through. */
const LIMITLESS: readonly string[] = [
  'protected-users',
  'last-administrator',
  'last-holder',
  'too-few-seats',
  'policy-in-doubt',
  'scope-emptied',
  'same-person',
];

describe('enoughLinked', () => {
  it('is where counting further changes nothing that any guard finds', () => {
    const users = fc.nat(60);
    const percent = fc.oneof(fc.nat(100), fc.double({ min: 0, max: 100, noNaN: true }), fc.constant(0.1));
    fc.assert(
      fc.property(
        fc.record({ deletions: users, usersWhoLoseRoles: users, usersWhoMove: users, usersWhoChange: users }),
        fc.record({ users, deleted: users }),
        fc.record({
          ...{ deletedPercent: percent, deletedInWindowPercent: percent, lostRolesPercent: percent },
          ...{
            movedPercent: percent,
            changedPercent: percent,
            blankedPercent: percent,
            deletedAtLeast: fc.nat(9),
          },
        }),
        fc.nat(3_000),
        users,
        (counts, leftInWindow, given, linked, blanked) => {
          const set = { ...quiet, ...counts, leftInWindow, blanked: new Map([['phone', blanked]]) };
          const some = { ...limits, ...given };
          const known = Math.min(linked, enoughLinked(set, some));
          const found = (linkedUsers: number) => evaluateGuards({ ...set, linkedUsers }, some);
          expect(found(known)).toEqual(found(linked));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('explainFinding', () => {
  it.each(GUARDS.filter((guard) => !LIMITLESS.includes(guard)))(
    'says for %s what was counted and what would go',
    (guard) => {
      const finding: Finding = {
        guard,
        counted: 123,
        limit: 45,
        ...(guard === 'bulk-blanking' && { field: 'phone' }),
        ...(guard === 'too-many-deletions-in-window' && { hours: 67 }),
      };
      expect(explainFinding(finding)).toMatch(/123 users.* up to 45 /);
    },
  );

  it('names the roles that do not exist, and whom the tenant would be left without', () => {
    const unknown = ['enginer'];
    expect(explainFinding({ guard: 'policy-in-doubt', counted: 2, limit: 0, unknown })).toMatch(
      /^the policy names roles that do not exist \(enginer\)/,
    );
    expect(explainFinding({ guard: 'last-administrator', counted: 1, limit: 0 })).toMatch(
      /without anybody who administers it: 1 user would/,
    );
  });

  it('says of those that are looked at one by one what each would lose', () => {
    expect(explainFinding({ guard: 'protected-users', counted: 3, limit: 0 })).toBe(
      '3 of the users whom the policy protects would be suspended, be deleted or lose roles',
    );
    expect(explainFinding({ guard: 'too-few-seats', counted: 1, limit: 0 })).toMatch(
      /^1 user would come beyond the seats/,
    );
    expect(explainFinding({ guard: 'same-person', counted: 2, limit: 0 })).toMatch(
      /^2 users .*rollcall pairs/,
    );
    const last = (counted: number) =>
      explainFinding({ guard: 'last-holder', counted, limit: 0, role: 'owner' });
    expect(last(1)).toBe(
      'a tenant would be left without anybody who has the role owner: 1 user would lose it',
    );
    expect(last(2)).toMatch(/: 2 users would lose it$/);
  });
});
