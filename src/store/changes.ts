/** Reads changes as a reviewer sees them. */
import type { Approvals } from '../domain/approval.ts';
import type { Json } from '../domain/canonical.ts';
import {
  actionsFor,
  type Candidate,
  type Cause,
  type ChangeAction,
  type ChangeKind,
  type ChangeNote,
  type ChangeSetName,
  type ChangeState,
  type FieldChange,
  remedyFor,
  setOf,
  shownFields,
} from '../domain/change.ts';
import type { Finding } from '../domain/guard.ts';
import type {
  ApplyId,
  AuthUserId,
  ChangeId,
  ConnectionId,
  ExternalId,
  PrincipalId,
  TenantId,
} from '../domain/ids.ts';
import { cursorOf, type Listed, type PageOptions } from '../domain/page.ts';
import { type Risk, type RiskLevel, type RiskSignal, riskSignals } from '../domain/risk.ts';
import { APPROVALS } from './approvals.ts';
import { type ChangeFilter, NAME } from './changeFilter.ts';
import { findPage } from './changePages.ts';
import type { Database, Sql } from './database.ts';
import { MOMENT } from './moment.ts';
import { SUBTREE } from './scope.ts';

export type DecisionView = {
  readonly id: string;
  readonly verdict: 'approve' | 'reject' | 'hold';
  readonly madeBy: 'person' | 'policy' | 'guard';
  /** Who decided; null where no person did. */
  readonly by: string | null;
  readonly reason: string;
  readonly finding: Finding | null;
  /** Of a refusal or a holding back: how long it stands; null: until the content changes. */
  readonly until: string | null;
  readonly at: string;
};

export type RiskView = {
  readonly level: RiskLevel;
  readonly reasons: readonly { readonly signal: RiskSignal; readonly because: string }[];
};

export type ChangeView = {
  readonly id: ChangeId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly externalId: ExternalId;
  readonly authUser: AuthUserId | null;
  /** What to call the person: display name, else address, else user name, else external id. */
  readonly name: string;
  readonly kind: ChangeKind;
  readonly set: ChangeSetName;
  readonly cause: Cause;
  readonly before: Json | null;
  readonly after: Json | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly candidates: readonly Candidate[];
  readonly risk: RiskView;
  /** The same for all changes that do the same: a filter understands it. */
  readonly difference: string;
  /** Hexadecimal: what an approval is bound to. */
  readonly fingerprint: string;
  readonly baseVersion: number | null;
  readonly state: ChangeState;
  /** What is allowed now. */
  readonly actions: readonly ChangeAction[];
  /** What settles a conflict; null for all others. */
  readonly remedy: string | null;
  readonly decision: DecisionView | null;
  /** null: one approval by anybody who may decide is enough, whenever. */
  readonly approvals: Approvals | null;
  /** Who is to look at it. */
  readonly assignee: { readonly id: PrincipalId; readonly name: string } | null;
  readonly apply: ApplyId | null;
  readonly outcome: 'applied' | 'already-applied' | 'moved' | 'failed' | 'held' | null;
  readonly outcomeReason: string | null;
  /** Why it is gone, or waits again; see `explainNote`. */
  readonly note: ChangeNote | null;
  /** The change that it takes back. */
  readonly undoes: ChangeId | null;
  /** Why somebody wants it taken back. */
  readonly undoReason: string | null;
  readonly revision: number;
  readonly createdAt: string;
};

export type Summary = {
  readonly connection: ConnectionId;
  readonly connectionName: string;
  readonly tenant: TenantId;
  readonly tenantName: string;
  readonly provider: string;
  readonly revision: number;
  readonly new: number;
  readonly changed: number;
  readonly deleted: number;
  readonly conflicts: number;
  /** Of those above: held, and approved but not applied yet. */
  readonly held: number;
  readonly approved: number;
  /** Remembered refusals; not among those above. */
  readonly rejected: number;
  /** Why changes are held, each reason once. */
  readonly heldBecause: readonly string[];
  /** The freeze period that holds now, because of which nothing is applied. `name` null: one of a tenant above that may not be seen. */
  readonly freeze: { readonly name: string | null; readonly until: string } | null;
};

type SummaryRow = Omit<Summary, 'freeze'> & {
  readonly frozenUntil: Date | null;
  readonly frozenBy: string | null;
};

const VIEW = `c.id, c.tenant_id AS tenant, c.connection_id AS connection, c.external_id AS "externalId", c.auth_user_id AS "authUser",
  ${NAME} AS name, c.kind, c.cause, c.before, c.after, c.fields, c.roles_gained AS "rolesGained", c.roles_lost AS "rolesLost",
  coalesce(c.candidates, '[]') AS candidates, encode(c.fingerprint, 'hex') AS fingerprint, c.base_version AS "baseVersion", c.state,
  CASE WHEN d.id IS NULL THEN NULL ELSE json_build_object('id', d.id, 'verdict', d.verdict, 'madeBy', d.made_by, 'by', d.actor ->> 'name', 'reason', d.reason,
    'finding', d.finding, 'until', ${MOMENT('d.until')}, 'at', ${MOMENT('d.created_at')}) END AS decision,
  c.apply_id AS apply, c.outcome, c.outcome_reason AS "outcomeReason", c.note, c.undoes, c.undo_reason AS "undoReason", c.revision::int AS revision, c.created_at AS "createdAt",
  CASE WHEN v.id IS NOT NULL THEN ${APPROVALS} END AS approvals,
  CASE WHEN s.change_id IS NOT NULL THEN json_build_object('id', s.principal_id, 'name', s.name) END AS assignee,
  json_build_object('level', g.risk, 'signals', g.risk_signals) AS risk, g.difference_key AS difference`;

const FROM = `FROM change c JOIN change_group g ON g.id = c.group_id LEFT JOIN decision d ON d.id = c.decision_id
  LEFT JOIN policy_verdict v ON v.id = c.verdict_id
  LEFT JOIN assignment s ON s.change_id = c.id`;

export class Changes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Oldest first. A page may be short although others follow. */
  list(within: TenantId, filter: ChangeFilter, page: PageOptions): Promise<Listed<ChangeView>> {
    return this.#database.bulk(within, async (tx) => {
      const { ids, next } = await findPage(tx, within, filter, page);
      const rows = await tx.query<Row>(`SELECT ${VIEW} ${FROM} WHERE c.id = ANY ($1::uuid[]) ORDER BY c.id`, [
        ids,
      ]);
      return { items: rows.map(toView), next: next === null ? null : cursorOf(next) };
    });
  }

  get(within: TenantId, id: ChangeId): Promise<ChangeView | null> {
    return this.#database.bulk(within, async (tx) => {
      const [row] = await tx.query<Row>(
        `SELECT ${VIEW} ${FROM} WHERE c.id = $1 AND c.tenant_id IN ${SUBTREE('$2::uuid')}`,
        [id, within],
      );
      return row === undefined ? null : toView(row);
    });
  }

  /** One line a connection, also where nothing is pending. */
  summarise(
    within: TenantId,
    filter: Pick<ChangeFilter, 'tenant' | 'connection'>,
    now: Date,
  ): Promise<readonly Summary[]> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<SummaryRow>(
        `WITH counted AS (
           SELECT connection_id,
             count(*) FILTER (WHERE pending AND kind IN ('create', 'link', 'reactivate'))::int AS new,
             count(*) FILTER (WHERE pending AND kind IN ('update', 'unlink'))::int AS changed,
             count(*) FILTER (WHERE pending AND kind IN ('suspend', 'delete'))::int AS deleted,
             count(*) FILTER (WHERE pending AND kind = 'conflict')::int AS conflicts,
             count(*) FILTER (WHERE state = 'held')::int AS held, count(*) FILTER (WHERE state = 'approved')::int AS approved,
             count(*) FILTER (WHERE state = 'rejected')::int AS rejected,
             array_agg(DISTINCT decision_id) FILTER (WHERE state = 'held') AS holding
           FROM (SELECT *, state IN ('open', 'held', 'approved', 'failed') AS pending FROM change
                 WHERE state IN ('open', 'held', 'approved', 'failed', 'rejected')) AS live
           GROUP BY connection_id)
         SELECT n.id AS connection, n.name AS "connectionName", n.tenant_id AS tenant, t.name AS "tenantName", n.provider,
           n.change_revision::int AS revision, coalesce(c.new, 0) AS new, coalesce(c.changed, 0) AS changed,
           coalesce(c.deleted, 0) AS deleted, coalesce(c.conflicts, 0) AS conflicts, coalesce(c.held, 0) AS held,
           coalesce(c.approved, 0) AS approved, coalesce(c.rejected, 0) AS rejected,
           coalesce((SELECT array_agg(DISTINCT d.reason) FROM decision d WHERE d.id = ANY (c.holding)), '{}') AS "heldBecause",
           f.until AS "frozenUntil", CASE WHEN f.tenant IN ${SUBTREE('$1::uuid')} THEN f.name END AS "frozenBy"
         FROM connection n JOIN tenant t ON t.id = n.tenant_id LEFT JOIN counted c ON c.connection_id = n.id
           LEFT JOIN LATERAL freeze_over(n.tenant_id, $4) f ON true
         WHERE n.tenant_id IN ${SUBTREE('$1::uuid')} AND ($2::uuid IS NULL OR n.tenant_id IN ${SUBTREE('$2::uuid')})
           AND ($3::uuid IS NULL OR n.id = $3::uuid) ORDER BY n.id`,
        [within, filter.tenant ?? null, filter.connection ?? null, now.toISOString()],
      );
      return rows.map(({ frozenUntil, frozenBy, ...row }) => ({
        ...row,
        freeze: frozenUntil === null ? null : { name: frozenBy, until: frozenUntil.toISOString() },
      }));
    });
  }
}

/** Those that the condition holds for, oldest first. It speaks of `change c`; its parameters are `values`. */
export async function readChanges(
  sql: Sql,
  where: string,
  values: readonly unknown[],
  limit: number,
): Promise<readonly ChangeView[]> {
  const rows = await sql.query<Row>(
    `SELECT ${VIEW} ${FROM} WHERE ${where} ORDER BY c.id LIMIT ${limit}`,
    values,
  );
  return rows.map(toView);
}

type Row = Omit<ChangeView, 'set' | 'actions' | 'remedy' | 'createdAt' | 'risk'> & {
  readonly createdAt: Date;
  readonly risk: Risk;
};

function toView(row: Row): ChangeView {
  return {
    ...row,
    fields: shownFields(row),
    set: setOf[row.kind],
    actions: actionsFor(row),
    remedy: remedyFor(row),
    risk: riskView(row.risk),
    createdAt: row.createdAt.toISOString(),
  };
}

function riskView({ level, signals }: Risk): RiskView {
  return { level, reasons: signals.map((signal) => ({ signal, because: riskSignals[signal].because })) };
}
