/** What follows, beside the auth users themselves, once changes of a batch are carried out: asked only where such changes are among them. */
import { v7 } from 'uuid';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { ChangeKind } from '../domain/change.ts';
import type { ChangeId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { LEAVING } from '../domain/leavers.ts';
import type { Sql } from './database.ts';
import { manyIds } from './ids.ts';

type CarriedOut = {
  readonly change: { readonly id: ChangeId; readonly kind: ChangeKind; readonly externalId: ExternalId };
};

type Of = {
  readonly actor: Actor;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly at: Date;
};

/** The links that end. */
export async function endLinks(sql: Sql, of: Of, applied: readonly CarriedOut[]): Promise<void> {
  const ids = externalIdsOf(applied, ['unlink']);
  if (ids.length === 0) return;
  await sql.query('DELETE FROM identity WHERE connection_id = $1 AND external_id = ANY ($2::text[])', [
    of.connection,
    ids,
  ]);
}

/** To be called when the changes have their outcome. Gives what is to be audited beside that. */
export async function settle(
  sql: Sql,
  of: Of,
  applied: readonly CarriedOut[],
): Promise<readonly AuditEntry[]> {
  const unlinked = applied.filter(({ change }) => change.kind === 'unlink').map(({ change }) => change.id);
  const refusals = unlinked.length === 0 ? [] : await refuseLinks(sql, of, unlinked);
  const settled = externalIdsOf(applied, ['reactivate', 'unlink']);
  if (settled.length > 0)
    await sql.query('DELETE FROM leaver WHERE connection_id = $1 AND external_id = ANY ($2::text[])', [
      of.connection,
      settled,
    ]);
  const gone = applied.filter(({ change }) => change.kind === 'suspend' || change.kind === 'delete');
  if (gone.length > 0)
    await noteLeavers(
      sql,
      of,
      gone.map(({ change }) => change.id),
    );
  return refusals;
}

function externalIdsOf(applied: readonly CarriedOut[], kinds: readonly ChangeKind[]): readonly ExternalId[] {
  return applied.filter(({ change }) => kinds.includes(change.kind)).map(({ change }) => change.externalId);
}

/**
 * Whoever ends a link that was made refuses it: it is remembered as refused, so that the next run does not propose the same again. The
 * refusal is by whoever approved the undo.
 */
async function refuseLinks(
  sql: Sql,
  { actor, connection, tenant, at }: Of,
  ids: readonly ChangeId[],
): Promise<readonly AuditEntry[]> {
  const undone = await sql.query<{ undo: ChangeId; approval: string }>(
    `SELECT u.id AS undo, u.decision_id AS approval FROM change u JOIN change o ON o.id = u.undoes
     WHERE u.id = ANY ($1::uuid[]) AND o.kind = 'link' ORDER BY u.id`,
    [ids],
  );
  const refusals = new Map(undone.map(({ approval }) => [approval, v7()]));
  const links = manyIds(undone.length);
  const rows = undone.map((one, index) => ({
    ...one,
    id: links[index],
    refusal: refusals.get(one.approval),
  }));
  await sql.query(
    `WITH undone AS MATERIALIZED (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (undo uuid, approval uuid, id uuid, refusal uuid)),
     made AS (
       INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, principal_id, actor, reason, created_at)
       SELECT DISTINCT r.refusal, $3::uuid, $2::uuid, 'reject', d.made_by, d.principal_id, d.actor, 'the link was undone: ' || d.reason, $4::timestamptz
       FROM undone r JOIN decision d ON d.id = r.approval),
     evidence AS (
       INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint)
       SELECT r.refusal, r.id, $3, o.fingerprint FROM undone r JOIN change u ON u.id = r.undo JOIN change o ON o.id = u.undoes)
     INSERT INTO change (id, tenant_id, connection_id, external_id, auth_user_id, kind, cause, before, after, fields, roles_gained, roles_lost,
       candidates, fingerprint, desired_hash, base_version, found_tenants, group_id, state, decision_id, revision, run_id, created_at)
     SELECT r.id, o.tenant_id, o.connection_id, o.external_id, o.auth_user_id, o.kind, o.cause, o.before, o.after, o.fields, o.roles_gained,
       o.roles_lost, o.candidates, o.fingerprint, o.desired_hash, o.base_version, o.found_tenants, o.group_id, 'rejected', r.refusal, u.revision,
       o.run_id, $4
     FROM undone r JOIN change u ON u.id = r.undo JOIN change o ON o.id = u.undoes`,
    [JSON.stringify(rows), connection, tenant, at.toISOString()],
  );
  const byDecision = Map.groupBy(rows, ({ refusal }) => refusal ?? '');
  return [...byDecision].map(([decision, { length }]): AuditEntry => {
    const details = { decision, changes: length, because: 'link-undone' };
    return { actor, action: 'changes.rejected', subject: { kind: 'change-set', id: connection }, details };
  });
}

/**
 * Those who are suspended because they have left: be it that this was undone, and that is undone again; and all who are deleted, be it
 * that they should not have been made.
 */
async function noteLeavers(
  sql: Sql,
  { connection, tenant, at }: Of,
  ids: readonly ChangeId[],
): Promise<void> {
  await sql.query(
    `WITH RECURSIVE back AS (
       SELECT id AS gone, cause, undoes FROM change WHERE id = ANY ($1::uuid[])
       UNION ALL SELECT b.gone, c.cause, c.undoes FROM back b JOIN change c ON c.id = b.undoes)
     INSERT INTO leaver (connection_id, external_id, tenant_id, auth_user_id, since, deleted_at)
     SELECT $2, c.external_id, $3, c.auth_user_id, $4::timestamptz, CASE c.kind WHEN 'delete' THEN $4::timestamptz END
     FROM back b JOIN change c ON c.id = b.gone
     WHERE b.undoes IS NULL AND (c.kind = 'delete' OR b.cause = ANY ($5::text[]))
     ON CONFLICT (connection_id, external_id) DO UPDATE SET auth_user_id = excluded.auth_user_id, deleted_at = excluded.deleted_at,
       since = CASE WHEN excluded.deleted_at IS NULL THEN excluded.since ELSE leaver.since END`,
    [ids, connection, tenant, at.toISOString(), [...LEAVING, 'grace-over']],
  );
}
