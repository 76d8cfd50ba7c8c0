/** Pausing, resuming and cancelling applies. What an apply has done stays done; what it has not done stays approved. */
import { type ApplyAction, applyActions, type Freeze, type Halt, type HaltReason } from '../domain/apply.ts';
import { isTooMuchTrouble, pauseEnds, troubleInWords } from '../domain/applyPolicy.ts';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { DespiteFreezes, FreezePeriod } from '../domain/freeze.ts';
import type { ApplyId, ConnectionId, TenantId } from '../domain/ids.ts';
import type { RunningApply } from './applyBatch.ts';
import { type ApplyCounts, countOutcomes } from './applyOutcomes.ts';
import { haltOf } from './applyStarts.ts';
import { appendAudit } from './audit.ts';
import { tidyCounts } from './changeGroups.ts';
import { letExpire } from './changeNotes.ts';
import type { BulkTransaction, Database } from './database.ts';
import { lockForPlan } from './locks.ts';
import { SUBTREE } from './scope.ts';

export const ROLLCALL: Actor = { kind: 'system', id: null, name: 'worker' };

type Which = { readonly id: ApplyId; readonly tenant: TenantId; readonly connection: ConnectionId };

/** Who does it, and why. */
export type Said = { readonly actor: Actor; readonly reason: string | null };

const actionAfter = { pause: 'paused', resume: 'resumed', cancel: 'cancelled' } as const;

export class ApplyControl {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** After the batches under way, which are counted. false: it is in another state by now. */
  pause(apply: Which, because: HaltReason, said: Said, resumesAt: Date | null, at: Date): Promise<boolean> {
    const halt = haltOf(because, { by: byWhom(said), reason: said.reason }, at);
    return this.#change(apply, 'pause', said, at, { because }, async (tx) => {
      const rows = await tx.query(
        `UPDATE apply SET state = 'paused', halt = $2, resumes_at = $3, running_since = NULL
         WHERE id = $1 AND state = ANY ($4::text[]) RETURNING id`,
        [apply.id, halt, resumesAt?.toISOString() ?? null, applyActions.pause],
      );
      return { done: rows.length > 0, more: [] };
    });
  }

  /**
   * `despite`: in which freeze periods it goes on, in the place of those before; null: these stay. `anyTime`: outside the windows of the policy
   * too, from now on.
   */
  resume(
    apply: Which,
    said: Said,
    how: { readonly despite: DespiteFreezes | null; readonly anyTime: boolean },
    at: Date,
  ): Promise<boolean> {
    return this.#resume(apply, said, { ...how, seen: null }, at);
  }

  /** By itself, where it is still paused for what was `seen`: not where it has gone on since, and somebody or something has paused it again. */
  resumeAsSeen(apply: Which, said: Said, seen: Halt | null, at: Date): Promise<boolean> {
    return this.#resume(apply, said, { despite: null, anyTime: false, seen }, at);
  }

  #resume(
    apply: Which,
    said: Said,
    {
      despite,
      anyTime,
      seen,
    }: {
      readonly despite: DespiteFreezes | null;
      readonly anyTime: boolean;
      readonly seen: Halt | null;
    },
    at: Date,
  ): Promise<boolean> {
    const details = despite === null ? {} : { despiteFreeze: despite.reason };
    return this.#change(apply, 'resume', said, at, details, async (tx) => {
      const expired = await letExpire(tx, apply, at);
      const counts = await countOutcomes(tx, apply.id);
      const rows = await tx.query(
        `UPDATE apply SET state = 'running', halt = NULL, resumes_at = NULL, running_since = $2, done_before = $3,
           despite_freeze = coalesce($5, despite_freeze), despite_freezes = coalesce($7::jsonb, despite_freezes),
           terms = CASE WHEN $6::boolean THEN jsonb_set(terms, '{windows}', '[]') ELSE terms END
         WHERE id = $1 AND state = ANY ($4::text[]) AND ($8::jsonb IS NULL OR halt = $8) RETURNING id`,
        [
          ...[
            apply.id,
            at.toISOString(),
            sumOf(counts),
            applyActions.resume,
            despite?.reason ?? null,
            anyTime,
          ],
          ...[despite === null ? null : JSON.stringify(despite.periods), seen],
        ],
      );
      return { done: rows.length > 0, more: expired };
    });
  }

  cancel(apply: Which, said: Said, at: Date): Promise<boolean> {
    const halt = haltOf('person', { by: byWhom(said), reason: said.reason }, at);
    return this.#change(apply, 'cancel', said, at, {}, async (tx) => {
      const counts = await countOutcomes(tx, apply.id);
      const rows = await tx.query(
        `UPDATE apply SET state = 'cancelled', finished_at = $2, halt = $3, resumes_at = NULL, running_since = NULL, counts = $4
         WHERE id = $1 AND state = ANY ($5::text[]) RETURNING id`,
        [apply.id, at.toISOString(), halt, counts, applyActions.cancel],
      );
      if (rows.length > 0) await tidyCounts(tx, apply.connection); // each batch has added to them
      return { done: rows.length > 0, more: [] };
    });
  }

  #change(
    { id, tenant, connection }: Which,
    action: ApplyAction,
    { actor, reason }: Said,
    at: Date,
    more: { readonly [key: string]: string },
    change: (
      tx: BulkTransaction,
    ) => Promise<{ readonly done: boolean; readonly more: readonly AuditEntry[] }>,
  ): Promise<boolean> {
    return this.#database.bulk(tenant, async (tx) => {
      await lockForPlan(tx, connection);
      const changed = await change(tx);
      const entry: AuditEntry = {
        actor,
        action: `apply.${actionAfter[action]}`,
        subject: { kind: 'apply', id },
        details: { connection, ...more, ...(reason === null ? {} : { reason }) },
      };
      await appendAudit(tx, tenant, at, [...changed.more, ...(changed.done ? [entry] : [])]);
      return changed.done;
    });
  }

  /**
   * The first part is done, as far as it can be: the pause begins, or what keeps the rest back until somebody has looked. Without a pause
   * the rest follows at once: gives whether it does.
   */
  endFirstPart(apply: RunningApply, at: Date): Promise<boolean> {
    const { progressive } = apply.terms;
    return this.#database.bulk(apply.tenant, async (tx) => {
      await lockForPlan(tx, apply.connection);
      const counts = await countOutcomes(tx, apply.id);
      const trouble = progressive !== null && isTooMuchTrouble(progressive, counts);
      const goesOn = !trouble && (progressive === null || progressive.pauseMinutes === 0);
      const because = trouble ? 'trouble' : 'first-part';
      const resumesAt = trouble || progressive === null ? null : pauseEnds(progressive, at);
      const reason = trouble ? troubleInWords(progressive, counts) : null;
      const halt = haltOf(because, { by: null, reason }, at);
      const rows = await tx.query(
        `UPDATE apply SET first_part = '{}', state = CASE WHEN $2::boolean THEN 'running' ELSE 'paused' END,
           halt = CASE WHEN NOT $2::boolean THEN $3::jsonb END, resumes_at = CASE WHEN NOT $2::boolean THEN $4::timestamptz END,
           running_since = CASE WHEN $2::boolean THEN running_since END
         WHERE id = $1 AND state = 'running' AND first_part <> '{}' RETURNING id`,
        [apply.id, goesOn, halt, resumesAt?.toISOString() ?? null],
      );
      if (rows.length === 0 || goesOn) return goesOn;
      const entry: AuditEntry = {
        actor: ROLLCALL,
        action: 'apply.paused',
        subject: { kind: 'apply', id: apply.id },
        details: { connection: apply.connection, because, ...counts },
      };
      await appendAudit(tx, apply.tenant, at, [entry]);
      return false;
    });
  }

  /** Those that hold for a tenant, of `within` and the tenants below that. */
  freezesWithin(within: TenantId, tenant: TenantId, at: Date): Promise<readonly FreezePeriod[]> {
    return this.#database.bulk(within, (tx) =>
      tx.query<FreezePeriod>(
        `SELECT p.tenant_id AS tenant, f ->> 'name' AS name, f ->> 'from' AS "from", f ->> 'until' AS until
         FROM tenant t JOIN tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
           CROSS JOIN LATERAL jsonb_array_elements(coalesce(p.policy -> 'freezes', '[]'::jsonb)) AS f
         WHERE t.id = $1 AND p.tenant_id IN ${SUBTREE('$2::uuid')}
           AND (f ->> 'from')::timestamptz <= $3 AND (f ->> 'until')::timestamptz > $3`,
        [tenant, within, at.toISOString()],
      ),
    );
  }

  /** The freeze period that holds for a tenant; null: none does. `despite`: but for these, as long as they are not prolonged. */
  async freezeOver(
    tenant: TenantId,
    at: Date,
    despite: readonly FreezePeriod[] | null = null,
  ): Promise<Freeze | null> {
    const [found] = await this.#database.single<Freeze>(
      'freeze-over',
      'SELECT tenant, name, until FROM freeze_over($1, $2, $3)',
      [tenant, at.toISOString(), despite === null ? null : JSON.stringify(despite)],
    );
    return found ?? null;
  }
}

function byWhom({ actor }: Said): string | null {
  return actor.kind === 'system' ? null : actor.name;
}

function sumOf({ applied, alreadyApplied, moved, failed, held }: ApplyCounts): number {
  return applied + alreadyApplied + moved + failed + held;
}
