/** API keys: made, narrowed, rotated and revoked; and who it is that presents one. */
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { invalidInput, notFound, parseId, parseInput } from '../domain/input.ts';
import type { Listed } from '../domain/page.ts';
import { ACTIONS, authorise, type Caller, callerOf, keyMayName } from '../domain/permission.ts';
import {
  type ApiKey,
  ApiKeyId,
  KeyName,
  LONGEST_OVERLAP_MINUTES,
  USUAL_OVERLAP_MINUTES,
} from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import { ownSuspended } from '../domain/tenant.ts';
import { hashOf } from '../signIn/secret.ts';
import type { Store } from '../store/store.ts';
import { ListPrincipals, refuseMore, refuseTowardsSystem } from './principals.ts';

export type ApiKeyDeps = { readonly store: Store; readonly clock: Clock };

/** The only time that a key is shown: what is stored is its SHA-256. */
export type MadeKey = { readonly id: ApiKeyId; readonly key: string; readonly expiresAt: Date | null };

const ExpiresAt = z.coerce.date<Date | string>().nullable();

export const NewKey = z.strictObject({
  principal: z.string(),
  /** What it is for. */
  name: KeyName.default(''),
  /** Where alone it holds. null: wherever its principal's role does. */
  tenant: TenantId.nullable().default(null),
  /** All that it may. null: what its principal may. */
  permissions: z.array(z.enum(ACTIONS)).min(1).nullable().default(null),
  /** null: until it is revoked. */
  expiresAt: ExpiresAt.default(null),
});

/**
 * A key for a principal, which may be narrower than its principal and is never more than its maker.
 * Throws `invalid-input`, `not-found` for the principal and for a tenant that is not the principal's or below it, `forbidden` where the
 * key could do more than the caller.
 */
export async function createKey(
  { store, clock }: ApiKeyDeps,
  caller: Caller,
  input: z.input<typeof NewKey>,
): Promise<MadeKey> {
  authorise(caller, 'principals.write');
  const { principal: wanted, name, tenant, permissions, expiresAt } = parseInput(NewKey, input);
  const at = clock.now();
  refusePast(expiresAt, at);
  const known = parseId(PrincipalId, wanted);
  const principal = known === null ? null : await store.principals.get(caller.tenant, known);
  if (principal === null) throw notFound('principal');
  const wider = permissions?.filter((action) => !keyMayName(principal.role).includes(action)) ?? [];
  if (wider.length > 0)
    throw invalidInput([
      { path: 'permissions', message: `the role ${principal.role} does not include ${wider.join(', ')}` },
    ]);
  refuseMore(caller, principal.role, permissions ?? undefined);
  const made = mint();
  await store.apiKeys.insert(
    caller.tenant,
    { id: made.id, principal, hash: hashOf(made.key), name, tenant, permissions, expiresAt },
    {
      at,
      entry: {
        actor: caller.actor,
        action: 'api-key.created',
        subject: { kind: 'api-key', id: made.id },
        details: {
          principal: principal.id,
          tenant,
          permissions,
          expiresAt: expiresAt?.toISOString() ?? null,
        },
      },
    },
  );
  return { ...made, expiresAt };
}

/** Which keys there are, never the keys themselves. Throws `invalid-input`, `not-found` for the tenant. */
export async function listKeys(
  { store }: Pick<ApiKeyDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListPrincipals> = {},
): Promise<Listed<ApiKey>> {
  authorise(caller, 'principals.read');
  const { tenant, ...page } = parseInput(ListPrincipals, input);
  return await store.apiKeys.list(caller.tenant, { ...page, tenant: tenant ?? caller.tenant });
}

/** From now on the key opens nothing. Again is no error. Throws `not-found`, `forbidden` for one of the role system. */
export async function revokeKey({ store, clock }: ApiKeyDeps, caller: Caller, id: string): Promise<void> {
  authorise(caller, 'principals.write');
  const { key, principal } = await ownKey(store, caller, id);
  refuseTowardsSystem(caller, principal);
  await store.apiKeys.revoke(
    caller.tenant,
    { id: key.id, principal },
    {
      at: clock.now(),
      entry: {
        actor: caller.actor,
        action: 'api-key.revoked',
        subject: { kind: 'api-key', id: key.id },
        details: { principal: principal.id },
      },
    },
  );
}

export const RotatedKey = z.strictObject({
  key: z.string(),
  /** How long the old key stays good. */
  overlapMinutes: z.coerce
    .number<number | string>()
    .int()
    .min(0)
    .max(LONGEST_OVERLAP_MINUTES)
    .default(USUAL_OVERLAP_MINUTES),
  /** Of the new key. Left out: as long from now as the old one's was from its making. */
  expiresAt: ExpiresAt.optional(),
});

/**
 * A new key in the place of one that is good, with its name, its scope and its permissions. Both open while the overlap lasts, so that
 * whoever uses the old one can take up the new one without a pause.
 * Throws `invalid-input`, `not-found`, `forbidden` as for making the key, `not-allowed-now` for one that is not good or was replaced.
 */
export async function rotateKey(
  { store, clock }: ApiKeyDeps,
  caller: Caller,
  input: z.input<typeof RotatedKey>,
): Promise<MadeKey & { readonly replaces: ApiKeyId; readonly oldExpiresAt: Date }> {
  authorise(caller, 'principals.write');
  const wanted = parseInput(RotatedKey, input);
  const at = clock.now();
  const { key: old, principal } = await ownKey(store, caller, wanted.key);
  refuseMore(caller, principal.role, old.permissions ?? undefined);
  const lifetimeMs = old.expiresAt === null ? null : old.expiresAt.getTime() - old.createdAt.getTime();
  const usual = lifetimeMs === null ? null : new Date(at.getTime() + lifetimeMs);
  const expiresAt = wanted.expiresAt === undefined ? usual : wanted.expiresAt;
  refusePast(expiresAt, at);
  const until = new Date(at.getTime() + wanted.overlapMinutes * 60_000);
  const oldExpiresAt = old.expiresAt !== null && old.expiresAt < until ? old.expiresAt : until;
  const made = mint();
  const { name, tenant, permissions } = old;
  const replaced = await store.apiKeys.replace(
    caller.tenant,
    {
      old: old.id,
      next: { id: made.id, principal, hash: hashOf(made.key), name, tenant, permissions, expiresAt },
      until,
    },
    {
      at,
      entry: {
        actor: caller.actor,
        action: 'api-key.rotated',
        subject: { kind: 'api-key', id: made.id },
        details: {
          principal: principal.id,
          replaces: old.id,
          oldExpiresAt: oldExpiresAt.toISOString(),
          expiresAt: expiresAt?.toISOString() ?? null,
        },
      },
    },
  );
  if (replaced === null) throw notRotatable();
  return { ...made, expiresAt, replaces: old.id, oldExpiresAt };
}

function notRotatable(): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: 'This key was replaced already, was revoked, or has expired.',
    remedy: 'Rotate the key that replaces it, or make a new one.',
  });
}

const KEY = /^rc_[A-Za-z0-9_-]{43}$/;

/**
 * null: no such key, it was revoked or has expired, or its principal is disabled. Which of them is nobody's business.
 * Throws `tenant-suspended`.
 */
export async function authenticateKey(deps: ApiKeyDeps, key: string): Promise<Caller | null> {
  return (await presentedKey(deps, key))?.caller ?? null;
}

/** The same, with which key it is. */
export async function presentedKey(
  { store, clock }: ApiKeyDeps,
  key: string,
): Promise<{ readonly caller: Caller; readonly key: ApiKeyId } | null> {
  if (!KEY.test(key)) return null;
  const now = clock.now();
  const bearer = await store.apiKeys.bearer(hashOf(key), now);
  if (bearer === null) return null;
  if (bearer.tenantIs === 'suspended') throw tenantSuspended();
  // Nobody waits for it, and nothing fails with it: the next use is as good.
  void store.apiKeys.used(bearer, now).catch(() => {});
  return { caller: callerOf(bearer.principal, 'person', bearer.narrowed), key: bearer.key };
}

/** For keys and sessions of its principals alike. */
export function tenantSuspended(): Problem {
  return new Problem({
    code: 'tenant-suspended',
    ...ownSuspended,
  });
}

async function ownKey(store: Store, caller: Caller, id: string) {
  const known = parseId(ApiKeyId, id);
  const found = known === null ? null : await store.apiKeys.get(caller.tenant, known);
  if (found === null) throw notFound('API key');
  return found;
}

function refusePast(expiresAt: Date | null, now: Date): void {
  if (expiresAt !== null && expiresAt <= now)
    throw invalidInput([{ path: 'expiresAt', message: 'is in the past' }]);
}

function mint(): Pick<MadeKey, 'id' | 'key'> {
  return { id: ApiKeyId.parse(v7()), key: `rc_${randomBytes(32).toString('base64url')}` };
}
