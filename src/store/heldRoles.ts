/** Roles held as they are until the transaction ends: who changes or removes one waits, and sees then what was made of it. */
import { mayBeMapped, type RoleId, type RoleType } from '../domain/role.ts';
import type { Sql } from './database.ts';

/** The types of those that exist. */
export async function holdRoles(sql: Sql, roles: readonly RoleId[]): Promise<ReadonlyMap<RoleId, RoleType>> {
  const rows = await sql.query<{ id: RoleId; type: RoleType }>(
    'SELECT id, type FROM role WHERE id = ANY ($1::uuid[]) ORDER BY id FOR SHARE',
    [[...new Set(roles)]],
  );
  return new Map(rows.map(({ id, type }) => [id, type]));
}

/** Of these names those that no role has, and those of roles that no directory gives. */
export async function holdNamedRoles(
  sql: Sql,
  names: readonly string[],
): Promise<{ readonly missing: readonly string[]; readonly withheld: ReadonlySet<string> }> {
  const wanted = [...new Set(names)];
  if (wanted.length === 0) return { missing: [], withheld: new Set() };
  const rows = await sql.query<{ name: string; type: RoleType }>(
    'SELECT name, type FROM role WHERE name = ANY ($1::text[]) ORDER BY id FOR SHARE',
    [wanted],
  );
  const found = new Set(rows.map(({ name }) => name));
  return {
    missing: wanted.filter((name) => !found.has(name)),
    withheld: new Set(rows.flatMap(({ name, type }) => (mayBeMapped(type) ? [] : [name]))),
  };
}
