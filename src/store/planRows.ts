/** A plan's rows, out of the database and into it. */
import type { Cause, ProposedChange } from '../domain/change.ts';
import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import type { AuthUserId, ExternalId, TenantId } from '../domain/ids.ts';
import type { FoundAuthUser } from '../domain/matching.ts';
import { type Absent, hashOfAbsence, type Seen } from '../domain/plan.ts';
import { type AuthUserRow, toStoredAuthUser } from './rows.ts';

const rolesGivenBy = (connection: string, user: string) =>
  `(SELECT array_agg(r.name ORDER BY r.name COLLATE "C") FROM role_assignment g JOIN role r ON r.id = g.role_id
    WHERE g.auth_user_id = ${user} AND g.connection_id = ${connection})`;

/** How a staged row comes to what it is compared with, and to what was read. `$1` is the run, `$2` the connection. */
type Joined = { readonly user: string; readonly content: string };

/** Everything at once, for many rows. */
export const JOINED: Joined = {
  user: `LEFT JOIN identity i ON i.connection_id = $2 AND i.external_id = s.external_id
  LEFT JOIN auth_user a ON a.id = i.auth_user_id`,
  content: 'directory_user d ON d.connection_id = $2 AND d.external_id = s.external_id',
};

const LINK = `LATERAL (SELECT * FROM identity WHERE connection_id = $2 AND external_id = s.external_id OFFSET 0) i ON true`;
const AUTH_USER = `LATERAL (SELECT * FROM auth_user WHERE id = i.auth_user_id OFFSET 0) a`;

/** One by one by their keys, for few rows: OFFSET keeps PostgreSQL from joining all that it takes for little. */
export const LOOKED_UP: Joined = {
  user: `LEFT JOIN ${LINK} LEFT JOIN ${AUTH_USER} ON true`,
  content:
    'LATERAL (SELECT content FROM directory_user WHERE connection_id = $2 AND external_id = s.external_id OFFSET 0) d ON true',
};

/**
 * The staged rows that differ from what was agreed, with all that decides what that means. `spread`: the connection's people may be in
 * tenants below its own, of which all are visible, and share an address with nobody there either.
 */
export const DIFFERING = (
  joined: Joined,
  spread: boolean,
) => `SELECT s.external_id, d.content, encode(s.desired_hash, 'hex') AS desired_hash, i.agreed_version,
    a.id, a.tenant_id, a.state, a.version, a.user_name, a.email, a.display_name, a.attributes,
    ${rolesGivenBy('i.connection_id', 'i.auth_user_id')} AS roles,
    CASE WHEN i.auth_user_id IS NULL AND s.email_key IS NOT NULL THEN (
      SELECT json_agg(json_build_object(
        'id', u.id, 'tenant_id', u.tenant_id, 'state', u.state, 'version', u.version, 'user_name', u.user_name, 'email', u.email,
        'display_name', u.display_name, 'attributes', u.attributes, 'roles', NULL,
        'links', (SELECT count(*) FROM identity l WHERE l.auth_user_id = u.id)) ORDER BY u.id)
      FROM auth_user u WHERE u.email_key = s.email_key ${spread ? '' : 'AND u.tenant_id = s.tenant_id'} AND u.state <> 'deleted') END AS same_address
  FROM staged_user s ${joined.user} JOIN ${joined.content}
  WHERE s.run_id = $1 AND s.desired_hash IS NOT NULL
    AND (i.auth_user_id IS NULL OR a.id IS NOT NULL) -- who is out of reach is not looked at, and not gone either
    AND (i.auth_user_id IS NULL OR s.desired_hash <> i.agreed_hash OR a.version <> i.agreed_version)`;

/** Those asked for by name and away: few. */
export const NAMED = `(SELECT s.absence AS told, i.external_id, i.auth_user_id FROM staged_user s JOIN ${LINK}
  WHERE s.run_id = $1 AND s.absence IS NOT NULL)`;

/**
 * Those asked for and away, and all whom the snapshot does not hold. Everybody is compared, but only by id: who is left over are few,
 * and OFFSET keeps PostgreSQL from reading all auth users for them.
 */
export const UNSEEN = `(SELECT s.absence AS told, i.external_id, i.auth_user_id
  FROM identity i LEFT JOIN staged_user s ON s.run_id = $1 AND s.external_id = i.external_id
  WHERE i.connection_id = $2 AND (s.external_id IS NULL OR s.absence IS NOT NULL) OFFSET 0)`;

/**
 * Whether it is agreed on that they are away, and nothing has become of them since: they wait for their deletion, or somebody has taken it
 * back. Looked up one by one: few are away.
 */
const AGREED_AWAY = `(SELECT k.agreed_version = a.version AND k.agreed_hash = decode(CASE i.told WHEN 'excluded' THEN '${hashOfAbsence({ told: 'excluded' })}' ELSE '${hashOfAbsence({ told: null })}' END, 'hex')
  FROM identity k WHERE k.connection_id = $2 AND k.external_id = i.external_id)`;

/** The auth users, not deleted, of directory users who are away. */
export const AWAY = (
  away: typeof NAMED | typeof UNSEEN,
) => `SELECT i.external_id, i.told, a.id, a.tenant_id, a.state, a.version, a.user_name, a.email, a.display_name, a.attributes,
    ${rolesGivenBy('$2', 'i.auth_user_id')} AS roles
  FROM ${away} i JOIN ${AUTH_USER} ON a.state <> 'deleted' WHERE ${AGREED_AWAY} IS NOT TRUE`;

/** A staged row that differs from what its auth user was last known to agree with. */
export type DifferingRow = Omit<Seen, 'desired'> & {
  readonly user: DirectoryUser;
  readonly groups: readonly GroupRef[];
};

export type DifferingSql = {
  readonly external_id: ExternalId;
  readonly content: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] };
  readonly desired_hash: string;
  readonly agreed_version: number | null;
  readonly id: AuthUserId | null;
  readonly same_address: readonly (AuthUserRow & { readonly links: number })[] | null;
} & Omit<AuthUserRow, 'id'>;

export function toDiffering(row: DifferingSql): DifferingRow {
  const { id, agreed_version } = row;
  return {
    externalId: row.external_id,
    user: row.content.user,
    groups: row.content.groups,
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

export type AwaySql = AuthUserRow & { readonly external_id: ExternalId; readonly told: Absent['told'] };

export function toAbsent(row: AwaySql): Absent {
  return { externalId: row.external_id, told: row.told, linked: toStoredAuthUser(row) };
}

export function toPlannedRow(
  id: string,
  change: ProposedChange,
  fingerprint: string,
  group: string,
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
    toArray(change.foundTenants),
    group,
  ];
}

/** PostgreSQL's text form of a text[]. */
function toArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
