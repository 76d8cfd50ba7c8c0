/**
 * The facts that a user's authorization follows from, in one round trip. Roles and product plans are few and seldom change: they are
 * kept in memory, and a stamp that each read brings along says whether they are still what the database has.
 */
import type { AuthorizationFacts, RoleCatalogue, RoleFact, TenantFact } from '../domain/authorization.ts';
import type { AuthUserState } from '../domain/authUser.ts';
import type { Provider } from '../domain/directory.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import type { RoleId } from '../domain/role.ts';
import type { Database } from './database.ts';
import { Gathered } from './gathered.ts';
import { SUBTREE } from './scope.ts';

export type AuthorizationRead = {
  readonly facts: AuthorizationFacts;
  /** Of the same moment as the facts. */
  readonly catalogue: RoleCatalogue;
  /** Grows with every change of who may call; see `accessStamp`. */
  readonly access: string;
};

type TenantRow = readonly [TenantId, string, string, TenantFact['state'], boolean, string | null];

/** As the function `authorization_facts` gives it. */
type Found = readonly [
  AuthUserState,
  TenantId,
  readonly TenantRow[],
  readonly (readonly [RoleId, TenantId])[] | null,
  string,
  string,
];

type CatalogueRow = {
  readonly stamp: string;
  readonly roles: readonly (readonly [RoleId, string, RoleFact['type'], readonly string[]])[] | null;
  readonly plans: readonly (readonly [string, readonly RoleId[]])[] | null;
};

/** For each question a row, in their order. The function sees to what each caller may see, whoever else is asking. */
const FACTS = `SELECT authorization_facts(q.scope, q.auth_user, q.tenant, q.most) AS found
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[]) WITH ORDINALITY AS q (scope, auth_user, tenant, most, n)
  ORDER BY q.n`;

type Question = {
  readonly scope: TenantId;
  readonly user: AuthUserId;
  readonly tenant: TenantId | null;
  readonly most: number;
};

/** So few that nobody waits long for what others ask, and so many that the trips do not count any more. */
const GATHERED = { most: 20, sideBySide: 4 };

/** One statement, so that the stamp and what it stands for are of the same moment. */
const CATALOGUE = `SELECT value AS stamp,
    (SELECT json_agg(json_build_array(id, name, type, permissions)) FROM role) AS roles,
    (SELECT json_agg(json_build_array(p.product_plan_id, p.roles)) FROM (
       SELECT product_plan_id, array_agg(role_id) AS roles FROM product_plan_role GROUP BY 1) p) AS plans
  FROM stamp WHERE name = 'roles'`;

type Known = RoleCatalogue & { readonly stamp: string };

export type IdentityFound = {
  readonly user: AuthUserId;
  readonly state: AuthUserState;
  /** One that has the user under this id. */
  readonly connection: ConnectionId;
};

/** More than anybody wants to choose from. */
const MOST_FOUND = 10;

export class Authorizations {
  readonly #database: Database;
  readonly #facts: Gathered<Question, Found | null>;
  #known: Known | null = null;

  constructor(database: Database) {
    this.#database = database;
    this.#facts = new Gathered((questions) => this.#readFacts(questions), GATHERED);
  }

  /**
   * null: no such user within the caller's tenant, or no such tenant to be asked about. Of tenants below the user's that may differ
   * from it, no more than `most` and one more.
   */
  async read(scope: TenantId, asked: Omit<Question, 'scope'>): Promise<AuthorizationRead | null> {
    for (;;) {
      const found = await this.#facts.ask({ scope, ...asked });
      if (found === null) return null;
      const [, , , , roles, access] = found;
      if (this.#known?.stamp !== roles) this.#known = await this.#load();
      // What was loaded may be newer than the facts: then they are read again.
      if (this.#known.stamp === roles) return { facts: factsIn(found), catalogue: this.#known, access };
    }
  }

  /** Whom the directories of the subtree have under this id: a user once, and no more than a few. */
  withIdentity(
    scope: TenantId,
    of: {
      readonly id: ExternalId;
      readonly issuer: string | null;
      readonly provider: Provider | null;
      readonly connection: ConnectionId | null;
    },
  ): Promise<readonly IdentityFound[]> {
    return this.#database.bulk(scope, (tx) =>
      tx.query<IdentityFound>(
        `SELECT DISTINCT ON (u.id) u.id AS user, u.state, c.id AS connection
         FROM connection c
         JOIN identity i ON i.connection_id = c.id AND i.external_id = $2
         JOIN auth_user u ON u.id = i.auth_user_id
         WHERE c.tenant_id IN ${SUBTREE('$1::uuid')}
           AND ($3::text IS NULL OR c.issuer = $3) AND ($4::text IS NULL OR c.provider = $4) AND ($5::uuid IS NULL OR c.id = $5)
         ORDER BY u.id, c.id LIMIT ${MOST_FOUND}`,
        [scope, of.id, of.issuer, of.provider, of.connection],
      ),
    );
  }

  /** How often keys, principals, or the state or place of a tenant have changed: as long as it stays, a caller is who it was. */
  async accessStamp(): Promise<string> {
    const statement = `SELECT value FROM stamp WHERE name = 'access'`;
    const [row] = await this.#database.single<{ value: string }>('access-stamp', statement, []);
    return row?.value ?? '';
  }

  async #readFacts(questions: readonly Question[]): Promise<readonly (Found | null)[]> {
    const rows = await this.#database.single<{ found: Found | null }>('authorization', FACTS, [
      questions.map(({ scope }) => scope),
      questions.map(({ user }) => user),
      questions.map(({ tenant }) => tenant),
      questions.map(({ most }) => most),
    ]);
    return rows.map(({ found }) => found);
  }

  async #load(): Promise<Known> {
    const [row] = await this.#database.single<CatalogueRow>('role-catalogue', CATALOGUE, []);
    return {
      stamp: row?.stamp ?? '',
      roles: new Map(row?.roles?.map(([id, name, type, permissions]) => [id, { name, type, permissions }])),
      plans: new Map(row?.plans?.map(([plan, roles]) => [plan, new Set(roles)])),
    };
  }
}

function factsIn([state, home, tenants, assignments]: Found): AuthorizationFacts {
  return {
    state,
    home,
    tenants: tenants.map(([id, name, dataKey, state, inheritsRoles, plan]) => ({
      id,
      name,
      dataKey,
      state,
      inheritsRoles,
      plan,
    })),
    assignments: (assignments ?? []).map(([role, tenant]) => ({ role, tenant })),
  };
}
