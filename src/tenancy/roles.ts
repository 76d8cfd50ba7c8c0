/** Roles of the application, and giving them to auth users by hand. */
import { v7 } from 'uuid';
import { z } from 'zod';
import { canonical } from '../domain/canonical.ts';
import type { Clock } from '../domain/clock.ts';
import { AuthUserId, TenantId } from '../domain/ids.ts';
import { changedSinceShown, invalidInput, notFound, parseInput } from '../domain/input.ts';
import type { NamedRole } from '../domain/mapping.ts';
import { MOST_LIKENED, nearNames } from '../domain/nearNames.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller, can, seesHidden } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import {
  hindranceToGiving,
  hindranceToMapping,
  mayBeMapped,
  Permission,
  ROLE_TYPES,
  type Role,
  RoleId,
  RoleName,
} from '../domain/role.ts';
import type { RolePatch, RoleUses } from '../store/roles.ts';
import type { Store } from '../store/store.ts';
import type { AuthUserDetails } from '../store/users.ts';
import { getTenant } from './tenants.ts';
import { getUser } from './users.ts';

export type RoleDeps = { readonly store: Store; readonly clock: Clock };

const Permissions = z
  .array(Permission)
  .max(1000)
  .transform((names) => [...new Set(names)].sort());

export const NewRole = z.strictObject({
  name: RoleName,
  description: z.string().max(1000).default(''),
  type: z.enum(ROLE_TYPES).default('ordinary'),
  permissions: Permissions.default([]),
});

/** For all tenants. Throws `invalid-input`, `name-taken`. */
export async function createRole(
  deps: RoleDeps,
  caller: Caller,
  input: z.input<typeof NewRole>,
): Promise<Role> {
  authorise(caller, 'roles.write');
  const [role] = await insertRoles(deps, caller, [parseInput(NewRole, input)]);
  if (role !== undefined) return role;
  throw new Problem({
    code: 'name-taken',
    message: 'Another role has this name.',
    remedy: 'Choose another name, or use the role that is there.',
  });
}

async function insertRoles(
  { store, clock }: RoleDeps,
  caller: Caller,
  roles: readonly z.infer<typeof NewRole>[],
): Promise<readonly Role[]> {
  const made = roles.map((role) => ({ ...role, id: RoleId.parse(v7()) }));
  return await store.roles.insert(made, clock.now(), ({ id, name, type, permissions }) => ({
    actor: caller.actor,
    action: 'role.created',
    subject: { kind: 'role', id },
    details: { name, type, permissions },
  }));
}

export const ListRoles = PageOptions.extend({
  tenant: TenantId.nullable()
    .default(null)
    .describe('Only roles that count in this tenant: of its product plan, where it has one.'),
});

/** Roles are the application's, so every caller sees all of them but the hidden. Throws `invalid-input`, `not-found` for the tenant. */
export async function listRoles(
  { store }: Pick<RoleDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListRoles> = {},
): Promise<Listed<Role>> {
  authorise(caller, 'roles.read');
  const { tenant, ...page } = parseInput(ListRoles, input);
  const within = tenant === null ? null : (await getTenant({ store }, caller, tenant)).id;
  const subscribed = within === null ? null : await store.productPlans.of(within);
  return await store.roles.list({ ...page, hidden: seesHidden(caller), plan: subscribed?.plan.id ?? null });
}

/** By its name. Throws `not-found`. */
export async function getRole(
  { store }: Pick<RoleDeps, 'store'>,
  caller: Caller,
  name: string,
): Promise<Role> {
  authorise(caller, 'roles.read');
  return await namedRole({ store }, caller, name);
}

async function namedRole({ store }: Pick<RoleDeps, 'store'>, caller: Caller, name: string): Promise<Role> {
  const [role] = await store.roles.named([name]);
  if (role === undefined || (role.type === 'hidden' && !seesHidden(caller))) throw notFound('role', name);
  return role;
}

export const ChangedRole = z.strictObject({
  /** Its name, which stays: mappings name it so. */
  role: z.string(),
  version: z.int().optional(),
  description: z.string().max(1000).optional(),
  type: z.enum(ROLE_TYPES).optional(),
  permissions: Permissions.optional(),
});

/**
 * What its permissions are counts from then on for everybody who has the role.
 * Throws `invalid-input`, `not-found`, `changed-since-shown`, and `not-allowed-now` where a directory could no longer give it.
 */
export async function updateRole(
  deps: RoleDeps,
  caller: Caller,
  input: z.input<typeof ChangedRole>,
): Promise<Role> {
  authorise(caller, 'roles.write');
  const { role: name, version, ...given } = parseInput(ChangedRole, input);
  const before = await getRole(deps, caller, name);
  if (version !== undefined && version !== before.version) throw changedSinceShown('role');
  const { description, type, permissions } = given;
  const patch: RolePatch = {
    ...(description === undefined || description === before.description ? {} : { description }),
    ...(type === undefined || type === before.type ? {} : { type }),
    ...(permissions === undefined || canonical(permissions) === canonical(before.permissions)
      ? {}
      : { permissions }),
  };
  if (Object.keys(patch).length === 0) return before;
  const after = await deps.store.roles.update(before, patch, (uses) => refuseUnmappable(patch, uses), {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'role.updated',
      subject: { kind: 'role', id: before.id },
      details: {
        before: { type: before.type, permissions: before.permissions },
        after: { type: type ?? before.type, permissions: permissions ?? before.permissions },
      },
    },
  });
  if (after === null) throw changedSinceShown('role');
  return after;
}

function refuseUnmappable({ type }: RolePatch, { inMappings, byDirectories }: RoleUses): void {
  if (type === undefined || mayBeMapped(type) || (!inMappings && !byDirectories)) return;
  throw new Problem({
    code: 'not-allowed-now',
    message: `A role of the type ${type} is given by no directory, and ${inMappings ? 'a mapping names this one' : 'directories have given this one'}.`,
    remedy: 'Take the role out of all mappings and apply what follows from it, or make another role.',
  });
}

/** Throws `not-found`, and `not-allowed-now` while it is used, which says by what. */
export async function deleteRole(deps: RoleDeps, caller: Caller, name: string): Promise<void> {
  authorise(caller, 'roles.write');
  const role = await getRole(deps, caller, name);
  const removed = await deps.store.roles.remove(role, refuseWhileUsed, {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'role.deleted',
      subject: { kind: 'role', id: role.id },
      details: { name },
    },
  });
  if (!removed) throw notFound('role');
}

function refuseWhileUsed({ byDirectories, byHand, inMappings, inPlans }: RoleUses): void {
  const uses = [
    ...(byHand ? ['auth users who were given it by hand'] : []),
    ...(byDirectories ? ['auth users who have it from a directory'] : []),
    ...(inMappings ? ['mappings of connections'] : []),
    ...(inPlans ? ['product plans'] : []),
  ];
  if (uses.length === 0) return;
  throw new Problem({
    code: 'not-allowed-now',
    message: `The role is still used: by ${uses.join(', ')}.`,
    remedy: 'Take it away from all of them first.',
  });
}

/** A role that is named and that there is not. `similar`: those that there are of nearly this name, one of which may be meant. */
export type NewRoleName = { readonly role: string; readonly similar: readonly string[] };

/** Makes the roles of these names that are missing, and gives them. Refuses what `unknownAmong` refuses. */
export async function ensureMappable(
  deps: RoleDeps,
  caller: Caller,
  tenant: TenantId,
  roles: readonly NamedRole[],
): Promise<readonly NewRoleName[]> {
  const missing = await unknownAmong(deps, caller, tenant, roles);
  const made = missing.map(({ role }) => NewRole.parse({ name: role }));
  if (made.length > 0) await insertRoles(deps, caller, made);
  return missing;
}

/**
 * Those of these names that are missing: whoever may write roles makes them by saving the mapping. Refuses (`invalid-input`) what a mapping cannot give in
 * this tenant. All tenants see every role, so that a name made up by one customer would show to all others: it is refused who may not write roles.
 */
export async function unknownAmong(
  deps: Pick<RoleDeps, 'store'>,
  caller: Caller,
  tenant: TenantId,
  roles: readonly NamedRole[],
): Promise<readonly NewRoleName[]> {
  if (roles.length === 0) return [];
  const names = [...new Set(roles.map(({ name }) => name))];
  const known = new Map((await deps.store.roles.named(names)).map((role) => [role.name, role]));
  const plan = (await deps.store.productPlans.of(tenant))?.plan ?? null;
  const writesRoles = can(caller, 'roles.write');
  const missing = names.filter((name) => !known.has(name));
  const similarTo = await nearNamesOf(deps, missing);
  const wrong = roles.flatMap(({ name, path }) => {
    const role = known.get(name);
    const type = role === undefined || (role.type === 'hidden' && !seesHidden(caller)) ? null : role.type;
    const inPlan = plan === null || plan.roles.includes(name);
    const hindrance = hindranceToMapping(type, { writesRoles, inPlan });
    if (hindrance === null) return [];
    const quoted = JSON.stringify(name);
    const messages = {
      unknown: `there is no role ${quoted}${meant(similarTo(name))}`,
      unmappable: `the role ${quoted} is ${type}: no mapping gives it`,
      'outside-plan': `the product plan ${plan?.name} does not have the role ${quoted}`,
    } as const satisfies Record<typeof hindrance, string>;
    return [{ path, message: messages[hindrance] }];
  });
  if (wrong.length > 0) {
    throw invalidInput(
      wrong,
      'Use roles that the list of roles has for this tenant, or ask somebody with the role system to make them, or to add them to the product plan.',
    );
  }
  return missing.map((role) => ({ role, similar: similarTo(role) }));
}

function meant(similar: readonly string[]): string {
  return similar.length === 0
    ? ''
    : `; is ${similar.map((name) => JSON.stringify(name)).join(' or ')} meant?`;
}

/** Of those that everybody sees: no mapping gives a hidden one. */
async function nearNamesOf(
  { store }: Pick<RoleDeps, 'store'>,
  wanted: readonly string[],
): Promise<(name: string) => readonly string[]> {
  if (wanted.length === 0) return () => [];
  const page = { limit: MOST_LIKENED, after: null, hidden: false, plan: null };
  const there = (await store.roles.list(page)).items.map(({ name }) => name);
  return (name) => nearNames(name, there);
}

export const Grant = z.strictObject({
  user: AuthUserId,
  role: RoleName,
  tenant: TenantId.nullable()
    .default(null)
    .describe('Where the role is held: in the user’s own tenant, which it is without this, or in one below.'),
});

/**
 * Gives an auth user a role by hand: it stays whatever a directory says. Again is no error and changes nothing.
 * Throws `invalid-input`, `forbidden` for a role that is given from above all tenants, `not-found` for the user, the role or the
 * tenant, `not-allowed-now` for a deleted user, an automatic role, and one that the product plan does not have.
 */
export async function grantRole(
  deps: RoleDeps,
  caller: Caller,
  input: z.input<typeof Grant>,
): Promise<AuthUserDetails> {
  const { user, role, at } = await prepare(deps, caller, input);
  if (user.state === 'deleted') {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'A deleted user gets no roles.',
      remedy:
        'Wait until the directory has this person again and the change that reactivates them is applied.',
    });
  }
  const plan = (await deps.store.productPlans.of(at))?.plan ?? null;
  const inPlan = plan === null || plan.roles.includes(role.name);
  refuseToGive(caller, role, { inPlan, plan: plan?.name ?? '' });
  const granting = { user: user.id, tenant: user.tenant, role, at };
  await deps.store.roles.grant(caller.tenant, granting, { actor: caller.actor, at: deps.clock.now() });
  return await getUser(deps, caller, user.id);
}

/**
 * Takes back what was given by hand. Again is no error and changes nothing.
 * Throws as `grantRole` does, but for the plan; and `not-allowed-now` where a directory alone gave it.
 */
export async function revokeRole(
  deps: RoleDeps,
  caller: Caller,
  input: z.input<typeof Grant>,
): Promise<AuthUserDetails> {
  const { user, role, at } = await prepare(deps, caller, input);
  refuseToGive(caller, role, { inPlan: true, plan: '' });
  const granting = { user: user.id, tenant: user.tenant, role, at };
  const by = { actor: caller.actor, at: deps.clock.now() };
  const revoked = await deps.store.roles.revoke(caller.tenant, granting, by);
  const here = user.roles.filter(({ name, tenant }) => name === role.name && tenant === at);
  if (!revoked && here.some(({ origin }) => origin === 'directory')) {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'This role comes from a directory and was not given by hand.',
      remedy: 'Take the person out of the group in the directory, or change the mapping of the connection.',
    });
  }
  return await getUser(deps, caller, user.id);
}

async function prepare(deps: RoleDeps, caller: Caller, input: z.input<typeof Grant>) {
  authorise(caller, 'users.write');
  const grant = parseInput(Grant, input);
  const user = await getUser(deps, caller, grant.user);
  const role = await namedRole(deps, caller, grant.role);
  return { user, role, at: grant.tenant ?? user.tenant };
}

function refuseToGive(
  caller: Caller,
  { type }: Role,
  { inPlan, plan }: { readonly inPlan: boolean; readonly plan: string },
): void {
  switch (hindranceToGiving(type, { isSystem: caller.role === 'system', inPlan })) {
    case 'automatic':
      throw new Problem({
        code: 'not-allowed-now',
        message: 'This role is automatic: whoever is active where the product plan has it holds it.',
        remedy: 'Give another role, or have the type of this one changed.',
      });
    case 'from-above-only':
      throw new Problem({
        code: 'forbidden',
        message: 'This role is given by mappings, and by hand from above all tenants only.',
        remedy: 'Name it in the mapping of a connection, or ask somebody with the role system.',
      });
    case 'outside-plan':
      throw new Problem({
        code: 'not-allowed-now',
        message: `The product plan ${plan} of the tenant does not have this role, which would not count.`,
        remedy: 'Give another role, or have this one added to the product plan.',
      });
    case null:
      return;
  }
}
