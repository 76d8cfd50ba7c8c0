/** Tenants and their verified domains. Moves and deletions are in files of their own. */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import { TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import type { ProductPlanId } from '../domain/productPlan.ts';
import {
  isGoing,
  type Tenant,
  type TenantDetails,
  type TenantDomain,
  type TenantKind,
  type TenantState,
} from '../domain/tenant.ts';
import { appendAudit } from './audit.ts';
import { type Audited, record } from './audited.ts';
import { noteConfigurator } from './configurators.ts';
import { type Database, type OrdinaryTransaction, type Sql, sqlOf } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import { type TenantEvent, writeTenantEvents } from './events.ts';
import type { Prisma } from './generated/client.ts';
import { markToJudge } from './judging.ts';
import { holdTree, lockTree } from './locks.ts';
import { disagreeOnPlaces } from './places.ts';
import { EVER_WITHIN, isWithin, SUBTREE, subtree } from './scope.ts';
import { KIND, readTenant, readTenants } from './tenantRows.ts';

export type NewTenant = Pick<Tenant, 'id' | 'name' | 'inheritsRoles' | 'plan'> & {
  readonly parent: TenantId;
};

export type TenantPatch = Partial<Pick<Tenant, 'name' | 'inheritsRoles' | 'plan' | 'state' | 'deleteAt'>> & {
  /** What the state is again when the deletion that is scheduled is called off. */
  readonly keptState?: 'active' | 'suspended' | null;
  readonly suspendedBy?: TenantId | null;
  readonly deletionBy?: TenantId | null;
};

/** What stands beside a tenant's state. */
export type Halt = {
  /** What the state is again when the deletion is called off; null: none is scheduled. */
  readonly keptState: 'active' | 'suspended' | null;
  /** By the authority of which tenant, as the caller sees it. */
  readonly suspension: Authority;
  readonly deletion: Authority;
};

/** own: of the caller's tenant. below: of one below it, or nobody in particular. above: neither, and not the caller's to undo. */
export type Authority = 'own' | 'below' | 'above';

/** What is recorded of a change, in its order: in the tenant's own chain, and in the feed. */
export type Told = {
  readonly at: Date;
  readonly entries: readonly AuditEntry[];
  readonly events: readonly TenantEvent[];
};

/** `scope` is the caller's tenant: nothing outside its subtree, and nothing that is deleted, is seen or touched. */
export type TenantStore = {
  /** Below `parent`. Throws `not-found` where the parent is not the caller's to see, or the plan does not exist; `not-allowed-now` where the parent is to be deleted; `name-taken`. */
  insert(scope: TenantId, tenant: NewTenant, audit: Audited): Promise<Tenant>;
  /** null: it is not at this version any more. Throws `not-found` for the plan, `name-taken`. */
  update(
    scope: TenantId,
    at: Pick<Tenant, 'id' | 'version'>,
    patch: TenantPatch,
    told: Told,
  ): Promise<Tenant | null>;
  /** All of the subtree, or the children of one tenant. */
  list(scope: TenantId, filter: PageOptions & { readonly parent: TenantId | null }): Promise<Listed<Tenant>>;
  get(scope: TenantId, id: TenantId): Promise<Tenant | null>;
  /** With so many of its children, and all below it counted. */
  describe(scope: TenantId, id: TenantId, children: number): Promise<TenantDetails | null>;
  /** Whether it is within the caller's subtree, or was when it was deleted. */
  isKnown(scope: TenantId, id: TenantId): Promise<boolean>;
  /** Up to `limit` of the tenants with this name. */
  named(scope: TenantId, name: string, limit: number): Promise<readonly Tenant[]>;
  /** Whether a tenant and all above it work: the worst of their states. Sees every tenant; a tenant that is none is deleted. */
  standing(id: TenantId): Promise<TenantState>;
  /** Of these tenants, those that work. Sees every tenant. */
  working(ids: readonly TenantId[]): Promise<ReadonlySet<TenantId>>;
  /** Throws `not-found`. */
  halt(scope: TenantId, id: TenantId): Promise<Halt>;
  /** By hand. Again is no error; the first time stays recorded, and only it is audited. Throws `not-found` for the tenant. */
  verifyDomain(
    scope: TenantId,
    domain: Omit<TenantDomain, 'verifiedAt'>,
    audit: Audited,
  ): Promise<TenantDomain>;
  /** Those of one tenant, in alphabetical order. Throws `not-found` for the tenant. */
  domains(scope: TenantId, tenant: TenantId): Promise<readonly TenantDomain[]>;
};

export function tenantStore(database: Database): TenantStore {
  return { ...writing(database), ...reading(database), ...standing(database), ...domains(database) };
}

function writing(database: Database): Pick<TenantStore, 'insert' | 'update'> {
  return {
    insert: (scope, { id, parent, name, inheritsRoles, plan }, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          const sql = sqlOf(tx);
          await holdTree(sql);
          await subtree(tx, scope, parent);
          await refuseWhereGoing(tx, parent);
          await refuseUnknownPlan(tx, plan);
          // Path and data key are set by the database. Not create(): the row that it would give back is not visible within the
          // statement that makes it.
          const placed = { parentId: parent, path: '', dataKey: '' };
          const row = { id, name, inheritsRoles, productPlanId: plan, createdAt: audit.at, ...placed };
          await tx.tenant.createMany({ data: [row] });
          const tenant = await readTenant(sql, scope, id);
          const data = { tenant: id, dataKey: tenant.dataKey };
          await writeTenantEvents(sql, audit.at, [{ tenant: id, type: 'tenant.created', data }]);
          await record(tx, id, audit);
          return tenant;
        }),
      ),
    update: (scope, { id, version }, patch, { at, entries, events }) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          const sql = sqlOf(tx);
          await refuseUnknownPlan(tx, patch.plan ?? null);
          if (patch.name !== undefined) await lockTree(sql);
          const { count } = await tx.tenant.updateMany({
            where: { AND: [{ id, version }, await subtree(tx, scope)] },
            data: columnsOf(patch),
          });
          if (count === 0) return null;
          if (patch.name !== undefined) await nameElsewhere(sql, id, { actor: entries[0]?.actor, at });
          const tenant = await readTenant(sql, scope, id);
          await writeTenantEvents(sql, at, events);
          await appendAudit(sql, id, at, entries);
          return tenant;
        }),
      ),
  };
}

/** Changes that place somebody there, and policy rules, go by the name. */
async function nameElsewhere(
  sql: Sql,
  id: TenantId,
  { actor, at }: { readonly actor: Actor | undefined; readonly at: Date },
): Promise<void> {
  await disagreeOnPlaces(sql, id);
  const own = { tenant: id, reach: 'own' } as const;
  await markToJudge(sql, own);
  if (actor !== undefined) await noteConfigurator(sql, own, { actor, at });
}

function columnsOf({ plan, ...patch }: TenantPatch): Prisma.TenantUncheckedUpdateManyInput {
  const set = plan === undefined ? {} : { productPlanId: plan };
  return { ...patch, ...set, version: { increment: 1 } };
}

async function refuseWhereGoing(tx: OrdinaryTransaction, parent: TenantId): Promise<void> {
  const [row] = await sqlOf(tx).query<{ goes: boolean }>(
    'SELECT deletion_of_tenant($1::uuid) IS NOT NULL AS goes',
    [parent],
  );
  if (row?.goes === true) throw isGoing();
}

/** Product plans are the whole install's: everybody sees every one. */
async function refuseUnknownPlan(tx: OrdinaryTransaction, plan: ProductPlanId | null): Promise<void> {
  if (plan === null) return;
  if ((await tx.productPlan.count({ where: { id: plan } })) === 0) throw notFound('product plan');
}

function reading(database: Database): Pick<TenantStore, 'list' | 'get' | 'describe' | 'isKnown' | 'named'> {
  return {
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const below = await subtree(tx, scope, filter.parent ?? scope);
        return await pageOfTenants(tx, scope, { ...filter, top: below.path.startsWith });
      }),
    get: (scope, id) => database.ordinary(scope, (tx) => find(tx, scope, id)),
    describe: (scope, id, children) =>
      database.ordinary(scope, async (tx) => {
        const tenant = await find(tx, scope, id);
        if (tenant === null) return null;
        const top = (await subtree(tx, scope, id)).path.startsWith;
        const kinds = await sqlOf(tx).query<{ kind: TenantKind; tenants: number }>(
          `SELECT kind, count(*)::int AS tenants FROM (SELECT ${KIND} AS kind FROM tenant t WHERE ${BELOW} AND t.id <> $2::uuid) AS below
           GROUP BY kind`,
          [top, id],
        );
        const counted = Object.fromEntries(kinds.map(({ kind, tenants }) => [kind, tenants]));
        return {
          ...tenant,
          children: await pageOfTenants(tx, scope, { top, parent: id, limit: children, after: null }),
          descendants: { individual: 0, organisation: 0, enterprise: 0, ...counted },
        };
      }),
    isKnown: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const known = `SELECT t.id FROM (${EVER_WITHIN('$1::uuid')}) t WHERE t.id = $2::uuid`;
        return (await sqlOf(tx).query(known, [scope, id])).length > 0;
      }),
    named: (scope, name, limit) =>
      database.ordinary(scope, async (tx) => {
        const top = (await subtree(tx, scope)).path.startsWith;
        const condition = `${BELOW} AND t.name = $2 ORDER BY t.id LIMIT $3::int`;
        return await readTenants(sqlOf(tx), scope, condition, [top, name, limit]);
      }),
  };
}

/** Of the tenant whose path is the first parameter and those below it: what is there. */
const BELOW = `${isWithin('t.path', '$1::text')} AND t.state <> 'deleted'`;

async function find(tx: OrdinaryTransaction, scope: TenantId, id: TenantId): Promise<Tenant | null> {
  const top = (await subtree(tx, scope)).path.startsWith;
  const [tenant] = await readTenants(sqlOf(tx), scope, `${BELOW} AND t.id = $2::uuid`, [top, id]);
  return tenant ?? null;
}

type TenantPage = PageOptions & { readonly top: string; readonly parent: TenantId | null };

async function pageOfTenants(
  tx: OrdinaryTransaction,
  scope: TenantId,
  { top, parent, limit, after }: TenantPage,
): Promise<Listed<Tenant>> {
  const which = parent === null ? '$2::uuid IS NULL' : 't.parent_id = $2::uuid';
  const condition = `${BELOW} AND ${which} AND ($3::uuid IS NULL OR t.id > $3::uuid) ORDER BY t.id LIMIT $4::int`;
  return toPage(await readTenants(sqlOf(tx), scope, condition, [top, parent, after, limit + 1]), limit);
}

function standing(database: Database): Pick<TenantStore, 'standing' | 'working' | 'halt'> {
  return {
    standing: async (id) => {
      const [row] = await database.single<{ standing: TenantState | null }>(
        'tenant-standing',
        'SELECT tenant_standing($1) AS standing',
        [id],
      );
      return row?.standing ?? 'deleted';
    },
    working: async (ids) => {
      const rows = await database.single<{ id: TenantId }>(
        'working-tenants',
        `SELECT id FROM (SELECT DISTINCT id FROM unnest($1::uuid[]) AS id) AS asked WHERE tenant_standing(id) = 'active'`,
        [ids],
      );
      return new Set(rows.map(({ id }) => id));
    },
    halt: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const [halt] = await sqlOf(tx).query<Halt>(
          `SELECT t.kept_state AS "keptState", ${AUTHORITY('t.suspended_by')} AS suspension, ${AUTHORITY('t.deletion_by')} AS deletion
           FROM tenant t WHERE t.id = $2::uuid AND t.id IN ${SUBTREE('$1::uuid')}`,
          [scope, id],
        );
        if (halt === undefined) throw notFound('tenant');
        return halt;
      }),
  };
}

/** Of the tenant `by`, beside the caller's, which is `$1`. One that was deleted since has nobody left, and those above it remain. */
export const AUTHORITY = (by: string) => `CASE WHEN ${by} = $1::uuid THEN 'own'
  WHEN ${by} IS NULL OR ${by} IN (${EVER_WITHIN('$1::uuid')}) THEN 'below' ELSE 'above' END`;

function domains(database: Database): Pick<TenantStore, 'verifyDomain' | 'domains'> {
  return {
    verifyDomain: (scope, { tenant, domain, verifiedBy }, audit) =>
      database.ordinary(scope, async (tx) => {
        await subtree(tx, scope, tenant);
        const row = { tenantId: tenant, domain, verifiedBy, verifiedAt: audit.at };
        const made = await tx.tenantDomain.createMany({ data: [row], skipDuplicates: true });
        // Who attests a domain that its record proves: it stays verified when that claim is withdrawn.
        const proven = { tenantId: tenant, domain, verifiedBy: 'dns' };
        const { count } =
          made.count === 1 ? made : await tx.tenantDomain.updateMany({ where: proven, data: { verifiedBy } });
        if (count === 1) await record(tx, tenant, audit);
        return toDomain(
          await tx.tenantDomain.findUniqueOrThrow({
            where: { tenantId_domain: { tenantId: tenant, domain } },
          }),
        );
      }),
    domains: (scope, tenant) =>
      database.ordinary(scope, async (tx) => {
        await subtree(tx, scope, tenant);
        const rows = await tx.tenantDomain.findMany({
          where: { tenantId: tenant },
          orderBy: { domain: 'asc' },
        });
        return rows.map(toDomain);
      }),
  };
}

function toDomain(row: {
  tenantId: string;
  domain: string;
  verifiedAt: Date;
  verifiedBy: string;
}): TenantDomain {
  const { tenantId, domain, verifiedAt, verifiedBy } = row;
  return { tenant: TenantId.parse(tenantId), domain, verifiedAt, verifiedBy };
}

export const nameTaken = {
  message: 'Another tenant below the same parent has this name.',
  remedy: 'Choose another name, or use the tenant that is there.',
};
