/**
 * What somebody has said of a newcomer before they came in: roles that they get or do not get, and where they belong, whatever the mapping
 * makes of them. It holds for all that is proposed for them later too; what the directory changes otherwise still comes through.
 */
import type { DesiredAuthUser } from './authUser.ts';
import type { TenantId } from './ids.ts';
import type { Places } from './place.ts';

export type Adjustment = {
  readonly rolesAdded: readonly string[];
  readonly rolesRemoved: readonly string[];
  /** null: where the mapping puts them. */
  readonly place: TenantId | null;
};

/** What is wanted of somebody with this. A tenant that is not below the connection's any more is none to put them in. */
export function adjusted(desired: DesiredAuthUser, by: Adjustment, places: Places): DesiredAuthUser {
  const roles = new Set([...desired.roles, ...by.rolesAdded]);
  for (const role of by.rolesRemoved) roles.delete(role);
  const path = by.place === null ? undefined : places.of(by.place);
  const { placeUnknown, ...known } = desired;
  const all = { ...known, roles: [...roles].sort() };
  if (path !== undefined) return { ...all, placed: { path, mayBeMade: false } };
  return placeUnknown === undefined ? all : { ...all, placeUnknown };
}

/** How the roles that somebody is to have differ from those that the mapping gives them. */
export function rolesAdjusted(
  mapped: readonly string[],
  wanted: readonly string[],
): Pick<Adjustment, 'rolesAdded' | 'rolesRemoved'> {
  return {
    rolesAdded: [...new Set(wanted)].filter((role) => !mapped.includes(role)).sort(),
    rolesRemoved: mapped.filter((role) => !wanted.includes(role)),
  };
}

/** Whether anything differs by it. */
export function isNothing({ rolesAdded, rolesRemoved, place }: Adjustment): boolean {
  return rolesAdded.length + rolesRemoved.length === 0 && place === null;
}
