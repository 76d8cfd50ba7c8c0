/** What is settled when an apply is made: which changes come first, and what becomes of those that wait for their time. */
import type { Halt, HaltReason } from '../domain/apply.ts';
import { firstPartOf, type Terms } from '../domain/applyPolicy.ts';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { ApplyId, ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import type { BulkTransaction } from './database.ts';

/** Those that are approved by these decisions; `total` are so many. */
const APPROVED = `FROM change c WHERE c.connection_id = $1 AND c.state = 'approved' AND c.decision_id = ANY ($2::uuid[])`;

/**
 * The changes that a progressive apply carries out before its pause; none: it comes in one part. Chosen by their fingerprints, which are
 * as good as chance: all kinds of changes are among them, not those that were found first.
 */
export async function firstPart(
  tx: BulkTransaction,
  connection: ConnectionId,
  decisions: readonly string[],
  { progressive }: Terms,
): Promise<readonly ChangeId[]> {
  if (progressive === null) return [];
  const [all] = await tx.query<{ total: number }>(`SELECT count(*)::int AS total ${APPROVED}`, [
    connection,
    decisions,
  ]);
  const size = firstPartOf(progressive, all?.total ?? 0);
  if (size === null) return [];
  const rows = await tx.query<{ id: ChangeId }>(
    `SELECT c.id ${APPROVED} ORDER BY c.fingerprint, c.id LIMIT $3::int`,
    [connection, decisions, size],
  );
  return rows.map(({ id }) => id);
}

export function haltOf(
  because: HaltReason,
  { by, reason }: { readonly by: string | null; readonly reason: string | null },
  at: Date,
): Halt {
  return { because, by, reason, at: at.toISOString() };
}

/** An apply that somebody starts takes all that is approved: those that waited for their time have nothing left. */
export async function supersedeWaiting(
  tx: BulkTransaction,
  { connection }: { readonly connection: ConnectionId; readonly tenant: TenantId },
  actor: Actor,
  at: Date,
): Promise<readonly AuditEntry[]> {
  const halt = haltOf('started-by-hand', { by: actor.name, reason: null }, at);
  const rows = await tx.query<{ id: ApplyId }>(
    `UPDATE apply SET state = 'cancelled', finished_at = $2, halt = $3, counts = '{"applied": 0, "alreadyApplied": 0, "moved": 0, "failed": 0, "held": 0}'
     WHERE connection_id = $1 AND state = 'waiting' RETURNING id`,
    [connection, at.toISOString(), halt],
  );
  return rows.map(({ id }) => ({
    actor,
    action: 'apply.cancelled',
    subject: { kind: 'apply', id },
    details: { connection, because: halt.because },
  }));
}
