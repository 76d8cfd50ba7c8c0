/**
 * An install, or a part of one, as a file says it is to be; as it is; and what lies between, as data. What a file does not say stays as
 * it is, and what it does not name is left alone: nothing is ever removed because a file is silent about it.
 */
import type { AuthUserState, Fields, FieldValue } from './authUser.ts';
import { canonical, fingerprintOf, type Json } from './canonical.ts';
import type { ConnectionNetwork, ConnectionState, ListedConnection } from './connection.ts';
import type { Provider } from './directory.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from './ids.ts';
import type { ProductPlan } from './productPlan.ts';
import type { Role, RoleType } from './role.ts';
import type { TenantState } from './tenant.ts';
import type { TenantPolicy } from './tenantPolicy.ts';

/** Names from the one below the caller's own tenant down; empty: the caller's own. */
export type TenantPath = readonly string[];

/** Where in a file something stands: `['tenants', 2, 'plan']`. */
export type Position = readonly (string | number)[];

export type WantedRole = {
  readonly name: string;
  readonly description?: string | undefined;
  readonly type?: RoleType | undefined;
  readonly permissions?: readonly string[] | undefined;
};

export type WantedPlan = {
  readonly name: string;
  readonly description?: string | undefined;
  /** null: no limit. */
  readonly seats?: number | null | undefined;
  /** Names. */
  readonly roles?: readonly string[] | undefined;
};

export type WantedTenant = {
  readonly path: TenantPath;
  /** Name of a plan of its own; null: none. */
  readonly plan?: string | null | undefined;
  readonly inheritsRoles?: boolean | undefined;
  readonly state?: Exclude<TenantState, 'deleted'> | undefined;
  readonly domains?: readonly string[] | undefined;
  readonly policy?: TenantPolicy | undefined;
};

/** What is compared of a connection; each a whole. */
export type ConnectionParts = {
  readonly settings?: Json | undefined;
  readonly network?: ConnectionNetwork | undefined;
  readonly mapping?: Json | undefined;
  readonly policy?: Json | undefined;
  readonly schedule?: string | null | undefined;
  readonly timeZone?: string | undefined;
  readonly state?: ConnectionState | undefined;
};

export type WantedConnection = {
  readonly tenant: TenantPath;
  readonly name: string;
  readonly provider: Provider;
  readonly parts: ConnectionParts;
  /** Roles that the mapping names. */
  readonly roles: readonly { readonly name: string; readonly position: Position }[];
  /** 'new': given, and not those that are stored. 'missing': named, and not at hand. 'unsaid': the file is silent. */
  readonly credentials: 'new' | 'stored' | 'missing' | 'unsaid';
  /** Of each reference that stands for nothing, that it does so: `HARBOR_TOKEN is not set`. */
  readonly missing?: readonly string[];
};

export type WantedAssignment = {
  readonly role: string;
  /** null: the user's own. */
  readonly tenant: TenantPath | null;
};

export type WantedUser = {
  readonly tenant: TenantPath;
  readonly roles: readonly WantedAssignment[];
} & (
  | {
      /** A user whom no directory has. */
      readonly origin: 'local';
      readonly userName: string;
      readonly email?: string | null | undefined;
      readonly displayName?: string | null | undefined;
      /** Those named here; null removes one. */
      readonly attributes: Fields;
      readonly state?: Exclude<AuthUserState, 'deleted'> | undefined;
    }
  | {
      /** Of a connection of `tenant`: its directory owns everything but what was given by hand. */
      readonly origin: 'directory';
      readonly connection: string;
      readonly externalId: ExternalId;
    }
);

export type Wanted = {
  readonly roles: readonly WantedRole[];
  readonly productPlans: readonly WantedPlan[];
  readonly tenants: readonly WantedTenant[];
  readonly connections: readonly WantedConnection[];
  readonly users: readonly WantedUser[];
};

export type Section = keyof Wanted;
export const SECTIONS = [
  'roles',
  'productPlans',
  'tenants',
  'connections',
  'users',
] as const satisfies Section[];

export type CurrentTenant = {
  readonly id: TenantId;
  readonly path: TenantPath;
  /** Name of its own plan. */
  readonly plan: string | null;
  readonly inheritsRoles: boolean;
  readonly state: Exclude<TenantState, 'deleted'>;
  /** In alphabetical order. */
  readonly domains: readonly string[];
  /** As it is where nothing was ever said, too. */
  readonly policy: TenantPolicy;
  /** It, or one above it, is to be deleted. */
  readonly goes: boolean;
  /** It was suspended by somebody above the caller, who does not resume it. */
  readonly suspendedAbove: boolean;
  readonly version: number;
};

export type CurrentUser = {
  readonly id: AuthUserId;
  readonly tenant: TenantId;
  readonly userName: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly attributes: Fields;
  readonly state: AuthUserState;
  readonly version: number;
  readonly identities: readonly { readonly connection: ConnectionId; readonly externalId: ExternalId }[];
  /** Given by hand. */
  readonly roles: readonly { readonly role: string; readonly tenant: TenantId }[];
};

/** How much there is of what a file may name one by one. */
export type Counted = {
  /** Users whom no directory has, and who are not deleted. */
  readonly localUsers: number;
  /** Assignments by hand, of all users. */
  readonly assignments: number;
};

export type Current = {
  /** Those that the caller sees. */
  readonly roles: readonly Role[];
  readonly productPlans: readonly ProductPlan[];
  /** Names of those that a mapping names, of whatever tenant, or a directory has given; as far as the file changes their types. */
  readonly rolesOfDirectories: readonly string[];
  /** The caller's own first. */
  readonly tenants: readonly CurrentTenant[];
  /** Name of the plan that counts in the caller's own tenant. */
  readonly planAbove: string | null;
  readonly connections: readonly ListedConnection[];
  /** Those whom the file names, by name or by directory; or everybody whom a file would name. */
  readonly users: readonly CurrentUser[];
  /** Who has the addresses that the file names. */
  readonly holders: readonly { readonly tenant: TenantId; readonly key: string; readonly user: AuthUserId }[];
  readonly counted: Counted;
};

/** Fields by name, as people read them. */
export type FieldDifference = { readonly field: string; readonly before: Json; readonly after: Json };

/** One thing that is to be made (`current` is null) or changed. */
export type Difference<W, C> = {
  /** In its section of the file. */
  readonly at: number;
  readonly wanted: W;
  readonly current: C | null;
  readonly fields: readonly FieldDifference[];
};

export type TenantDifference = Difference<WantedTenant, CurrentTenant>;
export type ConnectionDifference = Difference<WantedConnection, ListedConnection>;
export type UserDifference = Difference<WantedUser, CurrentUser> & {
  /** Roles that are to be given by hand, and where. */
  readonly gains: readonly { readonly role: string; readonly tenant: TenantPath }[];
};

export type Differences = {
  readonly roles: readonly Difference<WantedRole, Role>[];
  readonly productPlans: readonly Difference<WantedPlan, ProductPlan>[];
  readonly tenants: readonly TenantDifference[];
  readonly connections: readonly ConnectionDifference[];
  readonly users: readonly UserDifference[];
};

/** What keeps a file from being loaded. */
export type Hindrance = { readonly position: Position; readonly message: string };

/** What is there and the file does not name: left alone. Roles and product plans only for whoever may write them. */
export type Unnamed = Readonly<Record<Section | 'domains' | 'assignments', number>>;

export type Compared = {
  readonly differences: Differences;
  readonly hindrances: readonly Hindrance[];
  /** Users whom their directory has not brought yet: their places in the file. What is given to them waits for that. */
  readonly waiting: readonly Position[];
  readonly unnamed: Unnamed;
};

/** A difference as it is shown. */
export type Shown = {
  readonly kind: 'role' | 'product-plan' | 'tenant' | 'connection' | 'user';
  readonly action: 'create' | 'update';
  /** As people call it. */
  readonly name: string;
  readonly fields: readonly FieldDifference[];
};

export function shownOf({ roles, productPlans, tenants, connections, users }: Differences): readonly Shown[] {
  const show = <W>(
    kind: Shown['kind'],
    list: readonly Difference<W, unknown>[],
    nameOf: (wanted: W) => string,
  ): readonly Shown[] =>
    list.map(({ wanted, current, fields }) => {
      return { kind, action: current === null ? 'create' : 'update', name: nameOf(wanted), fields };
    });
  return [
    ...show('role', roles, ({ name }) => name),
    ...show('product-plan', productPlans, ({ name }) => name),
    ...show('tenant', tenants, ({ path }) => pathText(path)),
    ...show('connection', connections, ({ tenant, name }) => `${pathText(tenant)}: ${name}`),
    ...show('user', users, nameOfUser),
  ];
}

export function nameOfUser(user: WantedUser): string {
  const name = user.origin === 'local' ? user.userName : `${user.connection} ${user.externalId}`;
  return `${pathText(user.tenant)}: ${name}`;
}

/**
 * Names what was shown, for whoever then says yes to it: with any other difference, or on behalf of another tenant, it is another one.
 * What was given for secrets is in it as far as it shows: whether it is to be stored.
 */
export function stampOf(tenant: TenantId, differences: Differences): string {
  return fingerprintOf([tenant, shownOf(differences) as unknown as Json]);
}

/** `Harbor Foods/Fleet`; `.`: the caller's own tenant. Names with a slash, and what would read as another path, come as a JSON list. */
export function pathText(path: TenantPath): string {
  if (path.length === 0) return OWN;
  const text = path.join('/');
  return path.some((name) => name.includes('/')) || text === OWN ? JSON.stringify(path) : text;
}

export const OWN = '.';

/** One key for equal paths, with or without more that belongs to it. */
export function keyOf(...parts: readonly Json[]): string {
  return canonical(parts);
}

/** Two values that a reader would call the same: of a field that is missing and one that is null, too. */
export function isSame(one: FieldValue | Json | undefined, other: FieldValue | Json | undefined): boolean {
  return canonical((one ?? null) as Json) === canonical((other ?? null) as Json);
}
