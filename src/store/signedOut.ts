/** Whoever was active and is so no more has to be signed out: of applications, by an event, and of Rollcall itself. */
import type { AuthUserState } from '../domain/authUser.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import type { ChainedEntry } from './auditChains.ts';
import type { Sql } from './database.ts';

/** What applications hear with `user.suspended` or `user.deleted`: sessions and tokens of the user are good no longer. */
export const SESSIONS_REVOKED = 'user.sessions-revoked';

export function isSignedOut(before: AuthUserState | null, after: AuthUserState): boolean {
  return before === 'active' && after !== 'active';
}

type Applied = {
  readonly change: { readonly externalId: ExternalId };
  readonly user: AuthUserId;
  readonly signedOut: boolean;
};

const WORKER = { kind: 'system', id: null, name: 'worker' } as const;

/**
 * Ends the sessions of those who administer Rollcall and sign in as people who are signed out: with the issuer of the connection's directory,
 * whose token named the directory's id of them, as the subject or besides. Only of the connection's tenant and those below. Gives what is to be audited.
 */
export async function endOwnSessions(
  sql: Sql,
  connection: ConnectionId,
  applied: readonly Applied[],
  at: Date,
): Promise<readonly ChainedEntry[]> {
  const people = applied
    .filter(({ signedOut }) => signedOut)
    .map(({ change: { externalId }, user }) => ({ externalId, user }));
  if (people.length === 0) return [];
  const rows = await sql.query<{ session: string; tenant: TenantId; user: AuthUserId }>(
    `UPDATE session s SET ended_at = $3 FROM connection c
       JOIN sign_in_provider p ON p.issuer = c.issuer
       JOIN principal_login l ON l.provider_id = p.id
       JOIN jsonb_to_recordset($2::jsonb) AS r ("externalId" text, "user" uuid) ON r."externalId" = coalesce(l.external_id, l.subject)
     WHERE c.id = $1 AND s.principal_id = l.principal_id AND s.ended_at IS NULL
     RETURNING s.id AS session, s.tenant_id AS tenant, r."user"`,
    [connection, JSON.stringify(people), at.toISOString()],
  );
  return rows.map(({ session, tenant, user }) => ({
    chain: tenant,
    entry: {
      actor: WORKER,
      action: 'session.ended',
      subject: { kind: 'session', id: session },
      details: { because: 'no-longer-active', user },
    },
  }));
}
