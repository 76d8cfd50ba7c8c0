/** Proposes what takes an apply back, in one transaction: a page of its changes at a time is looked at beside the auth users of now. */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import { type ChangeKind, fingerprintOfChange, type ProposedChange } from '../domain/change.ts';
import { emailKey } from '../domain/email.ts';
import type { ApplyId, AuthUserId, ChangeId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { compileMapping, Mapping } from '../domain/mapping.ts';
import type { Places } from '../domain/place.ts';
import { Policy } from '../domain/policy.ts';
import { riskFacts } from '../domain/risk.ts';
import { type AppliedChange, type LeftBecause, type UndoGround, undo } from '../domain/undo.ts';
import { appendAudit } from './audit.ts';
import { NAME } from './changeFilter.ts';
import { PlannedGroups, wideRoles } from './changeGroups.ts';
import type { BulkTransaction, Database } from './database.ts';
import { guardAgain } from './guardedAgain.ts';
import { manyIds } from './ids.ts';
import { LIVE } from './livingChanges.ts';
import { lockForPlan } from './locks.ts';
import { isSpread, readPlaces } from './places.ts';
import { type AuthUserRow, toStoredAuthUser } from './rows.ts';

/** How many changes are in memory at once. */
const PAGE = 1_000;
/** So many of those that are taken back are named, and of those that are left alone. */
const NAMED = 500;

export type LeftChange = {
  readonly change: string;
  readonly authUser: AuthUserId | null;
  readonly externalId: ExternalId | null;
  /** What to call the person; null where there is no such change. */
  readonly name: string | null;
  readonly because: LeftBecause;
  /** What has moved; empty: the change as a whole. */
  readonly what: readonly string[];
  /** What takes the rest of the change back; null: nothing of it is taken back. */
  readonly proposed: ChangeId | null;
};

/** Somebody of whom something is taken back, or would be. */
export type TakenBack = {
  /** Of the apply. */
  readonly change: ChangeId;
  readonly authUser: AuthUserId | null;
  readonly externalId: ExternalId;
  readonly name: string;
  /** Of the change that takes it back. */
  readonly kind: ChangeKind;
};

export type UndoResult = {
  /** Of the change set, with what was proposed in it. */
  readonly revision: number;
  /** How many changes were proposed, by kind. */
  readonly kinds: { readonly [kind in ChangeKind]?: number };
  readonly proposed: number;
  /** Of those, by guards. */
  readonly held: number;
  /** Some of those that are proposed, or would be. */
  readonly takenBack: readonly TakenBack[];
  /** How many were left alone, be it in part. */
  readonly left: number;
  /** Some of these. */
  readonly items: readonly LeftChange[];
};

export type UndoRequest = {
  readonly apply: ApplyId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  /** null: all of the apply. */
  readonly changes: readonly ChangeId[] | null;
  /** Why somebody wants it. */
  readonly reason: string | null;
  /** Nothing is written. */
  readonly dryRun: boolean;
  readonly actor: Actor;
  readonly at: Date;
};

export class Undoing {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null: the apply has not ended. */
  propose(request: UndoRequest): Promise<UndoResult | null> {
    return this.#database.bulk(request.tenant, async (tx) => {
      await lockForPlan(tx, request.connection);
      const [apply] = await tx.query(
        `SELECT FROM apply WHERE id = $1 AND state IN ('finished', 'cancelled')`,
        [request.apply],
      );
      return apply === undefined
        ? null
        : await new Undo(tx, request, await contextOf(tx, request)).carryOut();
    });
  }
}

type Context = {
  readonly revision: number;
  readonly policy: Policy;
  readonly mapping: Mapping;
  readonly places: Places;
  readonly spread: boolean;
  readonly groups: PlannedGroups;
};

async function contextOf(tx: BulkTransaction, { connection, tenant }: UndoRequest): Promise<Context> {
  const [row] = await tx.query<{ revision: string; policy: unknown; mapping: unknown }>(
    'SELECT change_revision AS revision, policy, mapping FROM connection WHERE id = $1 FOR NO KEY UPDATE',
    [connection],
  );
  const policy = Policy.parse(row?.policy);
  const mapping = Mapping.parse(row?.mapping);
  return {
    revision: Number(row?.revision) + 1,
    policy,
    mapping,
    places: await readPlaces(tx, tenant),
    spread: await isSpread(tx, { connection, tenant }, compileMapping(mapping).places),
    groups: new PlannedGroups({ connection, tenant }, riskFacts(policy, await wideRoles(tx))),
  };
}

type Row = Omit<AppliedChange, 'tenant'> &
  Omit<AuthUserRow, 'id'> & {
    readonly id: AuthUserId | null;
    readonly change: ChangeId;
    readonly run: string;
    readonly name: string;
    readonly purged: boolean;
    /** What waits for the directory user. */
    readonly live: { readonly id: ChangeId; readonly gives: 'way' | 'undo' | 'other' } | null;
  } & Pick<UndoGround, 'linkedTo' | 'links' | 'rolesByHand' | 'addressTaken' | 'undone'>;

/**
 * SQL: whether anybody but `user` has an address, and keeps it although the changes `$5` of the apply `$1` (null: all) are taken back. `$3`:
 * the tenant of the connection; `$4`: it may put people below that.
 */
const takenFromThem = (key: string, user: string) => `EXISTS (
  SELECT FROM auth_user h WHERE h.email_key = ${key} AND h.id <> ${user} AND h.state <> 'deleted' AND ($4 OR h.tenant_id = $3)
    AND NOT EXISTS (SELECT FROM change f WHERE f.apply_id = $1 AND f.auth_user_id = h.id AND f.outcome = 'applied'
      AND ($5::uuid[] IS NULL OR f.id = ANY ($5::uuid[]))
      AND (f.before IS NULL OR f.before ->> 'state' = 'deleted' OR f.fields @> '[{"field": "email"}]')))`;

/** A change that takes another back, with what it takes the place of. */
type Inverse = { readonly change: ProposedChange; readonly row: Row; readonly id: string };

class Undo {
  readonly #tx: BulkTransaction;
  readonly #request: UndoRequest;
  readonly #context: Context;
  readonly #kinds: { [kind in ChangeKind]?: number } = {};
  readonly #items: LeftChange[] = [];
  readonly #takenBack: TakenBack[] = [];
  #left = 0;

  constructor(tx: BulkTransaction, request: UndoRequest, context: Context) {
    this.#tx = tx;
    this.#request = request;
    this.#context = context;
  }

  async carryOut(): Promise<UndoResult> {
    await this.#nameUnknown();
    await this.#tx.query('SET LOCAL enable_seqscan = off'); // each is looked up by key, however few the statistics say there are
    for await (const ids of this.#pages()) await this.#propose(this.#inversesOf(await this.#look(ids)));
    await this.#tx.query('SET LOCAL enable_seqscan = on');
    return await this.#finish();
  }

  /** Those that the apply has carried out, of those that are meant. */
  async *#pages(): AsyncGenerator<readonly ChangeId[]> {
    const { apply, changes } = this.#request;
    await this.#tx.query(
      `DECLARE applied_changes NO SCROLL CURSOR FOR SELECT id FROM change
       WHERE apply_id = $1 AND outcome = 'applied' AND state = 'applied' AND ($2::uuid[] IS NULL OR id = ANY ($2::uuid[])) ORDER BY id`,
      [apply, changes],
    );
    for (;;) {
      const rows = await this.#tx.query<{ id: ChangeId }>(`FETCH ${PAGE} FROM applied_changes`);
      if (rows.length === 0) break;
      yield rows.map(({ id }) => id);
    }
    await this.#tx.query('CLOSE applied_changes');
  }

  /** Those that were asked for, and that the apply has not applied. */
  async #nameUnknown(): Promise<void> {
    const { apply, connection, changes } = this.#request;
    if (changes === null) return;
    const rows = await this.#tx.query<{ id: string; known: boolean }>(
      `SELECT n.id, c.id IS NOT NULL AS known FROM unnest($1::uuid[]) AS n (id) LEFT JOIN change c ON c.id = n.id AND c.connection_id = $3
       WHERE c.id IS NULL OR c.apply_id IS DISTINCT FROM $2 OR c.outcome IS DISTINCT FROM 'applied'`,
      [changes, apply, connection],
    );
    for (const { id, known } of rows) {
      const because = known ? 'not-applied' : 'not-found';
      this.#leave({
        change: id,
        authUser: null,
        externalId: null,
        name: null,
        because,
        what: [],
        proposed: null,
      });
    }
  }

  #leave(left: LeftChange): void {
    this.#left += 1;
    if (this.#items.length < NAMED) this.#items.push(left);
  }

  async #look(ids: readonly ChangeId[]): Promise<readonly Row[]> {
    const { apply, connection, tenant, changes } = this.#request;
    const rows = await this.#tx.query<Row>(
      `SELECT c.id AS change, c.external_id AS "externalId", c.kind, c.before, c.after, c.fields, c.roles_gained AS "rolesGained",
         c.roles_lost AS "rolesLost", c.run_id AS run, ${NAME} AS name, a.id, a.tenant_id, a.state, a.version, a.user_name, a.email,
         a.display_name, a.attributes, a.purged_at IS NOT NULL AS purged,
         (SELECT array_agg(r.name ORDER BY r.name COLLATE "C") FROM role_assignment g JOIN role r ON r.id = g.role_id
          WHERE g.auth_user_id = a.id AND g.connection_id = $2) AS roles,
         (SELECT count(*)::int FROM role_assignment g WHERE g.auth_user_id = a.id AND g.origin = 'manual') AS "rolesByHand",
         (SELECT count(*)::int FROM identity i WHERE i.auth_user_id = a.id) AS links,
         (SELECT i.auth_user_id FROM identity i WHERE i.connection_id = $2 AND i.external_id = c.external_id) AS "linkedTo",
         (SELECT json_build_object('id', l.id, 'gives', CASE WHEN l.undoes = c.id THEN CASE WHEN l.state IN ('moved', 'rejected') THEN 'way' ELSE 'undo' END
            WHEN c.kind = 'unlink' AND l.kind = 'link' AND l.state = 'rejected' THEN 'way' ELSE 'other' END) FROM change l
          WHERE l.connection_id = $2 AND l.external_id = c.external_id AND l.state IN ${LIVE}) AS live,
         EXISTS (SELECT FROM change u WHERE u.undoes = c.id AND u.outcome = 'applied') AS undone,
         a.state = 'deleted' AND ${takenFromThem('a.email_key', 'a.id')} AS "addressTaken"
       FROM change c LEFT JOIN auth_user a ON a.id = c.auth_user_id
       WHERE c.id = ANY ($6::uuid[]) ORDER BY c.id`,
      [apply, connection, tenant, this.#context.spread, changes, ids],
    );
    const taken = await this.#takenSince(rows);
    return rows.map((row) => (taken.has(row.change) ? { ...row, addressTaken: true } : row));
  }

  /** Of those who have another address by the change, and hold it still: whose old one is another's by now. */
  async #takenSince(rows: readonly Row[]): Promise<ReadonlySet<ChangeId>> {
    const given = rows.flatMap(({ change, id, state, fields }) => {
      const email = fields.find(({ field }) => field === 'email')?.before;
      const key = typeof email === 'string' && state !== 'deleted' ? emailKey(email) : null;
      return key === null || id === null ? [] : [{ change, user: id, key }];
    });
    if (given.length === 0) return new Set();
    const { apply, tenant, changes } = this.#request;
    const taken = await this.#tx.query<{ change: ChangeId }>(
      `SELECT g.change FROM jsonb_to_recordset($2::jsonb) AS g (change uuid, "user" uuid, key text) WHERE ${takenFromThem('g.key', 'g."user"')}`,
      [apply, JSON.stringify(given), tenant, this.#context.spread, changes],
    );
    return new Set(taken.map(({ change }) => change));
  }

  #inversesOf(rows: readonly Row[]): readonly Inverse[] {
    const ids = manyIds(rows.length);
    return rows.flatMap((row, at) => this.#inverseOf(row, ids[at] ?? ''));
  }

  #inverseOf(row: Row, proposed: string): readonly Inverse[] {
    const { change: id, externalId, name, live } = row;
    const about = { change: id, authUser: row.id, externalId, name };
    if (live?.gives === 'undo') {
      this.#leave({ ...about, because: 'waits-already', what: [], proposed: live.id });
      return [];
    }
    const user = row.id === null ? null : { ...toStoredAuthUser({ ...row, id: row.id }), purged: row.purged };
    const { linkedTo, links, rolesByHand, addressTaken, undone } = row;
    const ground = { user, linkedTo, links, rolesByHand, addressTaken, undone };
    const { change, left } = undo(
      { ...row, tenant: this.#request.tenant },
      { ...ground, otherWaits: live?.gives === 'other' },
      this.#context.places,
    );
    for (const { because, what } of left)
      this.#leave({ ...about, because, what, proposed: change === null ? null : (proposed as ChangeId) });
    return change === null ? [] : [{ change, row, id: proposed }];
  }

  async #propose(inverses: readonly Inverse[]): Promise<void> {
    for (const { change, row } of inverses) {
      this.#kinds[change.kind] = (this.#kinds[change.kind] ?? 0) + 1;
      if (this.#takenBack.length === NAMED) continue;
      const { externalId, kind } = change;
      this.#takenBack.push({ change: row.change, authUser: row.id, externalId, name: row.name, kind });
    }
    if (this.#request.dryRun || inverses.length === 0) return;
    const { groups, revision } = this.#context;
    const gone = inverses.flatMap(({ id, row }) => (row.live === null ? [] : [{ id: row.live.id, by: id }]));
    const rows = inverses.map(({ id, change, row }) => ({
      ...{ id, undoes: row.change, run_id: row.run, group_id: groups.groupOf(change, id) },
      ...{
        external_id: change.externalId,
        auth_user_id: change.authUser,
        kind: change.kind,
        cause: change.cause,
      },
      ...{ before: change.before, after: change.after, fields: change.fields },
      ...{
        roles_gained: change.rolesGained,
        roles_lost: change.rolesLost,
        found_tenants: change.foundTenants,
      },
      ...{ base_version: change.baseVersion, fingerprint: `\\x${fingerprintOfChange(change)}` },
    }));
    await groups.write(this.#tx);
    if (gone.length > 0)
      await this.#tx.query(
        `UPDATE change c SET state = 'superseded', closed_at = $2, note = jsonb_build_object('because', 'replaced', 'by', g.by)
         FROM jsonb_to_recordset($1::jsonb) AS g (id uuid, by uuid) WHERE c.id = g.id`,
        [JSON.stringify(gone), this.#request.at.toISOString()],
      );
    await this.#tx.query(
      `INSERT INTO change (id, tenant_id, connection_id, external_id, auth_user_id, kind, cause, before, after, fields, roles_gained,
         roles_lost, fingerprint, desired_hash, base_version, found_tenants, group_id, state, revision, run_id, undoes, undo_reason)
       SELECT r.id, $2, $3, r.external_id, r.auth_user_id, r.kind, r.cause, r.before, r.after, r.fields, r.roles_gained, r.roles_lost,
         r.fingerprint, '', r.base_version, r.found_tenants, r.group_id, 'open', $4, r.run_id, r.undoes, $5
       FROM jsonb_populate_recordset(NULL::change, $1::jsonb) AS r`,
      [JSON.stringify(rows), this.#request.tenant, this.#request.connection, revision, this.#request.reason],
    );
  }

  async #finish(): Promise<UndoResult> {
    const { apply, connection, tenant, reason, actor, at, dryRun } = this.#request;
    const { revision, policy, mapping } = this.#context;
    const proposed = Object.values(this.#kinds).reduce((sum, count) => sum + count, 0);
    const [takenBack, left, items] = [this.#takenBack, this.#left, this.#items];
    const result = { kinds: this.#kinds, proposed, takenBack, left, items };
    if (dryRun || proposed === 0) return { ...result, revision: revision - 1, held: 0 };
    const decided = await guardAgain(this.#tx, { connection, tenant, policy, mapping, revision, at });
    const [row] = await this.#tx.query<{ held: number }>(
      `SELECT count(*)::int AS held FROM change WHERE connection_id = $1 AND state = 'held' AND revision = $2`,
      [connection, revision],
    );
    await this.#tx.query('UPDATE connection SET change_revision = $2 WHERE id = $1', [connection, revision]);
    const why = reason === null ? {} : { reason };
    const details = { connection, revision, changes: proposed, left: this.#left, ...why };
    const subject = { kind: 'apply', id: apply } as const;
    const entry: AuditEntry = { actor, action: 'apply.undo-proposed', subject, details };
    await appendAudit(this.#tx, tenant, at, [entry, ...decided]);
    return { ...result, revision, held: row?.held ?? 0 };
  }
}
