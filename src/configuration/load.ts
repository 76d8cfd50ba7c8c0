/** Carries a difference out: what is few and has rules of its own by its use case, tenants and users in sets. */
import { v7 } from 'uuid';
import type { Actor } from '../domain/audit.ts';
import type { Fields } from '../domain/authUser.ts';
import {
  type Compared,
  type ConnectionDifference,
  type Current,
  type Differences,
  keyOf,
  type TenantDifference,
  type TenantPath,
  type UserDifference,
} from '../domain/configuration.ts';
import { leadsElsewhere } from '../domain/connection.ts';
import { AuthUserId, TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import type { Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { ProductPlanId } from '../domain/productPlan.ts';
import type { RoleId } from '../domain/role.ts';
import type { TenantToMake, UserToWrite } from '../store/configurationWrites.ts';
import { createConnection, updateConnection } from '../tenancy/connections.ts';
import { createProductPlan, updateProductPlan } from '../tenancy/productPlans.ts';
import { createRole, updateRole } from '../tenancy/roles.ts';
import { resumeTenant, suspendTenant } from '../tenancy/tenantLife.ts';
import { setTenantPolicy } from '../tenancy/tenantPolicy.ts';
import { updateTenant } from '../tenancy/tenants.ts';
import { type ParsedFile, stoppedAt } from './file.ts';
import type { ConfigurationDeps, Resolved } from './read.ts';

/** What was made and changed, by kind. */
export type Loaded = Readonly<
  Record<keyof Differences, { readonly created: number; readonly updated: number }>
>;

export type LoadProgress = {
  readonly what: keyof Differences;
  readonly done: number;
  readonly total: number;
};

type Seen = {
  readonly compared: Compared;
  readonly current: Current;
  readonly resolved: Resolved;
  readonly locate: ParsedFile['locate'];
};

type How = { readonly signal?: AbortSignal; readonly onProgress?: (progress: LoadProgress) => void };

/** How much is written in one transaction: large enough to be fast, small enough not to keep others waiting. */
const BATCH = 2_000;

/**
 * Not at once: what was loaded before something fails, or the signal aborts, stays, and the same file loaded again goes on from there.
 * Throws what use cases throw, with its position in the file.
 */
export async function carryOutLoad(
  deps: ConfigurationDeps,
  caller: Caller,
  seen: Seen,
  how: How,
): Promise<Loaded> {
  const load = new Load(deps, caller, seen, how);
  const { differences } = seen.compared;
  const loaded = countsOf(differences);
  if (Object.values(loaded).every(({ created, updated }) => created + updated === 0)) return loaded;
  await load.rolesAndPlans();
  await load.tenants();
  await load.connections();
  await load.users();
  const by = { actor: caller.actor, at: deps.clock.now() };
  await deps.store.configuration.recordLoad(caller.tenant, loaded, by);
  return loaded;
}

function countsOf(differences: Differences): Loaded {
  const count = (list: readonly { readonly current: unknown }[]) => {
    const created = list.filter(({ current }) => current === null).length;
    return { created, updated: list.length - created };
  };
  const { roles, productPlans, tenants, connections, users } = differences;
  return {
    roles: count(roles),
    productPlans: count(productPlans),
    tenants: count(tenants),
    connections: count(connections),
    users: count(users),
  };
}

class Load {
  readonly #deps: ConfigurationDeps;
  readonly #caller: Caller;
  readonly #seen: Seen;
  readonly #how: How;
  /** By path, those that this load has made too. */
  readonly #tenants: Map<string, TenantId>;
  /** By name, likewise. */
  readonly #plans: Map<string, ProductPlanId>;

  constructor(deps: ConfigurationDeps, caller: Caller, seen: Seen, how: How) {
    this.#deps = deps;
    this.#caller = caller;
    this.#seen = seen;
    this.#how = how;
    this.#plans = new Map(seen.current.productPlans.map(({ id, name }) => [name, id]));
    this.#tenants = new Map(seen.current.tenants.map(({ id, path }) => [keyOf(path), id]));
  }

  async rolesAndPlans(): Promise<void> {
    const { roles, productPlans } = this.#seen.compared.differences;
    await this.#each('roles', roles, async ({ wanted, current }) => {
      const { name, ...fields } = said(wanted);
      if (current === null) await createRole(this.#deps, this.#caller, { name, ...fields });
      else await updateRole(this.#deps, this.#caller, { role: name, version: current.version, ...fields });
    });
    await this.#each('productPlans', productPlans, async ({ wanted, current }) => {
      const { name, ...fields } = said(wanted);
      if (current === null) {
        const made = await createProductPlan(this.#deps, this.#caller, { name, ...fields });
        this.#plans.set(name, made.id);
      } else
        await updateProductPlan(this.#deps, this.#caller, {
          productPlan: current.id,
          version: current.version,
          ...fields,
        });
    });
  }

  async tenants(): Promise<void> {
    const { tenants } = this.#seen.compared.differences;
    const made = tenants
      .filter(({ current }) => current === null)
      .toSorted((one, other) => one.wanted.path.length - other.wanted.path.length);
    for (const batch of batchesOf(made)) {
      const rows = batch.map(({ wanted }) => this.#tenantToMake(wanted));
      await this.#deps.store.configuration.makeTenants(this.#caller.tenant, rows, this.#by());
      this.#went('tenants', rows.length, tenants.length);
    }
    const domains = tenants.flatMap(({ wanted }) =>
      (wanted.domains ?? []).map((domain) => ({ tenant: this.#tenant(wanted.path), domain })),
    );
    for (const batch of batchesOf(domains))
      await this.#deps.store.configuration.verifyDomains(this.#caller.tenant, batch, this.#by());
    const others = tenants.filter(
      ({ current, wanted, fields }) =>
        current !== null || wanted.state === 'suspended' || fields.some(({ field }) => field === 'policy'),
    );
    await this.#each('tenants', others, (difference) => this.#changeTenant(difference));
  }

  /** One that is made is placed below one that is known by then: shorter paths come first. */
  #tenantToMake({ path, inheritsRoles = true, plan }: TenantDifference['wanted']): TenantToMake {
    const id = TenantId.parse(v7());
    const parent = this.#tenant(path.slice(0, -1));
    this.#tenants.set(keyOf(path), id);
    return { id, parent, name: path.at(-1) ?? '', inheritsRoles, plan: this.#plan(plan ?? null) };
  }

  async #changeTenant({ wanted, current, fields }: TenantDifference): Promise<void> {
    const tenant = this.#tenant(wanted.path);
    const touched = new Set(fields.map(({ field }) => field));
    if (current !== null && (touched.has('plan') || touched.has('inheritsRoles'))) {
      const { inheritsRoles, plan } = wanted;
      await updateTenant(this.#deps, this.#caller, {
        tenant,
        version: current.version,
        ...(inheritsRoles === undefined ? {} : { inheritsRoles }),
        ...(plan === undefined ? {} : { plan: this.#plan(plan) }),
      });
    }
    if (touched.has('policy') && wanted.policy !== undefined)
      await setTenantPolicy(this.#deps, this.#caller, { tenant, ...wanted.policy });
    if (!touched.has('state')) return;
    if (wanted.state === 'suspended') await suspendTenant(this.#deps, this.#caller, tenant);
    else await resumeTenant(this.#deps, this.#caller, tenant);
  }

  async connections(): Promise<void> {
    const { connections } = this.#seen.compared.differences;
    await this.#each('connections', connections, (difference) => this.#loadConnection(difference));
  }

  async #loadConnection({ at, wanted, current, fields }: ConnectionDifference): Promise<void> {
    const { tenant: path, name, provider, parts } = wanted;
    const given = this.#seen.resolved.credentials[at];
    if (current === null) {
      await createConnection(this.#deps, this.#caller, {
        ...(said(parts) as object),
        settings: parts.settings,
        tenant: this.#tenant(path),
        name,
        provider,
        credentials: given,
      });
      return;
    }
    if (current.state === 'unreadable') return;
    const touched = new Set(fields.map(({ field }) => field));
    const changed = Object.fromEntries(Object.entries(parts).filter(([field]) => touched.has(field)));
    const elsewhere = leadsElsewhere(current, parts);
    await updateConnection(this.#deps, this.#caller, {
      connection: current.id,
      version: current.version,
      ...changed,
      ...(touched.has('credentials') || elsewhere ? { credentials: given } : {}),
    });
  }

  async users(): Promise<void> {
    const { users } = this.#seen.compared.differences;
    const names = [...new Set(users.flatMap(({ gains }) => gains.map(({ role }) => role)))];
    const roles = new Map((await this.#deps.store.roles.named(names)).map(({ id, name }) => [name, id]));
    for (const batch of batchesOf(users)) {
      const rows = batch.map((difference) => this.#userToWrite(difference, roles));
      const by = { ...this.#by(), isSystem: this.#caller.role === 'system' };
      await this.#deps.store.configuration.writeUsers(this.#caller.tenant, rows, by);
      this.#went('users', rows.length, users.length);
    }
  }

  #userToWrite(
    { wanted, current, fields, gains }: UserDifference,
    roles: ReadonlyMap<string, RoleId>,
  ): UserToWrite {
    const given = gains.map(({ role, tenant }) => {
      const id = roles.get(role);
      if (id === undefined) throw notFound('role');
      return { role: id, name: role, tenant: this.#tenant(tenant) };
    });
    const names = fields.map(({ field }) => field);
    const before = current ?? {
      ...{
        id: AuthUserId.parse(v7()),
        tenant: this.#tenant(wanted.tenant),
        version: null,
        state: 'active' as const,
      },
      ...{ userName: null, email: null, displayName: null, attributes: {} },
    };
    const kept = { id: before.id, tenant: before.tenant, version: before.version, gains: given };
    if (wanted.origin === 'directory') {
      const { userName, email, displayName, attributes, state } = before;
      return { ...kept, userName, email, displayName, attributes, state, fields: [], stateBefore: null };
    }
    const state = wanted.state ?? before.state;
    return {
      ...kept,
      userName: wanted.userName,
      email: wanted.email === undefined ? before.email : wanted.email,
      displayName: wanted.displayName === undefined ? before.displayName : wanted.displayName,
      attributes: merged(before.attributes, wanted.attributes),
      state,
      fields: [
        ...(current === null ? ['userName'] : []),
        ...names.filter((field) => field !== 'state' && field !== 'roles'),
      ],
      stateBefore: current !== null && state !== current.state ? current.state : null,
    };
  }

  #plan(name: string | null): ProductPlanId | null {
    if (name === null) return null;
    const id = this.#plans.get(name);
    if (id === undefined) throw notFound('product plan');
    return id;
  }

  #tenant(path: TenantPath): TenantId {
    const id = this.#tenants.get(keyOf(path));
    if (id === undefined) throw notFound('tenant');
    return id;
  }

  #by(): { readonly actor: Actor; readonly at: Date } {
    return { actor: this.#caller.actor, at: this.#deps.clock.now() };
  }

  async #each<T extends { readonly at: number }>(
    what: keyof Differences,
    list: readonly T[],
    work: (item: T) => Promise<void>,
  ): Promise<void> {
    for (const item of list) {
      this.#how.signal?.throwIfAborted();
      await work(item).catch((error) => {
        throw error instanceof Problem ? stoppedAt([what, item.at], error, this.#seen.locate) : error;
      });
      this.#went(what, 1, this.#seen.compared.differences[what].length);
    }
  }

  #done: Partial<Record<keyof Differences, number>> = {};

  #went(what: keyof Differences, more: number, total: number): void {
    const done = Math.min((this.#done[what] ?? 0) + more, total);
    this.#done[what] = done;
    this.#how.onProgress?.({ what, done, total });
    this.#how.signal?.throwIfAborted();
  }
}

/** null takes one away. */
function merged(before: Fields, wanted: Fields): Fields {
  return Object.fromEntries(Object.entries({ ...before, ...wanted }).filter(([, value]) => value !== null));
}

/** Without what the file does not say. */
function said<T extends object>(wanted: T): Said<T> {
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as Said<T>;
}
type Said<T> = { [Key in keyof T]: Exclude<Writable<T[Key]>, undefined> };
type Writable<T> = T extends readonly (infer Item)[] ? Item[] : T;

function batchesOf<T>(list: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / BATCH) }, (_, at) =>
    list.slice(at * BATCH, (at + 1) * BATCH),
  );
}
