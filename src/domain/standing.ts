/** How somebody whom a directory has stands here, and why: whoever has no auth user is told apart by what keeps them from one. */
import type { FieldValue } from './authUser.ts';
import { type DirectoryUser, type GroupRef, TEXT_ATTRIBUTES } from './directory.ts';
import { compileMapping, isMapped, type Mapping } from './mapping.ts';

export const standings = {
  linked: 'is linked to an auth user',
  waits: 'a change for them waits to be decided or applied',
  held: 'a change for them is held back',
  refused: 'what was proposed for them was refused',
  conflict: 'what was proposed for them needs a person: it cannot be approved as it is',
  'out-of-scope': 'the scope of the mapping does not hold for them',
  'left-out': 'the settings of the connection leave them out',
  unreadable: 'nothing can be made of their record, and so nothing follows for them',
  'not-active': 'is not active in the directory: an auth user is made when they become active',
  next: 'the next run proposes them: nothing was planned since they were read like this',
  absent: 'the directory, as last read, has nobody of this id',
} as const satisfies Record<string, string>;
export type Standing = keyof typeof standings;

/** Everything that decides how somebody stands. */
export type Known = {
  readonly isLinked: boolean;
  readonly mapping: Mapping;
  /** As last read; null: not kept, since nobody of this id was there or nothing was understood of them. */
  readonly read: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] } | null;
  /** The change that is alive. */
  readonly change: { readonly kind: string; readonly state: string } | null;
  /** What the last run that spoke of them has noted. */
  readonly noted: { readonly problem: string | null; readonly absence: string | null } | null;
};

export type Found = {
  readonly standing: Standing;
  /** What exactly: the problem of their record, or the expression that does not hold. null: the standing says it all. */
  readonly because: string | null;
  /** What the scope looks at of them, where that is what keeps them out. */
  readonly looksAt: Readonly<Record<string, FieldValue>> | null;
};

/** Where several would do, the first of these. */
export function standingOf(known: Known): Found {
  if (known.isLinked) return found('linked');
  const { change } = known;
  // What stands against them by now says more than a change that a run before this reading has left.
  const kept = keptOut(known);
  if (kept !== null && change?.state !== 'rejected') return kept;
  if (change === null) return found(known.read === null ? 'absent' : 'next');
  if (change.state === 'rejected') return found('refused');
  if (change.kind === 'conflict') return found('conflict');
  return found(change.state === 'held' ? 'held' : 'waits');
}

function found(standing: Standing, because: string | null = null): Found {
  return { standing, because, looksAt: null };
}

function keptOut({ read, mapping, noted }: Known): Found | null {
  if (noted !== null && noted.problem !== null) return found('unreadable', noted.problem);
  if (read === null) return noted?.absence === 'out-of-scope' ? found('left-out') : null;
  const mapped = compileMapping(mapping).map(read.user, read.groups);
  if (isMapped(mapped)) return mapped.state === 'active' ? null : found('not-active', read.user.state);
  if (mapped.state === 'unreadable') return found('unreadable', mapped.problem);
  return { standing: 'out-of-scope', because: mapping.scope ?? null, looksAt: seenByScope(mapping, read) };
}

function seenByScope(mapping: Mapping, { user, groups }: NonNullable<Known['read']>): Found['looksAt'] {
  const { scopeReads, scopeGroups } = compileMapping(mapping);
  const values = (scopeReads ?? []).map((path) => [path.join('.'), valueAt(user, path)] as const);
  const isIn = new Set<string>(groups.flatMap(({ externalId, name }) => [externalId, name]));
  return Object.fromEntries([
    ...values,
    ...scopeGroups.map((group) => [`in group ${group}`, isIn.has(group)] as const),
  ]);
}

function valueAt(user: DirectoryUser, [first = '', second]: readonly string[]): FieldValue {
  if (first === 'custom')
    return second !== undefined && Object.hasOwn(user.custom, second) ? (user.custom[second] ?? null) : null;
  const texts: readonly string[] = [...TEXT_ATTRIBUTES, 'userType', 'manager'];
  return texts.includes(first) ? (user[first as (typeof TEXT_ATTRIBUTES)[number]] ?? null) : null;
}
