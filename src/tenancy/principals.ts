/** Who may call Rollcall, with which role, and the API keys that prove it. */
import { createHash, randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Actor } from '../domain/audit.ts';
import type { Clock } from '../domain/clock.ts';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { invalidInput, Name, notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import {
  allowedTo,
  authorise,
  type Caller,
  mayDo,
  PRINCIPAL_ROLES,
  type PrincipalRole,
} from '../domain/permission.ts';
import { type ApiKey, ApiKeyId, OPERATOR_PREFIX, type Principal } from '../domain/principal.ts';
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
  refuseStronger(caller, role);
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
  /** With all tenants below it. null: the caller's own. */
  tenant: TenantId.nullable().default(null),
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

export const NewKey = z.strictObject({
  principal: z.string(),
  /** null: until it is revoked. */
  expiresAt: z.coerce.date<Date | string>().nullable().default(null),
});

/**
 * A key for a principal. This is the only time that it is shown: what is stored is its SHA-256.
 * Throws `invalid-input`, `not-found` for the principal, `forbidden` where the principal can do more than the caller.
 */
export async function createKey(
  { store, clock }: PrincipalDeps,
  caller: Caller,
  input: z.input<typeof NewKey>,
): Promise<{ readonly id: ApiKeyId; readonly key: string }> {
  authorise(caller, 'principals.write');
  const { principal: wanted, expiresAt } = parseInput(NewKey, input);
  const at = clock.now();
  if (expiresAt !== null && expiresAt <= at)
    throw invalidInput([{ path: 'expiresAt', message: 'is in the past' }]);
  const known = parseId(PrincipalId, wanted);
  const principal = known === null ? null : await store.principals.get(caller.tenant, known);
  if (principal === null) throw notFound('principal');
  refuseStronger(caller, principal.role);
  const id = ApiKeyId.parse(v7());
  const key = `rc_${randomBytes(32).toString('base64url')}`;
  await store.principals.insertKey(
    caller.tenant,
    { id, principal, hash: hashOf(key), expiresAt },
    {
      at,
      entry: {
        actor: caller.actor,
        action: 'api-key.created',
        subject: { kind: 'api-key', id },
        details: { principal: principal.id, expiresAt: expiresAt?.toISOString() ?? null },
      },
    },
  );
  return { id, key };
}

/** Which keys there are, never the keys themselves. Throws `invalid-input`, `not-found` for the tenant. */
export async function listKeys(
  { store }: Pick<PrincipalDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListPrincipals> = {},
): Promise<Listed<ApiKey>> {
  authorise(caller, 'principals.read');
  const { tenant, ...page } = parseInput(ListPrincipals, input);
  return await store.principals.listKeys(caller.tenant, { ...page, tenant: tenant ?? caller.tenant });
}

/** From now on the key opens nothing. Again is no error. Throws `not-found`, `forbidden` where its principal can do more than the caller. */
export async function revokeKey({ store, clock }: PrincipalDeps, caller: Caller, id: string): Promise<void> {
  authorise(caller, 'principals.write');
  const known = parseId(ApiKeyId, id);
  const principal = known === null ? null : await store.principals.ownerOfKey(caller.tenant, known);
  if (known === null || principal === null) throw notFound('API key');
  refuseStronger(caller, principal.role);
  await store.principals.revokeKey(
    caller.tenant,
    { id: known, principal },
    {
      at: clock.now(),
      entry: {
        actor: caller.actor,
        action: 'api-key.revoked',
        subject: { kind: 'api-key', id: known },
        details: { principal: principal.id },
      },
    },
  );
}

const KEY = /^rc_[A-Za-z0-9_-]{43}$/;

/** null: no such key, or it was revoked or has expired. Which of them is nobody's business. */
export async function authenticateKey({ store, clock }: PrincipalDeps, key: string): Promise<Caller | null> {
  if (!KEY.test(key)) return null;
  const principal = await store.principals.authenticate(hashOf(key), clock.now());
  return principal === null ? null : callerFor(principal, 'person');
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
  return callerFor(principal, 'operator');
}

function callerFor({ id, tenant, role, name }: Principal, kind: Actor['kind']): Caller {
  return { principal: id, tenant, role, actor: { kind, id, name } };
}

/** Nobody gets hold of more than they have by making a principal, or a key for one. */
function refuseStronger(caller: Caller, role: PrincipalRole): void {
  if (allowedTo[role].every((action) => mayDo(caller.role, action))) return;
  throw new Problem({
    code: 'forbidden',
    message: `The role ${caller.role} does not include everything that ${role} does.`,
    remedy: `Choose a weaker role, or ask somebody with the role ${role}.`,
  });
}

function hashOf(key: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(key).digest());
}
