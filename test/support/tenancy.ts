/** Callers and tenants for tests of use cases. */
import { v7 } from 'uuid';
import { afterAll } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { AuthUserId, ConnectionId, type TenantId } from '../../src/domain/ids.ts';
import { type Caller, callerOf, type PrincipalRole } from '../../src/domain/permission.ts';
import type { StoredAuditEntry } from '../../src/store/audit.ts';
import { createPrincipal, ensureOperator } from '../../src/tenancy/principals.ts';
import { createTenant, type TenantDeps } from '../../src/tenancy/tenants.ts';
import { clockAt } from './clock.ts';
import { asOwner, freshStore } from './database.ts';

/** An install of one test file's own, which is thrown away when the file is done, and who may do everything there. */
export async function aTenancy() {
  const database = await freshStore();
  afterAll(() => database.drop());
  const clock = clockAt('2026-05-01T09:00:00Z');
  const deps = { store: database.store, clock, connectors };
  return { database, clock, deps, operator: await anOperator(deps) };
}

/** Everything at the root. */
export const anOperator = (deps: TenantDeps): Promise<Caller> => ensureOperator(deps, 'root');

/** A person with a role within a tenant. */
export async function aCaller(
  deps: TenantDeps,
  tenant: TenantId,
  role: PrincipalRole = 'tenant-administrator',
): Promise<Caller> {
  const name = `somebody ${v7()}`;
  const { id } = await createPrincipal(deps, await anOperator(deps), { tenant, name, role });
  return callerOf({ id, tenant, role, name }, 'person');
}

/** A tenant with a name of its own, below `parent` or the root. */
export async function aTenant(
  deps: TenantDeps,
  { name = `tenant ${v7()}`, parent }: { name?: string; parent?: TenantId } = {},
): Promise<TenantId> {
  return (await createTenant(deps, await anOperator(deps), { name, parent: parent ?? null })).id;
}

export type SomeUser = {
  readonly state?: 'active' | 'suspended' | 'deleted';
  readonly userName?: string | null;
  readonly email?: string | null;
  readonly emailKey?: string | null;
  readonly displayName?: string | null;
  readonly attributes?: object;
  /** Gives it an identity. */
  readonly connection?: ConnectionId;
};

/** An auth user as an apply would have left it. */
export async function aUser(url: string, tenant: TenantId, user: SomeUser = {}): Promise<AuthUserId> {
  const id = AuthUserId.parse(v7());
  await asOwner(url, async (client) => {
    await client.query(
      `INSERT INTO auth_user (id, tenant_id, state, user_name, email, email_key, display_name, attributes)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        id,
        tenant,
        user.state ?? 'active',
        user.userName ?? null,
        user.email ?? null,
        user.emailKey ?? user.email?.toLowerCase() ?? null,
        user.displayName ?? null,
        JSON.stringify(user.attributes ?? {}),
      ],
    );
    if (user.connection === undefined) return;
    await client.query(
      `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
       VALUES ($1, $2, $3, $4, '\\x00', 1)`,
      [user.connection, `external-${id}`, tenant, id],
    );
  });
  return id;
}

/** Gives a role as an apply would: by the directory of a connection. */
export async function giveByDirectory(
  url: string,
  tenant: TenantId,
  given: { readonly user: AuthUserId; readonly role: string; readonly connection: ConnectionId },
): Promise<void> {
  await asOwner(url, (client) =>
    client.query(
      `INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id, connection_id)
       SELECT $1, id, 'directory', $2, $3 FROM role WHERE name = $4`,
      [given.user, tenant, given.connection, given.role],
    ),
  );
}

/** A connection as the database has it, for people to be linked to: no run could open it. */
export async function aBareConnection(url: string, tenant: TenantId): Promise<ConnectionId> {
  const id = ConnectionId.parse(v7());
  await asOwner(url, (client) =>
    client.query(
      `INSERT INTO connection (id, tenant_id, name, provider, settings, credentials, network, mapping, policy)
       VALUES ($1::uuid, $2, $1::uuid::text, 'okta', '{}', '', '{}', '{}', '{}')`,
      [id, tenant],
    ),
  );
  return id;
}

/** A tenant's audit entries, oldest first. */
export async function auditOf(
  url: string,
  tenant: TenantId,
): Promise<readonly Pick<StoredAuditEntry, 'action' | 'actor' | 'subject' | 'details'>[]> {
  return await asOwner(url, async (client) => {
    const { rows } = await client.query(
      'SELECT action, actor, subject, details FROM audit_entry WHERE tenant_id = $1 ORDER BY number',
      [tenant],
    );
    return rows;
  });
}

/** Of nothing that exists. */
export const unknownId = (): string => ConnectionId.parse(v7());
