/** Records what was decided on which changes, by sets: one decision may be about a hundred thousand of them. */
import { v7 } from 'uuid';
import type { AuditEntry } from '../domain/audit.ts';
import { allowedIn, statesDecidedAsSet } from '../domain/change.ts';
import { LET_GO_BY_NAME } from '../domain/guard.ts';
import type { ChangeId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import { type ChangeFilter, conditions } from './changeFilter.ts';
import { reopenDueEverywhere } from './changeNotes.ts';
import type { BulkTransaction, Database } from './database.ts';
import { SUBTREE } from './scope.ts';

export type Verdict = 'approve' | 'reject' | 'hold';

export const stateAfter = { approve: 'approved', reject: 'rejected', hold: 'held' } as const satisfies Record<
  Verdict,
  string
>;

export type Ruling = {
  readonly verdict: Verdict;
  readonly principal: PrincipalId;
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

export type Refusal = {
  readonly id: ChangeId;
  readonly because: 'not-found' | 'changed-since-shown' | 'not-allowed-now';
};

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
  ): Promise<{ decided: number; refused: readonly Refusal[] }> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<{
        id: ChangeId;
        tenant: TenantId;
        connection: ConnectionId;
        same: boolean;
        allowed: boolean;
      }>(
        `SELECT c.id, c.tenant_id AS tenant, c.connection_id AS connection, encode(c.fingerprint, 'hex') = ALL (s.fingerprints) AND ${asHeld(ruling)} AS same,
           c.state = ANY ($2::text[]) AND ${notAConflict(ruling)} AS allowed
         FROM change c JOIN (SELECT id, array_agg(fingerprint) AS fingerprints, array_agg(decision) AS decisions
           FROM jsonb_to_recordset($1::jsonb) AS named (id uuid, fingerprint text, decision uuid) GROUP BY id) s ON s.id = c.id
         WHERE c.tenant_id IN ${SUBTREE('$3::uuid')}
         ORDER BY c.id FOR UPDATE OF c`,
        [JSON.stringify(shown), allowedIn[ruling.verdict], within],
      );
      const found = new Map(rows.map((row) => [row.id, row]));
      const refused = [...new Set(shown.map(({ id }) => id))].flatMap((id): Refusal[] => {
        const row = found.get(id);
        if (row === undefined) return [{ id, because: 'not-found' }];
        if (!row.same) return [{ id, because: 'changed-since-shown' }];
        return row.allowed ? [] : [{ id, because: 'not-allowed-now' }];
      });
      const accepted = rows.filter((row) => row.same && row.allowed);
      const byConnection = Map.groupBy(accepted, (row) => row.connection);
      const entries: ChainedEntry[] = [];
      for (const [connection, changes] of byConnection) {
        const [first] = changes;
        if (first === undefined) continue;
        const chosen = { where: 'c.id = ANY ($1::uuid[])', values: [changes.map((change) => change.id)] };
        const recorded = await record(tx, ruling, { connection, tenant: first.tenant, ...chosen });
        entries.push(...recorded.entries);
      }
      await appendToChains(tx, ruling.at, entries);
      return { decided: accepted.length, refused };
    });
  }

  /** Opens again, wherever it is, what was refused or held back until a time that has come; gives how many changes. */
  openAgain(at: Date): Promise<number> {
    return reopenDueEverywhere(this.#database, at);
  }

  /**
   * Decides on all changes of these sets that match and that were there as they were shown; what arrived later is not included, nor what
   * is held and let go by name alone: `byName` are so many, where held ones are meant.
   */
  async onFilter(
    within: TenantId,
    ruling: Ruling,
    of: { sets: readonly ShownSet[]; includeHeld: boolean; filter: ChangeFilter },
  ): Promise<{ decided: number; byName: number }> {
    return await this.#database.bulk(within, async (tx) => {
      let [decided, byName] = [0, 0];
      const entries: ChainedEntry[] = [];
      // In one order for all who decide on several. The audit logs are locked when no row is waited for any more.
      const inOrder = of.sets.toSorted((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1));
      for (const { connection, tenant, revision } of inOrder) {
        const { where, values } = conditions(within, { ...of.filter, connection });
        values.push(statesDecidedAsSet(ruling.verdict, of.includeHeld), revision);
        const allowed = `c.state = ANY ($${values.length - 1}::text[]) AND c.revision <= $${values.length}::bigint`;
        const possible = `${where} AND ${allowed} AND ${notAConflict(ruling)}`;
        if (of.includeHeld)
          byName += await countChanges(tx, `${possible} AND NOT (${notByName(ruling)})`, values);
        const chosen = { where: `${possible} AND ${notByName(ruling)}`, values };
        const recorded = await record(tx, ruling, { connection, tenant, ...chosen });
        decided += recorded.decided;
        entries.push(...recorded.entries);
      }
      await appendToChains(tx, ruling.at, entries);
      return { decided, byName };
    });
  }
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

type Chosen = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly where: string;
  readonly values: readonly unknown[];
};

type Recorded = { readonly decided: number; readonly entries: readonly ChainedEntry[] };

/** One decision, the evidence of what it was about, and the changes' new state. Gives the number of changes, and what is to be audited. */
async function record(tx: BulkTransaction, ruling: Ruling, chosen: Chosen): Promise<Recorded> {
  const decision = v7();
  const at = (offset: number) => `$${chosen.values.length + offset}`;
  const [row] = await tx.query<{ decided: number }>(
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
       UPDATE change c SET state = ${at(8)}::text, decision_id = ${at(1)}::uuid, note = NULL FROM chosen WHERE c.id = chosen.id RETURNING 1)
     SELECT count(*)::int AS decided FROM changed`,
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
  const decided = row?.decided ?? 0;
  if (decided === 0) return { decided, entries: [] };
  const entry: AuditEntry = {
    actor: ruling.actor,
    action: `changes.${stateAfter[ruling.verdict]}`,
    subject: { kind: 'change-set', id: chosen.connection },
    details: {
      ...{ decision, changes: decided, reason: ruling.reason },
      ...(ruling.until === null ? {} : { until: ruling.until.toISOString() }),
    },
  };
  return { decided, entries: [{ chain: chosen.tenant, entry }] };
}
