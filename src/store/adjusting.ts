/**
 * Adjustments of newcomers, and what is proposed for them by one: in the place of the change that waits, of whose content nothing else
 * is another one. Plans honour them for good, so that no run proposes what was adjusted away.
 */
import { type Adjustment, isNothing, rolesAdjusted } from '../domain/adjustment.ts';
import type { AuditEntry } from '../domain/audit.ts';
import type { AdjustmentId, ChangeId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import {
  type AdjustedBy,
  type AdjustmentView,
  listAdjustments,
  readAdjustments,
  storeAdjustment,
} from './adjustments.ts';
import { appendAudit } from './audit.ts';
import type { BulkTransaction, Database, Sql } from './database.ts';
import { lockForPlan } from './locks.ts';
import {
  follows,
  type Ground,
  isNewcomer,
  lockLive,
  lockWaiting,
  proposeAnew,
  readGround,
  type Waiting,
} from './newcomers.ts';
import { SUBTREE } from './scope.ts';

/** What they are to have; undefined: as it is. */
export type Wanted = {
  readonly roles: readonly string[] | undefined;
  readonly tenant: TenantId | undefined;
};

/** Why a change cannot be adjusted. */
export type NotAdjusted = 'changed-since-shown' | 'nobody-new' | 'read-otherwise' | 'unknown-place';

export type Adjusted = { readonly change: ChangeId; readonly adjustment: AdjustmentId | null };

export class Adjustments {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Whose change it is; null: there is no such change. */
  async find(within: TenantId, change: ChangeId): Promise<{ readonly tenant: TenantId } | null> {
    return await this.#database.bulk(within, async (tx) => {
      const [row] = await tx.query<{ tenant: TenantId }>(
        `SELECT tenant_id AS tenant FROM change WHERE id = $1 AND tenant_id IN ${SUBTREE('$2::uuid')}`,
        [change, within],
      );
      return row ?? null;
    });
  }

  /** `of`: the change as it was shown. */
  adjust(
    tenant: TenantId,
    of: { readonly change: ChangeId; readonly fingerprint: string },
    wanted: Wanted,
    by: AdjustedBy,
  ): Promise<Adjusted | NotAdjusted> {
    return this.#database.bulk(tenant, async (tx) => {
      const waiting = await lockWaiting(tx, of.change);
      if (waiting === null || waiting.fingerprint !== of.fingerprint) return 'changed-since-shown';
      if (!isNewcomer(waiting)) return 'nobody-new';
      const ground = await readGround(tx, waiting);
      const before = (await readAdjustments(tx, waiting.connection)).get(waiting.externalId) ?? NONE;
      if (ground === null || !follows(waiting, ground, before)) return 'read-otherwise';
      const adjustment = adjustmentOf(before, ground, wanted);
      if (adjustment.place !== null && ground.places.of(adjustment.place) === undefined)
        return 'unknown-place';
      const id = await storeAdjustment(tx, waiting, adjustment, by);
      return await propose(tx, waiting, { ground, adjustment, by, id });
    });
  }

  list(...given: AfterSql<typeof listAdjustments>): Promise<readonly AdjustmentView[]> {
    const [within] = given;
    return this.#database.bulk(within, (tx) => listAdjustments(tx, ...given));
  }

  /**
   * From now on the mapping alone says what they are: at once where they still wait to come in, else by what the next run that reads
   * everybody proposes. Gives the change that is proposed in the place of the one that waits, where one does. null: there is no such one.
   */
  takeBack(
    within: TenantId,
    id: AdjustmentId,
    by: AdjustedBy,
  ): Promise<{ readonly change: ChangeId | null } | null> {
    return this.#database.bulk(within, async (tx) => {
      const [found] = await tx.query<{ connection: ConnectionId; tenant: TenantId; externalId: ExternalId }>(
        `SELECT connection_id AS connection, tenant_id AS tenant, external_id AS "externalId" FROM adjustment
         WHERE id = $1 AND tenant_id IN ${SUBTREE('$2::uuid')}`,
        [id, within],
      );
      if (found === undefined) return null;
      await lockForPlan(tx, found.connection);
      const before = (await readAdjustments(tx, found.connection)).get(found.externalId);
      if (before === undefined) return null;
      await tx.query('DELETE FROM adjustment WHERE id = $1', [id]);
      const waiting = await lockLive(tx, found.connection, found.externalId);
      const ground = waiting !== null && isNewcomer(waiting) ? await readGround(tx, waiting) : null;
      if (waiting !== null && ground !== null && follows(waiting, ground, before))
        return await propose(tx, waiting, { ground, adjustment: NONE, by, id });
      await tx.query(`UPDATE identity SET agreed_hash = '' WHERE connection_id = $1 AND external_id = $2`, [
        found.connection,
        found.externalId,
      ]);
      const subject = { kind: 'connection', id: found.connection } as const;
      const details = { adjustment: id, reason: by.reason };
      const entry: AuditEntry = { actor: by.actor, action: 'adjustment.taken-back', subject, details };
      await appendAudit(tx, found.tenant, by.at, [entry]);
      return { change: null };
    });
  }
}

type AfterSql<Verb extends (sql: Sql, ...given: never[]) => unknown> = Verb extends (
  sql: Sql,
  ...given: infer Given
) => unknown
  ? Given
  : never;

const NONE: Adjustment = { rolesAdded: [], rolesRemoved: [], place: null };

function adjustmentOf(before: Adjustment, ground: Ground, { roles, tenant }: Wanted): Adjustment {
  const { rolesAdded, rolesRemoved } =
    roles === undefined ? before : rolesAdjusted(ground.desired.roles, roles);
  return { rolesAdded, rolesRemoved, place: tenant === undefined ? before.place : placeOf(ground, tenant) };
}

/** The mapping's own place for them is no adjustment. */
function placeOf({ desired, places, home }: Ground, tenant: TenantId): TenantId | null {
  const mapped = desired.placed === undefined ? home : places.find(desired.placed.path);
  return mapped === tenant ? null : tenant;
}

async function propose(
  tx: BulkTransaction,
  waiting: Waiting,
  of: {
    readonly ground: Ground;
    readonly adjustment: Adjustment;
    readonly by: AdjustedBy;
    readonly id: AdjustmentId | null;
  },
): Promise<Adjusted> {
  const { ground, adjustment, by, id } = of;
  const { change, entries } = await proposeAnew(tx, waiting, { ground, adjustment, at: by.at });
  const entry: AuditEntry = {
    actor: by.actor,
    action: isNothing(adjustment) ? 'adjustment.taken-back' : 'change.adjusted',
    subject: { kind: 'change', id: change },
    details: { ...adjustment, adjustment: id, was: waiting.id, reason: by.reason },
  };
  await appendAudit(tx, waiting.tenant, by.at, [entry, ...entries]);
  return { change, adjustment: isNothing(adjustment) ? null : id };
}
