/** Applies that policies make: what was approved and waits for no apply yet, and the applies whose time has come. */
import { v7 } from 'uuid';
import type { Halt, HaltReason } from '../domain/apply.ts';
import type { Terms } from '../domain/applyPolicy.ts';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { FreezePeriod } from '../domain/freeze.ts';
import type { ApplyId, ConnectionId, TenantId } from '../domain/ids.ts';
import { firstPart, haltOf } from './applyStarts.ts';
import { appendAudit } from './audit.ts';
import { letExpire } from './changeNotes.ts';
import type { BulkTransaction, Database } from './database.ts';
import { connectionsMeant, type Meant } from './judging.ts';

const POLICY: Actor = { kind: 'system', id: null, name: 'policy' };

type Of = { readonly connection: ConnectionId; readonly tenant: TenantId };

export type Unplanned = Of & {
  /** `apply` of the connection's policy, as it is stored. */
  readonly policy: unknown;
  /** The last of the approvals. */
  readonly approvedAt: Date;
};

export type DueApply = Of & {
  readonly id: ApplyId;
  readonly state: 'waiting' | 'paused';
  readonly terms: unknown;
  /** Freeze periods that it goes on in. */
  readonly despiteFreezes: readonly FreezePeriod[] | null;
  /** Why it waits or is paused, as it was seen: what others have made of it since then stands. */
  readonly halt: Halt | null;
  /** Whether the connection's policy still applies by itself. */
  readonly automatic: boolean;
};

/**
 * Decisions whose approvals no apply has, of the connection `$1`. What somebody cancelled, or what could not be carried out, is for a
 * person to start; but where only the tenant was suspended, it goes on when that is over.
 */
const UNPLANNED = `SELECT h.decision_id AS id FROM (SELECT DISTINCT decision_id FROM change WHERE connection_id = $1 AND state = 'approved') h
  WHERE NOT EXISTS (SELECT FROM apply a WHERE a.connection_id = $1 AND h.decision_id = ANY (a.decisions)
    AND (a.state <> 'finished' OR a.halt ->> 'because' = 'given-up' AND a.halt ->> 'reason' <> 'tenant-suspended'))`;

/** null: all. */
const wanted = (only: Meant | null) =>
  only === null ? { ids: null, are: 'IS NOT NULL' } : connectionsMeant(only);

/** Where policies may start something: neither the connection nor its tenant rests, and what waits is judged by the rules of now. */
const WORKS = `c.state = 'active' AND tenant_standing(c.tenant_id) = 'active' AND NOT EXISTS (SELECT FROM to_judge j WHERE j.connection_id = c.id)`;

export class DueApplies {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Connections that apply by themselves and have approvals that no apply has. */
  unplanned(only: Meant | null): Promise<readonly Unplanned[]> {
    const { ids, are } = wanted(only);
    return this.#database.bulk(this.#database.root, (tx) =>
      tx.query<Unplanned>(
        `SELECT c.id AS connection, c.tenant_id AS tenant, c.policy -> 'apply' AS policy, w.at AS "approvedAt"
         FROM connection c CROSS JOIN LATERAL (SELECT max(d.created_at) AS at FROM decision d
           WHERE d.id IN (${UNPLANNED.replaceAll('$1', 'c.id')})) w
         WHERE c.policy #>> '{apply,start}' = 'automatic' AND ($1::uuid[] IS NULL OR c.id ${are}) AND w.at IS NOT NULL AND ${WORKS}
         ORDER BY c.id`,
        [ids],
      ),
    );
  }

  /** Makes an apply of those approvals that waits for its time, or adds them to one that begins no earlier; null: others were faster. */
  plan(
    { connection, tenant }: Of,
    { startsAt, because, terms }: { startsAt: Date; because: HaltReason; terms: Terms },
    at: Date,
  ): Promise<ApplyId | null> {
    return this.#database.bulk(tenant, async (tx) => {
      await tx.query('SELECT FROM connection WHERE id = $1 FOR UPDATE', [connection]); // one at a time
      const [found] = await tx.query<{ decisions: string[] | null; total: number }>(
        `SELECT array_agg(DISTINCT n.id) AS decisions, count(*)::int AS total FROM (${UNPLANNED}) n
           JOIN change c ON c.connection_id = $1 AND c.state = 'approved' AND c.decision_id = n.id`,
        [connection],
      );
      if (found === undefined || found.decisions === null) return null;
      const { decisions, total } = found;
      const times = [startsAt.toISOString(), at.toISOString()];
      const [joined] = await tx.query<{ id: ApplyId }>(
        `UPDATE apply SET decisions = decisions || $2::uuid[], total = total + $3 WHERE id = (SELECT id FROM apply
           WHERE connection_id = $1 AND state = 'waiting' AND greatest(starts_at, $5::timestamptz) >= greatest($4::timestamptz, $5)
           ORDER BY starts_at, id LIMIT 1) RETURNING id`,
        [connection, decisions, total, ...times],
      );
      if (joined !== undefined) return joined.id;
      const id = v7() as ApplyId;
      await tx.query(
        `INSERT INTO apply (id, tenant_id, connection_id, state, actor, decisions, total, starts_at, created_at, terms, halt)
         VALUES ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, $9, $10)`,
        [id, tenant, connection, POLICY, decisions, total, ...times, terms, haltOf(because, NOBODY, at)],
      );
      const details = { connection, changes: total, startsAt: startsAt.toISOString() };
      await appendAudit(tx, tenant, at, [entryOf(id, 'apply.planned', details)]);
      return id;
    });
  }

  /** Those that wait and those that are paused, whose time has come, the oldest first; where a freeze period is in the way, it may be so no more. */
  due(only: Meant | null, at: Date): Promise<readonly DueApply[]> {
    const { ids, are } = wanted(only);
    return this.#database.bulk(this.#database.root, (tx) =>
      tx.query<DueApply>(
        `SELECT a.id, a.tenant_id AS tenant, a.connection_id AS connection, a.state, a.terms,
           a.despite_freezes AS "despiteFreezes", a.halt, c.policy #>> '{apply,start}' = 'automatic' AS automatic
         FROM apply a JOIN connection c ON c.id = a.connection_id
         WHERE a.state IN ('waiting', 'paused')
           AND (CASE a.state WHEN 'waiting' THEN a.starts_at ELSE a.resumes_at END <= $2 OR a.halt ->> 'because' = 'freeze')
           AND ($1::uuid[] IS NULL OR a.connection_id ${are}) AND ${WORKS}
         ORDER BY a.id`,
        [ids, at.toISOString()],
      ),
    );
  }

  /** It has to wait for something else; `until`: not to be looked at before. */
  putOff({ id, tenant, halt }: DueApply, { because, until, reason = null }: PutOff, at: Date): Promise<void> {
    return this.#database.bulk(tenant, async (tx) => {
      await tx.query(
        `UPDATE apply SET halt = $2, resumes_at = CASE WHEN state = 'paused' THEN $3::timestamptz END,
           starts_at = CASE WHEN state = 'waiting' AND $3::timestamptz IS NOT NULL THEN $3 ELSE starts_at END
         WHERE id = $1 AND state IN ('waiting', 'paused') AND halt IS NOT DISTINCT FROM $5::jsonb
           AND (halt ->> 'because' IS DISTINCT FROM $4 OR coalesce(resumes_at, starts_at) IS DISTINCT FROM coalesce($3, starts_at))`,
        [id, haltOf(because, { by: null, reason }, at), until?.toISOString() ?? null, because, halt],
      );
    });
  }

  /** Begins one that waits, unless another of the connection is under way: gives whether it runs. */
  begin({ id, tenant, connection }: DueApply, terms: Terms, at: Date): Promise<boolean> {
    return this.#database.bulk(tenant, async (tx) => {
      await tx.query('SELECT FROM connection WHERE id = $1 FOR UPDATE', [connection]);
      const [row] = await tx.query<{ decisions: string[]; queued: boolean }>(
        `SELECT decisions, EXISTS (SELECT FROM apply o WHERE o.connection_id = a.connection_id AND o.state IN ('running', 'paused')) AS queued
         FROM apply a WHERE id = $1 AND state = 'waiting'`,
        [id],
      );
      if (row === undefined) return false;
      if (row.queued) {
        await tx.query('UPDATE apply SET halt = $2 WHERE id = $1', [id, haltOf('queue', NOBODY, at)]);
        return false;
      }
      const expired = await letExpire(tx, { connection, tenant }, at);
      const total = await this.#run(tx, { id, connection, decisions: row.decisions }, terms, at);
      const started = entryOf(id, 'apply.started', { connection, changes: total });
      await appendAudit(tx, tenant, at, [...expired, started]);
      return true;
    });
  }

  /** What was approved may have been taken back or replaced while it waited. */
  async #run(
    tx: BulkTransaction,
    { id, connection, decisions }: { id: ApplyId; connection: ConnectionId; decisions: readonly string[] },
    terms: Terms,
    at: Date,
  ): Promise<number> {
    const first = await firstPart(tx, connection, decisions, terms);
    const [row] = await tx.query<{ total: number }>(
      `UPDATE apply SET state = 'running', halt = NULL, running_since = $2, first_part = $3, total = (SELECT count(*)::int FROM change
         WHERE connection_id = $4 AND state = 'approved' AND decision_id = ANY ($5::uuid[])) WHERE id = $1 RETURNING total`,
      [id, at.toISOString(), first, connection, decisions],
    );
    return row?.total ?? 0;
  }
}

type PutOff = { readonly because: HaltReason; readonly until: Date | null; readonly reason?: string | null };

const NOBODY = { by: null, reason: null };

function entryOf(id: ApplyId, action: string, details: AuditEntry['details']): AuditEntry {
  return { actor: POLICY, action, subject: { kind: 'apply', id }, details };
}
