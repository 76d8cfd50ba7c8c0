/** Guards look at a whole change set and hold what is dangerous in it, and nothing else. */
import type { GuardLimits } from './policy.ts';

export const GUARDS = [
  'protected-users',
  'last-administrator',
  'last-holder',
  'too-few-seats',
  'policy-in-doubt',
  'scope-emptied',
  'too-many-deletions',
  'too-many-deletions-in-window',
  'shrunken-directory',
  'shrunken-domain',
  'shrunken-org-unit',
  'shrunken-group',
  'too-many-lost-roles',
  'too-many-moves',
  'bulk-blanking',
  'too-many-changes',
  'same-person',
] as const;
export type Guard = (typeof GUARDS)[number];

/** What these hold a person lets go by name, one change after the other: an approval of a whole set does not. */
export const LET_GO_BY_NAME = [
  'protected-users',
  'last-administrator',
  'last-holder',
] as const satisfies Guard[];
/** They look at each change by itself, so that they may let go of one and keep another. */
export const ONE_BY_ONE = [...LET_GO_BY_NAME, 'too-few-seats', 'same-person'] as const satisfies Guard[];

const NEVER_OVERRIDDEN: readonly Guard[] = [...ONE_BY_ONE, 'policy-in-doubt', 'scope-emptied'];
/** Those whose limit may be set aside for a time. */
export const OVERRIDABLE_GUARDS = GUARDS.filter((guard) => !NEVER_OVERRIDDEN.includes(guard));

/** Of domains, organisational units and groups: those that people are in, as the directory has them. */
export const PARTS = ['domain', 'unit', 'group'] as const;
export type PartKind = (typeof PARTS)[number];

/** The guard that looks at each part by itself. */
export const guardOfPart = {
  domain: 'shrunken-domain',
  unit: 'shrunken-org-unit',
  group: 'shrunken-group',
} as const satisfies Record<PartKind, Guard>;

/** A part of the directory that would lose people; `before`: how many it had. */
export type ShrinkingPart = {
  readonly kind: PartKind;
  /** As it is compared: of a group, its external id. */
  readonly part: string;
  readonly name: string;
  readonly before: number;
  readonly losing: number;
};

/** What somebody has decided to let through for a time. */
export type Override = {
  readonly guard: Guard;
  /** Up to so many go; null: all. */
  readonly allowed: number | null;
  readonly by: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly until: string;
};

/** What a guard found. `limit` is what would have been let through. */
export type Finding = {
  readonly guard: Guard;
  readonly counted: number;
  readonly limit: number;
  /** Of bulk-blanking: which is emptied; of scope-emptied: which the scope reads, missing where it leaves out everybody. */
  readonly field?: string;
  /** Of last-holder: which would be left with nobody. */
  readonly role?: string;
  /** Of shrunken-domain, shrunken-org-unit and shrunken-group: which; of a group its external id. */
  readonly part?: string;
  /** What people call that. */
  readonly name?: string;
  /** How many it had. */
  readonly before?: number;
  /** Of policy-in-doubt: roles that the policy names and that do not exist. */
  readonly unknown?: readonly string[];
  /** Of too-many-deletions-in-window: how far it reaches back. */
  readonly hours?: number;
  /** Why nothing is held for it all the same. */
  readonly overridden?: Omit<Override, 'guard'>;
};

export type Counted = {
  /**
   * Auth users that the connection has linked and that are not deleted, before anything of this set is applied; where the snapshot is
   * of named users, counted only up to `enoughLinked`.
   */
  readonly linkedUsers: number;
  /**
   * Users that the directory was known to have: those of the last complete snapshot, or the linked ones whose deletion nobody has
   * refused where these are more, because that snapshot may be the shrunken one already. null when there was no complete snapshot.
   */
  readonly usersBefore: number | null;
  /** Users in the snapshot at hand; null when it is partial, which proves nothing about size. */
  readonly usersNow: number | null;
  readonly deletions: number;
  /**
   * Users whom the mapping's scope leaves out: by each attribute that it reads and that they have no value of, where hardly anybody else
   * has; by null, where it leaves out everybody.
   */
  readonly scopeEmptied: ReadonlyMap<string | null, number>;
  /** Users whom the policy protects, and who would be suspended, be deleted or lose roles. */
  readonly protectedUsers: number;
  /** Who would come to a tenant beyond the seats of its product plan. */
  readonly usersWithoutSeat: number;
  /** Who comes or leaves and may be one person with somebody who leaves, has left or comes. */
  readonly inPairs: number;
  /** How many active users would leave a tenant without anybody who administers it. */
  readonly lastAdministrators: number;
  /** Users who would be suspended, be deleted, lose roles or be put in another tenant. */
  readonly usersWhoLose: number;
  /** Roles that the policy names and that do not exist. */
  readonly unknownRoles: readonly string[];
  /** Those that may have lost too many; see `mayShrink`. */
  readonly shrinking: readonly ShrinkingPart[];
  /** Of each role that has to stay with somebody: how many active users would leave a tenant without anybody who has it. */
  readonly lastHolders: ReadonlyMap<string, number>;
  /**
   * Those whom applies have suspended or deleted within the window, who still are, and whom no deletion or suspension waits for; and how
   * many of them are deleted, so that they are not among the linked users any more.
   */
  readonly leftInWindow: { readonly users: number; readonly deleted: number };
  readonly usersWhoLoseRoles: number;
  /** Users who would be put in another tenant. */
  readonly usersWhoMove: number;
  /** Linked users who would change in any way: updates, suspensions, deletions. */
  readonly usersWhoChange: number;
  /** How many users lose the value of a field, by field. */
  readonly blanked: ReadonlyMap<string, number>;
};

/** In the order in which they hold: what a guard of a few people has taken is no other guard's. */
export function evaluateGuards(
  counted: Counted,
  limits: GuardLimits,
  overrides: readonly Override[] = [],
): readonly Finding[] {
  const found = [
    ...ofSome(counted),
    ...ofDeletions(counted, limits),
    ...ofTheRest(counted, limits),
    ...ofShrinking(counted, limits),
    ...ofParts(counted, limits),
  ];
  return found.flatMap((one) => {
    if (one.counted <= one.limit) return [];
    const override = overrides.find(({ guard }) => guard === one.guard);
    if (override === undefined || !OVERRIDABLE_GUARDS.includes(one.guard)) return [one];
    const { guard: _, ...overridden } = override;
    if (override.allowed === null || one.counted <= override.allowed) return [{ ...one, overridden }];
    return [{ ...one, limit: Math.max(one.limit, override.allowed) }];
  });
}

const share = (of: number, percent: number, atLeast: number) =>
  Math.max(atLeast, Math.floor((of * percent) / 100));

/** Of so many linked users or more, no guard that goes by their share finds anything: to count further tells nothing. */
export function enoughLinked(counted: Omit<Counted, 'linkedUsers'>, limits: GuardLimits): number {
  const { deletions, leftInWindow, usersWhoLoseRoles, usersWhoMove, usersWhoChange, blanked } = counted;
  const inWindow = deletions === 0 ? 0 : deletions + leftInWindow.users;
  const shares = [
    { users: deletions, percent: limits.deletedPercent, atLeast: limits.deletedAtLeast },
    { users: inWindow, percent: limits.deletedInWindowPercent, atLeast: limits.deletedAtLeast },
    { users: usersWhoLoseRoles, percent: limits.lostRolesPercent, atLeast: limits.lostRolesAtLeast },
    { users: usersWhoMove, percent: limits.movedPercent, atLeast: limits.movedAtLeast },
    { users: usersWhoChange, percent: limits.changedPercent, atLeast: limits.changedAtLeast },
    ...[...blanked.values()].map((users) => {
      return { users, percent: limits.blankedPercent, atLeast: limits.blankedAtLeast };
    }),
  ];
  // One more, whatever the division by a hundred and back makes of a fraction of a per cent.
  const needed = shares.map(({ users, percent, atLeast }) =>
    users <= atLeast ? 0 : Math.ceil((users * 100) / percent) + 1,
  );
  return Math.max(...needed);
}

/** Those that look at each change by itself, and the one that cannot. */
function ofSome(counted: Counted): readonly Finding[] {
  const { unknownRoles } = counted;
  return [
    { guard: 'protected-users', counted: counted.protectedUsers, limit: 0 },
    { guard: 'last-administrator', counted: counted.lastAdministrators, limit: 0 },
    ...[...counted.lastHolders].map(([role, users]): Finding => {
      return { guard: 'last-holder', counted: users, limit: 0, role };
    }),
    { guard: 'too-few-seats', counted: counted.usersWithoutSeat, limit: 0 },
    ...(unknownRoles.length === 0
      ? []
      : [
          {
            guard: 'policy-in-doubt' as const,
            counted: counted.usersWhoLose,
            limit: 0,
            unknown: unknownRoles,
          },
        ]),
  ];
}

function ofDeletions(counted: Counted, limits: GuardLimits): readonly Finding[] {
  const { deletions, linkedUsers } = counted;
  if (deletions === 0) return [];
  const { users, deleted } = counted.leftInWindow;
  return [
    ...[...counted.scopeEmptied].map(([field, outside]): Finding => {
      return { guard: 'scope-emptied', counted: outside, limit: 0, ...(field !== null && { field }) };
    }),
    {
      guard: 'too-many-deletions',
      counted: deletions,
      limit: share(linkedUsers, limits.deletedPercent, limits.deletedAtLeast),
    },
    {
      guard: 'too-many-deletions-in-window',
      counted: deletions + users,
      limit: share(linkedUsers + deleted, limits.deletedInWindowPercent, limits.deletedAtLeast),
      hours: limits.windowHours,
    },
  ];
}

/** What it holds is open again by a person alone: so it holds only what none of those before it does. */
function ofShrinking({ deletions, usersBefore, usersNow }: Counted, limits: GuardLimits): readonly Finding[] {
  if (usersBefore === null || usersNow === null || deletions <= limits.deletedAtLeast) return [];
  const limit = Math.floor((usersBefore * limits.shrunkenPercent) / 100);
  return [{ guard: 'shrunken-directory', counted: usersBefore - usersNow, limit }];
}

/** Of what the guards of the whole directory have left. */
function ofParts({ shrinking }: Counted, limits: GuardLimits): readonly Finding[] {
  return shrinking.map(({ kind, part, name, before, losing }) => {
    const limit = share(before, limits.partPercent, limits.partAtLeast);
    return { guard: guardOfPart[kind], counted: losing, limit, part, name, before };
  });
}

function ofTheRest(counted: Counted, limits: GuardLimits): readonly Finding[] {
  const { linkedUsers } = counted;
  return [
    {
      guard: 'too-many-lost-roles',
      counted: counted.usersWhoLoseRoles,
      limit: share(linkedUsers, limits.lostRolesPercent, limits.lostRolesAtLeast),
    },
    {
      guard: 'too-many-moves',
      counted: counted.usersWhoMove,
      limit: share(linkedUsers, limits.movedPercent, limits.movedAtLeast),
    },
    ...[...counted.blanked].map(([field, users]): Finding => {
      const limit = share(linkedUsers, limits.blankedPercent, limits.blankedAtLeast);
      return { guard: 'bulk-blanking', counted: users, limit, field };
    }),
    {
      guard: 'too-many-changes',
      counted: counted.usersWhoChange,
      limit: share(linkedUsers, limits.changedPercent, limits.changedAtLeast),
    },
    // Behind what holds for their number: whoever says that two are different lets go of the pair alone.
    { guard: 'same-person', counted: counted.inPairs, limit: 0 },
  ];
}

/** The sentence that a reviewer reads. */
export function explainFinding(finding: Finding): string {
  const found = whatWasFound(finding);
  if (finding.overridden === undefined) return found;
  const { by, reason, until } = finding.overridden;
  return `${found}; let through until ${until} by ${by}: ${reason}`;
}

function whatWasFound(finding: Finding): string {
  const { counted, limit } = finding;
  switch (finding.guard) {
    case 'protected-users':
      return `${counted} of the users whom the policy protects would be suspended, be deleted or lose roles`;
    case 'last-administrator':
      return `a tenant would be left without anybody who administers it: ${counted} ${counted === 1 ? 'user' : 'users'} would go or lose the role`;
    case 'policy-in-doubt':
      return `the policy names roles that do not exist (${finding.unknown?.join(', ')}), so that it is not known whom it looks after: ${counted} users would be suspended, be deleted, lose roles or be put in another tenant`;
    case 'scope-emptied':
      return outOfScope(finding);
    case 'shrunken-domain':
      return `${counted} users of the domain ${finding.name}, which had ${finding.before}, would be suspended or deleted; up to ${limit} are unremarkable`;
    case 'shrunken-org-unit':
      return `${counted} users of the organisational unit ${finding.name}, which had ${finding.before}, would be suspended or deleted; up to ${limit} are unremarkable`;
    case 'shrunken-group':
      return `${counted} users of the group ${finding.name}, which had ${finding.before}, would go or lose roles with it; up to ${limit} are unremarkable`;
    case 'same-person':
      return `${counted} ${counted === 1 ? 'user' : 'users'} who would come or go may be the same person as another one; somebody has to say so (rollcall pairs)`;
    case 'last-holder':
      return `a tenant would be left without anybody who has the role ${finding.role}: ${counted} ${counted === 1 ? 'user' : 'users'} would lose it`;
    case 'too-few-seats':
      return `${counted} ${counted === 1 ? 'user' : 'users'} would come beyond the seats of the product plan; who was proposed before them goes first`;
    case 'too-many-deletions':
      return `${counted} users would be suspended or deleted; up to ${limit} go without a person looking at them`;
    case 'too-many-deletions-in-window':
      return `${counted} users would be suspended or deleted, with those of the last ${finding.hours} hours; up to ${limit} go without a person looking at them`;
    case 'shrunken-directory':
      return `the directory lists ${counted} users fewer than before; up to ${limit} are unremarkable`;
    case 'too-many-lost-roles':
      return `${counted} users would lose roles; up to ${limit} go without a person looking at them`;
    case 'too-many-moves':
      return `${counted} users would be put in another tenant; up to ${limit} go without a person looking at them`;
    case 'too-many-changes':
      return `${counted} users would change, in whatever way; up to ${limit} go without a person looking at them`;
    case 'bulk-blanking':
      return `${counted} users would lose their ${finding.field}, as when a credential has lost a permission; up to ${limit} go without a person looking at them`;
  }
}

function outOfScope({ counted, field }: Finding): string {
  const users = counted === 1 ? '1 user' : `${counted} users`;
  if (field === undefined)
    return `the scope of the mapping leaves out everybody who is there: ${users} would be deleted`;
  return `${users} would be deleted as out of a scope that reads ${field}, of which hardly anybody has a value, as when a credential has lost a permission`;
}
