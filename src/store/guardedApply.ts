/**
 * Guards of single changes, asked again when an apply is about to carry a batch out: since the plan, others may have left, or come. What
 * a person has let go, knowing what a guard had found, goes.
 */
import { v7 } from 'uuid';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import { type ChangeKind, type FieldChange, isPlace } from '../domain/change.ts';
import { explainFinding, type Finding } from '../domain/guard.ts';
import type { ApplyId, ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import { Policy } from '../domain/policy.ts';
import { noteLeft } from './applyOutcomes.ts';
import {
  beginConcerned,
  concernLast,
  concernSeatless,
  NOBODY_LAST,
  tenantsThatLose,
  watchedRoles,
  whereSeatsAreTaken,
} from './concerned.ts';
import type { BulkTransaction } from './database.ts';
import { lockForGuards } from './locks.ts';

type Apply = {
  readonly id: ApplyId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly actor: Actor;
};

type Guarded = {
  readonly id: ChangeId;
  readonly kind: ChangeKind;
  readonly fields: readonly FieldChange[];
  readonly rolesLost: readonly string[];
};

const TAKING: readonly ChangeKind[] = ['suspend', 'delete'];
const ADDING: readonly ChangeKind[] = ['create', 'link', 'reactivate'];
const mayTake = ({ kind, fields, rolesLost }: Guarded) =>
  TAKING.includes(kind) || rolesLost.length > 0 || fields.some(isPlace);

/** Holds those of these changes that would go too far, each with the reason; gives an audit entry for each. */
export async function holdBack(
  tx: BulkTransaction,
  apply: Apply,
  changes: readonly Guarded[],
): Promise<ReadonlyMap<ChangeId, AuditEntry>> {
  const looked = { connection: apply.connection, among: changes.map(({ id }) => id) };
  const watched = changes.some(mayTake) ? await watchedRoles(tx, await rolesToKeep(tx, apply)) : [];
  const emptier = await tenantsThatLose(tx, looked, watched);
  const comes = changes.some(({ kind }) => ADDING.includes(kind));
  const fuller = comes ? await whereSeatsAreTaken(tx, looked) : [];
  if (emptier.length + fuller.length === 0) return new Map();
  // Whoever takes from, or adds to, the same tenant by another batch does so before, and is seen below; or after.
  await lockForGuards(tx, [...emptier, ...fuller]);
  await beginConcerned(tx);
  const last = emptier.length === 0 ? NOBODY_LAST : await concernLast(tx, looked, watched);
  const seatless = fuller.length === 0 ? 0 : await concernSeatless(tx, looked);
  const findings: readonly Finding[] = [
    { guard: 'last-administrator', counted: last.lastAdministrators, limit: 0 },
    ...[...last.lastHolders].map(([role, users]): Finding => {
      return { guard: 'last-holder', counted: users, limit: 0, role };
    }),
    { guard: 'too-few-seats', counted: seatless, limit: 0 },
  ];
  const held = new Map<ChangeId, AuditEntry>();
  for (const finding of findings) {
    if (finding.counted === 0) continue;
    for (const id of await holdFor(tx, apply, finding)) {
      const details = { apply: apply.id, because: explainFinding(finding) };
      const subject = { kind: 'change', id } as const;
      held.set(id, { actor: apply.actor, action: 'change.held', subject, details });
    }
  }
  return held;
}

/** As the policy says now. One that cannot be read ends the apply: nothing is carried out on a guess. */
async function rolesToKeep(tx: BulkTransaction, { connection }: Apply): Promise<readonly string[]> {
  const [row] = await tx.query<{ policy: unknown }>('SELECT policy FROM connection WHERE id = $1', [
    connection,
  ]);
  return Policy.parse(row?.policy).keepOneOf;
}

async function holdFor(tx: BulkTransaction, apply: Apply, finding: Finding): Promise<readonly ChangeId[]> {
  const rows = await tx.query<{ id: ChangeId }>(
    `WITH meant AS (
       SELECT c.id, c.tenant_id, c.fingerprint FROM change c
       WHERE c.state = 'approved' AND c.id IN (SELECT change_id FROM concerned
         WHERE guard = $5::jsonb ->> 'guard' AND part IS NOT DISTINCT FROM $5::jsonb ->> 'role')),
     made AS (
       INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, reason, finding)
       SELECT $1, $2, $3, 'hold', 'guard', $4, $5::jsonb WHERE EXISTS (SELECT FROM meant)),
     evidence AS (
       INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint)
       SELECT $1, id, tenant_id, fingerprint FROM meant)
     UPDATE change c SET state = 'held', decision_id = $1, apply_id = $6, outcome = 'held', outcome_reason = $4
     FROM meant WHERE c.id = meant.id RETURNING c.id`,
    [v7(), apply.tenant, apply.connection, explainFinding(finding), JSON.stringify(finding), apply.id],
  );
  const held = rows.map(({ id }) => id);
  const reason = explainFinding(finding);
  await noteLeft(
    tx,
    apply,
    'held',
    held.map((id) => ({ id, reason })),
  );
  return held;
}
