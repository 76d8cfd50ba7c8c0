/** Pairs as a person looks at them, and what becomes of both sides once it is chosen whether they are one. */
import type { Actor } from '../domain/audit.ts';
import type { AuthUserId, ChangeId, ConnectionId, ExternalId, PrincipalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { type Pair, type PairState, type PairVerdict, verdictAllowedIn } from '../domain/pair.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import type { BulkTransaction, Database } from './database.ts';
import { OPEN_AGAIN } from './guards.ts';
import { manyIds } from './ids.ts';
import { lockForPlan } from './locks.ts';
import { MOMENT } from './moment.ts';
import { CONTENT, FINGERPRINT, JOINS, LEAVES } from './pairs.ts';
import { SUBTREE } from './scope.ts';

/** null where the two are not as the plan found them, or one of them waits no more. What was called different is shown as it is. */
const SHOWN = `CASE WHEN p.state = 'different' OR ${FINGERPRINT} = p.fingerprint THEN encode(${FINGERPRINT}, 'hex') END`;

const FROM = `FROM pair p LEFT JOIN auth_user a ON a.id = p.auth_user_id
  LEFT JOIN change j ON j.connection_id = p.connection_id AND j.external_id = p.external_id AND ${JOINS('j')}
  LEFT JOIN change l ON l.connection_id = p.connection_id AND l.external_id = p.former_external_id
    AND l.auth_user_id = p.auth_user_id AND ${LEAVES('l')}`;

const NAME = (side: string, otherwise: string) =>
  `coalesce(${side} #>> '{fields,displayName}', ${side} #>> '{fields,email}', ${side} #>> '{fields,userName}', ${otherwise})`;

const VIEW = `SELECT p.id, p.tenant_id AS tenant, p.connection_id AS connection, p.kind, p.state, p.shares,
    json_build_object('externalId', p.external_id, 'name', ${NAME('j.after', 'p.external_id')}, 'change', j.id) AS joiner,
    json_build_object('id', p.auth_user_id, 'name', coalesce(a.display_name, a.email, a.user_name, p.former_external_id, p.auth_user_id::text),
      'state', coalesce(a.state, 'deleted'), 'formerExternalId', p.former_external_id, 'change', l.id) AS "authUser",
    ${SHOWN} AS fingerprint, p.revision::int AS revision, p.actor ->> 'name' AS by, p.reason,
    ${MOMENT('p.decided_at')} AS "decidedAt",
    ${MOMENT('p.created_at')} AS "createdAt"`;

export type PairFilter = {
  readonly connection: ConnectionId | undefined;
  readonly tenant: TenantId | undefined;
  readonly states: readonly PairState[];
  /** Of the people whom this change is about. */
  readonly change?: ChangeId | undefined;
};

export type ShownPair = { readonly id: string; readonly fingerprint: string };

export type PairRuling = {
  readonly verdict: PairVerdict;
  readonly principal: PrincipalId;
  readonly actor: Actor;
  readonly reason: string;
  readonly at: Date;
};

export type PairRefusal = {
  readonly id: string;
  readonly because: 'not-found' | 'changed-since-shown' | 'not-allowed-now' | 'same-address';
};

/** A pair with what a verdict on it needs. */
type Found = {
  readonly id: string;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly state: PairState;
  readonly kind: Pair['kind'];
  readonly joiner: ExternalId;
  readonly former: ExternalId | null;
  readonly user: AuthUserId;
  readonly fingerprint: string | null;
  readonly joins: ChangeId | null;
  readonly leaves: ChangeId | null;
  /** Neither has been linked otherwise since. */
  readonly isFree: boolean;
  readonly sameAddress: boolean;
};

export class Pairs {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(
    within: TenantId,
    { connection, tenant, states, change }: PairFilter,
    page: PageOptions,
  ): Promise<Listed<Pair>> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<Pair>(
        `${VIEW} ${FROM} WHERE p.tenant_id IN ${SUBTREE('$1::uuid')} AND ($2::uuid IS NULL OR p.connection_id = $2)
           AND p.state = ANY ($3::text[]) AND ($4::uuid IS NULL OR p.id > $4) AND ($6::uuid IS NULL OR p.tenant_id IN ${SUBTREE('$6::uuid')})
           AND ($7::uuid IS NULL OR EXISTS (SELECT FROM change c WHERE c.id = $7 AND c.connection_id = p.connection_id
             AND (c.external_id IN (p.external_id, p.former_external_id) OR c.auth_user_id = p.auth_user_id)))
         ORDER BY p.id LIMIT $5::int`,
        [within, connection ?? null, states, page.after, page.limit + 1, tenant ?? null, change ?? null],
      );
      return toPage(rows, page.limit);
    });
  }

  get(within: TenantId, id: string): Promise<Pair | null> {
    return this.#database.bulk(within, async (tx) => {
      const [row] = await tx.query<Pair>(
        `${VIEW} ${FROM} WHERE p.id = $1 AND p.tenant_id IN ${SUBTREE('$2::uuid')}`,
        [id, within],
      );
      return row ?? null;
    });
  }

  /** Chooses for exactly what was shown: a pair of which either side is another by now is refused, not its neighbours. */
  choose(
    within: TenantId,
    ruling: PairRuling,
    shown: readonly ShownPair[],
  ): Promise<{ decided: number; refused: readonly PairRefusal[] }> {
    return this.#database.bulk(within, async (tx) => {
      const ids = [...new Set(shown.map(({ id }) => id))];
      const connections = await tx.query<{ connection: ConnectionId }>(
        `SELECT DISTINCT connection_id AS connection FROM pair WHERE id = ANY ($1::uuid[]) AND tenant_id IN ${SUBTREE('$2::uuid')} ORDER BY 1`,
        [ids, within],
      );
      for (const { connection } of connections) await lockForPlan(tx, connection);
      // What is looked at next stays so: neither an apply of another connection nor anybody else comes between.
      await tx.query(
        'SELECT FROM auth_user WHERE id IN (SELECT auth_user_id FROM pair WHERE id = ANY ($1::uuid[])) ORDER BY id FOR UPDATE',
        [ids],
      );
      const { accepted, refused } = judge(await this.#find(tx, within, ids), shown, ruling.verdict);
      const entries: ChainedEntry[] = [];
      for (const [connection, pairs] of Map.groupBy(accepted, (pair) => pair.connection))
        entries.push(...(await carryOutVerdict(tx, ruling, connection, pairs)));
      await appendToChains(tx, ruling.at, entries); // last: no row is waited for while audit logs are locked
      return { decided: accepted.length, refused };
    });
  }

  async #find(
    tx: BulkTransaction,
    within: TenantId,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, Found>> {
    const rows = await tx.query<Found>(
      `SELECT p.id, p.tenant_id AS tenant, p.connection_id AS connection, p.state, p.kind, p.external_id AS joiner,
         p.former_external_id AS former, p.auth_user_id AS user, j.id AS joins, l.id AS leaves, ${SHOWN} AS fingerprint,
         NOT EXISTS (SELECT FROM identity i WHERE i.connection_id = p.connection_id AND i.external_id = p.external_id)
           AND CASE WHEN p.former_external_id IS NULL THEN NOT EXISTS (SELECT FROM identity i WHERE i.auth_user_id = p.auth_user_id)
             ELSE EXISTS (SELECT FROM identity i WHERE i.connection_id = p.connection_id AND i.external_id = p.former_external_id
                            AND i.auth_user_id = p.auth_user_id) END AS "isFree",
         coalesce(a.state <> 'deleted' AND a.email_key = lower(j.after #>> '{fields,email}'), false) AS "sameAddress"
       ${FROM} WHERE p.id = ANY ($1::uuid[]) AND p.tenant_id IN ${SUBTREE('$2::uuid')} ORDER BY p.id FOR UPDATE OF p`,
      [ids, within],
    );
    return new Map(rows.map((row) => [row.id, row]));
  }
}

/** Nobody is two people at once: of pairs that share a side, and are called the same, the first is taken. */
function judge(found: ReadonlyMap<string, Found>, shown: readonly ShownPair[], verdict: PairVerdict) {
  const refused: PairRefusal[] = [];
  const accepted: Found[] = [];
  const taken = new Set<string>();
  for (const [id, prints] of Map.groupBy(shown, (one) => one.id)) {
    const pair = found.get(id);
    const sides = pair === undefined ? [] : [`${pair.connection} ${pair.joiner}`, pair.user];
    const isTaken = verdict === 'same' && sides.some((side) => taken.has(side));
    const because = isTaken ? 'not-allowed-now' : whyNot(pair, verdict, prints);
    if (because !== null || pair === undefined) {
      refused.push({ id, because: because ?? 'not-found' });
      continue;
    }
    accepted.push(pair);
    for (const side of sides) taken.add(side);
  }
  return { accepted, refused };
}

function whyNot(
  pair: Found | undefined,
  verdict: PairVerdict,
  shown: readonly ShownPair[],
): PairRefusal['because'] | null {
  if (pair === undefined) return 'not-found';
  if (!(verdictAllowedIn[verdict] as readonly PairState[]).includes(pair.state)) return 'not-allowed-now';
  if (pair.fingerprint === null || shown.some(({ fingerprint }) => fingerprint !== pair.fingerprint))
    return 'changed-since-shown';
  if (!pair.isFree) return 'changed-since-shown';
  // An address belongs to one: as long as the auth user has it and stays, saying that they are two settles nothing.
  return verdict === 'different' && pair.kind === 'match' && pair.sameAddress ? 'same-address' : null;
}

/**
 * `same`: the auth user goes over to who comes. Their identity is moved, or made, the two changes are true no more, and what differs
 * besides is proposed by the next run. `different`: both go on, and what was held for the pair is open again. Gives what is to be audited.
 */
async function carryOutVerdict(
  tx: BulkTransaction,
  { verdict, principal, actor, reason, at }: PairRuling,
  connection: ConnectionId,
  pairs: readonly Found[],
): Promise<readonly ChainedEntry[]> {
  const rows = JSON.stringify(pairs);
  const asRows = `jsonb_to_recordset($1::jsonb) AS r (id uuid, joiner text, former text, "user" uuid, fingerprint text, joins uuid, leaves uuid)`;
  const [set] = await tx.query<{ revision: string }>(
    'UPDATE connection SET change_revision = change_revision + 1 WHERE id = $1 RETURNING change_revision AS revision',
    [connection],
  );
  await tx.query(
    `UPDATE pair p SET state = $2, fingerprint = decode(r.fingerprint, 'hex'), principal_id = $3, actor = $4, reason = $5, decided_at = $6,
       closed_at = CASE $2 WHEN 'same' THEN $6::timestamptz END, content = ${CONTENT('j.desired_hash', 'a')}
     FROM ${asRows} JOIN change j ON j.id = r.joins JOIN auth_user a ON a.id = r."user" WHERE p.id = r.id`,
    [rows, verdict, principal, actor, reason, at.toISOString()],
  );
  if (verdict === 'different') {
    await tx.query(
      `UPDATE change c SET ${OPEN_AGAIN('$2')} FROM decision d
       WHERE c.id IN (SELECT unnest(ARRAY[r.joins, r.leaves]) FROM ${asRows}) AND c.state = 'held' AND d.id = c.decision_id
         AND d.made_by = 'guard' AND d.finding ->> 'guard' = 'same-person'
         AND NOT EXISTS (SELECT FROM pair q WHERE q.connection_id = c.connection_id AND q.state = 'open'
           AND (q.external_id = c.external_id OR q.auth_user_id = c.auth_user_id))`,
      [rows, set?.revision],
    );
  } else await handOver(tx, { connection, rows, asRows, at, pairs, by: actor.name, reason });
  return pairs.map(
    (pair): ChainedEntry => ({
      chain: pair.tenant,
      entry: {
        actor,
        action: verdict === 'same' ? 'pair.same' : 'pair.different',
        subject: { kind: 'pair', id: pair.id },
        details: {
          connection,
          kind: pair.kind,
          user: pair.user,
          externalId: pair.joiner,
          formerExternalId: pair.former,
          fingerprint: pair.fingerprint,
          reason,
        },
      },
    }),
  );
}

type HandOver = {
  readonly connection: ConnectionId;
  readonly rows: string;
  readonly asRows: string;
  readonly at: Date;
  readonly pairs: readonly Found[];
  readonly by: string;
  readonly reason: string;
};

/** The next run, be it a delta, finds that the auth user agrees with nothing yet: no hash is that of no state at all. */
async function handOver(
  tx: BulkTransaction,
  { connection, rows, asRows, at, pairs, by, reason }: HandOver,
): Promise<void> {
  await tx.query(
    `UPDATE auth_user a SET version = a.version + 1, updated_at = $2 FROM ${asRows} WHERE a.id = r."user"`,
    [rows, at.toISOString()],
  );
  await tx.query(
    `DELETE FROM identity i USING ${asRows}
     WHERE i.connection_id = $2 AND i.external_id = r.former AND i.auth_user_id = r."user"`,
    [rows, connection],
  );
  await tx.query(`DELETE FROM leaver l USING ${asRows} WHERE l.auth_user_id = r."user"`, [rows]);
  await tx.query(
    `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
     SELECT $2, r.joiner, a.tenant_id, a.id, '\\x00', -1 FROM ${asRows} JOIN auth_user a ON a.id = r."user"`,
    [rows, connection],
  );
  await tx.query(
    `UPDATE change c SET state = 'superseded', closed_at = $2,
       note = jsonb_build_object('because', 'same-person', 'by', $3::text, 'reason', $4::text, 'pair', r.id, 'user', r."user")
     FROM ${asRows} WHERE c.id IN (r.joins, r.leaves)`,
    [rows, at.toISOString(), by, reason],
  );
  await tx.query(
    `UPDATE pair q SET state = 'superseded', closed_at = $3 FROM ${asRows}
     WHERE q.connection_id = $2 AND q.state IN ('open', 'different') AND q.id <> r.id AND (q.external_id = r.joiner OR q.auth_user_id = r."user")`,
    [rows, connection, at.toISOString()],
  );
  const ids = manyIds(pairs.length);
  const events = pairs.map(({ user, joiner }, index) => ({
    id: ids[index],
    user,
    data: { externalId: joiner, fields: [], rolesGained: [], rolesLost: [] },
  }));
  await tx.query(
    `INSERT INTO event (id, tenant_id, auth_user_id, change_id, type, user_version, data, created_at)
     SELECT e.id, a.tenant_id, a.id, NULL, 'user.linked', a.version, e.data, $2
     FROM jsonb_to_recordset($1::jsonb) AS e (id uuid, "user" uuid, data jsonb) JOIN auth_user a ON a.id = e."user"`,
    [JSON.stringify(events), at.toISOString()],
  );
}
