/** Where the roles come from that a directory gives: which part of the mapping, for which of the user's groups. */
import type { DirectoryUser, GroupRef } from './directory.ts';
import type { Mapping } from './mapping.ts';
import { compileRules, namesOf } from './rules.ts';

/** `rule`: its number, from 1 on, and the group that it is about, if any. */
export type RoleReason =
  | { readonly from: 'everyone' }
  | { readonly from: 'group'; readonly group: string }
  | { readonly from: 'rule'; readonly rule: number; readonly group: string | null }
  /** What a person said of a newcomer. */
  | { readonly from: 'adjustment'; readonly by: string; readonly reason: string };

/** As far as roles are concerned. */
export type AdjustedRoles = {
  readonly rolesAdded: readonly string[];
  readonly rolesRemoved: readonly string[];
  readonly by: string;
  readonly reason: string;
};

/** By role, all that gives it. A role that is not there follows from nothing. */
export function roleReasons(
  { everyone, roles, rules = [] }: Mapping,
  user: DirectoryUser,
  groups: readonly GroupRef[],
  adjusted: AdjustedRoles | null,
): ReadonlyMap<string, readonly RoleReason[]> {
  const names = namesOf(groups);
  const reasons: (readonly [role: string, reason: RoleReason])[] = [
    ...everyone.map((role) => [role, { from: 'everyone' }] as const),
    ...roles
      .filter(({ group }) => names.has(group))
      .map(({ role, group }) => [role, { from: 'group', group: nameOf(group, groups) }] as const),
    ...compileRules(rules)
      .giving(user, names)
      .flatMap(({ rule, group, roles: given }) => {
        const reason = { from: 'rule', rule, group: group === null ? null : nameOf(group, groups) } as const;
        return given.map((role) => [role, reason] as const);
      }),
    ...addedBy(adjusted),
  ];
  const left = reasons.filter(([role]) => adjusted?.rolesRemoved.includes(role) !== true);
  const byRole = Map.groupBy(left, ([role]) => role);
  return new Map([...byRole].map(([role, found]) => [role, found.map(([, reason]) => reason)]));
}

function addedBy(adjusted: AdjustedRoles | null): readonly (readonly [role: string, reason: RoleReason])[] {
  if (adjusted === null) return [];
  const { by, reason } = adjusted;
  return adjusted.rolesAdded.map((role) => [role, { from: 'adjustment', by, reason }]);
}

/** A mapping may name a group by its id. */
function nameOf(group: string, groups: readonly GroupRef[]): string {
  return groups.find(({ externalId }) => externalId === group)?.name ?? group;
}

/** All parts of a mapping that may give this role, whether or not they hold for anybody. */
export function giversOf({ everyone, roles, rules = [] }: Mapping, role: string): readonly RoleReason[] {
  return [
    ...(everyone.includes(role) ? [{ from: 'everyone' } as const] : []),
    ...roles.flatMap((one) => (one.role === role ? ({ from: 'group', group: one.group } as const) : [])),
    ...rules.flatMap((one, at) =>
      one.roles.includes(role) ? ({ from: 'rule', rule: at + 1, group: null } as const) : [],
    ),
  ];
}
