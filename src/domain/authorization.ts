/**
 * What a user may do in which tenant, from the facts. The answer is a list of entries, and what holds for a tenant is the entry with
 * the longest data key that its own begins with: so there is an entry for the user's own tenant, and for one below it only where
 * something else holds than above.
 */
import { hash } from 'node:crypto';
import type { AuthUserState } from './authUser.ts';
import type { AuthUserId, TenantId } from './ids.ts';
import type { RoleId } from './role.ts';

/** What counts of a tenant. Data keys nest as the tenants do: that of a tenant above is the beginning of those below. */
export type TenantFact = {
  readonly id: TenantId;
  readonly name: string;
  readonly dataKey: string;
  readonly state: 'active' | 'suspended' | 'deleted';
  /** Whether roles that are held above hold here. */
  readonly inheritsRoles: boolean;
  /** Its own product plan; null: that of the nearest tenant above that has one. */
  readonly plan: string | null;
};

export type AuthorizationFacts = {
  readonly state: AuthUserState;
  /** The user's own tenant. */
  readonly home: TenantId;
  /**
   * Home; of those above it at least each that is not active or has a plan; and of those below it at least each that is not active,
   * inherits no roles, has a plan or has something assigned: all others have what the nearest of these above them has.
   */
  readonly tenants: readonly TenantFact[];
  readonly assignments: readonly { readonly role: RoleId; readonly tenant: TenantId }[];
};

export type RoleFact = {
  readonly name: string;
  readonly type: 'ordinary' | 'automatic' | 'assignable' | 'hidden';
  readonly permissions: readonly string[];
};

/** The application's roles and product plans, the same for all tenants. */
export type RoleCatalogue = {
  readonly roles: ReadonlyMap<RoleId, RoleFact>;
  /** Of each product plan that has any, its roles. */
  readonly plans: ReadonlyMap<string, ReadonlySet<RoleId>>;
};

/** `roles` and `permissions` are sorted and without repetition. */
export type AuthorizationEntry = {
  readonly tenant: TenantId;
  readonly name: string;
  readonly dataKey: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
};

export type Authorization = {
  readonly user: AuthUserId;
  /** The user's own. */
  readonly tenant: TenantId;
  /** false: the user, or the tenant or one above it, is suspended or deleted, and nothing holds anywhere. */
  readonly active: boolean;
  /** Hash of all the rest: as long as it stays, nothing has changed. */
  readonly version: string;
  /** By data key. */
  readonly entries: readonly AuthorizationEntry[];
};

export type AuthorizationQuestion = {
  readonly user: AuthUserId;
  /** What holds in this one tenant; null: in all. */
  readonly tenant: TenantId | null;
  /** Whether roles that tenants do not see are told. */
  readonly hidden: boolean;
};

export function authorizationOf(
  { user, tenant, hidden }: AuthorizationQuestion,
  facts: AuthorizationFacts,
  catalogue: RoleCatalogue,
): Authorization {
  const found = facts.state === 'active' ? entriesOf(facts, catalogue, hidden) : [];
  const wanted = found.filter((one) => (tenant === null ? one.differs : one.entry.tenant === tenant));
  const content = {
    user,
    tenant: facts.home,
    active: found.length > 0,
    entries: wanted.map(({ entry }) => entry),
  };
  return { ...content, version: hash('sha256', JSON.stringify(content), 'base64url').slice(0, 27) };
}

/** The entry that holds for whatever carries this data key. */
export function entryFor(
  entries: readonly AuthorizationEntry[],
  dataKey: string,
): AuthorizationEntry | undefined {
  return entries
    .filter((entry) => dataKey.startsWith(entry.dataKey))
    .reduce<AuthorizationEntry | undefined>(
      (best, entry) => (best === undefined || entry.dataKey.length > best.dataKey.length ? entry : best),
      undefined,
    );
}

/** What is known at one tenant, on the way down. */
type Level = {
  readonly tenant: TenantFact;
  readonly above: Level | null;
  /** It, or one above it, is not active. */
  readonly closed: boolean;
  /** What may be held here; null: anything. */
  readonly plan: ReadonlySet<RoleId> | null;
  /** Before the plan has its say. */
  readonly held: ReadonlySet<RoleId>;
};

const NONE: ReadonlySet<RoleId> = new Set();

type Found = { readonly entry: AuthorizationEntry; readonly differs: boolean };

/** Home's first; none where nothing holds even there. */
function entriesOf(facts: AuthorizationFacts, catalogue: RoleCatalogue, hidden: boolean): readonly Found[] {
  const levels = levelsOf(facts, catalogue);
  const home = levels.find(({ tenant }) => tenant.id === facts.home);
  if (home === undefined || home.closed) return [];
  const entries = new Map<Level | null, AuthorizationEntry>();
  return levels
    .filter(({ tenant }) => tenant.dataKey.startsWith(home.tenant.dataKey))
    .map((level) => {
      const entry = describe(level, catalogue, hidden);
      const above = entries.get(level.above);
      entries.set(level, entry);
      return { entry, differs: above === undefined || entry.roles.join('\n') !== above.roles.join('\n') };
    });
}

/** A data key sorts before those that begin with it: one walk passes every tenant on the way down from those above it. */
function levelsOf(facts: AuthorizationFacts, catalogue: RoleCatalogue): readonly Level[] {
  const own = Map.groupBy(facts.assignments, ({ tenant }) => tenant);
  const path: Level[] = [];
  return facts.tenants
    .toSorted((a, b) => (a.dataKey < b.dataKey ? -1 : 1))
    .map((tenant) => {
      while (path.length > 0 && !tenant.dataKey.startsWith(path.at(-1)?.tenant.dataKey ?? '')) path.pop();
      const above = path.at(-1) ?? null;
      const plan = tenant.plan === null ? (above?.plan ?? null) : (catalogue.plans.get(tenant.plan) ?? NONE);
      const given = (own.get(tenant.id) ?? []).map(({ role }) => role);
      const isHome = tenant.id === facts.home;
      const level = {
        tenant,
        above,
        closed: tenant.state !== 'active' || above?.closed === true,
        plan,
        // Nothing is held above home, and what is assigned beside it, since a tenant was moved away, comes from nowhere.
        held: isHome
          ? new Set([...given, ...automatic(catalogue, plan)])
          : heldBelow(above, tenant.inheritsRoles, given),
      };
      path.push(level);
      return level;
    });
}

function heldBelow(above: Level | null, inherits: boolean, given: readonly RoleId[]): ReadonlySet<RoleId> {
  const inherited = inherits ? (above?.held ?? NONE) : NONE;
  return given.length === 0 ? inherited : new Set([...inherited, ...given]);
}

/** Roles that each active user of a tenant with this plan has. */
function automatic({ roles }: RoleCatalogue, plan: ReadonlySet<RoleId> | null): readonly RoleId[] {
  return [...roles]
    .filter(([id, { type }]) => type === 'automatic' && (plan?.has(id) ?? true))
    .map(([id]) => id);
}

function describe(
  { tenant, closed, plan, held }: Level,
  catalogue: RoleCatalogue,
  hidden: boolean,
): AuthorizationEntry {
  const holding = closed ? [] : [...held].filter((role) => plan?.has(role) ?? true);
  const roles = holding
    .flatMap((role) => catalogue.roles.get(role) ?? [])
    .filter(({ type }) => hidden || type !== 'hidden');
  return {
    tenant: tenant.id,
    name: tenant.name,
    dataKey: tenant.dataKey,
    roles: sorted(roles.map(({ name }) => name)),
    permissions: sorted(roles.flatMap(({ permissions }) => permissions)),
  };
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
