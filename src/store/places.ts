/** The tenants below a connection's: found by their names, and made where a change that is applied makes them. */
import { v7 } from 'uuid';
import type { Actor } from '../domain/audit.ts';
import type { AuthUserId, ConnectionId, TenantId } from '../domain/ids.ts';
import { type Place, type Places, placesBelow, wayThere } from '../domain/place.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import type { Sql } from './database.ts';
import { writeTenantEvents } from './events.ts';
import { SUBTREE } from './scope.ts';

/** All tenants below this one. */
export async function readPlaces(sql: Sql, top: TenantId): Promise<Places> {
  const below = await sql.query<{ id: TenantId; names: string[]; closed: boolean }>(
    `WITH RECURSIVE below AS (
       SELECT id, ARRAY[name] AS names, delete_at IS NOT NULL AS closed FROM tenant WHERE parent_id = $1 AND state <> 'deleted'
       UNION ALL
       SELECT t.id, b.names || t.name, t.delete_at IS NOT NULL FROM tenant t JOIN below b ON t.parent_id = b.id WHERE t.state <> 'deleted')
     SELECT id, names, closed FROM below`,
    [top],
  );
  return placesBelow(top, below);
}

/**
 * Whether people of this connection may be in tenants below its own, because its mapping says so, or did when they were put there: then
 * an address belongs to one of them in all these tenants. Two steps into the index of identities, ordered so that PostgreSQL takes it
 * whatever it believes how many there are.
 */
export async function isSpread(
  sql: Sql,
  { connection, tenant }: { readonly connection: ConnectionId; readonly tenant: TenantId },
  mappingPlaces: boolean,
): Promise<boolean> {
  if (mappingPlaces) return true;
  const [row] = await sql.query<{ spread: boolean }>(
    `SELECT (${IDENTITY_IN('<')}) IS NOT NULL OR (${IDENTITY_IN('>')}) IS NOT NULL AS spread`,
    [tenant, connection],
  );
  return row?.spread ?? false;
}

const IDENTITY_IN = (other: '<' | '>') =>
  `SELECT tenant_id FROM identity WHERE connection_id = $2 AND tenant_id ${other} $1 ORDER BY tenant_id LIMIT 1`;

export type Maker = { readonly actor: Actor; readonly connection: ConnectionId; readonly at: Date };

/**
 * Some of the tenants below `top`, by their paths. To be used with the tree held (src/store/locks.ts): nothing found here is moved or
 * deleted before the transaction ends.
 */
export class FoundPlaces {
  readonly #top: TenantId;
  readonly #found = new Map<string, { readonly id: TenantId; readonly closed: boolean }>();

  private constructor(top: TenantId) {
    this.#top = top;
  }

  static async find(sql: Sql, top: TenantId, places: readonly Place[]): Promise<FoundPlaces> {
    const found = new FoundPlaces(top);
    await found.#look(sql, places);
    return found;
  }

  /** missing: there is none; closed: it, or one above it, is to be deleted. */
  at(place: Place): TenantId | 'missing' | 'closed' {
    if (place === null) return this.#top;
    const found = this.#found.get(place);
    if (found === undefined) return this.at(above(place)) === 'closed' ? 'closed' : 'missing';
    return found.closed ? 'closed' : found.id;
  }

  /** The tenants on the way there, as far as there are any. */
  way(place: Place): readonly TenantId[] {
    return wayThere(place, (path) => this.#found.get(path)?.id);
  }

  /** Throws where somebody has taken the name, meanwhile, for a tenant that takes nobody in: tried again, that shows. */
  tenantAt(place: Place): TenantId {
    const tenant = this.at(place);
    if (tenant === 'missing' || tenant === 'closed')
      throw new Error(`there is no tenant to put them in: ${tenant}`);
    return tenant;
  }

  /**
   * Makes what is missing on the way to these places, from above, level by level: a tenant is not visible within the statement that
   * makes it. Another transaction that makes the same is waited for, and what it made is taken: in one order, so that no two wait for
   * each other.
   */
  async make(
    sql: Sql,
    places: readonly (Place | undefined)[],
    { actor, connection, at }: Maker,
  ): Promise<void> {
    const missing = places.filter((place) => place !== undefined && this.at(place) === 'missing');
    for (const level of levelsOf(missing)) {
      const paths = level.filter((path) => this.at(path) === 'missing');
      const rows = paths.map((path) => ({ id: v7(), parent: this.at(above(path)), name: lastName(path) }));
      if (rows.length === 0) continue;
      await sql.query(
        `INSERT INTO tenant (id, parent_id, name, path, data_key, created_at)
         SELECT id, parent, name, '', '', $2 FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, parent uuid, name text)
         ORDER BY parent, name ON CONFLICT DO NOTHING`,
        [JSON.stringify(rows), at.toISOString()],
      );
      await this.#look(sql, paths);
      const made = await sql.query<{ id: TenantId; name: string; dataKey: string }>(
        `SELECT id, name, data_key AS "dataKey" FROM tenant WHERE id = ANY ($1::uuid[]) ORDER BY id`,
        [rows.map(({ id }) => id)],
      );
      await writeTenantEvents(
        sql,
        at,
        made.map(({ id, dataKey }) => ({
          tenant: id,
          type: 'tenant.created',
          data: { tenant: id, dataKey },
        })),
      );
      const entries = made.map(({ id, name }): ChainedEntry => {
        const subject = { kind: 'tenant', id } as const;
        return {
          chain: id,
          entry: { actor, action: 'tenant.created', subject, details: { name, connection } },
        };
      });
      await appendToChains(sql, at, entries);
    }
  }

  async #look(sql: Sql, places: readonly (Place | undefined)[]): Promise<void> {
    for (const level of levelsOf(places)) {
      const sought = level.flatMap((path) => {
        const parent = this.at(above(path));
        return parent === 'missing' || parent === 'closed' ? [] : [{ path, parent, name: lastName(path) }];
      });
      if (sought.length === 0) continue;
      const rows = await sql.query<{ path: string; id: TenantId; closed: boolean }>(
        `SELECT s.path, t.id, t.delete_at IS NOT NULL AS closed
         FROM jsonb_to_recordset($1::jsonb) AS s (path text, parent uuid, name text)
           JOIN tenant t ON t.parent_id = s.parent AND t.name = s.name AND t.state <> 'deleted'`,
        [JSON.stringify(sought)],
      );
      for (const { path, id, closed } of rows) this.#found.set(path, { id, closed });
    }
  }
}

/** What directories gave follows whom it was given to, and so do their links; what was given by hand stays where it was given. */
export async function moveAlong(
  sql: Sql,
  users: readonly { readonly user: AuthUserId; readonly from: TenantId | null; readonly tenant: TenantId }[],
): Promise<void> {
  const moves = users.filter(({ from, tenant }) => from !== null && from !== tenant);
  if (moves.length === 0) return;
  const rows = JSON.stringify(moves.map(({ user, tenant }) => ({ user, tenant })));
  for (const which of ['identity m', `role_assignment m`] as const)
    await sql.query(
      `UPDATE ${which} SET tenant_id = r.tenant FROM jsonb_to_recordset($1::jsonb) AS r ("user" uuid, tenant uuid)
       WHERE m.auth_user_id = r."user" AND m.tenant_id <> r.tenant AND m.connection_id IS NOT NULL`,
      [rows],
    );
}

/**
 * The paths that lead to a tenant and those below it, which directories of connections above agree on, are others from now on: whoever is
 * in one of them has to be looked at again, all alike. Each time by another version below nought, so that a plan that began before does
 * not take it for the one that it knows. Use with the tree locked, so that no apply is about to add somebody.
 */
export async function disagreeOnPlaces(sql: Sql, tenant: TenantId): Promise<void> {
  const within = SUBTREE('$1::uuid');
  await sql.query(
    `UPDATE identity i SET agreed_version = least(i.agreed_version, 0) - 1 FROM auth_user u
     WHERE u.tenant_id IN ${within} AND i.auth_user_id = u.id AND i.connection_id NOT IN (SELECT id FROM connection WHERE tenant_id IN ${within})`,
    [tenant],
  );
}

function above(place: string): Place {
  const end = place.lastIndexOf('/');
  return end === -1 ? null : place.slice(0, end);
}

function lastName(place: string): string {
  return place.slice(place.lastIndexOf('/') + 1);
}

/** The places and all above them, each once, in one order; the uppermost first. */
function levelsOf(places: readonly (Place | undefined)[]): readonly (readonly string[])[] {
  const levels: Set<string>[] = [];
  for (const place of places) {
    const names = place?.split('/') ?? [];
    while (levels.length < names.length) levels.push(new Set());
    for (const at of names.keys()) levels[at]?.add(names.slice(0, at + 1).join('/'));
  }
  return levels.map((level) => [...level].sort());
}
