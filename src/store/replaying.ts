/** Changes that were proposed in a time, whatever became of them, for whoever asks what rules would have said of them. Reads only. */
import type { ChangeState } from '../domain/change.ts';
import type { JudgedChange } from '../domain/changeExpression.ts';
import type { ChangeId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { NAME } from './changeFilter.ts';
import type { BulkTransaction, Database } from './database.ts';
import { LOWEST, Risks } from './judging.ts';
import { type ConnectionRules, readRules } from './ruleLevels.ts';
import { SUBTREE } from './scope.ts';

const BATCH = 1_000;

export type PastChange = JudgedChange & {
  readonly id: ChangeId;
  readonly connection: ConnectionId;
  readonly externalId: ExternalId;
  readonly name: string;
  readonly state: ChangeState;
  readonly createdAt: Date;
};

export type OfConnection = ConnectionRules & {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
};

export type Past = {
  /** `null`: of all connections of the tenant and of those below it. */
  readonly connection: ConnectionId | null;
  readonly tenant: TenantId;
  readonly since: Date;
  /** Goes on behind it. */
  readonly after: ChangeId | null;
};

export class Replaying {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Hands connection after connection to `open`, and each of its changes in the order of their ids, a batch at a time, to what that
   * gives; ends where that says `false`. Of what is kept in memory nothing grows with them.
   */
  each(
    scope: TenantId,
    past: Past,
    open: (of: OfConnection) => (changes: readonly PastChange[]) => boolean,
  ): Promise<void> {
    return this.#database.bulk(scope, async (tx) => {
      await tx.query('SET TRANSACTION READ ONLY');
      for (const connection of await connectionsOf(tx, scope, past)) {
        const rules = await readRules(tx, connection.id);
        if (rules === null) continue;
        const look = open({ ...rules, connection: connection.id, tenant: connection.tenant });
        const from = connection.isNext ? past.after : null;
        for await (const changes of changesOf(tx, connection.id, past.since, from))
          if (!look(changes)) return;
      }
    });
  }
}

function connectionsOf(tx: BulkTransaction, scope: TenantId, { connection, tenant, after }: Past) {
  return tx.query<{ id: ConnectionId; tenant: TenantId; isNext: boolean }>(
    `SELECT n.id, n.tenant_id AS tenant, coalesce(n.id = seen.id, false) AS "isNext"
     FROM connection n LEFT JOIN (SELECT connection_id AS id FROM change WHERE id = $4::uuid) seen ON true
     WHERE n.tenant_id IN ${SUBTREE('$1::uuid')} AND n.tenant_id IN ${SUBTREE('$2::uuid')} AND ($3::uuid IS NULL OR n.id = $3)
       AND ($4::uuid IS NULL OR n.id >= seen.id) ORDER BY n.id`,
    [scope, tenant, connection, after],
  );
}

const CHANGES = `SELECT c.id, c.connection_id AS connection, c.external_id AS "externalId", ${NAME} AS name, c.state, c.kind, c.cause, c.before,
    c.after, c.fields, c.roles_gained AS "rolesGained", c.roles_lost AS "rolesLost", c.group_id AS "group", c.created_at AS "createdAt"
  FROM change c WHERE c.id = ANY ($1::uuid[]) ORDER BY c.id`;

/** First the ids in their order, which are small, then what is behind them. */
async function* changesOf(
  tx: BulkTransaction,
  connection: ConnectionId,
  since: Date,
  after: ChangeId | null,
): AsyncGenerator<readonly PastChange[]> {
  const risks = new Risks(tx);
  await tx.query(
    `DECLARE past NO SCROLL CURSOR FOR SELECT id FROM change
     WHERE connection_id = $1 AND created_at >= $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id`,
    [connection, since.toISOString(), after],
  );
  for (;;) {
    const ids = await tx.query<{ id: ChangeId }>(`FETCH ${BATCH} FROM past`);
    if (ids.length === 0) break;
    const rows = await tx.query<PastChange & { group: string }>(CHANGES, [ids.map(({ id }) => id)]);
    const known = await risks.of(rows.map(({ group }) => group));
    yield rows.map((row) => ({ ...row, ...(known.get(row.group) ?? LOWEST) }));
  }
  await tx.query('CLOSE past');
}
