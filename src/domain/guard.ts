/** Guards look at a whole change set and hold what is dangerous in it, and nothing else. */
import type { GuardLimits } from './policy.ts';

export const GUARDS = [
  'protected-users',
  'last-holder',
  'too-few-seats',
  'too-many-deletions',
  'too-many-deletions-in-window',
  'shrunken-directory',
  'too-many-lost-roles',
  'too-many-moves',
  'bulk-blanking',
  'too-many-changes',
] as const;
export type Guard = (typeof GUARDS)[number];

/** What a guard found. `limit` is what would have been let through. */
export type Finding = {
  readonly guard: Guard;
  readonly counted: number;
  readonly limit: number;
  /** Of bulk-blanking: which is emptied. */
  readonly field?: string;
  /** Of last-holder: which would be left with nobody. */
  readonly role?: string;
  /** Of too-many-deletions-in-window: how far it reaches back. */
  readonly hours?: number;
};

export type Counted = {
  /** Auth users that the connection has linked and that are not deleted, before anything of this set is applied. */
  readonly linkedUsers: number;
  /**
   * Users that the directory was known to have: those of the last complete snapshot, or the linked ones whose deletion nobody has
   * refused where these are more, because that snapshot may be the shrunken one already. null when there was no complete snapshot.
   */
  readonly usersBefore: number | null;
  /** Users in the snapshot at hand; null when it is partial, which proves nothing about size. */
  readonly usersNow: number | null;
  readonly deletions: number;
  /** Users whom the policy protects, and who would be suspended, be deleted or lose roles. */
  readonly protectedUsers: number;
  /** Who would come to a tenant beyond the seats of its product plan. */
  readonly usersWithoutSeat: number;
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

export function evaluateGuards(counted: Counted, limits: GuardLimits): readonly Finding[] {
  const findings: Finding[] = [];
  const share = (percent: number, atLeast: number, of = counted.linkedUsers) =>
    Math.max(atLeast, Math.floor((of * percent) / 100));
  const check = (
    guard: Guard,
    found: number,
    limit: number,
    more: Omit<Finding, 'guard' | 'counted' | 'limit'> = {},
  ) => {
    if (found > limit) findings.push({ guard, counted: found, limit, ...more });
  };
  check('protected-users', counted.protectedUsers, 0);
  for (const [role, users] of counted.lastHolders) check('last-holder', users, 0, { role });
  check('too-few-seats', counted.usersWithoutSeat, 0);
  check('too-many-deletions', counted.deletions, share(limits.deletedPercent, limits.deletedAtLeast));
  if (counted.deletions > 0) {
    const { users, deleted } = counted.leftInWindow;
    const before = counted.linkedUsers + deleted;
    const limit = share(limits.deletedInWindowPercent, limits.deletedAtLeast, before);
    check('too-many-deletions-in-window', counted.deletions + users, limit, { hours: limits.windowHours });
  }
  check(
    'too-many-lost-roles',
    counted.usersWhoLoseRoles,
    share(limits.lostRolesPercent, limits.lostRolesAtLeast),
  );
  check('too-many-moves', counted.usersWhoMove, share(limits.movedPercent, limits.movedAtLeast));
  for (const [field, users] of counted.blanked) {
    check('bulk-blanking', users, share(limits.blankedPercent, limits.blankedAtLeast), { field });
  }
  check('too-many-changes', counted.usersWhoChange, share(limits.changedPercent, limits.changedAtLeast));
  if (
    counted.usersBefore !== null &&
    counted.usersNow !== null &&
    counted.deletions > limits.deletedAtLeast
  ) {
    const missing = counted.usersBefore - counted.usersNow;
    check('shrunken-directory', missing, Math.floor((counted.usersBefore * limits.shrunkenPercent) / 100));
  }
  return findings;
}

/** The sentence that a reviewer reads. */
export function explainFinding(finding: Finding): string {
  const { counted, limit } = finding;
  switch (finding.guard) {
    case 'protected-users':
      return `${counted} of the users whom the policy protects would be suspended, be deleted or lose roles`;
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
