/**
 * Policy rules: what is decided on a change without a person, and who has to approve where a person has to. Rules stand at levels, one for
 * each tenant from the root down and one for the connection; at each, the first rule whose condition holds has the say. What several
 * levels say comes together to the strictest of it: whoever is below may ask for more, never for less.
 */
import { z } from 'zod';
import { canonical, fingerprintOf, type Json } from './canonical.ts';
import {
  ChangeExpression,
  circumstancesIn,
  compileChangeExpression,
  type JudgedChange,
  type JudgedPlace,
  valuesOf,
} from './changeExpression.ts';
import type { TenantId } from './ids.ts';

/** Who approves, from the one whom most are to the one whom fewest are. Whoever is further down may what those above may. */
export const APPROVER_ROLES = ['reviewer', 'tenant-administrator', 'system'] as const;
export type ApproverRole = (typeof APPROVER_ROLES)[number];

const hours = z.int().min(1).max(8_760);
const Reason = z.string().trim().min(1, 'says why, for whoever is told').max(500);

const Require = z
  .strictObject({
    approvals: z.int().min(1).max(10).default(1),
    from: z.enum(APPROVER_ROLES).default('reviewer'),
    /** Whoever has changed the connection's configuration since the last apply before the change. By default refused where there are several approvals. */
    configurators: z.enum(['allowed', 'refused']).optional(),
    deadlineHours: hours.optional(),
    /** Who may approve instead after the deadline. */
    escalateTo: z.enum(APPROVER_ROLES).optional(),
    /** How long an approval may wait to be applied. */
    validHours: hours.optional(),
  })
  .refine(({ escalateTo, deadlineHours }) => escalateTo === undefined || deadlineHours !== undefined, {
    path: ['escalateTo'],
    message: 'is of no use without deadlineHours',
  });

const OUTCOMES = ['require', 'hold', 'reject', 'ignore'] as const;

const Outcome = z
  .strictObject({
    require: Require.optional(),
    hold: z.strictObject({ reason: Reason }).optional(),
    reject: z.strictObject({ reason: Reason }).optional(),
    ignore: z.strictObject({ reason: Reason, days: z.int().min(1).max(3_650) }).optional(),
  })
  .refine((decide) => OUTCOMES.filter((one) => decide[one] !== undefined).length === 1, {
    message: `has to say one of ${OUTCOMES.join(', ')}`,
  });

const SAYS_ONE =
  'has to be approve, or {require: …}, {hold: {reason}}, {reject: {reason}} or {ignore: {reason, days}}';

/** `approve`, or one of the others by its name. */
const Decide = z.union([z.literal('approve'), Outcome], {
  error: ({ input, errors }) => {
    if (typeof input !== 'object' || input === null) return SAYS_ONE;
    const [, found = []] = (errors ?? []) as readonly (readonly z.core.$ZodIssue[])[];
    const told = found.map(({ path, message, ...issue }) =>
      issue.code === 'unrecognized_keys'
        ? `${[...path, ...(issue as { keys: string[] }).keys].join('.')} is not known here`
        : `${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
    );
    return told.length === 0 ? SAYS_ONE : told.join('; ');
  },
});

export const ReviewRule = z.strictObject({
  name: z.string().trim().min(1, 'is empty').max(100),
  /** CEL. */
  when: ChangeExpression,
  decide: Decide,
});
export type ReviewRule = z.infer<typeof ReviewRule>;

/** Holds for everybody, whatever the change. */
const isForAll = ({ when }: Pick<ReviewRule, 'when'>) => when.trim() === 'true';

/** As the audit log tells it: of the condition, which may name people, only whether it is another one. */
export function ruleInAudit({ name, when, decide }: ReviewRule): Json {
  return { name, condition: fingerprintOf(when).slice(0, 12), decide } as Json;
}

export const ReviewRules = z
  .array(ReviewRule)
  .max(200)
  .superRefine((rules, context) => {
    const names = new Set<string>();
    for (const [at, { name }] of rules.entries()) {
      if (names.has(name))
        context.addIssue({
          code: 'custom',
          path: [at, 'name'],
          message: 'is the name of a rule before it too',
        });
      names.add(name);
    }
    const end = rules.findIndex(isForAll);
    if (end === -1 || end === rules.length - 1) return;
    const message = `is never looked at: rule ${end + 1} is about every change`;
    context.addIssue({ code: 'custom', path: [end + 1], message });
  });

export const VERDICTS = ['approve', 'require', 'hold', 'ignore', 'reject'] as const;

/** What is said of a change. Of several approvals that are asked for beside a hold, as many are still needed to let it go. */
export type Verdict = {
  readonly verdict: (typeof VERDICTS)[number];
  /** Its name. */
  readonly rule: string;
  /** The tenant whose rule it is; null: the connection's own. */
  readonly level: TenantId | null;
  readonly approvals: number;
  readonly from: ApproverRole;
  readonly configurators: 'allowed' | 'refused';
  readonly deadlineHours: number | null;
  readonly escalateTo: ApproverRole | null;
  readonly validHours: number | null;
  /** Of a hold, a rejection, what is ignored, and an undo that a rule would have approved. */
  readonly reason: string | null;
  /** How long it is ignored. */
  readonly days: number | null;
};

export type RuleLevel = {
  /** null: the connection. */
  readonly tenant: TenantId | null;
  readonly timeZone: string;
  readonly rules: readonly ReviewRule[];
};

const ONE_APPROVAL = {
  approvals: 1,
  from: 'reviewer',
  configurators: 'allowed',
  deadlineHours: null,
  escalateTo: null,
  validHours: null,
} as const;

/** What a rule says where its condition holds, before other levels have their say. */
export function verdictOf(
  { name, decide }: Pick<ReviewRule, 'name' | 'decide'>,
  level: TenantId | null,
): Verdict {
  const said = { rule: name, level, reason: null, days: null, ...ONE_APPROVAL };
  if (decide === 'approve') return { ...said, verdict: 'approve' };
  if (decide.require !== undefined) {
    const { approvals, from, configurators, deadlineHours, escalateTo, validHours } = decide.require;
    return {
      ...said,
      verdict: 'require',
      approvals,
      from,
      configurators: configurators ?? (approvals > 1 ? 'refused' : 'allowed'),
      deadlineHours: deadlineHours ?? null,
      escalateTo: escalateTo ?? null,
      validHours: validHours ?? null,
    };
  }
  if (decide.hold !== undefined) return { ...said, verdict: 'hold', reason: decide.hold.reason };
  if (decide.reject !== undefined) return { ...said, verdict: 'reject', reason: decide.reject.reason };
  return { ...said, verdict: 'ignore', reason: decide.ignore?.reason ?? '', days: decide.ignore?.days ?? 1 };
}

const strictnessOf = ({ verdict }: Verdict) => VERDICTS.indexOf(verdict);
const roleRank = (role: ApproverRole) => APPROVER_ROLES.indexOf(role);
const higher = (one: ApproverRole, other: ApproverRole) => (roleRank(one) < roleRank(other) ? other : one);

/** Of two who are asked after a deadline; null: nobody is. */
function highest(one: ApproverRole | null, other: ApproverRole | null): ApproverRole | null {
  if (one === null || other === null) return one ?? other;
  return higher(one, other);
}

/** The shorter; null is for ever. */
function shorter(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/** Whether `one` asks more of those who approve than `other` in any way. */
function asksMore(one: Verdict, other: Verdict): boolean {
  return (
    one.approvals > other.approvals ||
    roleRank(one.from) > roleRank(other.from) ||
    (one.configurators === 'refused' && other.configurators === 'allowed') ||
    shorter(one.deadlineHours, other.deadlineHours) !== other.deadlineHours ||
    shorter(one.validHours, other.validHours) !== other.validHours ||
    (one.days ?? 0) > (other.days ?? 0)
  );
}

/** The strictest of both, and of both all that they ask of whoever approves. `one` is of a level further up. */
export function stricter(one: Verdict, other: Verdict): Verdict {
  const difference = strictnessOf(other) - strictnessOf(one);
  const leading = difference > 0 || (difference === 0 && asksMore(other, one)) ? other : one;
  const second = leading === one ? other : one;
  const urgent = shorter(leading.deadlineHours, second.deadlineHours);
  return {
    ...leading,
    approvals: Math.max(one.approvals, other.approvals),
    from: higher(one.from, other.from),
    configurators:
      one.configurators === 'refused' || other.configurators === 'refused' ? 'refused' : 'allowed',
    deadlineHours: urgent,
    escalateTo: highest(one.escalateTo, other.escalateTo),
    validHours: shorter(one.validHours, other.validHours),
    days: leading.verdict === 'ignore' ? Math.max(one.days ?? 0, other.days ?? 0) : leading.days,
  };
}

/**
 * What the rules say of a change that is judged at this time; null: nothing. A condition that cannot be made out holds the change: nobody
 * knows what it would say.
 */
export type Judge = {
  (change: JudgedChange, at: Date): Verdict | null;
  /** All that any of the rules asks of whoever approves: of what is held because nobody knows which of them has the say. */
  readonly most?: Verdict | null;
};

/**
 * The judge of all levels, the root's first, at whatever place: compiling takes long, and depends on none. null where no level has rules.
 */
export function compileRules(levels: readonly RuleLevel[]): ((place: JudgedPlace) => Judge) | null {
  const compiled = levels
    .filter(({ rules }) => rules.length > 0)
    .map(({ tenant, timeZone, rules }) => ({
      ...{ level: tenant, timeZone },
      rules: rules.map((rule) => ({
        holds: compileChangeExpression(rule.when),
        name: rule.name,
        verdict: verdictOf(rule, tenant),
      })),
    }));
  if (compiled.length === 0) return null;
  const most = mostOf(compiled.flatMap(({ rules }) => rules));
  return (place) => {
    const judges = compiled.map((one) => ({ ...one, circumstances: circumstancesIn(place, one.timeZone) }));
    const judge = (change: JudgedChange, at: Date) => {
      const values = valuesOf(change);
      let verdict: Verdict | null = null;
      for (const { level, rules, circumstances } of judges) {
        const said = firstOf(rules, level, { ...values, ...circumstances(at) });
        if (said !== null) verdict = verdict === null ? said : stricter(verdict, said);
      }
      return verdict === null ? null : seenBySomebody(change, verdict);
    };
    return Object.assign(judge, { most });
  };
}

/**
 * Rules speak of what a directory has said. That a person takes back what was decided is no routine of these: no rule approves it, whatever
 * else they ask of it holds.
 */
function seenBySomebody({ cause }: JudgedChange, verdict: Verdict): Verdict {
  if (cause !== 'undo' || verdict.verdict !== 'approve') return verdict;
  return { ...verdict, verdict: 'require', reason: 'no rule approves what takes something back' };
}

/** Of these rules, all that any of them asks of whoever approves. */
function mostOf(rules: readonly Pick<CompiledRule, 'verdict'>[]): Verdict | null {
  return rules.reduce<Verdict | null>((most, { verdict: said }) => {
    const asked: Verdict = { ...said, verdict: 'require', days: null };
    return most === null ? asked : stricter(most, asked);
  }, null);
}

type CompiledRule = {
  readonly holds: ReturnType<typeof compileChangeExpression>;
  readonly name: string;
  readonly verdict: Verdict;
};

function firstOf(
  rules: readonly CompiledRule[],
  level: TenantId | null,
  values: Parameters<CompiledRule['holds']>[0],
): Verdict | null {
  for (const [at, { holds, name, verdict }] of rules.entries()) {
    const found = holds(values);
    if (!found.ok) return unevaluable(name, level, found.problem, mostOf(rules.slice(at)));
    if (found.value) return verdict;
  }
  return null;
}

/** `most`: whoever lets it go is to be whom the strictest of the rules would ask that might have had the say. */
function unevaluable(name: string, level: TenantId | null, problem: string, most: Verdict | null): Verdict {
  const hold = { hold: { reason: `the condition of the rule cannot be evaluated for it: ${problem}` } };
  const held = verdictOf({ name, decide: hold }, level);
  return most === null ? held : stricter(held, most);
}

/** Where somebody is held because the rules took too long before it was their turn. `most`: what any of them asks of whoever approves. */
export function outOfTime(seconds: number, most: Verdict | null = null): Verdict {
  const hold = { hold: { reason: `the rules took more than ${seconds} seconds for those before it` } };
  const held = verdictOf({ name: '', decide: hold }, null);
  return most === null ? held : stricter(held, most);
}

/** A rule that never decides anything, because one further up is at least as strict wherever it holds. */
export type Idle = { readonly rule: string; readonly because: string };

/**
 * Rules of `own` that can be seen to decide nothing, by those of the levels above: where the first rules there up to one of the same
 * condition, or of one that always holds, say at least as much. Others may decide nothing all the same.
 */
export function idleRules(own: readonly ReviewRule[], above: readonly RuleLevel[]): readonly Idle[] {
  return own.flatMap((rule) => {
    const verdict = verdictOf(rule, null);
    const isIdle = above.some(({ rules, tenant }) => {
      const end = rules.findIndex((one) => isForAll(one) || one.when.trim() === rule.when.trim());
      if (end === -1) return false;
      return rules.slice(0, end + 1).every((one) => outdoes(verdictOf(one, tenant), verdict));
    });
    const because = 'a tenant above decides at least as strictly wherever it holds';
    return isIdle ? [{ rule: rule.name, because }] : [];
  });
}

/** Whether the other one adds nothing to this one. */
function outdoes(one: Verdict, other: Verdict): boolean {
  const both = stricter(one, other);
  return contentOf(both) === contentOf({ ...one, rule: both.rule, level: both.level, reason: both.reason });
}

const contentOf = (verdict: Verdict) => canonical({ ...verdict });

/** In the words that a person is told. */
export function explainVerdict(verdict: Verdict): string {
  const { rule } = verdict;
  const by = rule === '' ? '' : `policy rule “${rule}”: `;
  switch (verdict.verdict) {
    case 'approve':
      return `${by}approved`;
    case 'require':
      return `${by}${inApprovals(verdict)}${verdict.reason === null ? '' : `: ${verdict.reason}`}`;
    case 'hold':
      return `${by}${verdict.reason}`;
    case 'reject':
      return `${by}${verdict.reason}`;
    case 'ignore':
      return `${by}${verdict.reason} (ignored for ${verdict.days} ${verdict.days === 1 ? 'day' : 'days'})`;
  }
}

function inApprovals({
  approvals,
  from,
  configurators,
  deadlineHours,
  escalateTo,
  validHours,
}: Verdict): string {
  const parts = [
    `needs ${approvals === 1 ? 'one approval' : `${approvals} approvals`} from ${from}`,
    configurators === 'refused'
      ? 'not from whoever changed the configuration since the last apply before the change'
      : null,
    deadlineHours === null ? null : `within ${deadlineHours} hours`,
    escalateTo === null ? null : `then from ${escalateTo}`,
    validHours === null ? null : `good for ${validHours} hours`,
  ];
  return parts.filter((one) => one !== null).join(', ');
}
