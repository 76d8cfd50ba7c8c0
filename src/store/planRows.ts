/** A plan's rows, out of the database and into it. */
import type { Cause, ProposedChange } from '../domain/change.ts';
import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import type { AuthUserId, ExternalId, TenantId } from '../domain/ids.ts';
import type { FoundAuthUser } from '../domain/matching.ts';
import type { Seen } from '../domain/plan.ts';
import { type AuthUserRow, toStoredAuthUser } from './rows.ts';

/** A staged row that differs from what its auth user was last known to agree with. */
export type DifferingRow = Omit<Seen, 'desired'> & {
  readonly user: DirectoryUser;
  readonly groups: readonly GroupRef[];
};

export type DifferingSql = {
  readonly external_id: ExternalId;
  readonly directory: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] };
  readonly desired_hash: string;
  readonly agreed_version: number | null;
  readonly id: AuthUserId | null;
  readonly same_address: readonly (AuthUserRow & { readonly links: number })[] | null;
} & Omit<AuthUserRow, 'id'>;

export function toDiffering(row: DifferingSql): DifferingRow {
  const { id, agreed_version } = row;
  return {
    externalId: row.external_id,
    user: row.directory.user,
    groups: row.directory.groups,
    desiredHash: row.desired_hash,
    linked:
      id === null || agreed_version === null
        ? null
        : { ...toStoredAuthUser({ ...row, id }), agreedVersion: agreed_version },
    sameAddress: (row.same_address ?? []).map(
      (found): FoundAuthUser => ({ ...toStoredAuthUser(found), links: found.links }),
    ),
  };
}

export function toPlannedRow(
  id: string,
  change: ProposedChange,
  fingerprint: string,
): readonly (string | null)[] {
  return [
    id,
    change.externalId,
    change.tenant satisfies TenantId,
    change.authUser,
    change.kind,
    change.cause satisfies Cause,
    change.before === null ? null : JSON.stringify(change.before),
    change.after === null ? null : JSON.stringify(change.after),
    JSON.stringify(change.fields),
    toArray(change.rolesGained),
    toArray(change.rolesLost),
    change.candidates.length === 0 ? null : JSON.stringify(change.candidates),
    fingerprint,
    `\\x${change.desiredHash}`,
    change.baseVersion === null ? null : String(change.baseVersion),
  ];
}

/** PostgreSQL's text form of a text[]. */
function toArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
