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

/** Looks only once something is taken from somebody, and once in a plan. */
export class Noticing {
  readonly #sql: Sql;
  readonly #known: Known;
  #hasLooked = false;
  #managers: ReadonlySet<string> = new Set();
  #lastHolders: ReadonlyMap<string, readonly string[]> = new Map();
  #isUnusual = false;
  readonly noticed: Noticed;

  constructor(sql: Sql, known: Known) {
    this.#sql = sql;
    this.#known = known;
    const domains = new Set([...known.verifiedDomains.values()].flatMap((of) => [...of]));
    this.noticed = {
      manages: (change) =>
        this.#managers.size > 0 && namesOf(change).some((name) => this.#managers.has(name)),
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
    if (this.#hasLooked || !changes.some(takesAway)) return;
    this.#hasLooked = true;
    const { isFull, users } = this.#known;
    if (isFull || (users !== null && users <= FEW_USERS)) this.#managers = await managersIn(this.#sql);
    this.#lastHolders = await lastHoldersIn(this.#sql);
  }

  #losesLast({ kind, authUser, rolesLost }: ProposedChange): boolean {
    const roles = authUser === null ? undefined : this.#lastHolders.get(authUser);
    if (roles === undefined) return false;
    return kind === 'suspend' || kind === 'delete' || roles.some((role) => rolesLost.includes(role));
  }
}

const takesAway = ({ kind, rolesLost }: ProposedChange) =>
  kind === 'suspend' || kind === 'delete' || rolesLost.length > 0;

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
  const rows = await sql.query<{ manager: string }>(
    `SELECT DISTINCT lower(attributes ->> 'manager') AS manager FROM auth_user
     WHERE state = 'active' AND attributes ->> 'manager' IS NOT NULL`,
  );
  return new Set(rows.map(({ manager }) => manager));
}

/** Roles by whoever is the only active one to have them in what the transaction sees; a role at a time, by its index. */
async function lastHoldersIn(sql: Sql): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await sql.query<{ user: string; roles: readonly string[] }>(
    `SELECT h.users[1] AS user, array_agg(r.name) AS roles FROM role r CROSS JOIN LATERAL (
       SELECT array_agg(DISTINCT id) AS users, count(*) AS rows FROM (
         SELECT g.auth_user_id AS id FROM role_assignment g JOIN auth_user a ON a.id = g.auth_user_id
         WHERE g.role_id = r.id AND a.state = 'active' LIMIT ${HOLDERS}) few) h
     WHERE cardinality(h.users) = 1 AND h.rows < ${HOLDERS} GROUP BY 1`,
  );
  return new Map(rows.map(({ user, roles }) => [user, roles]));
}
