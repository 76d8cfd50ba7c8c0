/** Records what was decided on which changes, by sets: one decision may be about a hundred thousand of them. */
import { v7 } from 'uuid';
import { explainHindrance, type Hindrance, type Refusal } from '../domain/approval.ts';
import type { AuditEntry } from '../domain/audit.ts';
import type { Json } from '../domain/canonical.ts';
import {
  allowedIn,
  type Cause,
  type ChangeKind,
  type ChangeNote,
  type ChangeState,
  explainNotAllowed,
  statesDecidedAsSet,
} from '../domain/change.ts';
import { LET_GO_BY_NAME } from '../domain/guard.ts';
import type { ChangeId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import type { PrincipalRole } from '../domain/permission.ts';
import {
  ACCEPTED,
  anyAsksMore,
  beginApproving,
  type Chosen,
  ENOUGH,
  forgetApprovals,
  type Hindered,
  hindered,
  noteApprovals,
  noteOverdue,
} from './approvals.ts';
import { Assignments } from './assignments.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import { type ChangeFilter, conditions } from './changeFilter.ts';
import { reopenDueEverywhere } from './changeNotes.ts';
import type { BulkTransaction, Database } from './database.ts';
import { judgeMarked, judgeMeant, type Meant } from './judging.ts';
import { SUBTREE } from './scope.ts';

export type Verdict = 'approve' | 'reject' | 'hold';

export const stateAfter = { approve: 'approved', reject: 'rejected', hold: 'held' } as const satisfies Record<
  Verdict,
  string
>;

export type Ruling = {
  readonly verdict: Verdict;
  readonly principal: PrincipalId;
  /** As which they decide. */
  readonly role: PrincipalRole;
  readonly actor: AuditEntry['actor'];
  readonly reason: string;
  /** How long a refusal or a holding back stands; null: until the content changes. */
  readonly until: Date | null;
  readonly at: Date;
};

export type Shown = {
  readonly id: ChangeId;
  readonly fingerprint: string;
  /** The one that was shown with it. What is held is approved only by whoever was shown what holds it. */
  readonly decision?: string | null | undefined;
};

/** A connection's change set, as it was shown. */
export type ShownSet = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly revision: number;
};

/** What came of a decision. */
export type Decided = {
  /** Changes that are in the state that was decided. */
  readonly decided: number;
  /** Those that are approved by one more, and wait for others. */
  readonly waiting: number;
};

/** Changes of a set that whoever decided may not, or need not, approve. */
export type Left = { readonly because: Hindrance; readonly changes: number; readonly explanation: string };

export class Decisions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Decides on exactly what was shown: a change whose content or state is another one by now is refused, not its neighbours. */
  onShown(
    within: TenantId,
    ruling: Ruling,
    shown: readonly Shown[],
  ): Promise<Decided & { readonly refused: readonly Refusal[] }> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await readShown(tx, within, ruling, shown);
      const found = new Map(rows.map((row) => [row.id, row]));
      const refused = [...new Set(shown.map(({ id }) => id))].flatMap((id): Refusal[] => {
        const row = found.get(id);
        return row?.same && row.allowed ? [] : [refusal(id, row, ruling)];
      });
      const accepted = rows.filter((row) => row.same && row.allowed);
      let [decided, waiting] = [0, 0];
      const entries: ChainedEntry[] = [];
      for (const [connection, changes] of Map.groupBy(accepted, (row) => row.connection)) {
        const [first] = changes;
        if (first === undefined) continue;
        const chosen = { where: 'c.id = ANY ($1::uuid[])', values: [changes.map((change) => change.id)] };
        const recorded = await record(
          tx,
          ruling,
          { connection, tenant: first.tenant, ...chosen },
          { by: 'id' },
        );
        decided += recorded.decided;
        waiting += recorded.waiting;
        entries.push(...recorded.entries);
        for (const { ids, because, from } of recorded.hindered)
          refused.push(
            ...ids.map((id) => ({ id, because, explanation: explainHindrance(because, { from }) })),
          );
      }
      await appendToChains(tx, ruling.at, entries);
      return { decided, waiting, refused };
    });
  }

  /** Whether what waits of these is judged by the rules of now; judges it where they have changed since, and nobody has the change set. */
  byRulesOfNow(within: TenantId, meant: Meant, at: Date): Promise<boolean> {
    return judgeMeant(this.#database, within, meant, at);
  }

  /**
   * Opens again, wherever it is, what was refused, held back or approved until a time that has come; gives how many changes. Judges what
   * waits by rules that have changed, notes what has waited for longer than policies want it to, and hands on what was assigned and is
   * replaced. Each is done whatever fails in another: one connection whose policy cannot be read keeps nobody else waiting.
   */
  async openAgain(at: Date): Promise<number> {
    const steps = [
      () => reopenDueEverywhere(this.#database, at),
      () => judgeMarked(this.#database, at),
      () => noteOverdue(this.#database, at),
      () => new Assignments(this.#database).follow(),
    ];
    const [done, failed]: [unknown[], unknown[]] = [[], []];
    for (const step of steps) {
      try {
        done.push(await step());
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw new AggregateError(failed, 'not all that waits was looked after');
    return Number(done[0]);
  }

  /**
   * Decides on all changes of these sets that match and that were there as they were shown; what arrived later is not included, nor what
   * is held and let go by name alone: `byName` are so many, where held ones are meant.
   */
  async onFilter(
    within: TenantId,
    ruling: Ruling,
    of: { sets: readonly ShownSet[]; includeHeld: boolean; filter: ChangeFilter; asked: Json },
  ): Promise<Decided & { readonly byName: number; readonly left: readonly Left[] }> {
    return await this.#database.bulk(within, async (tx) => {
      let [decided, waiting, byName] = [0, 0, 0];
      const entries: ChainedEntry[] = [];
      const left: Hindered[] = [];
      // In one order for all who decide on several. The audit logs are locked when no row is waited for any more.
      const inOrder = of.sets.toSorted((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1));
      for (const { connection, tenant, revision } of inOrder) {
        const { where, values } = conditions(within, { ...of.filter, connection });
        values.push(statesDecidedAsSet(ruling.verdict, of.includeHeld), revision);
        const allowed = `c.state = ANY ($${values.length - 1}::text[]) AND c.revision <= $${values.length}::bigint`;
        const possible = `${where} AND ${allowed} AND ${notAConflict(ruling)}`;
        if (of.includeHeld)
          byName += await countChanges(tx, `${possible} AND NOT (${notByName(ruling)})`, values);
        const chosen = { connection, tenant, where: `${possible} AND ${notByName(ruling)}`, values };
        const asked = { by: 'filter', filter: of.asked, revision, includeHeld: of.includeHeld };
        const recorded = await record(tx, ruling, chosen, asked);
        decided += recorded.decided;
        waiting += recorded.waiting;
        left.push(...recorded.hindered);
        entries.push(...recorded.entries);
      }
      await appendToChains(tx, ruling.at, entries);
      return { decided, waiting, byName, left: left.map(toLeft) };
    });
  }
}

const toLeft = ({ because, changes, from }: Hindered): Left => ({
  because,
  changes,
  explanation: explainHindrance(because, { from }),
});

type ShownRow = {
  readonly id: ChangeId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly kind: ChangeKind;
  readonly cause: Cause;
  readonly state: ChangeState;
  readonly note: ChangeNote | null;
  readonly same: boolean;
  readonly allowed: boolean;
};

/** Locks them. */
function readShown(tx: BulkTransaction, within: TenantId, ruling: Ruling, shown: readonly Shown[]) {
  return tx.query<ShownRow>(
    `SELECT c.id, c.tenant_id AS tenant, c.connection_id AS connection, c.kind, c.cause, c.state, c.note,
       encode(c.fingerprint, 'hex') = ALL (s.fingerprints) AND ${asHeld(ruling)} AS same,
       c.state = ANY ($2::text[]) AND ${notAConflict(ruling)} AS allowed
     FROM change c JOIN (SELECT id, array_agg(fingerprint) AS fingerprints, array_agg(decision) AS decisions
       FROM jsonb_to_recordset($1::jsonb) AS named (id uuid, fingerprint text, decision uuid) GROUP BY id) s ON s.id = c.id
     WHERE c.tenant_id IN ${SUBTREE('$3::uuid')}
     ORDER BY c.id FOR UPDATE OF c`,
    [JSON.stringify(shown), allowedIn[ruling.verdict], within],
  );
}

/** What is shown to nobody under this id, and what is another tenant's, is refused in the same words. */
function refusal(id: ChangeId, row: ShownRow | undefined, { verdict }: Ruling): Refusal {
  if (row === undefined)
    return { id, because: 'not-found', explanation: 'there is no such change among those that you may see' };
  if (!row.same)
    return {
      ...{ id, because: 'changed-since-shown' },
      explanation:
        'it is not as it was shown: its content, or what holds it, is another one; look at it again',
    };
  return { id, because: 'not-allowed-now', explanation: explainNotAllowed(verdict, row) };
}

const placeOf = ({ tenant, connection }: ShownSet) => `${tenant} ${connection}`;

/** What a few guards hold, a person lets go by name alone. */
const notByName = (ruling: Ruling) =>
  ruling.verdict === 'approve'
    ? `NOT (c.state = 'held' AND EXISTS (SELECT FROM decision held WHERE held.id = c.decision_id AND held.made_by = 'guard'
         AND held.finding ->> 'guard' = ANY ('{${LET_GO_BY_NAME.join(',')}}'::text[])))`
    : 'true';

/** What is held is let go knowing by what. */
const asHeld = (ruling: Ruling) =>
  ruling.verdict === 'approve'
    ? `(c.state <> 'held' OR coalesce(c.decision_id = ALL (s.decisions), false))`
    : 'true';

const notAConflict = (ruling: Ruling) => (ruling.verdict === 'approve' ? `c.kind <> 'conflict'` : 'true');

async function countChanges(tx: BulkTransaction, where: string, values: readonly unknown[]): Promise<number> {
  const [found] = await tx.query<{ changes: number }>(
    `SELECT count(*)::int AS changes FROM change c WHERE ${where}`,
    values,
  );
  return found?.changes ?? 0;
}

type Recorded = Decided & {
  readonly entries: readonly ChainedEntry[];
  readonly hindered: readonly Hindered[];
};

/** One decision, the evidence of what it was about, and the changes' new state; with what is to be audited. `asked`: how they were named. */
async function record(
  tx: BulkTransaction,
  ruling: Ruling,
  chosen: Chosen,
  asked: { readonly [key: string]: Json },
): Promise<Recorded> {
  const decision = v7();
  if (!(await anyAsksMore(tx, chosen.connection)))
    return { ...(await write(tx, ruling, chosen, { decision, asked, moving: 'true' })), hindered: [] };
  if (ruling.verdict !== 'approve') {
    const written = await write(tx, ruling, chosen, { decision, asked, moving: 'true' });
    await forgetApprovals(tx, decision);
    return { ...written, hindered: [] };
  }
  const by = { principal: ruling.principal, role: ruling.role, at: ruling.at };
  await beginApproving(tx, by, chosen);
  await noteApprovals(tx, by, decision);
  const counting = { ...chosen, where: ACCEPTED, values: [] };
  const written = await write(tx, ruling, counting, { decision, asked, moving: ENOUGH });
  return { ...written, hindered: await hindered(tx) };
}

type How = {
  readonly decision: string;
  readonly asked: { readonly [key: string]: Json };
  /** Which of the `chosen` change their state. */
  readonly moving: string;
};

async function write(
  tx: BulkTransaction,
  ruling: Ruling,
  chosen: Chosen,
  { decision, asked, moving }: How,
): Promise<Omit<Recorded, 'hindered'>> {
  const at = (offset: number) => `$${chosen.values.length + offset}`;
  const [row] = await tx.query<{ chosen: number; decided: number }>(
    `WITH chosen AS (
       SELECT c.id, c.tenant_id, c.fingerprint, CASE WHEN c.state = 'held' AND was.id IS NOT NULL THEN was.id
         WHEN ${at(4)}::text <> 'approve' THEN e.overrode END AS overrode
       FROM change c LEFT JOIN decision was ON was.id = c.decision_id AND was.made_by = 'guard'
         LEFT JOIN decision_change e ON e.decision_id = c.decision_id AND e.change_id = c.id
       WHERE ${chosen.where} ORDER BY c.id FOR UPDATE OF c),
     made AS (
       INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, principal_id, actor, reason, created_at, until)
       SELECT ${at(1)}::uuid, ${at(2)}::uuid, ${at(3)}::uuid, ${at(4)}::text, 'person', ${at(5)}::uuid, ${at(9)}::jsonb, ${at(6)}::text,
         ${at(7)}::timestamptz, ${at(10)}::timestamptz
       WHERE EXISTS (SELECT FROM chosen)),
     evidence AS (
       INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint, overrode)
       SELECT ${at(1)}::uuid, id, tenant_id, fingerprint, overrode FROM chosen),
     changed AS (
       UPDATE change c SET state = ${at(8)}::text, decision_id = ${at(1)}::uuid, note = NULL FROM chosen
       WHERE c.id = chosen.id AND ${moving} RETURNING 1)
     SELECT (SELECT count(*)::int FROM chosen) AS chosen, (SELECT count(*)::int FROM changed) AS decided`,
    [
      ...chosen.values,
      decision,
      chosen.tenant,
      chosen.connection,
      ruling.verdict,
      ruling.principal,
      ruling.reason,
      ruling.at.toISOString(),
      stateAfter[ruling.verdict],
      ruling.actor,
      ruling.until?.toISOString() ?? null,
    ],
  );
  const { chosen: all, decided } = row ?? { chosen: 0, decided: 0 };
  const waiting = all - decided;
  if (all === 0) return { decided, waiting, entries: [] };
  const entry: AuditEntry = {
    actor: ruling.actor,
    action: decided === 0 ? 'changes.approval-given' : `changes.${stateAfter[ruling.verdict]}`,
    subject: { kind: 'change-set', id: chosen.connection },
    details: {
      ...{ decision, changes: decided, reason: ruling.reason, ...asked },
      ...(waiting === 0 ? {} : { waiting }),
      ...(ruling.until === null ? {} : { until: ruling.until.toISOString() }),
    },
  };
  return { decided, waiting, entries: [{ chain: chosen.tenant, entry }] };
}
