/** What is on record of one person: the changes of them, who decided on these, what applies did, and what was done by hand. */
import type { Actor } from '../domain/audit.ts';
import type { Json } from '../domain/canonical.ts';
import type { Cause, ChangeKind, ChangeNote, ChangeState, FieldChange } from '../domain/change.ts';
import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import type { Finding } from '../domain/guard.ts';
import type {
  ApplyId,
  AuthUserId,
  ChangeId,
  ConnectionId,
  ExternalId,
  RunId,
  TenantId,
} from '../domain/ids.ts';
import { Mapping } from '../domain/mapping.ts';
import { hashOfAbsence } from '../domain/plan.ts';
import type { AdjustedRoles } from '../domain/roleReasons.ts';
import type { ApprovalNumber } from '../domain/timeline.ts';
import type { StoredAuditEntry } from './audit.ts';
import type { BulkTransaction, Database } from './database.ts';
import { LIVE } from './livingChanges.ts';
import { MOMENT } from './moment.ts';
import { SUBTREE } from './scope.ts';

export type Person = { readonly connection: ConnectionId; readonly externalId: ExternalId };

export type PastChange = Person & {
  readonly id: ChangeId;
  readonly kind: ChangeKind;
  readonly cause: Cause;
  readonly state: ChangeState;
  readonly before: Json | null;
  readonly after: Json | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly undoes: ChangeId | null;
  readonly undoReason: string | null;
  readonly run: RunId;
  readonly proposedAt: Date;
  readonly apply: ApplyId | null;
  readonly appliedBy: Actor | null;
  readonly outcome: string | null;
  readonly outcomeReason: string | null;
  readonly note: ChangeNote | null;
  readonly closedAt: Date | null;
  /** What applications were told, and the version of the auth user then. */
  readonly event: string | null;
  readonly version: number | null;
};

export type PastDecision = {
  readonly change: ChangeId;
  readonly id: string;
  readonly verdict: 'approve' | 'reject' | 'hold';
  readonly madeBy: 'person' | 'policy' | 'guard';
  readonly by: string | null;
  readonly rule: string | null;
  readonly reason: string;
  readonly finding: Finding | null;
  readonly until: Date | null;
  readonly approval: ApprovalNumber | null;
  readonly at: Date;
};

/** A person has said whether the two are one. */
export type PastVerdict = {
  readonly id: string;
  readonly verdict: 'same' | 'different';
  readonly by: string;
  readonly reason: string;
  readonly at: Date;
};

export type PastComment = {
  readonly id: string;
  readonly change: ChangeId;
  readonly by: string;
  readonly text: string;
  readonly at: Date;
};

export type History = {
  /** The newest first. */
  readonly changes: readonly PastChange[];
  readonly decisions: readonly PastDecision[];
  readonly verdicts: readonly PastVerdict[];
  readonly comments: readonly PastComment[];
  /** The mappings of the runs that made the changes. */
  readonly mappings: ReadonlyMap<RunId, Mapping>;
};

/** What the last reading has left of somebody. */
export type LastReading = {
  readonly read: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] } | null;
  /** The run that found them like this; null: one before that was noted. */
  readonly readBy: RunId | null;
  readonly authUser: AuthUserId | null;
  readonly change: ChangeId | null;
  /** Their directory user, as last read, and their auth user are agreed on as they are, however they differ: nothing is proposed. */
  readonly isAgreed: boolean;
  /** What a person has said of them. */
  readonly adjusted: (AdjustedRoles & { readonly place: TenantId | null; readonly at: string }) | null;
  readonly noted: { readonly problem: string | null; readonly absence: string | null } | null;
  /** The last complete run of the connection; null: there was none. */
  readonly lastComplete: { readonly run: RunId; readonly at: Date } | null;
};

/** What was done to an auth user by hand. `role`: the name of the role that it is about, as it is called now. */
export type HandEntry = StoredAuditEntry & { readonly tenant: TenantId; readonly role: string | null };

export class Histories {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** `user` null: of somebody who has no auth user. At most `limit` changes, the newest. */
  of(
    within: TenantId,
    who: { readonly user: AuthUserId | null; readonly persons: readonly Person[] },
    limit: number,
  ): Promise<History> {
    return this.#database.bulk(within, async (tx) => {
      const changes = await readPast(tx, within, who, limit);
      return {
        changes,
        decisions: await readDecisions(tx, changes),
        verdicts: await readVerdicts(tx, within, who.persons),
        comments: await readComments(tx, changes),
        mappings: await readMappings(tx, changes),
      };
    });
  }

  /** What was done to the auth user by hand, the newest first. Only in the logs that `within` sees. */
  byHand(within: TenantId, user: AuthUserId, limit: number): Promise<readonly HandEntry[]> {
    return this.#database.bulk(within, (tx) =>
      tx.query<HandEntry>(
        `SELECT e.tenant_id AS tenant, e.number::int AS number, ${MOMENT('e.at')} AS at,
           e.actor, e.action, e.subject, e.details, encode(e.hash, 'hex') AS hash, r.name AS role
         FROM audit_entry e LEFT JOIN role r ON r.id::text = e.details ->> 'role' AND r.type <> 'hidden'
         WHERE e.subject ->> 'kind' = 'auth-user' AND e.subject ->> 'id' = $1::text AND e.tenant_id IN ${SUBTREE('$2::uuid')}
         ORDER BY e.at DESC, e.number DESC LIMIT $3::int`,
        [user, within, limit],
      ),
    );
  }

  lastReading(within: TenantId, { connection, externalId }: Person): Promise<LastReading> {
    return this.#database.bulk(within, async (tx) => {
      const [row] = await tx.query<Omit<LastReading, 'noted' | 'lastComplete'>>(
        `SELECT d.content AS read, d.read_by AS "readBy", i.auth_user_id AS "authUser", c.id AS change,
           coalesce(i.agreed_version = a.version AND i.agreed_hash = coalesce(d.desired_hash, decode($3, 'hex')), false) AS "isAgreed",
           CASE WHEN j.id IS NOT NULL THEN json_build_object('rolesAdded', j.roles_added, 'rolesRemoved', j.roles_removed, 'place', j.place_id,
             'by', j.actor ->> 'name', 'reason', j.reason, 'at', ${MOMENT('j.created_at')}) END AS adjusted
         FROM (SELECT $1::uuid AS connection, $2::text AS id) who
           LEFT JOIN directory_user d ON d.connection_id = who.connection AND d.external_id = who.id
           LEFT JOIN identity i ON i.connection_id = who.connection AND i.external_id = who.id
           LEFT JOIN auth_user a ON a.id = i.auth_user_id
           LEFT JOIN change c ON c.connection_id = who.connection AND c.external_id = who.id AND c.state IN ${LIVE}
           LEFT JOIN adjustment j ON j.connection_id = who.connection AND j.external_id = who.id`,
        [connection, externalId, hashOfAbsence({ told: null })],
      );
      // Of runs whose snapshot is still there; the newest that has anything to say of this person.
      const [noted] = await tx.query<NonNullable<LastReading['noted']>>(
        `SELECT s.problem, s.absence FROM sync_run r JOIN staged_user s ON s.run_id = r.id AND s.external_id = $2
         WHERE r.connection_id = $1 AND r.state = 'finished' AND NOT r.tidied ORDER BY r.id DESC LIMIT 1`,
        [connection, externalId],
      );
      const [complete] = await tx.query<{ run: RunId; at: Date }>(
        `SELECT id AS run, finished_at AS at FROM sync_run
         WHERE connection_id = $1 AND state = 'finished' AND snapshot = 'complete' ORDER BY id DESC LIMIT 1`,
        [connection],
      );
      const none = {
        read: null,
        readBy: null,
        authUser: null,
        change: null,
        isAgreed: false,
        adjusted: null,
      };
      return { ...none, ...row, noted: noted ?? null, lastComplete: complete ?? null };
    });
  }

  /** Connections whose directory has, or had, somebody of this id. */
  whoseIs(within: TenantId, externalId: ExternalId): Promise<readonly ConnectionId[]> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<{ id: ConnectionId }>(
        `SELECT n.id FROM connection n WHERE n.tenant_id IN ${SUBTREE('$1::uuid')} AND (
           EXISTS (SELECT FROM directory_user d WHERE d.connection_id = n.id AND d.external_id = $2)
           OR EXISTS (SELECT FROM identity i WHERE i.connection_id = n.id AND i.external_id = $2)
           OR EXISTS (SELECT FROM change c WHERE c.connection_id = n.id AND c.external_id = $2 AND c.state IN ${LIVE}))
         ORDER BY n.id LIMIT 20`,
        [within, externalId],
      );
      return rows.map(({ id }) => id);
    });
  }

  /** External ids of those in this directory, as last read, who come with this address or user name, in any case. The first twenty. */
  named(within: TenantId, connection: ConnectionId, name: string): Promise<readonly ExternalId[]> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<{ id: ExternalId }>(
        `SELECT d.external_id AS id FROM directory_user d
         WHERE d.connection_id = $1 AND d.tenant_id IN ${SUBTREE('$2::uuid')}
           AND lower($3) IN (lower(d.content #>> '{user,email}'), lower(d.content #>> '{user,userName}')) LIMIT 20`,
        [connection, within, name],
      );
      return rows.map(({ id }) => id);
    });
  }
}

async function readPast(
  tx: BulkTransaction,
  within: TenantId,
  { user, persons }: { readonly user: AuthUserId | null; readonly persons: readonly Person[] },
  limit: number,
): Promise<readonly PastChange[]> {
  return await tx.query<PastChange>(
    `WITH who AS (SELECT * FROM jsonb_to_recordset($3::jsonb) AS p (connection uuid, "externalId" text)),
     meant AS (
       SELECT id FROM change WHERE auth_user_id = $2::uuid
       UNION SELECT c.id FROM who p JOIN change c ON c.connection_id = p.connection AND c.external_id = p."externalId" AND c.state IN ${LIVE}
       UNION SELECT c.id FROM who p JOIN change c ON c.connection_id = p.connection AND c.external_id = p."externalId"
         AND c.state = 'superseded' AND c.auth_user_id IS NULL)
     SELECT c.id, c.connection_id AS connection, c.external_id AS "externalId", c.kind, c.cause, c.state, c.before, c.after, c.fields,
       c.roles_gained AS "rolesGained", c.roles_lost AS "rolesLost", c.undoes, c.undo_reason AS "undoReason", c.run_id AS run, c.created_at AS "proposedAt", c.apply_id AS apply,
       a.actor AS "appliedBy", c.outcome, c.outcome_reason AS "outcomeReason", c.note, c.closed_at AS "closedAt", e.id AS event,
       e.user_version AS version
     FROM change c LEFT JOIN apply a ON a.id = c.apply_id LEFT JOIN event e ON e.change_id = c.id
     WHERE c.id IN (SELECT id FROM meant) AND c.tenant_id IN ${SUBTREE('$1::uuid')} ORDER BY c.id DESC LIMIT $4::int`,
    [within, user, JSON.stringify(persons), limit],
  );
}

/** Of `approval a`: how many different people had approved with it, of those that count together. */
const NUMBER = `(SELECT count(DISTINCT b.principal_id)::int FROM approval b
  WHERE b.change_id = a.change_id AND b.decision_id <= a.decision_id AND b.counted_in IS NOT DISTINCT FROM a.counted_in)`;

async function readDecisions(
  tx: BulkTransaction,
  changes: readonly PastChange[],
): Promise<readonly PastDecision[]> {
  if (changes.length === 0) return [];
  return await tx.query<PastDecision>(
    `SELECT e.change_id AS change, d.id, d.verdict, d.made_by AS "madeBy", d.actor ->> 'name' AS by, v.rule, d.reason, d.finding, d.until,
       d.created_at AS at, CASE WHEN w.approvals > 1 OR a.counted_in IS DISTINCT FROM d.id AND a.change_id IS NOT NULL THEN json_build_object('number', ${NUMBER}, 'of', w.approvals, 'last', a.counted_in IS NOT DISTINCT FROM d.id) END AS approval
     FROM decision_change e JOIN decision d ON d.id = e.decision_id LEFT JOIN policy_verdict v ON v.id = d.verdict_id
       LEFT JOIN approval a ON a.decision_id = d.id AND a.change_id = e.change_id LEFT JOIN change c ON c.id = a.change_id
       LEFT JOIN policy_verdict w ON w.id = c.verdict_id
     WHERE e.change_id = ANY ($1::uuid[]) ORDER BY d.id`,
    [changes.map(({ id }) => id)],
  );
}

async function readVerdicts(
  tx: BulkTransaction,
  within: TenantId,
  persons: readonly Person[],
): Promise<readonly PastVerdict[]> {
  if (persons.length === 0) return [];
  return await tx.query<PastVerdict>(
    `SELECT p.id, p.state AS verdict, p.actor ->> 'name' AS by, p.reason, p.decided_at AS at
     FROM jsonb_to_recordset($2::jsonb) AS who (connection uuid, "externalId" text)
       JOIN pair p ON p.connection_id = who.connection AND p.external_id = who."externalId"
     WHERE p.state IN ('same', 'different') AND p.decided_at IS NOT NULL AND p.tenant_id IN ${SUBTREE('$1::uuid')} ORDER BY p.id LIMIT 100`,
    [within, JSON.stringify(persons)],
  );
}

/** Nobody has commented on most: looked up by the person, whose comments are few. */
async function readComments(
  tx: BulkTransaction,
  changes: readonly PastChange[],
): Promise<readonly PastComment[]> {
  if (changes.length === 0) return [];
  const persons = changes.map(({ connection, externalId }) => ({ connection, externalId }));
  return await tx.query<PastComment>(
    `SELECT m.id, m.change_id AS change, m.actor ->> 'name' AS by, m.text, m.created_at AS at
     FROM (SELECT DISTINCT * FROM jsonb_to_recordset($1::jsonb) AS p (connection uuid, "externalId" text)) who
       JOIN change_comment m ON m.connection_id = who.connection AND m.external_id = who."externalId"
     WHERE m.change_id = ANY ($2::uuid[]) ORDER BY m.id LIMIT 1000`,
    [JSON.stringify(persons), changes.map(({ id }) => id)],
  );
}

async function readMappings(
  tx: BulkTransaction,
  changes: readonly PastChange[],
): Promise<ReadonlyMap<RunId, Mapping>> {
  const giving = changes.filter(({ rolesGained }) => rolesGained.length > 0);
  if (giving.length === 0) return new Map();
  const rows = await tx.query<{ id: RunId; mapping: unknown }>(
    'SELECT id, mapping FROM sync_run WHERE id = ANY ($1::uuid[])',
    [[...new Set(giving.map(({ run }) => run))]],
  );
  return new Map(rows.map(({ id, mapping }) => [id, Mapping.parse(mapping)]));
}
