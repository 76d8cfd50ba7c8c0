/** The runs of connections as far as their health needs them, and the audit entries of those that change it. */
import type { AuditEntry } from '../domain/audit.ts';
import { SAYS_NOTHING } from '../domain/failure.ts';
import {
  type FailedRun,
  FIRST_FAILURES,
  MISSED_DAYS,
  quarantineOf,
  type RunHistory,
  speaksOfDirectory,
} from '../domain/health.ts';
import type { ConnectionId, RunId, TenantId } from '../domain/ids.ts';
import type { RunFailure } from '../domain/run.ts';
import type { PartialReason } from '../domain/snapshot.ts';
import { appendAudit } from './audit.ts';
import type { Sql } from './database.ts';

type Row = {
  readonly connection: ConnectionId;
  readonly finished: {
    readonly at: string;
    readonly partial: PartialReason | null;
    readonly failure: RunFailure | null;
  } | null;
  readonly failed: number;
  readonly failures: readonly { readonly at: string; readonly failure: RunFailure }[] | null;
  readonly missed: number;
};

const DAY_MS = 24 * 3_600_000;

/** One for each of these connections that can be seen, as of `now`. */
export async function readHistories(
  sql: Sql,
  connections: readonly ConnectionId[],
  now: Date,
): Promise<ReadonlyMap<ConnectionId, RunHistory>> {
  const rows = await sql.query<Row>(
    `SELECT c.id AS connection, f.finished, coalesce(b.failed, 0) AS failed, b.failures, m.missed
     FROM connection c
     LEFT JOIN LATERAL (
       SELECT r.id, jsonb_build_object('at', r.finished_at, 'partial', r.partial_reason, 'failure', r.failure) AS finished
       FROM sync_run r WHERE r.connection_id = c.id AND r.state = 'finished' ORDER BY r.id DESC LIMIT 1) f ON true
     LEFT JOIN LATERAL (
       SELECT count(*)::int AS failed,
         jsonb_agg(jsonb_build_object('at', n.at, 'failure', n.failure) ORDER BY n.number)
           FILTER (WHERE n.number <= ${FIRST_FAILURES} OR n.back = 1) AS failures
       FROM (SELECT r.finished_at AS at, r.failure, row_number() OVER (ORDER BY r.id) AS number,
               row_number() OVER (ORDER BY r.id DESC) AS back
             FROM sync_run r WHERE r.connection_id = c.id AND r.state = 'failed' AND (f.id IS NULL OR r.id > f.id)
               AND NOT (r.failure ->> 'kind') = ANY (SELECT jsonb_array_elements_text($2::text::jsonb))) n) b ON true
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(r.missed_by_deltas), 0)::int AS missed FROM sync_run r
       WHERE r.connection_id = c.id AND r.missed_by_deltas > 0 AND r.finished_at > $3) m
     WHERE c.id IN (SELECT jsonb_array_elements_text($1::text::jsonb)::uuid)`,
    [
      JSON.stringify(connections),
      JSON.stringify(SAYS_NOTHING),
      new Date(now.getTime() - MISSED_DAYS * DAY_MS).toISOString(),
    ],
  );
  return new Map(rows.map((row) => [row.connection, toHistory(row)]));
}

function toHistory({ finished, failed, failures, missed }: Row): RunHistory {
  const known: readonly FailedRun[] = (failures ?? []).map(({ at, failure }) => ({
    at: new Date(at),
    failure,
  }));
  return {
    finished: finished === null ? null : { ...finished, at: new Date(finished.at) },
    failed,
    first: known.slice(0, FIRST_FAILURES),
    last: known.at(-1) ?? null,
    missedByDeltas: missed,
  };
}

type Ended = { readonly run: RunId; readonly connection: ConnectionId; readonly tenant: TenantId };

/** After the run is recorded as failed, in the same transaction. */
export async function auditQuarantine(sql: Sql, ended: Ended, failure: RunFailure, at: Date): Promise<void> {
  if (!speaksOfDirectory(failure)) return;
  const history = await historyOf(sql, ended, at);
  const quarantine = history === null ? null : quarantineOf(history);
  if (history === null || quarantine === null || !quarantine.isNew) return;
  const details = { run: ended.run, failed: history.failed, kind: failure.kind };
  await audit(sql, ended, 'connection.quarantined', details, at);
}

/** Before the run is recorded as finished, in the same transaction. */
export async function auditRecovery(sql: Sql, ended: Ended, at: Date): Promise<void> {
  const history = await historyOf(sql, ended, at);
  if (history === null || quarantineOf(history) === null) return;
  await audit(sql, ended, 'connection.recovered', { run: ended.run, failed: history.failed }, at);
}

async function historyOf(sql: Sql, { connection }: Ended, at: Date): Promise<RunHistory | null> {
  return (await readHistories(sql, [connection], at)).get(connection) ?? null;
}

async function audit(
  sql: Sql,
  { connection, tenant }: Ended,
  action: string,
  details: AuditEntry['details'],
  at: Date,
): Promise<void> {
  const subject = { kind: 'connection', id: connection } as const;
  const actor = { kind: 'system', id: null, name: 'sync' } as const;
  await appendAudit(sql, tenant, at, [{ actor, action, subject, details }]);
}
