/** What speaks for the risk of a change besides what it says itself: of others, of the tenant, and of the hour. */
import { side } from '../domain/authUser.ts';
import type { ProposedChange } from '../domain/change.ts';
import { domainOf, emailKeyOf } from '../domain/email.ts';
import type { VerifiedDomains } from '../domain/matching.ts';
import { NOTHING_NOTICED, type Noticed } from '../domain/risk.ts';
import { isUsual, localTime, type UsualHours } from '../domain/timeZone.ts';
import type { Sql } from './database.ts';

/** Beyond it a delta does not look for managers, which takes a walk over everybody. */
const FEW_USERS = 20_000;
/** Of one role. A user may have it by several connections, and by hand. */
const HOLDERS = 5;

export type Known = {
  readonly verifiedDomains: VerifiedDomains;
  readonly usualHours: UsualHours | null;
  readonly timeZone: string;
  /** Everybody was looked at, so that another walk over everybody is little. */
  readonly isFull: boolean;
  /** As of the last complete run; null: not known. */
  readonly users: number | null;
};

/** Looks only once something is taken from somebody; for managers once in a plan, and for each role once. */
export class Noticing {
  readonly #sql: Sql;
  readonly #known: Known;
  #managers: ReadonlySet<string> | null = null;
  readonly #rolesLooked = new Set<string>();
  /** Roles of whoever is the last to have them. */
  readonly #lastHolders = new Map<string, string[]>();
  #isUnusual = false;
  readonly noticed: Noticed;

  constructor(sql: Sql, known: Known) {
    this.#sql = sql;
    this.#known = known;
    const domains = new Set([...known.verifiedDomains.values()].flatMap((of) => [...of]));
    this.noticed = {
      manages: (change) => this.#isManager(change),
      isLastHolder: (change) => this.#losesLast(change),
      isStrange: domains.size === 0 ? NOTHING_NOTICED.isStrange : (change) => isOutside(change, domains),
      isUnusualHour: () => this.#isUnusual,
    };
  }

  /** When the plan is made. */
  at(now: Date): void {
    const { usualHours, timeZone } = this.#known;
    this.#isUnusual = usualHours !== null && !isUsual(localTime(now, timeZone), usualHours);
  }

  /** Before these are assessed. */
  async look(changes: readonly ProposedChange[]): Promise<void> {
    const taking = changes.filter(takesAway);
    if (taking.length === 0) return;
    this.#managers ??= await this.#lookForManagers(taking);
    const roles = [...new Set(taking.flatMap(lostWith))].filter((role) => !this.#rolesLooked.has(role));
    if (roles.length === 0) return;
    for (const role of roles) this.#rolesLooked.add(role);
    for (const { user, role } of await lastHoldersOf(this.#sql, roles))
      this.#lastHolders.set(user, [...(this.#lastHolders.get(user) ?? []), role]);
  }

  /** null: nobody leaves yet. */
  async #lookForManagers(taking: readonly ProposedChange[]): Promise<ReadonlySet<string> | null> {
    if (!taking.some(removes)) return null;
    const { isFull, users } = this.#known;
    return isFull || (users !== null && users <= FEW_USERS) ? await managersIn(this.#sql) : new Set();
  }

  #isManager(change: ProposedChange): boolean {
    const managers = this.#managers;
    return managers !== null && managers.size > 0 && namesOf(change).some((name) => managers.has(name));
  }

  #losesLast(change: ProposedChange): boolean {
    const roles = change.authUser === null ? undefined : this.#lastHolders.get(change.authUser);
    return roles !== undefined && lostWith(change).some((role) => roles.includes(role));
  }
}

const removes = ({ kind }: ProposedChange) => kind === 'suspend' || kind === 'delete';
const takesAway = (change: ProposedChange) => removes(change) || change.rolesLost.length > 0;

/** Of those that the directory gave. */
function lostWith(change: ProposedChange): readonly string[] {
  return removes(change) ? side(change.before).roles : change.rolesLost;
}
/** By what directories may name them as a manager. */
function namesOf({ externalId, before }: ProposedChange): readonly string[] {
  const { email, userName } = side(before).fields;
  return [externalId, email, userName].flatMap((name) =>
    typeof name === 'string' ? [name.toLowerCase()] : [],
  );
}

function isOutside({ after }: ProposedChange, domains: ReadonlySet<string>): boolean {
  const key = emailKeyOf(side(after).fields);
  return key !== null && !domains.has(domainOf(key));
}

/** Of somebody active, in whatever tenant the transaction sees. */
async function managersIn(sql: Sql): Promise<ReadonlySet<string>> {
  const rows = await sql.query<{ manager: string | null }>(
    `SELECT DISTINCT m.manager FROM visible_tenants() AS v CROSS JOIN LATERAL (
       SELECT attributes ->> 'manager' AS manager FROM auth_user WHERE tenant_id = v AND state = 'active' OFFSET 0) m`,
  );
  return new Set(rows.flatMap(({ manager }) => manager?.toLowerCase() ?? []));
}

/** Who is the only active one to have a role in what the transaction sees; looked up by role and tenant, no further than needed. */
function lastHoldersOf(sql: Sql, roles: readonly string[]) {
  return sql.query<{ user: string; role: string }>(
    `SELECT h.users[1] AS user, r.name AS role FROM role r CROSS JOIN LATERAL (
       SELECT array_agg(DISTINCT id) AS users, count(*) AS rows FROM (
         SELECT g.id FROM visible_tenants() AS v
           CROSS JOIN LATERAL (SELECT auth_user_id AS id FROM role_assignment WHERE role_id = r.id AND tenant_id = v OFFSET 0) g
           CROSS JOIN LATERAL (SELECT FROM auth_user WHERE id = g.id AND state = 'active' OFFSET 0) a
         LIMIT ${HOLDERS}) few) h
     WHERE r.name = ANY ($1::text[]) AND cardinality(h.users) = 1 AND h.rows < ${HOLDERS}`,
    [roles],
  );
}
