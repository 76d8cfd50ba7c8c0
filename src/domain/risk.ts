/**
 * How much a change could harm, from what is known when it is proposed: signals, each with a level. The level of a change is the highest
 * of its signals' levels; without any it is low. It explains and orders; what holds a change back are guards.
 */
import type { Fields } from './authUser.ts';
import { isPlace, type ProposedChange } from './change.ts';
import { domainOf, emailKey } from './email.ts';
import type { Policy } from './policy.ts';

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
  conflict: { level: 'medium', because: 'needs a person' },
  'not-assessed': {
    level: 'medium',
    because: 'was proposed by an earlier version, which did not assess risks',
  },
} as const satisfies Record<string, { readonly level: RiskLevel; readonly because: string }>;
export type RiskSignal = keyof typeof riskSignals;

export type Risk = { readonly level: RiskLevel; readonly signals: readonly RiskSignal[] };

/** What decides whose change is a risk, and which roles are. */
export type RiskFacts = {
  readonly isPrivileged: (role: string) => boolean;
  readonly isProtected: (change: ProposedChange) => boolean;
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
export function riskFacts({ protected: kept, keepOneOf }: Policy, wide: readonly string[]): RiskFacts {
  const privileged = new Set<string>([...kept.roles, ...keepOneOf, ...wide]);
  const users = new Set(kept.users.flatMap((user) => [user, user.toLowerCase(), emailKey(user) ?? user]));
  return {
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
}

function hasOtherDomain({ field, before, after }: ProposedChange['fields'][number]): boolean {
  if (field !== 'email' && field !== 'userName') return false;
  const [from, to] = [emailKey(before as string | null), emailKey(after as string | null)];
  return from !== null && to !== null && domainOf(from) !== domainOf(to);
}

type Side = { readonly fields: Fields; readonly roles: readonly string[] };
const NOBODY: Side = { fields: {}, roles: [] };

/** As `describeUser` made it. */
function side(described: ProposedChange['before']): Side {
  return described === null ? NOBODY : (described as unknown as Side);
}
