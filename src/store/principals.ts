/** Principals and the hashes of their API keys. */
import { z } from 'zod';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { PRINCIPAL_ROLES } from '../domain/permission.ts';
import { type ApiKey, ApiKeyId, type Principal } from '../domain/principal.ts';
import { type Audited, record } from './audited.ts';
import type { Database } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import type { Principal as PrincipalRow } from './generated/client.ts';
import { pageQuery, subtree } from './scope.ts';

export type NewKey = {
  readonly id: ApiKeyId;
  readonly principal: Principal;
  /** SHA-256 of the key. */
  readonly hash: Uint8Array<ArrayBuffer>;
  /** null: never. */
  readonly expiresAt: Date | null;
};

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type PrincipalStore = {
  /** Throws `not-found` for the tenant, `name-taken`. */
  insert(scope: TenantId, principal: Omit<Principal, 'createdAt'>, audit: Audited): Promise<Principal>;
  /** The principal with this tenant and name, made when it is missing; only the making is audited. */
  ensure(scope: TenantId, principal: Omit<Principal, 'createdAt'>, audit: Audited): Promise<Principal>;
  /** Of the subtree of `tenant`. */
  list(scope: TenantId, filter: PageOptions & { readonly tenant: TenantId }): Promise<Listed<Principal>>;
  get(scope: TenantId, id: PrincipalId): Promise<Principal | null>;
  insertKey(scope: TenantId, key: NewKey, audit: Audited): Promise<void>;
  /** Of the principals of the subtree of `tenant`, the worthless ones too. */
  listKeys(scope: TenantId, filter: PageOptions & { readonly tenant: TenantId }): Promise<Listed<ApiKey>>;
  /** Whose key it is. */
  ownerOfKey(scope: TenantId, id: ApiKeyId): Promise<Principal | null>;
  /** Again is no error; only the first time is audited. */
  revokeKey(scope: TenantId, key: { id: ApiKeyId; principal: Principal }, audit: Audited): Promise<void>;
  /** Whose valid key has this hash. The one look into all tenants: who calls is not known before it. */
  authenticate(hash: Uint8Array<ArrayBuffer>, now: Date): Promise<Principal | null>;
};

export function principalStore(database: Database): PrincipalStore {
  return {
    insert: (scope, principal, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          await subtree(tx, scope, principal.tenant);
          const row = await tx.principal.create({ data: rowOf(principal, audit.at) });
          await record(tx, principal.tenant, audit);
          return toPrincipal(row);
        }),
      ),
    ensure: (scope, principal, audit) =>
      database.ordinary(scope, async (tx) => {
        const key = { tenantId_name: { tenantId: principal.tenant, name: principal.name } };
        const found = await tx.principal.findUnique({ where: key });
        if (found !== null) return toPrincipal(found);
        const made = await tx.principal.createMany({
          data: [rowOf(principal, audit.at)],
          skipDuplicates: true, // another process may be making it
        });
        if (made.count === 1) await record(tx, principal.tenant, audit);
        return toPrincipal(await tx.principal.findUniqueOrThrow({ where: key }));
      }),
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const rows = await tx.principal.findMany({
          where: { tenant: await subtree(tx, scope, filter.tenant), ...position },
          ...order,
        });
        return toPage(rows.map(toPrincipal), filter.limit);
      }),
    get: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.principal.findFirst({ where: { id, tenant: await subtree(tx, scope) } });
        return row === null ? null : toPrincipal(row);
      }),
    ...keys(database),
  };
}

function keys(
  database: Database,
): Pick<PrincipalStore, 'insertKey' | 'listKeys' | 'ownerOfKey' | 'revokeKey' | 'authenticate'> {
  return {
    insertKey: (scope, { id, principal, hash, expiresAt }, audit) =>
      database.ordinary(scope, async (tx) => {
        const owner = { tenantId: principal.tenant, principalId: principal.id };
        const data = { id, ...owner, secretHash: hash, expiresAt, createdAt: audit.at };
        await tx.apiKey.createMany({ data: [data] });
        await record(tx, principal.tenant, audit);
      }),
    listKeys: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const rows = await tx.apiKey.findMany({
          where: { tenant: await subtree(tx, scope, filter.tenant), ...position },
          omit: { secretHash: true },
          ...order,
        });
        const keys = rows.map(({ id, principalId, createdAt, expiresAt, revokedAt }) => ({
          id: ApiKeyId.parse(id),
          principal: PrincipalId.parse(principalId),
          createdAt,
          expiresAt,
          revokedAt,
        }));
        return toPage(keys, filter.limit);
      }),
    ownerOfKey: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.apiKey.findFirst({
          where: { id, tenant: await subtree(tx, scope) },
          select: { principal: true },
        });
        return row === null ? null : toPrincipal(row.principal);
      }),
    revokeKey: (scope, { id, principal }, audit) =>
      database.ordinary(scope, async (tx) => {
        const { count } = await tx.apiKey.updateMany({
          where: { id, principalId: principal.id, revokedAt: null, tenant: await subtree(tx, scope) },
          data: { revokedAt: audit.at },
        });
        if (count === 1) await record(tx, principal.tenant, audit);
      }),
    authenticate: (hash, now) =>
      database.ordinary(database.root, async (tx) => {
        const row = await tx.apiKey.findUnique({
          where: {
            secretHash: hash,
            revokedAt: null,
            OR: [{ expiresAt: null }, { expiresAt: { gt: now } }],
          },
          select: { principal: true },
        });
        return row === null ? null : toPrincipal(row.principal);
      }),
  };
}

const Role = z.enum(PRINCIPAL_ROLES);

function rowOf({ id, tenant, name, role }: Omit<Principal, 'createdAt'>, createdAt: Date): PrincipalRow {
  return { id, tenantId: tenant, name, role, createdAt, disabledAt: null };
}

function toPrincipal(row: PrincipalRow): Principal {
  return {
    id: PrincipalId.parse(row.id),
    tenant: TenantId.parse(row.tenantId),
    name: row.name,
    role: Role.parse(row.role),
    createdAt: row.createdAt,
  };
}

const nameTaken = {
  message: 'Another principal of the same tenant has this name.',
  remedy: 'Choose another name, or make a key for the principal that is there.',
};
