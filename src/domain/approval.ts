/** Approving where a policy asks for more than one approval by anybody who may decide: who counts, and what keeps somebody from it. */
import type { ChangeId } from './ids.ts';
import type { ApproverRole } from './reviewRules.ts';

/** What is asked for beyond the ordinary, and how far it has come. */
export type Approvals = {
  /** Of the policy, which asks for it; null: nobody knows which rule would, and this is the most that any asks. */
  readonly rule: string | null;
  /** Whose rule it is. `above`: of a tenant above the connection's. */
  readonly level: RuleOwner;
  readonly needed: number;
  /** Or somebody who may do more. */
  readonly from: ApproverRole;
  /** Whether whoever has changed the connection's configuration since the last apply before the change counts. */
  readonly configurators: 'allowed' | 'refused';
  /** Those that count now, by different people, oldest first. */
  readonly given: readonly { readonly by: string; readonly at: string; readonly reason: string }[];
  /** Until when it is to be decided; null: nobody minds. */
  readonly deadline: string | null;
  /** After the deadline, one of the approvals has to come from somebody who may as much; null: nothing changes then. */
  readonly escalateTo: ApproverRole | null;
  readonly overdue: boolean;
  /** How long it may wait to be applied once it is approved; then it is open again. null: for ever. */
  readonly validHours: number | null;
};

export const RULE_OWNERS = ['connection', 'tenant', 'above'] as const;
export type RuleOwner = (typeof RULE_OWNERS)[number];

/** Why an approval does not count, of somebody who may decide otherwise. */
export const HINDRANCES = ['needs-role', 'own-configuration', 'approved-already'] as const;
export type Hindrance = (typeof HINDRANCES)[number];

export const REFUSALS = ['not-found', 'changed-since-shown', 'not-allowed-now', ...HINDRANCES] as const;

/** Why nothing was decided about a change. */
export type Refusal = {
  readonly id: ChangeId;
  readonly because: (typeof REFUSALS)[number];
  /** One sentence for whoever is refused, with what can be done about it. */
  readonly explanation: string;
};

/** For whoever it hinders. `from`: the role that the rule asks for. */
export function explainHindrance(because: Hindrance, { from }: { readonly from: ApproverRole }): string {
  switch (because) {
    case 'needs-role':
      return `the policy asks for an approval by somebody with the role ${from}`;
    case 'own-configuration':
      return 'the policy asks for somebody who has changed neither the configuration of the connection since the last apply before this change nor the change itself: ask another reviewer';
    case 'approved-already':
      return 'you have approved it already: it waits for somebody else';
  }
}

const OWNERS = {
  connection: 'of the connection',
  tenant: 'of the tenant',
  above: 'of a tenant above',
} as const satisfies Record<RuleOwner, string>;

/** Which rule asks for it. */
export function ruleInWords({ rule, level }: Pick<Approvals, 'rule' | 'level'>): string {
  return rule === null ? 'policy rules, whichever of them holds' : `policy rule “${rule}” ${OWNERS[level]}`;
}

/** How far it has come, and whose approval is still missing. */
export function awaitedInWords({ needed, from, given, overdue, escalateTo }: Approvals): string {
  const more = Math.max(needed - given.length, 0);
  const by = overdue && escalateTo !== null ? escalateTo : from;
  const late = overdue && escalateTo !== null ? ', for its deadline is over' : '';
  const so = `${given.length} of ${needed} approvals`;
  if (more === 0) return overdue && escalateTo !== null ? `${so}; one has to be by ${by}${late}` : so;
  return `${so}; ${more} more by ${by} or above${late}`;
}
