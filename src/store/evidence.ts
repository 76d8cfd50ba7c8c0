/** What an evidence pack is made of, as of one moment, a batch of rows at a time. */
import type { Actor } from '../domain/audit.ts';
import type { Json } from '../domain/canonical.ts';
import type { FieldChange } from '../domain/change.ts';
import type {
  ApplyId,
  AuthUserId,
  ChangeId,
  ConnectionId,
  ExternalId,
  RunId,
  TenantId,
} from '../domain/ids.ts';
import type { LaterEvent, UserNow } from '../domain/userAsOf.ts';
import type { StoredAuditEntry } from './audit.ts';
import type { BulkTransaction, Database } from './database.ts';
import { MOMENT } from './moment.ts';
import { EVER_WITHIN } from './scope.ts';

/** How many rows are in memory at once. */
const BATCH = 1_000;

/** From the one moment on, to before the other. */
export type Period = { readonly from: Date; readonly to: Date };

/** One tenant's chain of audit entries, and what of it is in the period. Hashes are hexadecimal. */
export type ChainSpan = {
  readonly tenant: TenantId;
  /** null: the tenant was deleted, and its name with it. */
  readonly name: string | null;
  readonly path: string | null;
  /** Numbers of the first and the last entry of the period; null: there are none. */
  readonly first: number | null;
  readonly last: number | null;
  /** Hash of the entry before the first; of the start of the chain where there is none. */
  readonly before: string | null;
  /** Hash of the last one. */
  readonly after: string | null;
  /** The end of the chain as it is now. */
  readonly head: { readonly number: number; readonly hash: string };
};

export type EvidentEntry = StoredAuditEntry & { readonly tenant: TenantId };

export type EvidentChange = {
  readonly id: ChangeId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly externalId: ExternalId;
  readonly authUser: AuthUserId | null;
  readonly kind: string;
  readonly cause: string;
  readonly before: Json | null;
  readonly after: Json | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly risk: string;
  readonly riskSignals: readonly string[];
  readonly fingerprint: string;
  readonly run: RunId;
  readonly proposedAt: string;
  readonly state: string;
  readonly decisions: readonly EvidentDecision[];
  readonly comments: readonly { readonly at: string; readonly by: string; readonly text: string }[];
  /** The change that it takes back. */
  readonly undoes: ChangeId | null;
  readonly undoReason: string | null;
  readonly apply: ApplyId | null;
  readonly outcome: string | null;
  readonly outcomeReason: string | null;
  readonly closedAt: string | null;
};

export type EvidentDecision = {
  readonly id: string;
  readonly at: string;
  readonly verdict: string;
  readonly madeBy: string;
  readonly by: string | null;
  /** Of the policy. */
  readonly rule: string | null;
  readonly reason: string;
  readonly until: string | null;
  /** What was decided on. */
  readonly fingerprint: string;
};

export type EvidentApply = {
  readonly id: ApplyId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly by: Actor;
  readonly state: string;
  readonly decisions: readonly string[];
  readonly total: number;
  readonly counts: Json | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
};

export type EvidentUser = { readonly now: UserNow; readonly later: readonly LaterEvent[] };

/**
 * Rows of the subtree whose top is `$1`, by the index of each of its tenants, or connections: PostgreSQL cannot tell beforehand how few these
 * are, and would go over the rows of all.
 */
const OF_TENANTS = (table: string) =>
  `(${EVER_WITHIN('$1::uuid')}) w CROSS JOIN LATERAL (SELECT * FROM ${table} WHERE tenant_id = w.id OFFSET 0)`;
const OF_CONNECTIONS = (table: string) =>
  `${OF_TENANTS('connection')} n CROSS JOIN LATERAL (SELECT * FROM ${table} WHERE connection_id = n.id OFFSET 0)`;

export class Evidence {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Everything that `work` reads is as of one moment. `top`: the tenant whose subtree it is about, with what was deleted of it. */
  ofOneMoment<T>(within: TenantId, top: TenantId, work: (rows: EvidenceRows) => Promise<T>): Promise<T> {
    return this.#database.bulk(within, (tx) => work(new EvidenceRows(tx, top)), { ofOneMoment: true });
  }
}

export class EvidenceRows {
  readonly #tx: BulkTransaction;
  readonly #top: TenantId;

  constructor(tx: BulkTransaction, top: TenantId) {
    this.#tx = tx;
    this.#top = top;
  }

  /** Of each tenant that has a log, in the order of their ids. */
  async chains({ from, to }: Period): Promise<readonly ChainSpan[]> {
    const hashAt = (number: string) =>
      `(SELECT encode(e.hash, 'hex') FROM audit_entry e WHERE e.tenant_id = h.tenant_id AND e.number = ${number})`;
    return await this.#tx.query<ChainSpan>(
      `SELECT h.tenant_id AS tenant, t.name, t.path, s.first, s.last,
         CASE WHEN s.first = 1 THEN repeat('0', 64) WHEN s.first > 1 THEN ${hashAt('s.first - 1')} END AS before, ${hashAt('s.last')} AS after,
         json_build_object('number', h.number, 'hash', encode(h.hash, 'hex')) AS head
       FROM audit_head h LEFT JOIN tenant t ON t.id = h.tenant_id AND t.state <> 'deleted'
         CROSS JOIN LATERAL (SELECT min(number)::int AS first, max(number)::int AS last FROM audit_entry e
           WHERE e.tenant_id = h.tenant_id AND e.at >= $2 AND e.at < $3) s
       WHERE h.tenant_id IN (${EVER_WITHIN('$1::uuid')}) ORDER BY h.tenant_id`,
      [this.#top, from.toISOString(), to.toISOString()],
    );
  }

  /** Of one chain, all from the first to the last number, in their order. */
  audit({ tenant, first, last }: ChainSpan): AsyncGenerator<readonly EvidentEntry[]> {
    return this.#rows<EvidentEntry>(
      `SELECT tenant_id AS tenant, number::int AS number, ${MOMENT('at')} AS at, actor, action, subject, details, encode(hash, 'hex') AS hash
       FROM audit_entry WHERE tenant_id = $1::uuid AND number BETWEEN $2::bigint AND $3::bigint ORDER BY audit_entry.number`,
      [tenant, first, last],
    );
  }

  /** Those that were proposed, decided on or closed in the period, with all decisions on them, as they are now. */
  changes({ from, to }: Period): AsyncGenerator<readonly EvidentChange[]> {
    return this.#rows<EvidentChange>(
      `SELECT c.id, c.tenant_id AS tenant, c.connection_id AS connection, c.external_id AS "externalId", c.auth_user_id AS "authUser",
         c.kind, c.cause, c.before, c.after, c.fields, c.roles_gained AS "rolesGained", c.roles_lost AS "rolesLost", g.risk,
         g.risk_signals AS "riskSignals", encode(c.fingerprint, 'hex') AS fingerprint, c.run_id AS run, ${MOMENT('c.created_at')} AS "proposedAt",
         c.state, c.undoes, c.undo_reason AS "undoReason", coalesce(made.decisions, '[]') AS decisions,
         coalesce((SELECT json_agg(json_build_object('at', ${MOMENT('m.created_at')}, 'by', m.actor ->> 'name', 'text', m.text) ORDER BY m.id)
           FROM change_comment m WHERE m.connection_id = c.connection_id AND m.external_id = c.external_id AND m.change_id = c.id), '[]') AS comments, c.apply_id AS apply, c.outcome, c.outcome_reason AS "outcomeReason",
         ${MOMENT('c.closed_at')} AS "closedAt"
       FROM ${OF_CONNECTIONS('change')} c
         JOIN change_group g ON g.id = c.group_id LEFT JOIN LATERAL (
         SELECT json_agg(json_build_object('id', d.id, 'at', ${MOMENT('d.created_at')}, 'verdict', d.verdict, 'madeBy', d.made_by,
             'by', d.actor ->> 'name', 'rule', v.rule, 'reason', d.reason, 'until', ${MOMENT('d.until')}, 'fingerprint', encode(e.fingerprint, 'hex'))
             ORDER BY d.id) AS decisions,
           bool_or(d.created_at >= $2 AND d.created_at < $3) AS within
         FROM decision_change e JOIN decision d ON d.id = e.decision_id LEFT JOIN policy_verdict v ON v.id = d.verdict_id
         WHERE e.change_id = c.id) made ON true
       WHERE c.created_at >= $2 AND c.created_at < $3 OR c.closed_at >= $2 AND c.closed_at < $3 OR made.within ORDER BY c.id`,
      [this.#top, from.toISOString(), to.toISOString()],
    );
  }

  /** Those that were started or came to their end in the period. */
  applies({ from, to }: Period): AsyncGenerator<readonly EvidentApply[]> {
    return this.#rows<EvidentApply>(
      `SELECT a.id, a.tenant_id AS tenant, a.connection_id AS connection, a.actor AS by, a.state, a.decisions, a.total, a.counts,
         ${MOMENT('a.created_at')} AS "createdAt", ${MOMENT('a.finished_at')} AS "finishedAt"
       FROM ${OF_CONNECTIONS('apply')} a
       WHERE a.created_at >= $2 AND a.created_at < $3 OR a.finished_at >= $2 AND a.finished_at < $3 ORDER BY a.id`,
      [this.#top, from.toISOString(), to.toISOString()],
    );
  }

  /**
   * Everybody who was there before `to`, as they are now, with what happened to them since. Without hidden roles, and without the ids of
   * connections that are not visible: those of a tenant above.
   */
  users(to: Date): AsyncGenerator<readonly EvidentUser[]> {
    return this.#rows<EvidentUser>(
      `WITH later AS (
         SELECT e.auth_user_id AS id, json_agg(json_build_object('type', e.type, 'fields', coalesce(e.data -> 'fields', '[]'),
             'gained', coalesce(e.data -> 'rolesGained', '[]'), 'lost', coalesce(e.data -> 'rolesLost', '[]'),
             'ofDirectory', e.change_id IS NOT NULL, 'connection', c.connection_id, 'stateBefore', c.before ->> 'state') ORDER BY e.position DESC, e.id DESC) AS events
         FROM ${OF_TENANTS('event')} e LEFT JOIN change c ON c.id = e.change_id
         WHERE e.auth_user_id IS NOT NULL AND e.created_at >= $2 GROUP BY 1)
       SELECT json_build_object('id', a.id, 'tenant', a.tenant_id, 'state', a.state, 'userName', a.user_name, 'email', a.email,
           'displayName', a.display_name, 'createdAt', ${MOMENT('a.created_at')}, 'identities', coalesce(i.identities, '[]'),
           'roles', coalesce(r.roles, '[]')) AS now, coalesce(l.events, '[]') AS later
       FROM ${OF_TENANTS('auth_user')} a LEFT JOIN later l ON l.id = a.id
         LEFT JOIN LATERAL (SELECT json_agg(json_build_object('connection', i.connection_id, 'externalId', i.external_id)
             ORDER BY i.connection_id) AS identities FROM identity i
           WHERE i.auth_user_id = a.id AND i.connection_id IN (SELECT id FROM connection)) i ON true
         LEFT JOIN LATERAL (SELECT json_agg(json_build_object('role', r.name, 'origin', g.origin, 'tenant', g.tenant_id,
             'connection', CASE WHEN g.connection_id IN (SELECT id FROM connection) THEN g.connection_id END, 'grantedAt', ${MOMENT('g.granted_at')}) ORDER BY r.name, g.origin, g.tenant_id, g.connection_id) AS roles
           FROM role_assignment g JOIN role r ON r.id = g.role_id WHERE g.auth_user_id = a.id AND r.type <> 'hidden') r ON true
       WHERE a.created_at < $2 ORDER BY a.id`,
      [this.#top, to.toISOString()],
    );
  }

  async *#rows<Row>(select: string, values: readonly unknown[]): AsyncGenerator<readonly Row[]> {
    await this.#tx.query(`DECLARE evident NO SCROLL CURSOR FOR ${select}`, values);
    for (;;) {
      const rows = await this.#tx.query<Row>(`FETCH ${BATCH} FROM evident`);
      if (rows.length > 0) yield rows;
      if (rows.length < BATCH) break;
    }
    await this.#tx.query('CLOSE evident');
  }
}
