/** Newcomers who wait to come in, and what is proposed for them in the place of what waits. */
import { v7 } from 'uuid';
import { type Adjustment, adjusted } from '../domain/adjustment.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { type DesiredAuthUser, desiredHashOf } from '../domain/authUser.ts';
import {
  type Cause,
  type ChangeKind,
  type ChangeState,
  fingerprintOfChange,
  type ProposedChange,
} from '../domain/change.ts';
import type { ChangeId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { compileMapping, isMapped, Mapping } from '../domain/mapping.ts';
import { compileMatching } from '../domain/matching.ts';
import type { Places } from '../domain/place.ts';
import { planSeen } from '../domain/plan.ts';
import { Policy } from '../domain/policy.ts';
import { riskFacts } from '../domain/risk.ts';
import { PlannedGroups, wideRoles } from './changeGroups.ts';
import type { BulkTransaction } from './database.ts';
import type { ReadUser } from './directoryUsers.ts';
import { guardAgain } from './guardedAgain.ts';
import { LIVE } from './livingChanges.ts';
import { lockForPlan } from './locks.ts';
import { readPlaces } from './places.ts';

export type Waiting = {
  readonly id: ChangeId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly externalId: ExternalId;
  readonly authUser: string | null;
  readonly kind: ChangeKind;
  readonly cause: Cause;
  readonly state: ChangeState;
  readonly fingerprint: string;
  readonly run: string;
  readonly parts: unknown;
};

const WAITING = `SELECT c.id, c.tenant_id AS tenant, c.connection_id AS connection, c.external_id AS "externalId", c.auth_user_id AS "authUser",
  c.kind, c.cause, c.state, encode(c.fingerprint, 'hex') AS fingerprint, c.run_id AS run, c.parts FROM change c`;

/**
 * Somebody for whom an auth user is to be made, be it that the tenant that they belong in is not to be had. Who may be somebody who is
 * there already, or comes for an address that is taken, is for a person to settle first.
 */
export function isNewcomer({ kind, cause, state, authUser }: Waiting): boolean {
  if (authUser !== null || state === 'applied' || state === 'superseded') return false;
  return kind === 'create' || (kind === 'conflict' && cause === 'tenant-missing');
}

/** With the right to touch the change set: no plan, and no batch of an apply, does so meanwhile. */
export async function lockWaiting(tx: BulkTransaction, id: ChangeId): Promise<Waiting | null> {
  const [seen] = await tx.query<Waiting>(`${WAITING} WHERE c.id = $1`, [id]);
  if (seen === undefined) return null;
  await lockForPlan(tx, seen.connection);
  const [row] = await tx.query<Waiting>(`${WAITING} WHERE c.id = $1 FOR UPDATE`, [id]);
  return row ?? null;
}

export async function lockLive(
  tx: BulkTransaction,
  connection: ConnectionId,
  externalId: ExternalId,
): Promise<Waiting | null> {
  const [row] = await tx.query<Waiting>(
    `${WAITING} WHERE c.connection_id = $1 AND c.external_id = $2
       AND c.state IN ${LIVE} FOR UPDATE`,
    [connection, externalId],
  );
  return row ?? null;
}

export type Ground = {
  /** By the mapping alone. */
  readonly desired: DesiredAuthUser;
  readonly desiredHash: string;
  readonly places: Places;
  /** Of the connection. */
  readonly home: TenantId;
  readonly policy: Policy;
  readonly mapping: Mapping;
  readonly revision: number;
};

/** null: the mapping makes nothing of what the directory said of them. */
export async function readGround(
  tx: BulkTransaction,
  { connection, tenant, externalId }: Waiting,
): Promise<Ground | null> {
  const [row] = await tx.query<{ revision: string; policy: unknown; mapping: unknown }>(
    'SELECT change_revision AS revision, policy, mapping FROM connection WHERE id = $1 FOR NO KEY UPDATE',
    [connection],
  );
  const [read] = await tx.query<{ content: ReadUser }>(
    'SELECT content FROM directory_user WHERE connection_id = $1 AND external_id = $2',
    [connection, externalId],
  );
  if (row === undefined || read === undefined) return null;
  const mapping = Mapping.parse(row.mapping);
  const desired = compileMapping(mapping).map(read.content.user, read.content.groups);
  if (!isMapped(desired)) return null;
  return {
    desired,
    desiredHash: desiredHashOf(desired),
    places: await readPlaces(tx, tenant),
    home: tenant,
    policy: Policy.parse(row.policy),
    mapping,
    revision: Number(row.revision) + 1,
  };
}

/** What follows for them from the directory as last read, and from the mapping of now. */
function proposedBy(
  { tenant, externalId }: Waiting,
  { desired, desiredHash, places, policy }: Ground,
  adjustment: Adjustment,
): ProposedChange | null {
  return planSeen(
    {
      externalId,
      desired: adjusted(desired, adjustment, places),
      desiredHash,
      linked: null,
      sameAddress: [],
    },
    {
      ...{ tenant, places, verifiedDomains: new Map(), matching: compileMatching(policy.matching) },
      ...{ readingChanged: false, mappingChanged: false, keepsLeavers: false },
    },
  );
}

/** Whether what waits is that: not where they were read again since, the mapping was edited, or groups could not be read. */
export function follows(waiting: Waiting, ground: Ground, before: Adjustment): boolean {
  const change = proposedBy(waiting, ground, before);
  return change !== null && fingerprintOfChange(change) === waiting.fingerprint;
}

/**
 * What is proposed by an adjustment takes the place of what waits; the same content stays, with what was decided on it. Gives the change
 * that waits then, and what is to be audited.
 */
export async function proposeAnew(
  tx: BulkTransaction,
  waiting: Waiting,
  { ground, adjustment, at }: { readonly ground: Ground; readonly adjustment: Adjustment; readonly at: Date },
): Promise<{ readonly change: ChangeId; readonly entries: readonly AuditEntry[] }> {
  const { connection, tenant } = waiting;
  const { policy, mapping, revision } = ground;
  const change = proposedBy(waiting, ground, adjustment);
  const fingerprint = change === null ? waiting.fingerprint : fingerprintOfChange(change);
  if (change === null || fingerprint === waiting.fingerprint) return { change: waiting.id, entries: [] };
  const id = v7() as ChangeId;
  const groups = new PlannedGroups({ connection, tenant }, riskFacts(policy, await wideRoles(tx)));
  const group = groups.groupOf(change, id);
  await groups.write(tx);
  await replace(tx, waiting, { id, change, fingerprint, group, revision, at });
  const entries = await guardAgain(tx, { connection, tenant, policy, mapping, revision, at });
  await tx.query('UPDATE connection SET change_revision = $2 WHERE id = $1', [connection, revision]);
  return { change: id, entries };
}

type Replacing = {
  readonly id: ChangeId;
  readonly change: ProposedChange;
  readonly fingerprint: string;
  readonly group: string;
  readonly revision: number;
  readonly at: Date;
};

async function replace(
  tx: BulkTransaction,
  waiting: Waiting,
  { id, change, fingerprint, group, revision, at }: Replacing,
): Promise<void> {
  await tx.query(
    `UPDATE change SET state = 'superseded', closed_at = $2, note = jsonb_build_object('because', 'replaced', 'by', $3::uuid) WHERE id = $1`,
    [waiting.id, at.toISOString(), id],
  );
  await tx.query(
    `INSERT INTO change (id, tenant_id, connection_id, external_id, kind, cause, after, fields, roles_gained, roles_lost, fingerprint,
       desired_hash, found_tenants, group_id, state, revision, run_id, parts)
     VALUES ($1, $2, $3, $4, $5, $6, $7, '[]', $8, '{}', $9, $10, $11, $12, 'open', $13, $14, $15)`,
    [
      ...[id, waiting.tenant, waiting.connection, change.externalId, change.kind, change.cause],
      ...[JSON.stringify(change.after), change.rolesGained, `\\x${fingerprint}`, `\\x${change.desiredHash}`],
      ...[change.foundTenants, group, revision, waiting.run],
      waiting.parts === null ? null : JSON.stringify(waiting.parts),
    ],
  );
  await tx.query('UPDATE assignment SET change_id = $2 WHERE change_id = $1', [waiting.id, id]);
}
