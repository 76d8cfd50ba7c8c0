/** The OpenID Connect providers that people sign in with. A client secret goes in readable and comes out only for `open`. */
import { z } from 'zod';
import { TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { type SignInProvider, SignInProviderId } from '../domain/signIn.ts';
import { type Audited, record } from './audited.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import type { SignInProvider as ProviderRow } from './generated/client.ts';
import { pageQuery, subtree } from './scope.ts';
import type { SecretBox } from './secrets.ts';
import { endSessions } from './sessions.ts';

export type NewSignInProvider = Omit<SignInProvider, 'hasSecret' | 'createdAt'> & {
  readonly clientSecret: string | null;
};

/** What may change; whom the provider speaks for may not, or whoever is bound to it could be somebody else tomorrow. */
export type SignInProviderPatch = {
  readonly name?: string;
  readonly clientSecret?: string | null;
  readonly ca?: string | null;
};

export type OpenedProvider = SignInProvider & { readonly clientSecret: string | null };

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type SignInProviderStore = {
  /** Throws `not-found` for the tenant, `name-taken` within it. */
  insert(scope: TenantId, provider: NewSignInProvider, audit: Audited): Promise<SignInProvider>;
  /** null: there is none. Throws `name-taken`. */
  update(
    scope: TenantId,
    id: SignInProviderId,
    patch: SignInProviderPatch,
    audit: Audited,
  ): Promise<SignInProvider | null>;
  /** With whoever was bound to it: they are signed out. Again is no error. */
  remove(scope: TenantId, provider: SignInProvider, audit: Audited, ended: EndedBy): Promise<void>;
  /** Of the subtree of `tenant`. */
  list(scope: TenantId, filter: PageOptions & { readonly tenant: TenantId }): Promise<Listed<SignInProvider>>;
  get(scope: TenantId, id: SignInProviderId): Promise<SignInProvider | null>;
  /** Up to `limit` of the providers with this name. */
  named(scope: TenantId, name: string, limit: number): Promise<readonly SignInProvider[]>;
  /** Decrypts. Throws `wrong-secret-key`. */
  open(scope: TenantId, id: SignInProviderId): Promise<OpenedProvider | null>;
  /**
   * What principals of this tenant may sign in with: its own and those of all tenants above, the nearest first. For strangers too: a
   * tenant that is unknown is answered like the root.
   */
  offered(tenant: TenantId): Promise<readonly Pick<SignInProvider, 'id' | 'name'>[]>;
};

type EndedBy = Parameters<typeof endSessions>[3];

export function signInProviderStore(database: Database, box: SecretBox): SignInProviderStore {
  return { ...writing(database, box), ...reading(database, box) };
}

function writing(
  database: Database,
  box: SecretBox,
): Pick<SignInProviderStore, 'insert' | 'update' | 'remove'> {
  return {
    insert: (scope, { id, tenant, name, issuer, clientId, clientSecret, ca }, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          await subtree(tx, scope, tenant);
          const sealed = clientSecret === null ? null : box.seal(id, clientSecret);
          const columns = { id, tenantId: tenant, name, issuer, clientId, ca, createdAt: audit.at };
          const row = await tx.signInProvider.create({ data: { ...columns, clientSecret: sealed } });
          await record(tx, tenant, audit);
          return toProvider(row);
        }),
      ),
    update: (scope, id, { clientSecret, ...plain }, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          const sealed = typeof clientSecret === 'string' ? box.seal(id, clientSecret) : clientSecret;
          const [row] = await tx.signInProvider.updateManyAndReturn({
            where: { id, tenant: await subtree(tx, scope) },
            data: { ...plain, ...(sealed === undefined ? {} : { clientSecret: sealed }) },
          });
          if (row === undefined) return null;
          await record(tx, TenantId.parse(row.tenantId), audit);
          return toProvider(row);
        }),
      ),
    remove: (scope, { id, tenant }, audit, ended) =>
      database.ordinary(scope, async (tx) => {
        const where = { id, tenant: await subtree(tx, scope) };
        if ((await tx.signInProvider.findFirst({ where, select: { id: true } })) === null) return;
        // Whoever signs in by it holds it: their login is there by then, or is refused.
        const held = await sqlOf(tx).query(
          'SELECT true AS held FROM sign_in_provider WHERE id = $1::uuid FOR UPDATE',
          [id],
        );
        if (held.length === 0) return;
        const bound = await sqlOf(tx).query<{ principal: string }>(
          'DELETE FROM principal_login WHERE provider_id = $1::uuid RETURNING principal_id AS principal',
          [id],
        );
        await tx.signInProvider.deleteMany({ where });
        const principals = [...new Set(bound.map(({ principal }) => principal))];
        await endSessions(tx, scope, { principals, method: 'openid-connect' }, ended);
        await record(tx, tenant, audit);
      }),
  };
}

function reading(
  database: Database,
  box: SecretBox,
): Pick<SignInProviderStore, 'list' | 'get' | 'named' | 'open' | 'offered'> {
  const rowOf = (scope: TenantId, id: SignInProviderId) =>
    database.ordinary(scope, async (tx) =>
      tx.signInProvider.findFirst({ where: { id, tenant: await subtree(tx, scope) } }),
    );
  return {
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const rows = await tx.signInProvider.findMany({
          where: { tenant: await subtree(tx, scope, filter.tenant), ...position },
          ...order,
        });
        return toPage(rows.map(toProvider), filter.limit);
      }),
    get: async (scope, id) => {
      const row = await rowOf(scope, id);
      return row === null ? null : toProvider(row);
    },
    named: (scope, name, limit) =>
      database.ordinary(scope, async (tx) => {
        const where = { name, tenant: await subtree(tx, scope) };
        const rows = await tx.signInProvider.findMany({ where, orderBy: { id: 'asc' }, take: limit });
        return rows.map(toProvider);
      }),
    open: async (scope, id) => {
      const row = await rowOf(scope, id);
      if (row === null) return null;
      const secret = row.clientSecret === null ? null : Secret.parse(box.open(id, row.clientSecret));
      return { ...toProvider(row), clientSecret: secret };
    },
    offered: (tenant) =>
      database.ordinary(database.root, async (tx) => {
        const path = await pathTo(tx, database.root, tenant);
        const rows = await tx.signInProvider.findMany({
          where: { tenantId: { in: [...path] } },
          orderBy: { id: 'asc' },
        });
        const nearest = rows.sort((one, other) => path.indexOf(other.tenantId) - path.indexOf(one.tenantId));
        return nearest.map(({ id, name }) => ({ id: SignInProviderId.parse(id), name }));
      }),
  };
}

/** From the root down to the tenant; of one that is not there, the root alone. */
async function pathTo(tx: OrdinaryTransaction, root: TenantId, id: TenantId): Promise<readonly string[]> {
  const tenant = await tx.tenant.findFirst({
    where: { id, state: { not: 'deleted' } },
    select: { path: true },
  });
  return tenant === null ? [root] : tenant.path.split('/').filter((above) => above !== '');
}

const Secret = z.string();

function toProvider(row: ProviderRow): SignInProvider {
  const { name, issuer, clientId, ca, createdAt } = row;
  return {
    id: SignInProviderId.parse(row.id),
    tenant: TenantId.parse(row.tenantId),
    name,
    issuer,
    clientId,
    hasSecret: row.clientSecret !== null,
    ca,
    createdAt,
  };
}

const nameTaken = {
  message: 'Another sign-in provider of the same tenant has this name.',
  remedy: 'Choose another name, or update the provider that is there.',
};
