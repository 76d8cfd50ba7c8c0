/**
 * How much a change could harm, from what is known when it is proposed: signals, each with a level. The level of a change is the highest
 * of its signals' levels; without any it is low. It explains and orders; what holds a change back are guards.
 */
import { side } from './authUser.ts';
import { isPlace, type ProposedChange } from './change.ts';
import { domainOf, emailKey } from './email.ts';

export const RISKS = ['low', 'medium', 'high'] as const;
export type RiskLevel = (typeof RISKS)[number];

/** What speaks for a risk, in the words that a person is shown. */
export const riskSignals = {
  'privileged-role-gained': { level: 'high', because: 'comes to a privileged role' },
  'privileged-role-lost': { level: 'high', because: 'loses a privileged role' },
  'privileged-user-removed': { level: 'high', because: 'is suspended or deleted, and has a privileged role' },
  'protected-user': { level: 'high', because: 'is one of those whom the policy protects' },
  'many-roles-lost': { level: 'high', because: 'loses three roles or more' },
  'many-roles-gained': { level: 'medium', because: 'gains five roles or more' },
  'removed-with-roles': { level: 'medium', because: 'is suspended or deleted, and has roles' },
  'removed-by-settings': {
    level: 'medium',
    because: 'is deleted because of the settings of the connection, and is still in the directory',
  },
  'user-taken-over': { level: 'medium', because: 'comes into an account that was there before' },
  'tenant-move': { level: 'medium', because: 'is put in another tenant' },
  'other-domain': { level: 'medium', because: 'has an address or user name of another domain' },
  'many-fields': { level: 'medium', because: 'changes in eight fields or more' },
  'fields-emptied': { level: 'medium', because: 'loses the values of three fields or more' },
  'undoes-local-edit': { level: 'medium', because: 'was edited here, which this would undo' },
  'manages-others': { level: 'medium', because: 'is suspended or deleted, and is the manager of others' },
  'last-holder': { level: 'medium', because: 'is the last who has some role, and would lose it' },
  'unusual-hour': { level: 'medium', because: 'changes at an hour at which the policy expects nothing' },
  'broken-pattern': {
    level: 'medium',
    because: 'is new, with an address of a domain that the tenant has not verified beside its others',
  },
  conflict: { level: 'medium', because: 'needs a person' },
  'not-assessed': {
    level: 'medium',
    because: 'was proposed by an earlier version, which did not assess risks',
  },
} as const satisfies Record<string, { readonly level: RiskLevel; readonly because: string }>;
export type RiskSignal = keyof typeof riskSignals;

export type Risk = { readonly level: RiskLevel; readonly signals: readonly RiskSignal[] };

/** What of a policy says whom and what is to be looked after. */
type Protecting = {
  readonly protected: { readonly users: readonly string[]; readonly roles: readonly string[] };
  readonly keepOneOf: readonly string[];
};

/** What is known from beside the change. */
export type Noticed = {
  /** Somebody else who is active has them as their manager. */
  readonly manages: (change: ProposedChange) => boolean;
  /** Nobody else who is active has one of these roles of theirs. Those that they keep do not count. */
  readonly isLastHolder: (change: ProposedChange) => boolean;
  /** New, with an address of a domain that the tenant has not verified, although it has verified others. */
  readonly isStrange: (change: ProposedChange) => boolean;
  /** Now. */
  readonly isUnusualHour: () => boolean;
};

export const NOTHING_NOTICED: Noticed = {
  manages: () => false,
  isLastHolder: () => false,
  isStrange: () => false,
  isUnusualHour: () => false,
};

/** What decides whose change is a risk, and which roles are. */
export type RiskFacts = {
  readonly isPrivileged: (role: string) => boolean;
  readonly isProtected: (change: ProposedChange) => boolean;
  readonly noticed: Noticed;
};

const MANY_ROLES_LOST = 3;
const MANY_ROLES_GAINED = 5;
const MANY_FIELDS = 8;
const MANY_EMPTIED = 3;
const NAMED_SO = /admin|superuser|^(owner|root)$/i;

/**
 * Privileged is a role that the policy protects or keeps with somebody, one with a permission for everything of a kind (`users.*`), and
 * one whose name says so. @param wide roles with such a permission
 */
export function riskFacts(
  { protected: kept, keepOneOf }: Protecting,
  wide: readonly string[],
  noticed: Noticed = NOTHING_NOTICED,
): RiskFacts {
  const privileged = new Set<string>([...kept.roles, ...keepOneOf, ...wide]);
  const users = new Set(kept.users.flatMap((user) => [user, user.toLowerCase(), emailKey(user) ?? user]));
  return {
    noticed,
    isPrivileged: (role) => privileged.has(role) || NAMED_SO.test(role),
    isProtected: ({ authUser, before }) => {
      if (users.size === 0 || authUser === null) return false;
      const { email = null, userName = null } = side(before).fields;
      const names = [authUser, String(userName).toLowerCase(), emailKey(email as string | null) ?? ''];
      return names.some((name) => users.has(name));
    },
  };
}

/** The signals in the order of the table above. */
export function riskOf(change: ProposedChange, facts: RiskFacts): Risk {
  const signals: RiskSignal[] = [];
  const add = (signal: RiskSignal, holds: boolean) => {
    if (holds) signals.push(signal);
  };
  switch (change.kind) {
    case 'conflict':
      return { level: riskSignals.conflict.level, signals: ['conflict'] };
    case 'suspend':
    case 'delete':
      addOfRemoval(change, facts, add);
      break;
    case 'create':
    case 'link':
    case 'reactivate':
    case 'update':
    case 'unlink':
      addOfArrival(change, facts, add);
      break;
  }
  add('unusual-hour', facts.noticed.isUnusualHour());
  add('broken-pattern', change.kind === 'create' && facts.noticed.isStrange(change));
  const levels = new Set<RiskLevel>(signals.map((signal) => riskSignals[signal].level));
  return { level: levels.has('high') ? 'high' : levels.has('medium') ? 'medium' : 'low', signals };
}

type Add = (signal: RiskSignal, holds: boolean) => void;

function addOfRemoval(change: ProposedChange, facts: RiskFacts, add: Add): void {
  const { roles } = side(change.before);
  const privileged = roles.some(facts.isPrivileged);
  add('privileged-user-removed', privileged);
  add('protected-user', facts.isProtected(change));
  add('removed-with-roles', roles.length > 0 && !privileged);
  add('removed-by-settings', change.cause === 'scope-changed' || change.cause === 'out-of-scope');
  add('manages-others', facts.noticed.manages(change));
  add('last-holder', facts.noticed.isLastHolder(change));
}

function addOfArrival(change: ProposedChange, facts: RiskFacts, add: Add): void {
  const { kind, fields, rolesGained, rolesLost } = change;
  // Whoever comes back comes to all the roles that they have then.
  const comesTo = kind === 'reactivate' ? side(change.after).roles : rolesGained;
  add('privileged-role-gained', comesTo.some(facts.isPrivileged));
  add('privileged-role-lost', rolesLost.some(facts.isPrivileged));
  add('protected-user', kind !== 'create' && facts.isProtected(change));
  add('many-roles-lost', rolesLost.length >= MANY_ROLES_LOST);
  add('many-roles-gained', rolesGained.length >= MANY_ROLES_GAINED);
  add('user-taken-over', kind === 'link');
  if (fields.length > 0) {
    add('tenant-move', fields.some(isPlace));
    add('other-domain', fields.some(hasOtherDomain));
    add('many-fields', fields.length >= MANY_FIELDS);
    add('fields-emptied', fields.filter(({ after }) => after === null).length >= MANY_EMPTIED);
  }
  add('undoes-local-edit', change.cause === 'local-edit');
  add('last-holder', rolesLost.length > 0 && facts.noticed.isLastHolder(change));
}

function hasOtherDomain({ field, before, after }: ProposedChange['fields'][number]): boolean {
  if (field !== 'email' && field !== 'userName') return false;
  const [from, to] = [emailKey(before as string | null), emailKey(after as string | null)];
  return from !== null && to !== null && domainOf(from) !== domainOf(to);
}
