/** One batch of an apply: what each change means for the auth user as it is now, and everything that is written for it. */
import { addressGivenBy } from '../domain/addresses.ts';
import type { Terms } from '../domain/applyPolicy.ts';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { StoredAuthUser } from '../domain/authUser.ts';
import { type Approved, type CarriedOut, carryOut, eventTypeOf, placeGivenBy } from '../domain/carryOut.ts';
import type { ChangeKind } from '../domain/change.ts';
import type { ApplyId, AuthUserId, ChangeId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { areGivenOut, findHolders, type Holders } from './addressHolders.ts';
import { endLinks, settle } from './afterApply.ts';
import { refuseHalted } from './applyGround.ts';
import { noteLeft } from './applyOutcomes.ts';
import { appendToChains, type ChainedEntry, lockChains } from './auditChains.ts';
import type { BulkTransaction } from './database.ts';
import { EventData } from './eventData.ts';
import { holdBack } from './guardedApply.ts';
import { holdNamedRoles } from './heldRoles.ts';
import { manyIds } from './ids.ts';
import { whoComesTooLate } from './lateComers.ts';
import { holdTree, lockForApply } from './locks.ts';
import { FoundPlaces, moveAlong } from './places.ts';
import { type AuthUserRow, toColumns, toStoredAuthUser } from './rows.ts';
import { endOwnSessions, isSignedOut, SESSIONS_REVOKED } from './signedOut.ts';

/** An apply that this process works on. */
export type RunningApply = {
  readonly id: ApplyId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  /** The approvals that it carries out. */
  readonly decisions: readonly string[];
  readonly actor: Actor;
  readonly terms: Terms;
  /** The changes that come before all others, and then a pause; none: it comes in one part, or they are done. */
  readonly firstPart: readonly ChangeId[];
  /**
   * People of the connection were in tenants below its own when the apply was taken up, or its mapping puts some there: they share an
   * address with nobody there either.
   */
  readonly spread: boolean;
};

type ClaimedChange = Approved & {
  readonly id: ChangeId;
  readonly tenant: TenantId;
  readonly externalId: ExternalId;
  readonly kind: ChangeKind;
  readonly desiredHash: string;
  readonly linkedTo: AuthUserId | null;
};

/**
 * How many changes to take hold of at the most; after which one, so that what is done already need not be looked over again; and,
 * where it is not whatever comes next, which.
 */
export type Claim = {
  readonly limit: number;
  readonly after: ChangeId | null;
  readonly only: readonly ChangeId[] | null;
  readonly late: Late;
};

/**
 * What becomes of a change whose address somebody else has by then. It waits, because whoever has it may leave it by a later batch;
 * or there is no later one, and it is sent back.
 */
export type Late = 'waits' | 'moves';

type FoundGround = {
  /** As of the apply; or because a change of the batch puts somebody in a tenant below, whatever the mapping says by now. */
  readonly spread: boolean;
  readonly users: ReadonlyMap<AuthUserId, { readonly user: StoredAuthUser; readonly links: number }>;
  /** Of the addresses that would be given. */
  readonly holders: Holders;
  readonly places: FoundPlaces;
  readonly withheldRoles: ReadonlySet<string>;
};

type Done = {
  readonly change: ClaimedChange;
  readonly user: AuthUserId | null;
  readonly version: number | null;
  /** Where the auth user was before; null: nowhere. */
  readonly from: TenantId | null;
  readonly result: CarriedOut;
  /** They were active, and are not from now on. */
  readonly signedOut: boolean;
};

/** Carried out, with the tenant that the auth user is in from now on. */
type Applied = Done & { readonly user: AuthUserId; readonly tenant: TenantId };

export class Batch {
  readonly #apply: RunningApply;
  readonly #at: Date;
  /** What the last try took hold of, for the case that it fails. */
  claimed: readonly ChangeId[] = [];
  /** How many were sent back. */
  moved = 0;

  constructor(apply: RunningApply, at: Date) {
    this.#apply = apply;
    this.#at = at;
  }

  async carryOut(tx: BulkTransaction, claim: Claim): Promise<number> {
    await lockForApply(tx, this.#apply.connection);
    await refuseHalted(tx, this.#apply, this.#at);
    // A batch finds all its rows by key. While thousands are being added, PostgreSQL's statistics say that a table is small.
    await tx.query('SET LOCAL enable_seqscan = off');
    const changes = await this.#claim(tx, claim);
    this.claimed = changes.map((change) => change.id);
    if (changes.length === 0) return 0;
    const ground = await this.#ground(tx, changes);
    const held = await holdBack(tx, this.#apply, changes);
    const going = changes.filter(({ id }) => !held.has(id));
    const done = this.#decide(going, ground, claim.late);
    const applied = await this.#place(tx, done, ground.places);
    const given = applied.flatMap(({ change }) => addressGivenBy(change) ?? []);
    await this.#writeUsers(tx, applied);
    await this.#writeIdentities(tx, applied);
    await this.#writeRoles(tx, applied);
    await this.#writeOutcomes(tx, done);
    const refused = await settle(tx, { ...this.#apply, at: this.#at }, applied);
    await moveAlong(tx, applied);
    await this.#writeEvents(tx, applied);
    const ended = await endOwnSessions(tx, this.#apply.connection, applied, this.#at);
    // Connections of tenants below hold the ends of theirs, so that `#seeWhoWasFirst` sees what they gave.
    const below = ground.spread && given.length > 0 ? applied.map(({ tenant }) => tenant) : [];
    await lockChains(tx, [this.#apply.tenant, ...below, ...ended.map(({ chain }) => chain)]);
    const entries = [...done.map((one) => this.#auditEntry(one)), ...held.values(), ...refused];
    const chained = entries.map((entry): ChainedEntry => ({ chain: this.#apply.tenant, entry }));
    await appendToChains(tx, this.#at, [...chained, ...ended]);
    await this.#seeWhoWasFirst(tx, applied, given, ground);
    return done.length + held.size;
  }

  #claim(tx: BulkTransaction, { limit, only, after }: Claim): Promise<readonly ClaimedChange[]> {
    return tx.query<ClaimedChange>(
      `SELECT c.id, c.tenant_id AS tenant, c.external_id AS "externalId", c.auth_user_id AS "authUser", c.kind, c.after, c.fields,
         c.roles_gained AS "rolesGained", c.roles_lost AS "rolesLost", c.base_version AS "baseVersion", c.found_tenants AS "foundTenants",
         encode(c.desired_hash, 'hex') AS "desiredHash",
         (SELECT i.auth_user_id FROM identity i WHERE i.connection_id = c.connection_id AND i.external_id = c.external_id) AS "linkedTo"
       FROM change c
       WHERE c.connection_id = $1 AND c.state = 'approved' AND c.decision_id = ANY ($4::uuid[])
         AND ($3::uuid[] IS NULL OR c.id = ANY ($3::uuid[])) AND ($5::uuid IS NULL OR c.id > $5::uuid)
       ORDER BY c.id LIMIT $2::int FOR UPDATE OF c SKIP LOCKED`,
      [this.#apply.connection, limit, only, this.#apply.decisions, after],
    );
  }

  /** The auth users concerned, locked in one order for all processes, the roles that they would get, and who holds the addresses that would be given away. */
  async #ground(tx: BulkTransaction, changes: readonly ClaimedChange[]): Promise<FoundGround> {
    const wanted = changes.map((change) => placeGivenBy(change) ?? null).filter((place) => place !== null);
    const spread = this.#apply.spread || wanted.length > 0;
    if (spread) await holdTree(tx);
    const places = await FoundPlaces.find(tx, this.#apply.tenant, wanted);
    const ids = changes.flatMap((change) => change.authUser ?? []);
    const users = await tx.query<AuthUserRow & { links: number }>(
      `SELECT a.id, a.tenant_id, a.state, a.version, a.user_name, a.email, a.display_name, a.attributes, NULL AS roles,
         (SELECT count(*)::int FROM identity i WHERE i.auth_user_id = a.id) AS links
       FROM auth_user a WHERE a.id = ANY ($1::uuid[]) ORDER BY a.id FOR UPDATE OF a`,
      [ids],
    );
    const given = changes.flatMap((change) => addressGivenBy(change) ?? []);
    const holders = await findHolders(tx, this.#apply.tenant, given, spread);
    const gained = changes.flatMap((change) => change.rolesGained);
    return {
      spread,
      withheldRoles: (await holdNamedRoles(tx, gained)).withheld,
      users: new Map(users.map((row) => [row.id, { user: toStoredAuthUser(row), links: row.links }])),
      holders,
      places,
    };
  }

  /** An address goes to one auth user: who comes for one that somebody else keeps, or got first, has to wait for a person. */
  #decide(changes: readonly ClaimedChange[], ground: FoundGround, whoIsLate: Late): readonly Done[] {
    const ids = manyIds(changes.length);
    const tooLate = new Set<ChangeId>();
    for (;;) {
      const done = changes.map((change, at): Done => {
        const found = change.authUser === null ? undefined : ground.users.get(change.authUser);
        const place = placeGivenBy(change) ?? null;
        const result = carryOut(change, {
          user: found?.user ?? null,
          linkedTo: change.linkedTo,
          addressHeldByOther: tooLate.has(change.id),
          withheldRoles: ground.withheldRoles,
          links: found?.links ?? 0,
          place: ground.places.at(place),
          way: ground.places.way(place),
        });
        const from = found?.user.tenant ?? null;
        if (result.outcome !== 'applied')
          return { change, user: change.authUser, version: null, from, result, signedOut: false };
        const user = change.authUser ?? (ids[at] as AuthUserId);
        const signedOut = isSignedOut(found?.user.state ?? null, result.state);
        return { change, user, version: (found?.user.version ?? 0) + 1, from, result, signedOut };
      });
      const late = whoComesTooLate(done, { ...ground, holders: ground.holders.held });
      if (late.length === 0)
        return whoIsLate === 'moves' ? done : done.filter(({ change }) => !tooLate.has(change.id));
      for (const id of late) tooLate.add(id); // and keeps their own address, which may make others late
    }
  }

  /** Those that are carried out, each in its tenant, which is made where it is missing. */
  async #place(tx: BulkTransaction, done: readonly Done[], places: FoundPlaces): Promise<readonly Applied[]> {
    const applied = done.filter(({ result }) => result.outcome === 'applied');
    const given = applied.map(({ change }) => placeGivenBy(change));
    const { actor, connection, tenant: top } = this.#apply;
    await places.make(tx, given, { actor, connection, at: this.#at });
    return applied.flatMap(({ user, from, ...one }, at) => {
      const place = given[at];
      if (user === null) return [];
      return [{ ...one, user, from, tenant: place === undefined ? (from ?? top) : places.tenantAt(place) }];
    });
  }

  /**
   * Batches that are under way at the same time do not see each other's new users. The ends of the tenants' audit logs, which this one
   * holds now, let them commit one after the other: whoever comes second sees here that an address was given out by the first.
   */
  async #seeWhoWasFirst(
    tx: BulkTransaction,
    applied: readonly Applied[],
    given: readonly string[],
    { spread, holders }: FoundGround,
  ): Promise<void> {
    if (given.length === 0) return;
    const since = { spread, seenBefore: holders.seenBefore, own: applied.map(({ user }) => user) };
    if (await areGivenOut(tx, this.#apply.tenant, given, since)) throw new AddressGivenOut();
  }

  async #writeUsers(tx: BulkTransaction, applied: readonly Applied[]): Promise<void> {
    const rows = applied.map(({ user, tenant, version, result }) => ({
      id: user,
      tenant_id: tenant,
      version,
      ...(result.outcome === 'applied' ? { state: result.state, ...toColumns(result.fields) } : {}),
    }));
    const columns = `(id uuid, tenant_id uuid, state text, user_name text, email text, email_key text, display_name text, attributes jsonb, version int)`;
    const isNew = (row: { version: number | null }) => row.version === 1;
    await write(
      tx,
      `INSERT INTO auth_user (id, tenant_id, state, user_name, email, email_key, display_name, attributes, version, created_at, updated_at)
       SELECT id, tenant_id, state, user_name, email, email_key, display_name, attributes, version, $2, $2
       FROM jsonb_to_recordset($1::jsonb) AS row ${columns}`,
      rows.filter(isNew),
      this.#at.toISOString(),
    );
    await write(
      tx,
      `UPDATE auth_user a SET state = r.state, user_name = r.user_name, email = r.email, email_key = r.email_key,
         display_name = r.display_name, attributes = r.attributes, version = r.version, updated_at = $2, tenant_id = r.tenant_id
       FROM jsonb_to_recordset($1::jsonb) AS r ${columns} WHERE a.id = r.id`,
      rows.filter((row) => !isNew(row)),
      this.#at.toISOString(),
    );
  }

  /** Who has to be looked at again since their tenant is called otherwise (`disagreeOnPlaces`) still has to: the change may be older. */
  async #writeIdentities(tx: BulkTransaction, applied: readonly Applied[]): Promise<void> {
    await endLinks(tx, { ...this.#apply, at: this.#at }, applied);
    const linked = applied.filter(({ change }) => change.kind !== 'unlink');
    const rows = linked.map(({ change, user, tenant, version }) => ({
      external_id: change.externalId,
      tenant_id: tenant,
      auth_user_id: user,
      hash: change.desiredHash,
      version,
    }));
    await tx.query(
      `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
       SELECT $1, external_id, tenant_id, auth_user_id, decode(hash, 'hex'), version
       FROM jsonb_to_recordset($2::jsonb) AS row (external_id text, tenant_id uuid, auth_user_id uuid, hash text, version int)
       ON CONFLICT (connection_id, external_id) DO UPDATE SET agreed_hash = CASE WHEN excluded.agreed_hash = '' THEN identity.agreed_hash ELSE excluded.agreed_hash END,
         agreed_version = CASE WHEN identity.agreed_version < 0 THEN identity.agreed_version ELSE excluded.agreed_version END`,
      [this.#apply.connection, JSON.stringify(rows)],
    );
  }

  async #writeRoles(tx: BulkTransaction, applied: readonly Applied[]): Promise<void> {
    const of = (roles: (change: ClaimedChange) => readonly string[]) =>
      applied.flatMap(({ change, user, tenant }) => roles(change).map((role) => ({ user, tenant, role })));
    await write(
      tx,
      `DELETE FROM role_assignment g USING jsonb_to_recordset($1::jsonb) AS r ("user" uuid, role text), role
       WHERE role.name = r.role AND g.auth_user_id = r."user" AND g.role_id = role.id AND g.connection_id = $2`,
      of((change) => change.rolesLost),
      this.#apply.connection,
    );
    // LEFT JOIN: a role that was removed meanwhile fails the change (its id must not be null) instead of being left out in silence.
    await write(
      tx,
      `INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id, connection_id, granted_at)
       SELECT r."user", role.id, 'directory', r.tenant, $2, $3
       FROM jsonb_to_recordset($1::jsonb) AS r ("user" uuid, tenant uuid, role text) LEFT JOIN role ON role.name = r.role
       ON CONFLICT DO NOTHING`,
      of((change) => change.rolesGained),
      this.#apply.connection,
      this.#at.toISOString(),
    );
  }

  async #writeOutcomes(tx: BulkTransaction, done: readonly Done[]): Promise<void> {
    const rows = done.map(({ change, user, result }) => ({
      id: change.id,
      user,
      outcome: result.outcome,
      reason: result.outcome === 'moved' ? result.because : null,
    }));
    await tx.query(
      `UPDATE change c SET state = CASE WHEN r.outcome = 'moved' THEN 'moved' ELSE 'applied' END, auth_user_id = r."user",
         apply_id = $3, outcome = r.outcome, outcome_reason = r.reason, closed_at = $2
       FROM jsonb_to_recordset($1::jsonb) AS r (id uuid, "user" uuid, outcome text, reason text) WHERE c.id = r.id`,
      [JSON.stringify(rows), this.#at.toISOString(), this.#apply.id],
    );
    const moved = rows.filter(({ outcome }) => outcome === 'moved');
    await noteLeft(tx, this.#apply, 'moved', moved);
    this.moved = moved.length;
  }

  /** In the tenant that the auth user is in by now; whoever hears of the one that they were in before hears that they are there no more. */
  async #writeEvents(tx: BulkTransaction, applied: readonly Applied[]): Promise<void> {
    const ids = manyIds(3 * applied.length);
    const data = new EventData();
    const rows = applied.flatMap(({ change, user, tenant, from, version, signedOut }, at) => {
      if (change.kind === 'conflict') return [];
      const event = {
        ...{ tenant_id: tenant, auth_user_id: user, user_version: version },
        ...{ change_id: null, external_id: change.externalId, data: data.nothing },
      };
      const left = { ...event, id: ids[3 * at], tenant_id: from, type: 'user.moved' };
      const type = eventTypeOf(change.kind, change.after);
      const done = { ...event, id: ids[3 * at + 1], change_id: change.id, type, data: data.of(change) };
      const revoked = { ...event, id: ids[3 * at + 2], type: SESSIONS_REVOKED };
      return [...(from === null || from === tenant ? [] : [left]), done, ...(signedOut ? [revoked] : [])];
    });
    await tx.query(
      `INSERT INTO event (id, tenant_id, auth_user_id, change_id, type, user_version, data, created_at)
       SELECT id, tenant_id, auth_user_id, change_id, type, user_version, ($3::jsonb -> data) || jsonb_build_object('externalId', external_id), $2
       FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, tenant_id uuid, auth_user_id uuid, change_id uuid, type text, user_version int,
         external_id text, data int)`,
      [JSON.stringify(rows), this.#at.toISOString(), data.json],
    );
  }

  #auditEntry({ change, user, result }: Done): AuditEntry {
    const details = {
      apply: this.#apply.id,
      kind: change.kind,
      user,
      ...(result.outcome === 'moved' ? { because: result.because } : {}),
    };
    return {
      actor: this.#apply.actor,
      action: `change.${result.outcome}`,
      subject: { kind: 'change', id: change.id },
      details,
    };
  }
}

/** `statement` reads the rows as JSON from `$1`; of none, nothing is asked. */
async function write(
  tx: BulkTransaction,
  statement: string,
  rows: readonly object[],
  ...values: readonly string[]
): Promise<void> {
  if (rows.length > 0) await tx.query(statement, [JSON.stringify(rows), ...values]);
}

/** Another batch gave one of the addresses to somebody in the meantime: tried again from its beginning, this batch sees that. */
export class AddressGivenOut extends Error {
  override readonly name = 'AddressGivenOut';
}
