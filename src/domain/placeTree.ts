/** What a mapping makes of some people, as a tree of tenants: for whoever looks at it before it is saved. */
import type { DesiredAuthUser } from './authUser.ts';
import type { Place, Places } from './place.ts';

/** A tenant that somebody would be put in, or one on the way there. */
export type Branch = {
  /** Names below the connection's tenant, joined by slashes; null: that tenant itself. */
  readonly tenant: Place;
  /** It is there; it is missing and would be made; it is missing, and whoever belongs there would wait; it is to be deleted. */
  readonly is: 'there' | 'made' | 'missing' | 'closed';
  /** In it, not below it. */
  readonly people: number;
  /** In alphabetical order. */
  readonly roles: readonly { readonly role: string; readonly people: number }[];
};

/** Of those who would be active; who is not gets no account. Each tenant comes behind the one above it. */
export function treeOf(desired: readonly DesiredAuthUser[], places: Places): readonly Branch[] {
  const branches = new Map<Place, { is: Branch['is']; people: number; roles: Map<string, number> }>();
  const branchAt = (place: Place, mayBeMade: boolean) => {
    const branch = branches.get(place) ?? { is: 'missing', people: 0, roles: new Map<string, number>() };
    branch.is = stateOf(places.find(place), mayBeMade || branch.is === 'made');
    branches.set(place, branch);
    return branch;
  };
  for (const { state, roles, placed } of desired) {
    if (state !== 'active') continue;
    const { path, mayBeMade } = placed ?? { path: null, mayBeMade: false };
    for (const above of pathsAbove(path)) branchAt(above, mayBeMade);
    const branch = branchAt(path, mayBeMade);
    branch.people += 1;
    for (const role of roles) branch.roles.set(role, (branch.roles.get(role) ?? 0) + 1);
  }
  return [...branches.keys()].toSorted(byNames).map((tenant) => {
    const { is, people, roles } = branches.get(tenant) ?? { is: 'missing', people: 0, roles: new Map() };
    const held = [...roles].sort().map(([role, holders]) => ({ role, people: holders }));
    return { tenant, is, people, roles: held };
  });
}

function stateOf(found: ReturnType<Places['find']>, mayBeMade: boolean): Branch['is'] {
  if (found === 'closed') return 'closed';
  if (found !== 'missing') return 'there';
  return mayBeMade ? 'made' : 'missing';
}

function pathsAbove(path: Place): readonly Place[] {
  const names = path?.split('/') ?? [];
  return names.map((_, depth) => names.slice(0, depth).join('/') || null);
}

/** Name by name: what is below a tenant stands directly behind it. */
function byNames(one: Place, other: Place): number {
  const [a, b] = [one?.split('/') ?? [], other?.split('/') ?? []];
  for (const [at, name] of a.entries()) {
    const rival = b[at];
    if (rival === undefined) return 1;
    if (name !== rival) return name < rival ? -1 : 1;
  }
  return a.length - b.length;
}
