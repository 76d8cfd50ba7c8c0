/** What a policy names and there is none of. */
import { z } from 'zod';
import { emailKey } from '../domain/email.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Policy } from '../domain/policy.ts';
import type { Sql } from './database.ts';
import { SUBTREE } from './scope.ts';

/** Roles of which nobody can be looked after, because they do not exist. */
export async function unknownRoles(sql: Sql, policy: Policy): Promise<readonly string[]> {
  const named = [...policy.keepOneOf, ...policy.protected.roles];
  if (named.length === 0) return [];
  const rows = await sql.query<{ name: string }>(
    `SELECT DISTINCT name FROM unnest($1::text[]) AS named (name)
     WHERE NOT EXISTS (SELECT FROM role r WHERE r.name = named.name) ORDER BY name`,
    [named],
  );
  return rows.map(({ name }) => name);
}

/** Of `tenant` and below: ids, addresses and user names that no auth user has who is not deleted. */
export async function unknownUsers(
  sql: Sql,
  tenant: TenantId,
  users: readonly string[],
): Promise<readonly string[]> {
  if (users.length === 0) return [];
  const named = users.map((name) => {
    const id = z.guid().safeParse(name);
    return { name, id: id.success ? id.data : null, key: emailKey(name) };
  });
  // Each by the index of its own, whatever statistics say: otherwise each name would be looked for among everybody.
  const there = (key: string) =>
    `EXISTS (SELECT FROM (SELECT tenant_id, state FROM auth_user WHERE ${key} OFFSET 0) a
       WHERE a.tenant_id IN ${SUBTREE('$1::uuid')} AND a.state <> 'deleted')`;
  const rows = await sql.query<{ name: string }>(
    `SELECT n.name FROM jsonb_to_recordset($2::jsonb) AS n (name text, id uuid, key text)
     WHERE NOT ${there('id = n.id')} AND NOT ${there('email_key = n.key')} AND NOT ${there('user_name_key = lower(n.name)')}
     ORDER BY n.name`,
    [tenant, JSON.stringify(named)],
  );
  return rows.map(({ name }) => name);
}
