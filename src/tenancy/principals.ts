/** Who may call Rollcall, with which role, and who may not any more. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import {
  invalidInput,
  MOST_NAMESAKES,
  Name,
  notFound,
  onlyOne,
  parseId,
  parseInput,
} from '../domain/input.ts';
import { type Listed, PageOptions, TopTenant } from '../domain/page.ts';
import {
  type Action,
  allowedTo,
  authorise,
  type Caller,
  callerOf,
  can,
  keyMayName,
  mayDo,
  PRINCIPAL_ROLES,
  type PrincipalRole,
} from '../domain/permission.ts';
import { OPERATOR_PREFIX, type Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { Store } from '../store/store.ts';

export type PrincipalDeps = { readonly store: Store; readonly clock: Clock };

export const NewPrincipal = z.strictObject({
  /** null: the caller's own. */
  tenant: TenantId.nullable().default(null),
  name: Name.refine((name) => !name.startsWith(OPERATOR_PREFIX), `begins with ${OPERATOR_PREFIX}`),
  role: z.enum(PRINCIPAL_ROLES),
});

/** Throws `invalid-input`, `forbidden` for a role that can do more than the caller, `not-found` for the tenant, `name-taken`. */
export async function createPrincipal(
  { store, clock }: PrincipalDeps,
  caller: Caller,
  input: z.input<typeof NewPrincipal>,
): Promise<Principal> {
  authorise(caller, 'principals.write');
  const { tenant, name, role } = parseInput(NewPrincipal, input);
  refuseMore(caller, role);
  const at = tenant ?? caller.tenant;
  if (role === 'system' && at !== store.root)
    throw invalidInput([{ path: 'role', message: 'system is a role of the root tenant alone' }]);
  const id = PrincipalId.parse(v7());
  return await store.principals.insert(
    caller.tenant,
    { id, tenant: at, name, role },
    {
      at: clock.now(),
      entry: {
        actor: caller.actor,
        action: 'principal.created',
        subject: { kind: 'principal', id },
        details: { role },
      },
    },
  );
}

export const ListPrincipals = PageOptions.extend({
  tenant: TopTenant,
});

/** Throws `invalid-input`, `not-found` for the tenant. */
export async function listPrincipals(
  { store }: Pick<PrincipalDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListPrincipals> = {},
): Promise<Listed<Principal>> {
  authorise(caller, 'principals.read');
  const { tenant, ...page } = parseInput(ListPrincipals, input);
  return await store.principals.list(caller.tenant, { ...page, tenant: tenant ?? caller.tenant });
}

/** Throws `not-found`. */
export async function getPrincipal(
  { store }: Pick<PrincipalDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<Principal> {
  authorise(caller, 'principals.read');
  return await ownPrincipal(store, caller, id);
}

/** By id, or by a name that only one principal of the caller's subtree has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findPrincipal(
  { store }: Pick<PrincipalDeps, 'store'>,
  caller: Caller,
  nameOrId: string,
): Promise<Principal> {
  authorise(caller, 'principals.read');
  if (parseId(PrincipalId, nameOrId) !== null) return await ownPrincipal(store, caller, nameOrId);
  const of = { tenant: null, limit: MOST_NAMESAKES };
  const named = await store.principals.named(caller.tenant, nameOrId, of);
  return onlyOne('principal', named, ({ tenant }) => `of tenant ${tenant}`, nameOrId);
}

/** The one of this very tenant, by id or name; null: there is none. */
export async function principalIn(
  { store }: Pick<PrincipalDeps, 'store'>,
  caller: Caller,
  { tenant, nameOrId }: { readonly tenant: TenantId; readonly nameOrId: string },
): Promise<Principal | null> {
  authorise(caller, 'principals.read');
  const id = parseId(PrincipalId, nameOrId);
  const [found = null] =
    id === null
      ? await store.principals.named(caller.tenant, nameOrId, { tenant, limit: 1 })
      : [await store.principals.get(caller.tenant, id)];
  return found?.tenant === tenant ? found : null;
}

/** From now on its keys open nothing, and its sessions have ended. Again is no error. Throws `not-found`, `forbidden`, `not-allowed-now`. */
export async function disablePrincipal(deps: PrincipalDeps, caller: Caller, id: string): Promise<Principal> {
  authorise(caller, 'principals.write');
  const principal = await ownPrincipal(deps.store, caller, id);
  refuseTowardsSystem(caller, principal);
  if (principal.id === caller.principal) {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'Nobody disables themselves.',
      remedy: 'Ask another administrator, or revoke the key.',
    });
  }
  if (principal.name.startsWith(OPERATOR_PREFIX)) {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'An operator is whoever has a shell on the server, and cannot be disabled here.',
      remedy: 'Take away that user’s right to run commands on the server; revoke the keys of this principal.',
    });
  }
  return await setDisabled(deps, caller, principal, true);
}

/**
 * Its keys open again what they did; to be signed in it has to sign in. Again is no error.
 * Throws `not-found`, `forbidden` where the principal can do more than the caller.
 */
export async function enablePrincipal(deps: PrincipalDeps, caller: Caller, id: string): Promise<Principal> {
  authorise(caller, 'principals.write');
  const principal = await ownPrincipal(deps.store, caller, id);
  refuseMore(caller, principal.role);
  return await setDisabled(deps, caller, principal, false);
}

async function setDisabled(
  { store, clock }: PrincipalDeps,
  caller: Caller,
  principal: Principal,
  disabled: boolean,
): Promise<Principal> {
  const at = clock.now();
  const changed = await store.principals.setDisabled(
    caller.tenant,
    principal,
    disabled ? at : null,
    caller.principal,
    {
      at,
      entry: {
        actor: caller.actor,
        action: disabled ? 'principal.disabled' : 'principal.enabled',
        subject: { kind: 'principal', id: principal.id },
        details: {},
      },
    },
  );
  if (changed !== null) return changed;
  throw new Problem({
    code: 'not-allowed-now',
    message: 'You were disabled yourself meanwhile.',
    remedy: 'Ask another administrator.',
  });
}

async function ownPrincipal(store: Store, caller: Caller, id: string): Promise<Principal> {
  const known = parseId(PrincipalId, id);
  const principal = known === null ? null : await store.principals.get(caller.tenant, known);
  if (principal === null) throw notFound('principal');
  return principal;
}

/**
 * Somebody with a shell on the server, who could read the database anyway: a system principal of the root tenant, made the first
 * time that this user of the operating system comes.
 */
export async function ensureOperator({ store, clock }: PrincipalDeps, osUser: string): Promise<Caller> {
  const name = `${OPERATOR_PREFIX}${parseInput(Name, osUser)}`;
  const id = PrincipalId.parse(v7());
  const principal = await store.principals.ensure(
    store.root,
    { id, tenant: store.root, name, role: 'system' },
    {
      at: clock.now(),
      entry: {
        actor: { kind: 'operator', id, name },
        action: 'principal.created',
        subject: { kind: 'principal', id },
        details: { role: 'system' },
      },
    },
  );
  return callerOf(principal, 'operator');
}

/**
 * Nobody becomes, or makes anybody become, somebody who can do more than they can: than their role, and than what their key leaves of
 * it. Whatever lets somebody act as a principal asks this; what only takes away asks `refuseTowardsSystem`.
 *
 * @param actions all that is let in for; left out: whatever somebody with the role may come to do
 */
export function refuseMore(
  caller: Caller,
  role: PrincipalRole,
  actions: readonly Action[] = keyMayName(role),
): void {
  refuseStronger(caller.role, role);
  const more = actions.filter((action) => !can(caller, action));
  if (more.length === 0) return;
  throw new Problem({
    code: 'forbidden',
    message: `This would let somebody do more than your key: ${more.join(', ')}.`,
    remedy: 'Use a key that is not narrowed, or let in for less: a weaker role, or a key with `permissions`.',
  });
}

/** What only takes away is for whoever has the permission and the principal within reach; from the role system only that role takes. */
export function refuseTowardsSystem(caller: Caller, { role }: Pick<Principal, 'role'>): void {
  if (role === 'system') refuseStronger(caller.role, role);
}

function refuseStronger(own: PrincipalRole, role: PrincipalRole): void {
  if (allowedTo[role].every((action) => mayDo(own, action))) return;
  throw new Problem({
    code: 'forbidden',
    message: `The role ${own} does not include everything that ${role} does.`,
    remedy: 'Choose a weaker role, or ask somebody with the role system.',
  });
}
