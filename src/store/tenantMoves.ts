/**
 * Moves a tenant, with all below it, to another parent, in one transaction: readers see the tree as it was until it commits. Path and
 * data key follow for the whole subtree; everything else hangs on ids and stays where it is. What reached into the subtree from a tenant
 * that is not above it any more ends with the move: it was given because of where the tenant stood.
 */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { AuthUserId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import type { ProductPlanId } from '../domain/productPlan.ts';
import { decidedAbove, isGoing, type Tenant } from '../domain/tenant.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import { type DoneByHand, type RoleByHand, tellByHand } from './byHand.ts';
import { noteAuthorsOfPolicies, noteConfigurator } from './configurators.ts';
import { type Database, type Sql, seeAll } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import { writeTenantEvents } from './events.ts';
import { markToJudge } from './judging.ts';
import { removeLeftLinks } from './leftLinks.ts';
import { lockForPlan, lockTree } from './locks.ts';
import { disagreeOnPlaces } from './places.ts';
import { EVER_WITHIN, isWithin, SUBTREE } from './scope.ts';
import { readTenant } from './tenantRows.ts';
import { nameTaken } from './tenants.ts';

export type TenantMove = {
  readonly id: TenantId;
  readonly parent: TenantId;
  readonly by: Actor;
  readonly at: Date;
  /** Another product plan may count there. */
  readonly mayChangePlan: boolean;
};

export type TenantMoves = {
  /**
   * `tenants`: how many changed their place, 0 where it stood there already. Throws `not-found` for either, `name-taken` below the new
   * parent, `not-allowed-now` below itself, where either is being deleted, out of one that somebody above the
   * caller has suspended, while a tenant that is left has set a date for its deletion, and while a connection from above keeps users in it;
   * `forbidden` to where another product plan counts.
   */
  move(scope: TenantId, move: TenantMove): Promise<{ readonly tenant: Tenant; readonly tenants: number }>;
};

export function tenantMoves(database: Database): TenantMoves {
  return {
    move: (scope, move) =>
      refusingTakenNames(nameTaken, () =>
        database.bulk(scope, async (tx) => {
          const ends = await lockEnds(tx, scope, move);
          const { here } = ends;
          if (here.parent === move.parent)
            return { tenant: await readTenant(tx, scope, move.id), tenants: 0 };
          refuseImpossible(ends, move.at);
          if (!move.mayChangePlan) refuseOtherPlan(ends);
          await refuseOutOfHalt(tx, scope, ends);
          await refuseWhileReached(tx, ends);
          const [moved] = await tx.query<{ tenants: number; after: string }>(
            'SELECT tenants, data_key_after AS after FROM move_tenant($1, $2)',
            [move.id, move.parent],
          );
          if (moved === undefined) throw notFound('tenant');
          await refuseDeletedByOthers(tx, move);
          await passOnSuspensions(tx, move);
          await disagreeOnPlaces(tx, move.id);
          const moving = { tenant: move.id, reach: 'subtree' } as const;
          await markToJudge(tx, moving);
          await noteConfigurator(tx, moving, { actor: move.by, at: move.at });
          await noteAuthorsOfPolicies(tx, moving, move.at);
          const tenant = await readTenant(tx, scope, move.id);
          await tellOfMove(tx, ends, move, tenant.dataKey);
          await writeDown(tx, database.root, move.at, [
            ...aboutTheMove(ends, move, moved),
            ...(await endWhatReachedIn(tx, database.root, ends, move)),
          ]);
          return { tenant, tenants: moved.tenants };
        }),
      ),
  };
}

type End = {
  readonly id: TenantId;
  readonly parent: TenantId | null;
  readonly path: string;
  readonly dataKey: string;
  /** When it goes, with a tenant above or by itself. */
  readonly goes: Date | null;
  /** Set there itself. */
  readonly plan: ProductPlanId | null;
  readonly effectivePlan: ProductPlanId | null;
};

type Ends = {
  readonly here: End;
  readonly there: End;
  /** Tenants that are above now and will not be. */
  readonly left: readonly TenantId[];
};

/**
 * Where both stand, with nobody making, moving or deleting tenants until the end. Connections of the tenants that are left may place
 * users in the subtree: theirs plans and applies wait too, and are waited for first, because they may make tenants themselves.
 */
async function lockEnds(sql: Sql, scope: TenantId, move: TenantMove): Promise<Ends> {
  const before = await readEnds(sql, scope, move);
  const reaching = await connectionsOf(sql, before.left);
  for (const connection of reaching) await lockForPlan(sql, connection);
  await lockTree(sql);
  const ends = await readEnds(sql, scope, move);
  const now = await connectionsOf(sql, ends.left);
  if (now.every((connection) => reaching.includes(connection))) return ends;
  throw new Problem({
    code: 'changed-since-shown',
    message: 'Other tenants were moved in the meantime; nothing was moved.',
    remedy: 'Look at the tenants again and repeat the move.',
  });
}

async function readEnds(sql: Sql, scope: TenantId, { id, parent }: TenantMove): Promise<Ends> {
  const rows = await sql.query<End>(
    `SELECT t.id, t.parent_id AS parent, t.path, t.data_key AS "dataKey", deletion_of_tenant(t.id) AS goes,
       t.product_plan_id AS plan, plan_in_tenant(t.id) AS "effectivePlan"
     FROM tenant t WHERE t.id IN ($2, $3) AND t.id IN ${SUBTREE('$1::uuid')}`,
    [scope, id, parent],
  );
  const here = rows.find((row) => row.id === id);
  const there = rows.find((row) => row.id === parent);
  if (here === undefined || there === undefined) throw notFound('tenant');
  const above = (path: string) => path.split('/').slice(0, -1) as TenantId[];
  const after = new Set(above(there.path));
  return { here, there, left: above(here.path).filter((one) => one !== id && !after.has(one)) };
}

async function connectionsOf(sql: Sql, tenants: readonly TenantId[]): Promise<readonly ConnectionId[]> {
  if (tenants.length === 0) return [];
  const rows = await sql.query<{ id: ConnectionId }>(
    'SELECT id FROM connection WHERE tenant_id = ANY ($1::uuid[]) ORDER BY id',
    [tenants],
  );
  return rows.map(({ id }) => id);
}

function refuseImpossible({ here, there }: Ends, at: Date): void {
  if (there.path.startsWith(here.path)) {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'A tenant cannot be moved below itself.',
      remedy:
        'Choose a parent that is not below the tenant; move that one out first, if it is what should be above.',
    });
  }
  if ((here.goes !== null && here.goes <= at) || there.goes !== null) throw isGoing();
}

/** A product plan is what a customer has bought: nobody chooses one by where they put a tenant. One with a plan of its own keeps it. */
function refuseOtherPlan({ here, there }: Ends): void {
  if (here.plan !== null || here.effectivePlan === there.effectivePlan) return;
  throw new Problem({
    code: 'forbidden',
    message: 'Another product plan counts where the tenant would be.',
    remedy:
      'Choose a parent where the same product plan counts, or ask somebody with the role system to move it.',
  });
}

/** What somebody above the caller has suspended, or is deleting, stays so in all its parts. */
async function refuseOutOfHalt(sql: Sql, scope: TenantId, { left }: Ends): Promise<void> {
  if (left.length === 0) return;
  const within = EVER_WITHIN('$1::uuid');
  const [found] = await sql.query(
    `SELECT FROM tenant h WHERE h.id = ANY ($2::uuid[]) AND h.state = 'suspended'
       AND (h.suspended_by NOT IN (${within}) OR h.deletion_by NOT IN (${within})) LIMIT 1`,
    [scope, left],
  );
  if (found !== undefined) throw decidedAbove('suspended, or set to be deleted,');
}

/** Once it is moved: the tenant `t` is $1 or below it, and `by` is neither `t` nor above it. */
const BY_OTHERS = (by: string) => `t.id IN ${SUBTREE('$1::uuid')} AND position(${by}::text IN t.path) = 0`;

/** Those above it now could not call the deletion off, and would lose it at a date that others have set. */
async function refuseDeletedByOthers(sql: Sql, { id }: TenantMove): Promise<void> {
  const [found] = await sql.query<{ name: string }>(
    `SELECT t.name FROM tenant t WHERE t.delete_at IS NOT NULL AND ${BY_OTHERS('t.deletion_by')} ORDER BY t.path LIMIT 1`,
    [id],
  );
  if (found === undefined) return;
  throw new Problem({
    code: 'not-allowed-now',
    message: `${found.name} is to be deleted at a date that was set by a tenant above, which would not be above any more.`,
    remedy: 'Call the deletion off first; those above the new place can set a date of their own.',
  });
}

/** What others have suspended stays so; it is for the new parent to resume from now on. */
async function passOnSuspensions(sql: Sql, { id, parent }: TenantMove): Promise<void> {
  await sql.query(`UPDATE tenant t SET suspended_by = $2::uuid WHERE ${BY_OTHERS('t.suspended_by')}`, [
    id,
    parent,
  ]);
}

/** A directory whose tenant is not above any more could neither change nor remove those whom it keeps here. */
async function refuseWhileReached(sql: Sql, { here, left }: Ends): Promise<void> {
  if (left.length === 0) return;
  const [found] = await sql.query<{ name: string }>(
    `SELECT n.name FROM connection n WHERE n.tenant_id = ANY ($1::uuid[]) AND EXISTS (
       SELECT FROM tenant t JOIN auth_user u ON u.tenant_id = t.id
         JOIN identity i ON i.auth_user_id = u.id AND i.connection_id = n.id
       WHERE ${isWithin('t.path', '$2')} AND u.state <> 'deleted')
     ORDER BY n.id LIMIT 1`,
    [left, here.path],
  );
  if (found === undefined) return;
  throw new Problem({
    code: 'not-allowed-now',
    message: `Users of the tenant are kept by the connection ${found.name} of a tenant above, which would not be above any more.`,
    remedy:
      'Let the mapping of that connection place them elsewhere and apply that, or move the tenant to where the connection’s tenant stays above it.',
  });
}

/**
 * The tenant's own feed and those above it now hear where to; whoever read it above and does not any more hears that it has left, and
 * not where it is.
 */
async function tellOfMove(
  sql: Sql,
  { here, left }: Ends,
  { id, at }: TenantMove,
  dataKey: string,
): Promise<void> {
  const before = { tenant: id, dataKeyBefore: here.dataKey };
  const moved = { tenant: id, type: 'tenant.moved', data: { ...before, dataKey } } as const;
  const parent = here.parent;
  if (parent === null || !left.includes(parent)) return await writeTenantEvents(sql, at, [moved]);
  const gone = { tenant: parent, type: 'tenant.moved', data: { ...before, dataKey: null } } as const;
  await writeTenantEvents(sql, at, [moved, gone]);
}

/** In its own log, which goes with it; and in the logs of both parents, each of which may not see the other. */
function aboutTheMove(
  { here, there, left }: Ends,
  { id, by }: TenantMove,
  { tenants, after }: { readonly tenants: number; readonly after: string },
): readonly ChainedEntry[] {
  const subject = { kind: 'tenant', id } as const;
  const details = { dataKeyBefore: here.dataKey, dataKey: after, tenants };
  const told = (chain: TenantId, action: string, more: AuditEntry['details']): ChainedEntry => ({
    chain,
    entry: { actor: by, action, subject, details: more },
  });
  const stays = here.parent !== null && !left.includes(here.parent);
  return [
    told(id, 'tenant.moved', details),
    ...(here.parent === null
      ? []
      : [
          told(here.parent, 'tenant.moved-away', {
            dataKeyBefore: here.dataKey,
            ...(stays ? { dataKey: after } : {}),
          }),
        ]),
    told(there.id, 'tenant.moved-here', { dataKey: after }),
  ];
}

async function endWhatReachedIn(
  sql: Sql,
  root: TenantId,
  { left }: Ends,
  move: TenantMove,
): Promise<readonly ChainedEntry[]> {
  if (left.length === 0) return [];
  const inSubtree = `tenant_id IN ${SUBTREE('$1::uuid')}`;
  return [
    ...(await takeBackRoles(sql, root, inSubtree, left, move)),
    ...(await endSupport(sql, inSubtree, left, move)),
    ...(await removeLogins(sql, inSubtree, left, move)),
    ...(await withdrawInvitations(sql, inSubtree, move)),
    ...(await removeLeftLinks(sql, move.id, left, move.by)),
  ];
}

/** By hand a user may hold a role in a tenant below their own; these are not below it any more. */
async function takeBackRoles(
  sql: Sql,
  root: TenantId,
  inSubtree: string,
  left: readonly TenantId[],
  { id, by, at }: TenantMove,
): Promise<readonly ChainedEntry[]> {
  const rows = await sql.query<RoleByHand & { user: AuthUserId }>(
    `DELETE FROM role_assignment g USING auth_user u, role r
     WHERE g.${inSubtree} AND g.origin = 'manual' AND u.id = g.auth_user_id AND u.tenant_id = ANY ($2::uuid[]) AND r.id = g.role_id
     RETURNING u.id AS user, g.tenant_id AS tenant, r.id AS role, r.name, r.type`,
    [id, left],
  );
  const lost = Map.groupBy(rows, ({ user }) => user);
  const users = await sql.query<Pick<DoneByHand, 'user' | 'tenant' | 'version' | 'state'>>(
    `UPDATE auth_user SET version = version + 1, updated_at = $2 WHERE id = ANY ($1::uuid[])
     RETURNING id AS user, tenant_id AS tenant, version, state`,
    [[...lost.keys()], at.toISOString()],
  );
  const done = users.map((user): DoneByHand => {
    return { ...user, what: 'updated', fields: [], gained: [], lost: lost.get(user.user) ?? [] };
  });
  return await tellByHand(sql, root, done, { actor: by, at, because: 'tenant-moved' });
}

async function endSupport(
  sql: Sql,
  inSubtree: string,
  left: readonly TenantId[],
  { id, by, at }: TenantMove,
): Promise<readonly ChainedEntry[]> {
  const rows = await sql.query<{ access: string; tenant: TenantId; state: string }>(
    `UPDATE support_access s SET
       state = CASE s.state WHEN 'granted' THEN 'ended' ELSE 'refused' END,
       decided_by = coalesce(s.decided_by, $3::jsonb), decided_at = coalesce(s.decided_at, $4),
       ended_by = CASE s.state WHEN 'granted' THEN $3::jsonb END, ended_at = CASE s.state WHEN 'granted' THEN $4::timestamptz END
     FROM principal p
     WHERE s.${inSubtree} AND s.state IN ('requested', 'granted') AND p.id = s.principal_id AND p.tenant_id = ANY ($2::uuid[])
     RETURNING s.id AS access, s.tenant_id AS tenant, s.state`,
    [id, left, JSON.stringify(by), at.toISOString()],
  );
  return rows.map(({ access, tenant, state }) => ({
    chain: tenant,
    entry: {
      actor: by,
      action: `support-access.${state}`,
      subject: { kind: 'support-access', id: access },
      details: { because: 'tenant-moved' },
    },
  }));
}

/** Administrators sign in at providers of their own tenant and of those above: who signed in at one that is left has to be invited anew. */
async function removeLogins(
  sql: Sql,
  inSubtree: string,
  left: readonly TenantId[],
  { id, by, at }: TenantMove,
): Promise<readonly ChainedEntry[]> {
  const rows = await sql.query<{ principal: PrincipalId; tenant: TenantId }>(
    `DELETE FROM principal_login l USING sign_in_provider p
     WHERE l.${inSubtree} AND p.id = l.provider_id AND p.tenant_id = ANY ($2::uuid[])
     RETURNING l.principal_id AS principal, l.tenant_id AS tenant`,
    [id, left],
  );
  await sql.query(
    `UPDATE session SET ended_at = $2 WHERE principal_id = ANY ($1::uuid[]) AND method = 'openid-connect' AND ended_at IS NULL`,
    [rows.map(({ principal }) => principal), at.toISOString()],
  );
  return rows.map((row) => takenByMove(row, 'login.removed', by));
}

function takenByMove(
  { principal, tenant }: { readonly principal: PrincipalId; readonly tenant: TenantId },
  action: 'login.removed' | 'invitation.withdrawn',
  by: TenantMove['by'],
): ChainedEntry {
  const subject = { kind: 'principal', id: principal } as const;
  return { chain: tenant, entry: { actor: by, action, subject, details: { because: 'tenant-moved' } } };
}

/** Who holds the links is not known: those above may have kept them. */
async function withdrawInvitations(
  sql: Sql,
  inSubtree: string,
  { id, by }: TenantMove,
): Promise<readonly ChainedEntry[]> {
  const rows = await sql.query<{ principal: PrincipalId; tenant: TenantId }>(
    `DELETE FROM sign_in_link l WHERE l.${inSubtree} AND l.purpose = 'invitation' AND l.used_at IS NULL
     RETURNING l.principal_id AS principal, l.tenant_id AS tenant`,
    [id],
  );
  return rows.map((row) => takenByMove(row, 'invitation.withdrawn', by));
}

/** What became of a hidden role is the root's to know, whoever moved the tenant. */
async function writeDown(
  sql: Sql,
  root: TenantId,
  at: Date,
  recorded: readonly ChainedEntry[],
): Promise<void> {
  if (recorded.some(({ chain }) => chain === root)) await seeAll(sql, root);
  await appendToChains(sql, at, recorded);
}
