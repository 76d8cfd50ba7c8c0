/**
 * What a load writes in sets: tenants, their domains, and users. Each call is one transaction with all that is recorded of it, and
 * refuses what somebody else has made or changed since it was compared: run again, a load finds what is done and goes on.
 */
import type { AuditEntry } from '../domain/audit.ts';
import type { AuthUserState, Fields } from '../domain/authUser.ts';
import { emailKey } from '../domain/email.ts';
import type { AuthUserId, ConnectionId, TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import type { ProductPlanId } from '../domain/productPlan.ts';
import { hindranceToGiving, type RoleId, type RoleType } from '../domain/role.ts';
import { isGoing } from '../domain/tenant.ts';
import { appendToChains } from './auditChains.ts';
import { type By, type DoneByHand, tellByHand } from './byHand.ts';
import type { Database, Sql } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import { writeTenantEvents } from './events.ts';
import { holdRoles } from './heldRoles.ts';
import { holdTree } from './locks.ts';
import { SUBTREE } from './scope.ts';
import { nameTaken } from './tenants.ts';

export type TenantToMake = {
  readonly id: TenantId;
  readonly parent: TenantId;
  readonly name: string;
  readonly inheritsRoles: boolean;
  readonly plan: ProductPlanId | null;
};

/** An auth user with everything that it is to be. */
export type UserToWrite = {
  readonly id: AuthUserId;
  readonly tenant: TenantId;
  /** At which it was compared; null: it is to be made. */
  readonly version: number | null;
  readonly userName: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly attributes: Fields;
  readonly state: AuthUserState;
  /** Names of the fields that are others now. */
  readonly fields: readonly string[];
  /** What its state is changed from; null: not at all. */
  readonly stateBefore: AuthUserState | null;
  readonly gains: readonly { readonly role: RoleId; readonly name: string; readonly tenant: TenantId }[];
};

export type ComparedCredentials = { readonly id: ConnectionId; readonly tenant: TenantId };

export type ConfigurationWrites = {
  /**
   * Each after the one above it, which may be among them. Throws `not-found` for one above, `not-allowed-now` below one that is to be
   * deleted, `name-taken`.
   */
  makeTenants(scope: TenantId, tenants: readonly TenantToMake[], by: By): Promise<void>;
  /** Those that are verified already stay as they are. Throws `not-found` for a tenant. */
  verifyDomains(
    scope: TenantId,
    domains: readonly { readonly tenant: TenantId; readonly domain: string }[],
    by: By,
  ): Promise<void>;
  /**
   * Throws `not-found` for a tenant, `changed-since-shown` where a user, a name, an address, or what may be given to whom is not as it
   * was compared. `isSystem`: roles are given from above all tenants.
   */
  writeUsers(scope: TenantId, users: readonly UserToWrite[], by: By & { isSystem: boolean }): Promise<void>;
  /** Into the chains of their tenants: that somebody was told whether what they gave are the stored credentials. */
  recordComparing(scope: TenantId, connections: readonly ComparedCredentials[], by: By): Promise<void>;
  /** Into the caller's own chain: that a file was loaded. */
  recordLoad(scope: TenantId, details: AuditEntry['details'], by: By): Promise<void>;
};

export function configurationWrites(database: Database): ConfigurationWrites {
  return {
    makeTenants: (scope, tenants, by) =>
      refusingTakenNames(nameTaken, () => database.bulk(scope, (tx) => makeTenants(tx, scope, tenants, by))),
    verifyDomains: (scope, domains, by) =>
      database.bulk(scope, (tx) => verifyDomains(tx, scope, domains, by)),
    writeUsers: (scope, users, by) =>
      database.bulk(scope, (tx) => writeUsers(tx, { scope, root: database.root }, users, by)),
    recordComparing: (scope, connections, { actor, at }) =>
      database.bulk(scope, (tx) =>
        appendToChains(
          tx,
          at,
          connections.map(({ id, tenant }) => {
            const subject = { kind: 'connection', id } as const;
            return {
              chain: tenant,
              entry: { actor, action: 'connection.credentials-compared', subject, details: {} },
            };
          }),
        ),
      ),
    recordLoad: (scope, details, { actor, at }) =>
      database.bulk(scope, (tx) => {
        const subject = { kind: 'tenant', id: scope } as const;
        const entry = { actor, action: 'configuration.loaded', subject, details };
        return appendToChains(tx, at, [{ chain: scope, entry }]);
      }),
  };
}

async function makeTenants(
  sql: Sql,
  scope: TenantId,
  tenants: readonly TenantToMake[],
  { actor, at }: By,
): Promise<void> {
  if (tenants.length === 0) return;
  await holdTree(sql);
  const made = new Set(tenants.map(({ id }) => id));
  await holdParents(
    sql,
    scope,
    [...new Set(tenants.map(({ parent }) => parent))].filter((id) => !made.has(id)),
  );
  // Path and data key are set by the database.
  for (const generation of generationsOf(tenants))
    await sql.query(
      `INSERT INTO tenant (id, parent_id, name, inherits_roles, product_plan_id, created_at, path, data_key)
       SELECT id, parent, name, "inheritsRoles", plan, $2, '', ''
       FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, parent uuid, name text, "inheritsRoles" boolean, plan uuid)`,
      [JSON.stringify(generation), at.toISOString()],
    );
  const keys = await sql.query<{ id: TenantId; dataKey: string }>(
    'SELECT id, data_key AS "dataKey" FROM tenant WHERE id = ANY ($1::uuid[]) ORDER BY number',
    [[...made]],
  );
  await writeTenantEvents(
    sql,
    at,
    keys.map(({ id, dataKey }) => ({ tenant: id, type: 'tenant.created', data: { tenant: id, dataKey } })),
  );
  await appendToChains(
    sql,
    at,
    tenants.map(({ id, name }) => {
      const subject = { kind: 'tenant', id } as const;
      return { chain: id, entry: { actor, action: 'tenant.created', subject, details: { name } } };
    }),
  );
}

/** Those whose parents are there, then those whose parents are among these, and so on: a row is placed below one that it can see. */
function generationsOf(tenants: readonly TenantToMake[]): readonly (readonly TenantToMake[])[] {
  const depths = new Map<TenantId, number>();
  for (const { id, parent } of tenants) depths.set(id, (depths.get(parent) ?? -1) + 1);
  const generations: TenantToMake[][] = [];
  for (const tenant of tenants) {
    const depth = depths.get(tenant.id) ?? 0;
    generations[depth] = [...(generations[depth] ?? []), tenant];
  }
  return generations;
}

async function holdParents(sql: Sql, scope: TenantId, parents: readonly TenantId[]): Promise<void> {
  const rows = await sql.query<{ goes: boolean }>(
    `SELECT deletion_of_tenant(t.id) IS NOT NULL AS goes FROM tenant t
     WHERE t.id = ANY ($2::uuid[]) AND t.id IN ${SUBTREE('$1::uuid')}`,
    [scope, parents],
  );
  if (rows.length < parents.length) throw notFound('tenant');
  if (rows.some(({ goes }) => goes)) throw isGoing();
}

/** Until the transaction ends they are neither moved nor deleted. */
async function holdTenants(sql: Sql, scope: TenantId, tenants: readonly TenantId[]): Promise<void> {
  await holdTree(sql);
  const wanted = [...new Set(tenants)];
  const rows = await sql.query(
    `SELECT t.id FROM tenant t WHERE t.id = ANY ($2::uuid[]) AND t.id IN ${SUBTREE('$1::uuid')}`,
    [scope, wanted],
  );
  if (rows.length < wanted.length) throw notFound('tenant');
}

async function verifyDomains(
  sql: Sql,
  scope: TenantId,
  domains: readonly { readonly tenant: TenantId; readonly domain: string }[],
  { actor, at }: By,
): Promise<void> {
  if (domains.length === 0) return;
  await holdTenants(
    sql,
    scope,
    domains.map(({ tenant }) => tenant),
  );
  const added = await sql.query<{ tenant: TenantId; domain: string }>(
    `INSERT INTO tenant_domain (tenant_id, domain, verified_by, verified_at)
     SELECT tenant, domain, 'operator', $2 FROM jsonb_to_recordset($1::jsonb) AS row (tenant uuid, domain text)
     ON CONFLICT DO NOTHING RETURNING tenant_id AS tenant, domain`,
    [JSON.stringify(domains), at.toISOString()],
  );
  await appendToChains(
    sql,
    at,
    added.map(({ tenant, domain }) => {
      const subject = { kind: 'tenant', id: tenant } as const;
      return { chain: tenant, entry: { actor, action: 'domain.verified', subject, details: { domain } } };
    }),
  );
}

async function writeUsers(
  sql: Sql,
  { scope, root }: { readonly scope: TenantId; readonly root: TenantId },
  users: readonly UserToWrite[],
  { isSystem, ...by }: By & { readonly isSystem: boolean },
): Promise<void> {
  if (users.length === 0) return;
  // Two loads do not make the same user: no key of the table would keep them from it.
  await sql.query(`SELECT true AS held FROM pg_advisory_xact_lock(hashtext('rollcall.configuration'))`);
  await holdTenants(
    sql,
    scope,
    users.flatMap(({ tenant, gains }) => [tenant, ...gains.map((gain) => gain.tenant)]),
  );
  const made = users.filter(({ version }) => version === null);
  const changed = users.filter(({ version }) => version !== null);
  await refuseTakenUserNames(sql, made);
  const row =
    '(id uuid, tenant uuid, state text, "userName" text, email text, key text, "displayName" text, attributes jsonb, version int)';
  const rowsOf = (list: readonly UserToWrite[]) =>
    JSON.stringify(list.map((user) => ({ ...columnsOf(user), key: emailKey(user.email) })));
  await sql.query(
    `INSERT INTO auth_user (id, tenant_id, state, user_name, email, email_key, display_name, attributes, version, created_at, updated_at)
     SELECT id, tenant, state, "userName", email, key, "displayName", attributes, 1, $2, $2 FROM jsonb_to_recordset($1::jsonb) AS row ${row}`,
    [rowsOf(made), by.at.toISOString()],
  );
  const written = await sql.query(
    `UPDATE auth_user u SET state = r.state, email = r.email, email_key = r.key, display_name = r."displayName", attributes = r.attributes,
       version = u.version + 1, updated_at = $2
     FROM jsonb_to_recordset($1::jsonb) AS r ${row} WHERE u.id = r.id AND u.tenant_id = r.tenant AND u.version = r.version RETURNING u.id`,
    [rowsOf(changed), by.at.toISOString()],
  );
  if (written.length < changed.length) throw changedSinceCompared();
  const types = await holdGivenRoles(sql, users, isSystem);
  await giveRoles(sql, users, by);
  const done = users.map((user) => doneTo(user, types));
  await appendToChains(sql, by.at, await tellByHand(sql, root, done, by));
  await refuseSharedAddresses(sql, users);
}

function columnsOf({ id, tenant, version, userName, email, displayName, attributes, state }: UserToWrite) {
  return { id, tenant, version, userName, email, displayName, attributes, state };
}

async function refuseTakenUserNames(sql: Sql, made: readonly UserToWrite[]): Promise<void> {
  const taken = await sql.query(
    `SELECT FROM jsonb_to_recordset($1::jsonb) AS n (tenant uuid, "userName" text)
       JOIN auth_user u ON u.tenant_id = n.tenant AND u.user_name = n."userName" AND u.state <> 'deleted' LIMIT 1`,
    [JSON.stringify(made.map(({ tenant, userName }) => ({ tenant, userName })))],
  );
  if (taken.length > 0) throw changedSinceCompared();
}

/** Last, with the ends of the audit chains held: whoever gives the same address to another user commits before this or sees it. */
async function refuseSharedAddresses(sql: Sql, users: readonly UserToWrite[]): Promise<void> {
  const given = users.filter(({ version, fields }) => version === null || fields.includes('email'));
  const shared = await sql.query(
    `SELECT FROM jsonb_to_recordset($1::jsonb) AS n (id uuid, tenant uuid, key text)
       JOIN auth_user u ON u.email_key = n.key AND u.tenant_id = n.tenant AND u.state <> 'deleted' AND u.id <> n.id LIMIT 1`,
    [
      JSON.stringify(
        given.flatMap(({ id, tenant, email }) => {
          const key = emailKey(email);
          return key === null ? [] : [{ id, tenant, key }];
        }),
      ),
    ],
  );
  if (shared.length > 0) throw changedSinceCompared();
}

/** Their types, which are what they were when it was asked who may give them. */
async function holdGivenRoles(
  sql: Sql,
  users: readonly UserToWrite[],
  isSystem: boolean,
): Promise<ReadonlyMap<RoleId, RoleType>> {
  const wanted = new Set(users.flatMap(({ gains }) => gains.map(({ role }) => role)));
  const types = await holdRoles(sql, [...wanted]);
  const mayGive = (type: RoleType) => hindranceToGiving(type, { isSystem, inPlan: true }) === null;
  if (types.size < wanted.size || ![...types.values()].every(mayGive)) throw changedSinceCompared();
  return types;
}

/** A role is held in the tenant that its user is in by now, or below it: neither moves until the transaction ends. */
async function giveRoles(sql: Sql, users: readonly UserToWrite[], { at }: By): Promise<void> {
  const rows = users.flatMap(({ id, gains }) => gains.map(({ role, tenant }) => ({ id, role, tenant })));
  const outside = await sql.query(
    `SELECT FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, tenant uuid)
     WHERE NOT EXISTS (SELECT FROM auth_user u JOIN tenant home ON home.id = u.tenant_id JOIN tenant held ON held.id = r.tenant
       WHERE u.id = r.id AND starts_with(held.path, home.path)) LIMIT 1`,
    [JSON.stringify(rows)],
  );
  if (outside.length > 0) throw changedSinceCompared();
  await sql.query(
    `INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id, granted_at)
     SELECT id, role, 'manual', tenant, $2 FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, role uuid, tenant uuid)
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(rows), at.toISOString()],
  );
}

function doneTo(user: UserToWrite, types: ReadonlyMap<RoleId, RoleType>): DoneByHand {
  const { id, tenant, version, state, fields, gains } = user;
  const gained = gains.map((gain) => ({ ...gain, type: types.get(gain.role) ?? 'hidden' }));
  return {
    ...{ user: id, tenant, state, fields, gained, lost: [] },
    version: (version ?? 0) + 1,
    what: whatWasDone(user),
  };
}

function whatWasDone({ version, state, stateBefore }: UserToWrite): DoneByHand['what'] {
  if (version === null) return 'created';
  if (stateBefore === null) return 'updated';
  return state === 'suspended' ? 'suspended' : 'reactivated';
}

function changedSinceCompared(): Problem {
  return new Problem({
    code: 'changed-since-shown',
    message: 'Users were made or changed by somebody else in the meantime; what was loaded until then stays.',
    remedy: 'Look at the difference again and load the file again: it goes on where this ended.',
  });
}
