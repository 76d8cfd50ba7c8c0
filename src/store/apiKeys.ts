/** The hashes of API keys, what each key may, and whom it belongs to. */
import { z } from 'zod';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { ACTIONS, type Narrowed, PRINCIPAL_ROLES } from '../domain/permission.ts';
import { type ApiKey, ApiKeyId, type Principal, USE_NOTED_EVERY_MS } from '../domain/principal.ts';
import { type Audited, record } from './audited.ts';
import type { Database, OrdinaryTransaction } from './database.ts';
import { type ApiKey as KeyRow, Prisma } from './generated/client.ts';
import { toPrincipal } from './principals.ts';
import { pageQuery, subtree } from './scope.ts';

export type NewKey = Pick<ApiKey, 'id' | 'name' | 'tenant' | 'permissions' | 'expiresAt'> & {
  readonly principal: Principal;
  /** SHA-256 of the key. */
  readonly hash: Uint8Array<ArrayBuffer>;
};

/** Whoever presents a key, and how far it carries. */
export type Bearer = {
  readonly key: ApiKeyId;
  readonly principal: Pick<Principal, 'id' | 'tenant' | 'name' | 'role'>;
  readonly narrowed: Narrowed;
  readonly lastUsedAt: Date | null;
  /** That of the principal's tenant, or the worse one of a tenant above it. */
  readonly tenantIs: 'active' | 'suspended';
};

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type ApiKeyStore = {
  /** Throws `not-found` where the key is narrowed to a tenant that is not the principal's or below it. */
  insert(scope: TenantId, key: NewKey, audit: Audited): Promise<ApiKey>;
  /** Of the principals of the subtree of `tenant`, the worthless ones too. */
  list(scope: TenantId, filter: PageOptions & { readonly tenant: TenantId }): Promise<Listed<ApiKey>>;
  /** With whose key it is. */
  get(scope: TenantId, id: ApiKeyId): Promise<{ readonly key: ApiKey; readonly principal: Principal } | null>;
  /** Again is no error; only the first time is audited. */
  revoke(scope: TenantId, key: { id: ApiKeyId; principal: Principal }, audit: Audited): Promise<void>;
  /**
   * `next` in the place of `old`, which is good until `until` at the longest. null: it was replaced already, or is not good any more.
   */
  replace(
    scope: TenantId,
    keys: { readonly old: ApiKeyId; readonly next: NewKey; readonly until: Date },
    audit: Audited,
  ): Promise<ApiKey | null>;
  /** Whose key has this hash and is good. The one look into all tenants: who calls is not known before it. */
  bearer(hash: Uint8Array<ArrayBuffer>, now: Date): Promise<Bearer | null>;
  /** Whose key this is that a token in `tenant` was granted for, if it is good and reaches there. */
  bearerOfToken(key: ApiKeyId, tenant: TenantId, now: Date): Promise<Bearer | null>;
  /** Notes that the key was used, unless that was noted within the last minute. */
  used(bearer: Bearer, now: Date): Promise<void>;
};

export function apiKeyStore(database: Database): ApiKeyStore {
  return {
    insert: (scope, key, audit) =>
      database.ordinary(scope, async (tx) => {
        const row = await insertKey(tx, key, audit.at, null);
        await record(tx, key.principal.tenant, audit);
        return row;
      }),
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const rows = await tx.apiKey.findMany({
          where: { tenant: await subtree(tx, scope, filter.tenant), ...position },
          omit: { secretHash: true },
          ...order,
        });
        return toPage(rows.map(toApiKey), filter.limit);
      }),
    get: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.apiKey.findFirst({
          where: { id, tenant: await subtree(tx, scope) },
          omit: { secretHash: true },
          include: { principal: true },
        });
        return row === null ? null : { key: toApiKey(row), principal: toPrincipal(row.principal) };
      }),
    revoke: (scope, { id, principal }, audit) =>
      database.ordinary(scope, async (tx) => {
        const { count } = await tx.apiKey.updateMany({
          where: { id, principalId: principal.id, revokedAt: null, tenant: await subtree(tx, scope) },
          data: { revokedAt: audit.at },
        });
        if (count === 1) await record(tx, principal.tenant, audit);
      }),
    replace: (scope, { old, next, until }, audit) =>
      database.ordinary(scope, async (tx) => {
        // Whoever comes second waits here, and then sees what the first has done.
        await tx.$queryRaw`SELECT FROM api_key WHERE id = ${old}::uuid FOR UPDATE`;
        const found = await tx.apiKey.findFirst({
          where: {
            id: old,
            tenant: await subtree(tx, scope),
            revokedAt: null,
            OR: [{ expiresAt: null }, { expiresAt: { gt: audit.at } }],
            replacedBy: { none: {} },
          },
          select: { expiresAt: true },
        });
        if (found === null) return null;
        const made = await insertKey(tx, next, audit.at, old);
        if (found.expiresAt === null || found.expiresAt > until)
          await tx.apiKey.updateMany({ where: { id: old }, data: { expiresAt: until } });
        await record(tx, next.principal.tenant, audit);
        return made;
      }),
    ...presented(database),
  };
}

async function insertKey(
  tx: OrdinaryTransaction,
  { id, principal, hash, tenant, name, permissions, expiresAt }: NewKey,
  createdAt: Date,
  replaces: ApiKeyId | null,
): Promise<ApiKey> {
  if (tenant !== null) await subtree(tx, principal.tenant, tenant);
  const row = {
    id,
    tenantId: principal.tenant,
    principalId: principal.id,
    name,
    scopeTenantId: tenant,
    permissions: permissions === null ? Prisma.DbNull : [...permissions],
    expiresAt,
    createdAt,
    replaces,
  };
  await tx.apiKey.createMany({ data: [{ ...row, secretHash: hash }] });
  return toApiKey({
    ...row,
    permissions: permissions as Prisma.JsonValue,
    revokedAt: null,
    lastUsedAt: null,
  });
}

function presented(database: Database): Pick<ApiKeyStore, 'bearer' | 'bearerOfToken' | 'used'> {
  const noting = new Set<ApiKeyId>();
  return {
    bearer: async (hash, now) => {
      const [row] = await database.single<BearerRow>('bearer-of-key', 'SELECT * FROM bearer_of_key($1, $2)', [
        hash,
        now,
      ]);
      return row === undefined ? null : toBearer(row);
    },
    bearerOfToken: async (key, tenant, now) => {
      const text = 'SELECT * FROM bearer_of_token($1, $2, $3)';
      const [row] = await database.single<BearerRow>('bearer-of-token', text, [key, tenant, now]);
      return row === undefined ? null : toBearer(row);
    },
    used: async ({ key, principal, lastUsedAt }, now) => {
      const notedBefore = new Date(now.getTime() - USE_NOTED_EVERY_MS);
      if (noting.has(key) || (lastUsedAt !== null && lastUsedAt > notedBefore)) return;
      noting.add(key);
      try {
        // Of many processes that find the minute over at once, one writes.
        await database.bulk(
          principal.tenant,
          (tx) =>
            tx.query(
              `UPDATE api_key SET last_used_at = $2
               WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)`,
              [key, now, notedBefore],
            ),
          { mayBeRedone: true },
        );
      } finally {
        noting.delete(key);
      }
    },
  };
}

/** As the function `bearer_of_key` gives it. */
type BearerRow = {
  readonly key: string;
  readonly principal: string;
  readonly tenant: string;
  readonly name: string;
  readonly role: string;
  readonly scope: string | null;
  readonly permissions: unknown;
  readonly last_used_at: Date | null;
  readonly standing: 'active' | 'suspended';
};

function toBearer(row: BearerRow): Bearer {
  return {
    key: ApiKeyId.parse(row.key),
    principal: {
      id: PrincipalId.parse(row.principal),
      tenant: TenantId.parse(row.tenant),
      name: row.name,
      role: Role.parse(row.role),
    },
    narrowed: {
      tenant: row.scope === null ? null : TenantId.parse(row.scope),
      permissions: toPermissions(row.permissions),
    },
    lastUsedAt: row.last_used_at,
    tenantIs: row.standing,
  };
}

const Role = z.enum(PRINCIPAL_ROLES);

/** What an older version knew and this one does not is gone: a key never comes to mean more. */
function toPermissions(stored: unknown): ApiKey['permissions'] {
  if (stored === null) return null;
  const names = z.array(z.string()).parse(stored);
  return ACTIONS.filter((action) => names.includes(action));
}

function toApiKey(row: Omit<KeyRow, 'secretHash' | 'tenantId'>): ApiKey {
  return {
    id: ApiKeyId.parse(row.id),
    principal: PrincipalId.parse(row.principalId),
    name: row.name,
    tenant: row.scopeTenantId === null ? null : TenantId.parse(row.scopeTenantId),
    permissions: toPermissions(row.permissions),
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    revokedAt: row.revokedAt,
    lastUsedAt: row.lastUsedAt,
    replaces: row.replaces === null ? null : ApiKeyId.parse(row.replaces),
  };
}
