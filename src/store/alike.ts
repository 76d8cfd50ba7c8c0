/** Auth users whom matching rules may name, looked up for a page of directory users at once. */
import type { ExternalId } from '../domain/ids.ts';
import type { FoundAuthUser, MatchKeys } from '../domain/matching.ts';
import type { TakenRun } from '../domain/run.ts';
import type { BulkTransaction } from './database.ts';
import { CONTENT } from './pairs.ts';
import { type AuthUserRow, toStoredAuthUser } from './rows.ts';

/** `desiredHash`: of what the directory wants of them, hexadecimal. */
export type Sought = MatchKeys & { readonly externalId: ExternalId; readonly desiredHash: string };

/** How many are named to each directory user by one key: enough to see that it says nothing. */
const ALIKE = 10;

const having = (column: string, key: string) => `(
  SELECT a.* FROM auth_user a WHERE a.${column} = k.${key} AND ($2 OR a.tenant_id = $3) AND a.state <> 'deleted'
    AND NOT EXISTS (SELECT FROM pair p WHERE p.connection_id = $4 AND p.external_id = k."externalId" AND p.auth_user_id = a.id
      AND p.state = 'different' AND p.content = ${CONTENT(`decode(k."desiredHash", 'hex')`, 'a')})
  ORDER BY a.id LIMIT ${ALIKE})`;

/** Without those of whom a person has said that they are somebody else. `spread`: also in the tenants below the connection's, which are all that is visible. */
export async function findAlike(
  tx: BulkTransaction,
  run: TakenRun,
  sought: readonly Sought[],
  spread: boolean,
): Promise<ReadonlyMap<ExternalId, readonly FoundAuthUser[]>> {
  if (sought.length === 0) return new Map();
  const rows = await tx.query<AuthUserRow & { externalId: ExternalId; links: number }>(
    `SELECT k."externalId", u.id, u.tenant_id, u.state, u.version, u.user_name, u.email, u.display_name, u.attributes, NULL AS roles,
       (SELECT count(*)::int FROM identity i WHERE i.auth_user_id = u.id) AS links
     FROM jsonb_to_recordset($1::jsonb) AS k ("externalId" text, "desiredHash" text, "employeeId" text, "userName" text)
       CROSS JOIN LATERAL (${having('employee_key', '"employeeId"')} UNION ${having('user_name_key', '"userName"')}) u
     ORDER BY u.id`,
    [JSON.stringify(sought), spread, run.tenant, run.connection],
  );
  const byUser = Map.groupBy(rows, ({ externalId }) => externalId);
  return new Map(
    [...byUser].map(([externalId, found]) => [
      externalId,
      found.map((row): FoundAuthUser => ({ ...toStoredAuthUser(row), links: row.links })),
    ]),
  );
}
