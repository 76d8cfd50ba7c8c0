/** Roles of the application, and giving them to auth users by hand. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { AuthUserId } from '../domain/ids.ts';
import { invalidInput, notFound, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller, mayDo } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { type Role, RoleId, RoleName } from '../domain/role.ts';
import type { Store } from '../store/store.ts';
import type { AuthUserDetails } from '../store/users.ts';
import { getUser } from './users.ts';

export type RoleDeps = { readonly store: Store; readonly clock: Clock };

export const NewRole = z.strictObject({ name: RoleName, description: z.string().max(1000).default('') });

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
  return await store.roles.insert(made, clock.now(), ({ id, name }) => ({
    actor: caller.actor,
    action: 'role.created',
    subject: { kind: 'role', id },
    details: { name },
  }));
}

export const ListRoles = PageOptions;

/** Roles are the application's, so every caller sees all of them. Throws `invalid-input`. */
export async function listRoles(
  { store }: Pick<RoleDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListRoles> = {},
): Promise<Listed<Role>> {
  authorise(caller, 'roles.read');
  return await store.roles.list(parseInput(ListRoles, input));
}

/**
 * Makes the roles of these names that are missing. All tenants see every role, so that a name made up by one customer would show
 * to all others: who may not write roles gets `invalid-input` at `path` instead.
 */
export async function ensureRoles(
  deps: RoleDeps,
  caller: Caller,
  names: readonly string[],
  path = 'roles',
): Promise<void> {
  if (names.length === 0) return;
  const known = new Set((await deps.store.roles.named(names)).map((role) => role.name));
  const missing = [...new Set(names)].filter((name) => !known.has(name));
  if (missing.length === 0) return;
  if (!mayDo(caller.role, 'roles.write')) {
    throw invalidInput(
      missing.map((name) => ({ path, message: `there is no role ${JSON.stringify(name)}` })),
      'Use roles that the list of roles has, or ask somebody with the role system to make them.',
    );
  }
  const wrong = missing.filter((name) => !RoleName.safeParse(name).success);
  if (wrong.length > 0)
    throw invalidInput(
      wrong.map((name) => ({ path, message: `${JSON.stringify(name)} cannot name a role` })),
    );
  await insertRoles(
    deps,
    caller,
    missing.map((name) => ({ name, description: '' })),
  );
}

export const Grant = z.strictObject({ user: AuthUserId, role: RoleName });

/**
 * Gives an auth user a role by hand: it stays whatever a directory says. Again is no error and changes nothing.
 * Throws `invalid-input`, `not-found` for the user or the role, `not-allowed-now` for a deleted user.
 */
export async function grantRole(
  deps: RoleDeps,
  caller: Caller,
  input: z.input<typeof Grant>,
): Promise<AuthUserDetails> {
  const { user, role } = await prepare(deps, caller, input);
  if (user.state === 'deleted') {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'A deleted user gets no roles.',
      remedy:
        'Wait until the directory has this person again and the change that reactivates them is applied.',
    });
  }
  const granting = { user: user.id, tenant: user.tenant, role };
  await deps.store.roles.grant(caller.tenant, granting, {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'role.granted',
      subject: { kind: 'auth-user', id: user.id },
      details: { role: role.id },
    },
  });
  return await getUser(deps, caller, user.id);
}

/**
 * Takes back what was given by hand. Again is no error and changes nothing.
 * Throws `invalid-input`, `not-found` for the user or the role, `not-allowed-now` where a directory alone gave it.
 */
export async function revokeRole(
  deps: RoleDeps,
  caller: Caller,
  input: z.input<typeof Grant>,
): Promise<AuthUserDetails> {
  const { user, role } = await prepare(deps, caller, input);
  const granting = { user: user.id, tenant: user.tenant, role };
  const revoked = await deps.store.roles.revoke(caller.tenant, granting, {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'role.revoked',
      subject: { kind: 'auth-user', id: user.id },
      details: { role: role.id },
    },
  });
  if (!revoked && user.roles.some(({ name, origin }) => name === role.name && origin === 'directory')) {
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
  const [role] = await deps.store.roles.named([grant.role]);
  if (role === undefined) throw notFound('role');
  return { user, role };
}
