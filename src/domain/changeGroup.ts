/** What reviewers group and filter changes by. Changes that are alike in all of it share one description, which never changes. */
import type { Fields } from './authUser.ts';
import { type Cause, type ChangeKind, causes, type ProposedChange } from './change.ts';
import { type Difference, differenceInWords, differenceOf } from './difference.ts';
import { type RiskFacts, type RiskLevel, type RiskSignal, riskOf } from './risk.ts';

export const GROUPINGS = [
  'difference',
  'cause',
  'kind',
  'risk',
  'department',
  'org-unit',
  'role-gained',
  'role-lost',
  'field',
  'guard',
  'connection',
] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** All that groups and filters know of a change, beside its connection, its state and what holds it. */
export type GroupFacts = {
  readonly kind: ChangeKind;
  readonly cause: Cause;
  readonly risk: RiskLevel;
  readonly riskSignals: readonly RiskSignal[];
  readonly difference: Difference;
  /** Names of what changes, without what comes with somebody who is new. */
  readonly fields: readonly string[];
  /** Where they are afterwards; of whoever leaves, where they were. */
  readonly department: string | null;
  readonly orgUnit: string | null;
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
};

/** Longer names are known by their beginning. */
export const LONGEST_NAME = 200;

export function groupFactsOf(change: ProposedChange, facts: RiskFacts): GroupFacts {
  const { level, signals } = riskOf(change, facts);
  const [after, before] = [fieldsIn(change.after), fieldsIn(change.before)];
  const nameOf = (field: string) => shortened(after[field] ?? before[field]);
  return {
    kind: change.kind,
    cause: change.cause,
    risk: level,
    riskSignals: signals,
    difference: differenceOf(change),
    fields: change.fields.map(({ field }) => field),
    department: nameOf('department'),
    orgUnit: nameOf('orgUnit'),
    rolesGained: change.rolesGained,
    rolesLost: change.rolesLost,
  };
}

/**
 * Of somebody new, all that their group hangs on: the same text, the same facts. A first plan has nothing but such people, and asks for
 * each of them. null: of all others.
 */
export function newcomerKey(change: ProposedChange, { noticed }: RiskFacts): string | null {
  const { kind, cause, after, rolesGained } = change;
  if (kind !== 'create' || after === null) return null;
  const { fields, tenant = '' } = after as unknown as { readonly fields: Fields; readonly tenant?: string };
  return [
    cause,
    fields['department'],
    fields['orgUnit'],
    tenant,
    `${noticed.isStrange(change)}`,
    ...rolesGained,
  ].join('\n');
}

function fieldsIn(side: ProposedChange['after']): Fields {
  return side === null ? {} : (side as unknown as { readonly fields: Fields }).fields;
}

function shortened(value: unknown): string | null {
  if (typeof value !== 'string' || value === '') return null;
  return value.length <= LONGEST_NAME ? value : value.slice(0, LONGEST_NAME).toWellFormed();
}

/** The line that stands for a group. @param key null: those who have none */
export function groupInWords(
  by: Grouping,
  key: string | null,
  of: { readonly difference: Difference | null; readonly name: string | null },
): string {
  if (key === null) return WITHOUT[by];
  switch (by) {
    case 'difference':
      return of.difference === null ? key : differenceInWords(of.difference);
    case 'cause':
      return causes[key as Cause] ?? key;
    case 'risk':
      return `${key} risk`;
    case 'guard':
      return `held by the guard ${key}`;
    case 'connection':
      return of.name ?? key;
    case 'kind':
    case 'department':
    case 'org-unit':
    case 'role-gained':
    case 'role-lost':
    case 'field':
      return key;
  }
}

const WITHOUT = {
  difference: 'no difference',
  cause: 'no cause',
  kind: 'no kind',
  risk: 'no risk',
  department: 'no department',
  'org-unit': 'no organisational unit',
  'role-gained': 'gains no role',
  'role-lost': 'loses no role',
  field: 'no single field',
  guard: 'not held by a guard',
  connection: 'no connection',
} as const satisfies Record<Grouping, string>;
