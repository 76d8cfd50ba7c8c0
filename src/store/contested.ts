/** Finds, over a whole plan at once, whose address is not to be had: the rule of src/domain/addresses.ts, in sets. */
import { addressSought } from '../domain/addresses.ts';
import type { ProposedChange } from '../domain/change.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { copyInto } from './copy.ts';
import type { BulkTransaction } from './database.ts';

/** How many of those who come to one address are named to each other: enough to find them all by. */
const RIVALS = 100;

/**
 * Whether the run says anything of a user, be it that they are gone. Of all others, what was known before stays: also of those who
 * were away in a partial snapshot, since nothing is proposed from that. `kind`: of the snapshot.
 */
export const spokenOf = (externalId: string, run: string, kind: string) =>
  `CASE WHEN ${kind} = 'complete' THEN NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = ${run} AND s.external_id = ${externalId} AND s.problem IS NOT NULL)
        ELSE EXISTS (SELECT FROM staged_user s WHERE s.run_id = ${run} AND s.external_id = ${externalId} AND s.problem IS NULL
          AND (${kind} = 'named' OR s.absence IS NULL)) END`;

/**
 * The addresses that the changes of a plan come to. Beside the table `planned`, in the same transaction:
 * `sought`: the address of whoever comes or changes it; `arrives`: it is not theirs already.
 * `held`: who else has it, and by whose change they would leave it; null where they keep it.
 * `contested`: whose address is not to be had, and some of the auth users for whom others come to it.
 */
export class SoughtAddresses {
  readonly #tx: BulkTransaction;
  readonly #run: TakenRun;
  readonly #spread: boolean;
  #noted = 0;

  private constructor(tx: BulkTransaction, run: TakenRun, spread: boolean) {
    this.#tx = tx;
    this.#run = run;
    this.#spread = spread;
  }

  /** `spread`: the connection's people may be in tenants below its own, and share an address with nobody there either. */
  static async begin(tx: BulkTransaction, run: TakenRun, spread: boolean): Promise<SoughtAddresses> {
    await tx.query(
      `CREATE TEMP TABLE IF NOT EXISTS sought (external_id text, auth_user_id uuid, kind text, address text, arrives boolean, fingerprint bytea, found_tenants uuid[]) ON COMMIT DELETE ROWS;
       CREATE TEMP TABLE IF NOT EXISTS held (external_id text, address text, id uuid, freed_by text) ON COMMIT DELETE ROWS;
       CREATE INDEX IF NOT EXISTS held_freed_by ON held (freed_by);
       CREATE TEMP TABLE IF NOT EXISTS contested (external_id text, rivals uuid[]) ON COMMIT DELETE ROWS`,
    );
    return new SoughtAddresses(tx, run, spread);
  }

  /** `fingerprints`: of the same changes, as PostgreSQL reads them. */
  async note(changes: readonly ProposedChange[], fingerprints: readonly string[]): Promise<void> {
    const rows = changes.flatMap((change, at) => {
      const sought = addressSought(change);
      if (sought === null) return [];
      const { address, arrives } = sought;
      const { externalId, authUser, kind } = change;
      const found = `{${change.foundTenants.join(',')}}`;
      return [[externalId, authUser, kind, address, `${arrives}`, fingerprints[at] ?? null, found]];
    });
    if (rows.length > 0) await copyInto(this.#tx.client, 'sought', rows);
    this.#noted += rows.length;
  }

  /** Fills `contested`; gives the number of its rows. */
  async findContested(kind: Snapshot['kind']): Promise<number> {
    if (this.#noted === 0) return 0;
    await this.#tx.query(`ANALYZE sought`);
    await this.#tx.query(`DELETE FROM sought s USING change r WHERE ${REFUSED('r', 's')}`, [
      this.#run.connection,
    ]);
    const held = await this.#findHolders();
    const freed = held === 0 ? 0 : await this.#findWhoLeaves(kind);
    const shared = await this.#findThoseWithout();
    const found = kind === 'complete' ? shared : shared + (await this.#findWhoCameBefore(kind));
    return found === 0 || freed === 0 ? found : found + (await this.#followChains());
  }

  /** How many rows a statement wrote. */
  async #written(statement: string, values: readonly unknown[] = []): Promise<number> {
    const counted = `WITH written AS (${statement} RETURNING 1) SELECT count(*)::int AS rows FROM written`;
    const [row] = await this.#tx.query<{ rows: number }>(counted, values);
    return row?.rows ?? 0;
  }

  /** Joiners need no look: whom they meet was looked at with each of them. */
  async #findHolders(): Promise<number> {
    return await this.#written(
      `INSERT INTO held SELECT s.external_id, s.address, h.id
       FROM sought s JOIN auth_user h ON ($2 OR h.tenant_id = $1) AND h.email_key = s.address AND h.state <> 'deleted' AND h.id <> s.auth_user_id
       WHERE s.kind IN ('update', 'reactivate')`,
      [this.#run.tenant, this.#spread],
    );
  }

  /** By a change of this plan, or by one that waits since an earlier run and that this one says nothing about. */
  async #findWhoLeaves(kind: Snapshot['kind']): Promise<number> {
    const { connection, id } = this.#run;
    const ofThisPlan = await this.#written(
      `UPDATE held h SET freed_by = p.external_id FROM planned p LEFT JOIN sought s ON s.external_id = p.external_id
       WHERE p.auth_user_id = h.id AND ${FREES('p')} AND s.address IS DISTINCT FROM h.address
         AND NOT EXISTS (SELECT FROM change r WHERE ${REFUSED('r', 'p')})`,
      [connection],
    );
    const waiting = await this.#written(
      `UPDATE held h SET freed_by = c.external_id FROM change c
       WHERE h.freed_by IS NULL AND c.connection_id = $1 AND c.auth_user_id = h.id AND ${FREES('c')}
         AND c.state IN ${WAITING} AND NOT ${spokenOf('c.external_id', '$2', '$3::text')}`,
      [connection, id, kind],
    );
    return ofThisPlan + waiting;
  }

  /** Whoever comes to an address that another keeps, or to which another comes too, or to an auth user to whom another comes. */
  async #findThoseWithout(): Promise<number> {
    return await this.#written(
      `WITH address AS (
         SELECT address, (array_agg(auth_user_id ORDER BY auth_user_id) FILTER (WHERE auth_user_id IS NOT NULL))[1:${RIVALS}] AS rivals
         FROM sought WHERE arrives GROUP BY address HAVING count(*) > 1),
       meant AS (SELECT auth_user_id FROM sought WHERE kind = 'link' GROUP BY auth_user_id HAVING count(*) > 1),
       shared AS (
         SELECT s.external_id, coalesce(a.rivals, '{}') AS rivals FROM sought s JOIN address a ON a.address = s.address WHERE s.arrives
         UNION ALL
         SELECT s.external_id, ARRAY[s.auth_user_id] FROM sought s JOIN meant m ON m.auth_user_id = s.auth_user_id WHERE s.kind = 'link'),
       each AS (SELECT external_id, array_agg(DISTINCT r ORDER BY r) FILTER (WHERE r IS NOT NULL) AS rivals
         FROM shared LEFT JOIN LATERAL unnest(rivals) AS r ON true GROUP BY external_id)
       INSERT INTO contested
       SELECT external_id, coalesce(s.rivals, '{}')
       FROM each s FULL JOIN (SELECT DISTINCT external_id FROM held WHERE freed_by IS NULL) k USING (external_id)`,
    );
  }

  /**
   * A change that waits since an earlier run comes to the address, or to the auth user, too, and this run says nothing about it. The
   * address is compared without the finer points of `emailKey`: an apply would send the second one back.
   */
  async #findWhoCameBefore(kind: Snapshot['kind']): Promise<number> {
    const { connection, id } = this.#run;
    const waits = `c.connection_id = $1 AND c.state IN ${WAITING} AND NOT ${spokenOf('c.external_id', '$2', '$3::text')}`;
    return await this.#written(
      `WITH before AS (
         SELECT s.external_id, c.auth_user_id FROM sought s JOIN change c ON c.address = s.address
         WHERE s.arrives AND ${waits} AND (c.kind = 'create' OR c.kind IN ('link', 'update', 'reactivate') AND c.fields @> '[{"field": "email"}]'
           OR c.kind = 'reactivate' AND c.before ->> 'state' = 'deleted')
         UNION
         SELECT s.external_id, c.auth_user_id FROM sought s JOIN change c ON c.auth_user_id = s.auth_user_id
         WHERE s.kind = 'link' AND c.kind = 'link' AND ${waits})
       INSERT INTO contested
       SELECT external_id, coalesce((array_agg(auth_user_id ORDER BY auth_user_id) FILTER (WHERE auth_user_id IS NOT NULL))[1:${RIVALS}], '{}')
       FROM before b WHERE NOT EXISTS (SELECT FROM contested w WHERE w.external_id = b.external_id) GROUP BY external_id`,
      [connection, id, kind],
    );
  }

  /** Who has to wait keeps their own address: so whoever counted on that has to wait too. */
  async #followChains(): Promise<number> {
    await this.#tx.query(`ANALYZE held`);
    // Each step looks up a few: to hash or sort all of `held` for it would make a long chain cost its square.
    await this.#tx.query(`SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off`);
    const found = await this.#written(
      `WITH RECURSIVE waiting (external_id) AS (
         SELECT external_id FROM contested UNION SELECT h.external_id FROM waiting w JOIN held h ON h.freed_by = w.external_id)
       INSERT INTO contested
       SELECT external_id, '{}' FROM (SELECT external_id FROM waiting EXCEPT SELECT external_id FROM contested) more`,
    );
    await this.#tx.query(`SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on`);
    return found;
  }
}

/** States in which a change may be carried out, now or after the next plan. */
const WAITING = `('open', 'approved', 'held', 'moved', 'failed')`;

/** The contested changes with what stands against them: `ProposedChange & Contest`. */
export const CONTESTED = `
  SELECT p.external_id AS "externalId", p.tenant_id AS tenant, p.auth_user_id AS "authUser", p.kind, p.cause, p.before, p.after, p.fields,
    p.roles_gained AS "rolesGained", p.roles_lost AS "rolesLost", '[]'::json AS candidates, p.base_version AS "baseVersion",
    p.found_tenants AS "foundTenants",
    encode(p.desired_hash, 'hex') AS "desiredHash", coalesce(k.holders, '[]') AS holders, w.rivals
  FROM planned p JOIN contested w ON w.external_id = p.external_id
    LEFT JOIN (
      SELECT h.external_id, json_agg(json_build_object('id', h.id, 'links', (SELECT count(*) FROM identity i WHERE i.auth_user_id = h.id))
        ORDER BY h.id) AS holders
      FROM held h WHERE h.freed_by IS NULL OR h.freed_by IN (SELECT external_id FROM contested) GROUP BY 1) k ON k.external_id = p.external_id`;

/**
 * Whether what is proposed is a change that is known already: the same content, which leads into the tenants that it led into, and else
 * only into such as were made since, as it would have made them. Ids rise with time.
 */
export const SAME = (proposed: string, change: string) =>
  `${proposed}.external_id = ${change}.external_id AND ${proposed}.fingerprint = ${change}.fingerprint
   AND ${proposed}.found_tenants[:cardinality(${change}.found_tenants)] = ${change}.found_tenants
   AND ${change}.id < ALL (${proposed}.found_tenants[cardinality(${change}.found_tenants) + 1:])`;

/** What was refused will not be carried out: it comes to no address, and frees none. `$1` is the connection. */
const REFUSED = (change: string, proposed: string) =>
  `${change}.connection_id = $1 AND ${change}.state = 'rejected' AND ${SAME(proposed, change)}`;

/** The changes by which somebody may leave their address: whoever is given one may be given the same in another spelling. */
const FREES = (change: string) =>
  `(${change}.kind = 'delete' OR ${change}.kind IN ('update', 'reactivate') AND ${change}.fields @> '[{"field": "email"}]')`;
