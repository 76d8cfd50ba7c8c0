/** Sessions of people: hashes of cookies, when they were used, when they end. */
import { z } from 'zod';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { type Principal, USE_NOTED_EVERY_MS } from '../domain/principal.ts';
import { type Session, SessionId, SIGN_IN_METHODS, type SignInMethod } from '../domain/signIn.ts';
import { appendToChains } from './auditChains.ts';
import type { Audited } from './audited.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import type { Session as SessionRow } from './generated/client.ts';
import { toPrincipal } from './principals.ts';
import { pageQuery, subtree } from './scope.ts';

/** SHA-256 of a secret. */
export type Hash = Uint8Array<ArrayBuffer>;

export type NewSession = {
  readonly id: SessionId;
  /** Of the cookie. */
  readonly hash: Hash;
  readonly method: SignInMethod;
  readonly userAgent: string | null;
  readonly expiresAt: Date;
};

export type OpenSession = { readonly session: Session; readonly principal: Principal };

/** Of a tenant, with all above it. */
export type Working = 'active' | 'suspended';

/** When a session is good: it has not ended, is not over, and was used after this. */
export type GoodSince = { readonly now: Date; readonly usedAfter: Date };

/** Which sessions end, of those that have not: of somebody, one by its id, the one of a cookie. */
export type Ending = {
  readonly principals?: readonly string[];
  readonly id?: SessionId;
  readonly hash?: Hash;
  readonly method?: SignInMethod;
};

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type SessionStore = {
  /**
   * Whose good session has this hash; null also where the principal is disabled, or the tenant deleted. Looks into all tenants: who
   * calls is not known before it.
   */
  authenticate(hash: Hash, good: GoodSince): Promise<(OpenSession & { readonly tenantIs: Working }) | null>;
  /** Good ones, of one principal, the oldest first. */
  list(
    scope: TenantId,
    filter: PageOptions & GoodSince & { readonly principal: PrincipalId },
  ): Promise<Listed<Session>>;
  /** One that has not ended, and whose it is. */
  get(scope: TenantId, id: SessionId): Promise<OpenSession | null>;
  /** Each that ends is audited. Gives how many that were. */
  end(scope: TenantId, which: Ending, audit: (ended: SessionId) => Audited): Promise<number>;
};

/** How long a session that is over stays in the database. */
const KEPT_MS = 30 * 24 * 60 * 60_000;

export function sessionStore(database: Database): SessionStore {
  return {
    authenticate: (hash, since) =>
      database.ordinary(database.root, async (tx) => {
        const row = await tx.session.findUnique({
          where: { secretHash: hash, ...good(since), principal: { disabledAt: null } },
          include: { principal: true },
        });
        if (row === null) return null;
        const tenantIs = await standingOf(tx, row.tenantId);
        if (tenantIs === 'deleted') return null;
        const { now } = since;
        if (now.getTime() - row.lastUsedAt.getTime() >= USE_NOTED_EVERY_MS) {
          const noted = { id: row.id, lastUsedAt: { lt: now }, endedAt: null };
          await tx.session.updateMany({ where: noted, data: { lastUsedAt: now } });
        }
        return { ...toOpenSession(row), tenantIs };
      }),
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const tenant = await subtree(tx, scope);
        const rows = await tx.session.findMany({
          where: { AND: [good(filter), position], principalId: filter.principal, tenant },
          ...order,
        });
        return toPage(rows.map(toSession), filter.limit);
      }),
    get: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.session.findFirst({
          where: { id, endedAt: null, tenant: await subtree(tx, scope) },
          include: { principal: true },
        });
        return row === null ? null : toOpenSession(row);
      }),
    end: (scope, which, audit) => database.ordinary(scope, (tx) => endSessions(tx, scope, which, audit)),
  };
}

function good({ now, usedAfter }: GoodSince) {
  return { endedAt: null, expiresAt: { gt: now }, lastUsedAt: { gt: usedAfter } };
}

/** Call it last: the audit takes the lock on the end of the tenant's chain. */
export async function endSessions(
  tx: OrdinaryTransaction,
  scope: TenantId,
  { principals, id, hash, method }: Ending,
  audit: (ended: SessionId) => Audited,
): Promise<number> {
  const rows = await tx.session.findMany({
    where: {
      endedAt: null,
      tenant: await subtree(tx, scope),
      ...(principals === undefined ? {} : { principalId: { in: [...principals] } }),
      ...(id === undefined ? {} : { id }),
      ...(hash === undefined ? {} : { secretHash: hash }),
      ...(method === undefined ? {} : { method }),
    },
    select: { id: true, tenantId: true },
  });
  const ended = rows.map(({ id: session, tenantId }) => {
    return { chain: TenantId.parse(tenantId), ...audit(SessionId.parse(session)) };
  });
  const [first] = ended;
  if (first === undefined) return 0;
  const ids = rows.map((row) => row.id);
  await tx.session.updateMany({ where: { id: { in: ids }, endedAt: null }, data: { endedAt: first.at } });
  await appendToChains(sqlOf(tx), first.at, ended);
  return rows.length;
}

/** Within the transaction of what makes it good. */
export async function insertSession(
  tx: OrdinaryTransaction,
  { id: principalId, tenant: tenantId }: Pick<Principal, 'id' | 'tenant'>,
  { id, hash, method, userAgent, expiresAt }: NewSession,
  at: Date,
): Promise<void> {
  const times = { createdAt: at, lastUsedAt: at, expiresAt };
  // Those of long ago say nothing that the audit log does not.
  await tx.session.deleteMany({
    where: { principalId, expiresAt: { lt: new Date(at.getTime() - KEPT_MS) } },
  });
  await tx.session.createMany({
    data: [{ id, tenantId, principalId, secretHash: hash, method, userAgent, ...times }],
  });
}

export async function standingOf(tx: OrdinaryTransaction, tenant: string): Promise<Working | 'deleted'> {
  const rows = await tx.$queryRaw<{ standing: Working | 'deleted' }[]>`
    SELECT tenant_standing(${tenant}::uuid) AS standing`;
  return rows[0]?.standing ?? 'deleted';
}

const Method = z.enum(SIGN_IN_METHODS);

function toOpenSession(
  row: SessionRow & { readonly principal: Parameters<typeof toPrincipal>[0] },
): OpenSession {
  return { session: toSession(row), principal: toPrincipal(row.principal) };
}

function toSession(row: SessionRow): Session {
  const { userAgent, createdAt, lastUsedAt, expiresAt } = row;
  return {
    id: SessionId.parse(row.id),
    tenant: TenantId.parse(row.tenantId),
    principal: PrincipalId.parse(row.principalId),
    method: Method.parse(row.method),
    userAgent,
    createdAt,
    lastUsedAt,
    expiresAt,
  };
}
