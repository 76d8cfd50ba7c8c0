/** Support accesses, and the record of what is done during one. */
import { z } from 'zod';
import { ACTOR_KINDS, type Actor } from '../domain/audit.ts';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import {
  SUPPORT_STATES,
  type SupportAccess,
  SupportAccessId,
  type SupportState,
} from '../domain/supportAccess.ts';
import { appendAudit } from './audit.ts';
import { type Audited, record } from './audited.ts';
import type { Database, OrdinaryTransaction } from './database.ts';
import type { SupportAccess as Row } from './generated/client.ts';
import { pageQuery, subtree } from './scope.ts';

export type SupportFilter = PageOptions & {
  readonly tenant: TenantId;
  /** null: everybody's. */
  readonly principal: PrincipalId | null;
};

/** What becomes of an access. */
export type SupportMove =
  | {
      readonly to: 'granted';
      readonly by: Actor;
      readonly expiresAt: Date;
      readonly mayWrite: boolean;
      readonly minutes: number;
    }
  | { readonly to: 'refused'; readonly by: Actor }
  | { readonly to: 'ended'; readonly by: Actor };

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type SupportAccessStore = {
  /** Throws `not-found` for the tenant. */
  insert(scope: TenantId, access: SupportAccess, audit: Audited): Promise<void>;
  list(scope: TenantId, filter: SupportFilter): Promise<Listed<SupportAccess>>;
  get(scope: TenantId, id: SupportAccessId): Promise<SupportAccess | null>;
  /** null: it is not in the state that it was in any more. */
  move(
    scope: TenantId,
    access: Pick<SupportAccess, 'id' | 'tenant'> & { readonly state: SupportState },
    move: SupportMove,
    audit: Audited,
  ): Promise<SupportAccess | null>;
  /**
   * Records what is about to be done during an access in the log of its tenant, and says until when the access holds: of ending it
   * and acting once more, one comes first. null: it does not, nothing was recorded, and nothing may be done.
   */
  act(access: Pick<SupportAccess, 'id' | 'tenant'>, audit: Audited): Promise<Date | null>;
  /** Records what came of it. */
  answered(tenant: TenantId, audit: Audited): Promise<void>;
};

export function supportAccessStore(database: Database): SupportAccessStore {
  return {
    insert: (scope, access, audit) =>
      database.ordinary(scope, async (tx) => {
        await subtree(tx, scope, access.tenant);
        await tx.supportAccess.createMany({ data: [rowOf(access)] });
        await record(tx, access.tenant, audit);
      }),
    list: (scope, { tenant, principal, ...page }) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(page);
        const rows = await tx.supportAccess.findMany({
          where: {
            tenant: await subtree(tx, scope, tenant),
            ...(principal === null ? {} : { principalId: principal }),
            ...position,
          },
          ...order,
        });
        return toPage(rows.map(toAccess), page.limit);
      }),
    get: (scope, id) => database.ordinary(scope, (tx) => find(tx, scope, id)),
    move: (scope, { id, tenant, state }, move, audit) =>
      database.ordinary(scope, async (tx) => {
        const { count } = await tx.supportAccess.updateMany({
          where: { id, state, tenant: await subtree(tx, scope, tenant) },
          data: columnsOf(move, audit.at),
        });
        if (count === 0) return null;
        await record(tx, tenant, audit);
        return await find(tx, scope, id);
      }),
    act: ({ id, tenant }, { at, entry }) =>
      database.bulk(tenant, async (tx) => {
        const [held] = await tx.query<{ expiresAt: Date }>(
          `SELECT expires_at AS "expiresAt" FROM support_access WHERE id = $1 AND tenant_id = $2 AND state = 'granted' AND expires_at > $3 FOR SHARE`,
          [id, tenant, at],
        );
        if (held === undefined) return null;
        await appendAudit(tx, tenant, at, [entry]);
        return held.expiresAt;
      }),
    answered: (tenant, { at, entry }) => database.bulk(tenant, (tx) => appendAudit(tx, tenant, at, [entry])),
  };
}

async function find(tx: OrdinaryTransaction, scope: TenantId, id: SupportAccessId) {
  const row = await tx.supportAccess.findFirst({ where: { id, tenant: await subtree(tx, scope) } });
  return row === null ? null : toAccess(row);
}

function columnsOf(move: SupportMove, at: Date) {
  switch (move.to) {
    case 'granted': {
      const { expiresAt, mayWrite, minutes, by } = move;
      return { state: move.to, decidedBy: { ...by }, decidedAt: at, expiresAt, mayWrite, minutes };
    }
    case 'refused':
      return { state: move.to, decidedBy: { ...move.by }, decidedAt: at };
    case 'ended':
      return { state: move.to, endedBy: { ...move.by }, endedAt: at };
  }
}

function rowOf({ tenant, principal, name, decidedBy, endedBy: _, ...rest }: SupportAccess) {
  return {
    ...rest,
    tenantId: tenant,
    principalId: principal,
    actor: { kind: 'person', id: principal, name },
    ...(decidedBy === null ? {} : { decidedBy: { ...decidedBy } }),
  };
}

const StoredActor = z.object({ kind: z.enum(ACTOR_KINDS), id: z.string().nullable(), name: z.string() });

function toAccess(row: Row): SupportAccess {
  return {
    id: SupportAccessId.parse(row.id),
    tenant: TenantId.parse(row.tenantId),
    principal: PrincipalId.parse(row.principalId),
    name: StoredActor.parse(row.actor).name,
    state: z.enum(SUPPORT_STATES).parse(row.state),
    mayWrite: row.mayWrite,
    reason: row.reason,
    minutes: row.minutes,
    requestedAt: row.requestedAt,
    decidedBy: StoredActor.nullable().parse(row.decidedBy),
    decidedAt: row.decidedAt,
    expiresAt: row.expiresAt,
    endedBy: StoredActor.nullable().parse(row.endedBy),
    endedAt: row.endedAt,
  };
}
