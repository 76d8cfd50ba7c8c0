/** What rules would decide, before they are saved: of cases that somebody wrote down, and of the changes that there were. Nothing is kept. */
import { z } from 'zod';
import type { JudgedPlace } from '../domain/changeExpression.ts';
import type { Clock } from '../domain/clock.ts';
import { type ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import { invalidInput, notFound, parseId, parseInput } from '../domain/input.ts';
import { cursorOf, type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { type CaseResult, NOTHING, PolicyCases, testCases } from '../domain/policyCases.ts';
import {
  compileRules,
  explainVerdict,
  type Judge,
  ReviewRules,
  type RuleLevel,
  VERDICTS,
  type Verdict,
} from '../domain/reviewRules.ts';
import { TimeZone } from '../domain/timeZone.ts';
import type { OfConnection, PastChange } from '../store/replaying.ts';
import { withDraft } from '../store/ruleLevels.ts';
import { startTime } from '../store/ruleTime.ts';
import type { Store } from '../store/store.ts';

export type DraftDeps = { readonly store: Store; readonly clock: Clock };

const Draft = z.strictObject({
  rules: ReviewRules,
  timeZone: TimeZone.optional().describe('Of a tenant’s rules alone: those of a connection go by its own.'),
});

const place = {
  connection: z.string().optional().describe('The rules would be this connection’s.'),
  tenant: z
    .string()
    .optional()
    .describe('The rules would be this tenant’s, for its connections and those below.'),
};

export const TestedPolicy = z.strictObject({
  ...place,
  draft: Draft.optional().describe(
    'In the place of the rules that are there. Missing: those that are there.',
  ),
  cases: PolicyCases,
});

export type PolicyTest = {
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly CaseResult[];
  /** Tenants above that the caller does not see have rules as well: those were not looked at. */
  readonly hasHidden: boolean;
};

const NOWHERE: JudgedPlace = {
  tenant: { id: '', name: '' },
  connection: { id: '', name: '', provider: '' },
};

/** With nothing but a draft, by that alone: no install is needed for it. Throws `invalid-input`. */
export function testDraft(input: Pick<z.input<typeof TestedPolicy>, 'draft' | 'cases'>): PolicyTest {
  const { draft, cases } = parseInput(TestedPolicy, input);
  const level = { tenant: null, timeZone: draft?.timeZone ?? 'UTC', rules: draft?.rules ?? [] };
  return summed(testCases([level], NOWHERE, cases, startTime()), false);
}

/**
 * By the rules of all levels that the caller sees. Rules above are not told, and so cannot be found out case by case either.
 * Throws `invalid-input`, `not-found`.
 */
export async function testPolicy(
  deps: Pick<DraftDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof TestedPolicy>,
): Promise<PolicyTest> {
  authorise(caller, 'connections.read');
  const { connection, tenant, draft, cases } = parseInput(TestedPolicy, input);
  if (connection !== undefined) {
    const found = await rulesOf(deps, caller, connection, draft);
    const seen = new Set(found.path.slice(found.path.indexOf(caller.tenant)));
    const levels = found.levels.filter((level) => level.tenant === null || seen.has(level.tenant));
    const all =
      draft === undefined
        ? levels
        : withDraft({ ...found, levels }, { tenant: null, timeZone: found.timeZone, rules: draft.rules });
    return summed(testCases(all, found.place, cases, startTime()), levels.length < found.levels.length);
  }
  if (tenant === undefined) return testDraft({ draft, cases });
  const over = await policiesOver(deps, caller, tenant);
  const levels: readonly RuleLevel[] = [
    ...over.above.filter(({ isSeen }) => isSeen).map((one) => ({ ...one.policy, tenant: one.tenant })),
    levelOf(over.own, draft),
  ];
  const at = { ...NOWHERE, tenant: { id: over.own.tenant, name: over.own.tenantName } };
  const hasHidden = over.above.some(({ isSeen, policy }) => !isSeen && policy.rules.length > 0);
  return summed(testCases(levels, at, cases, startTime()), hasHidden);
}

function summed(cases: readonly CaseResult[], hasHidden: boolean): PolicyTest {
  const passed = cases.filter((one) => one.passed).length;
  return { passed, failed: cases.length - passed, cases, hasHidden };
}

const MOST_DAYS = 365;
const DAY_MS = 86_400_000;
const EXAMPLES = 3;

const replayed = {
  ...place,
  draft: Draft,
  days: z.int().min(1).max(MOST_DAYS).default(90).describe('How far back.'),
};

export const ReplayedPolicy = z.strictObject(replayed);

/** As `outcomeOf` says it, or its first word. */
const OUTCOME = new RegExp(`^(${[...VERDICTS, NOTHING].join('|')}|require \\d{1,2} from [a-z-]+)$`);

const Outcome = z
  .string()
  .regex(OUTCOME, `is none of ${[...VERDICTS, NOTHING].join(', ')}, nor as a difference says it`)
  .describe('As `from` and `to` of a difference say it, or its first word: `approve`, `require`.');

export const ReplayedChanges = z.strictObject({
  ...replayed,
  from: Outcome.optional(),
  to: Outcome.optional(),
  limit: PageOptions.shape.limit,
  after: PageOptions.shape.after,
});

export type ReplayedChange = {
  readonly change: ChangeId;
  readonly connection: ConnectionId;
  readonly name: string;
  readonly kind: PastChange['kind'];
  readonly cause: PastChange['cause'];
  readonly state: PastChange['state'];
  readonly createdAt: string;
  readonly from: string;
  readonly to: string;
  /** Of the draft, in words. */
  readonly explanation: string;
};

export type Replay = {
  readonly since: string;
  readonly changes: number;
  /** Of these, those of which the draft says the same. One approval by a reviewer is what holds without any rule. */
  readonly same: number;
  /** The most frequent first. `from`: by the rules that are there; `to`: by the draft. */
  readonly differences: readonly {
    readonly from: string;
    readonly to: string;
    readonly changes: number;
    readonly examples: readonly ReplayedChange[];
  }[];
  /** Of the draft, in its order: for how many changes each decides, together with others or alone. */
  readonly rules: readonly { readonly rule: string; readonly changes: number }[];
};

/**
 * What the draft would have said of the changes of the last days when they were proposed, and what the rules that are there say of
 * them. Guards are not asked, nor is what people decided. Throws `invalid-input`, `not-found`.
 */
export async function replayPolicy(
  deps: DraftDeps,
  caller: Caller,
  input: z.input<typeof ReplayedPolicy>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Replay> {
  authoriseReplay(caller);
  const request = await draftRequest(deps, caller, parseInput(ReplayedPolicy, input));
  const tally = new Tally(request.draft.rules.map(({ name }) => name));
  await deps.store.replaying.each(caller.tenant, { ...request.past, after: null }, (of) => {
    const compare = comparing(request, of);
    return (batch) => {
      signal.throwIfAborted();
      const limited = startTime();
      for (const change of batch) tally.add(compare(change, limited));
      return true;
    };
  });
  return { since: request.past.since.toISOString(), ...tally.result() };
}

type Difference = { from: string; to: string; changes: number; examples: ReplayedChange[] };

class Tally {
  #changes = 0;
  #same = 0;
  readonly #differences = new Map<string, Difference>();
  readonly #rules: Map<string, number>;

  constructor(rules: readonly string[]) {
    this.#rules = new Map(rules.map((name) => [name, 0]));
  }

  add({ said, isSame, rule }: Compared): void {
    this.#changes += 1;
    if (rule !== null) this.#rules.set(rule, (this.#rules.get(rule) ?? 0) + 1);
    const { from, to } = said;
    if (isSame) {
      this.#same += 1;
      return;
    }
    const key = `${from}\n${to}`;
    const found = this.#differences.get(key) ?? { from, to, changes: 0, examples: [] };
    found.changes += 1;
    if (found.examples.length < EXAMPLES) found.examples.push(said);
    this.#differences.set(key, found);
  }

  result(): Omit<Replay, 'since'> {
    return {
      ...{ changes: this.#changes, same: this.#same },
      differences: [...this.#differences.values()].toSorted((one, other) => other.changes - one.changes),
      rules: [...this.#rules].map(([rule, changes]) => ({ rule, changes })),
    };
  }
}

/** One by one those of which the draft says something else. Throws as `replayPolicy`. */
export async function listReplayed(
  deps: DraftDeps,
  caller: Caller,
  input: z.input<typeof ReplayedChanges>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Listed<ReplayedChange>> {
  authoriseReplay(caller);
  const { from, to, limit, after, ...wanted } = parseInput(ReplayedChanges, input);
  const request = await draftRequest(deps, caller, wanted);
  const items: ReplayedChange[] = [];
  let more = false;
  await deps.store.replaying.each(
    caller.tenant,
    { ...request.past, after: after as ChangeId | null },
    (of) => {
      const compare = comparing(request, of);
      return (batch) => {
        signal.throwIfAborted();
        const limited = startTime();
        for (const change of batch) {
          const { said, isSame } = compare(change, limited);
          if (isSame || !isMeant(said.from, from) || !isMeant(said.to, to)) continue;
          if (items.length === limit) {
            more = true;
            return false;
          }
          items.push(said);
        }
        return true;
      };
    },
  );
  const last = items.at(-1);
  return { items, next: more && last !== undefined ? cursorOf(last.change) : null };
}

const isMeant = (outcome: string, wanted: string | undefined) =>
  wanted === undefined || outcome === wanted || outcome.startsWith(`${wanted} `);

type Request = {
  readonly draft: z.infer<typeof Draft>;
  /** Whose level the draft would be; null: the connection's. */
  readonly level: TenantId | null;
  readonly timeZone: string;
  readonly past: {
    readonly connection: ConnectionId | null;
    readonly tenant: TenantId;
    readonly since: Date;
  };
};

function authoriseReplay(caller: Caller): void {
  authorise(caller, 'connections.read');
  authorise(caller, 'changes.read');
}

async function draftRequest(
  deps: DraftDeps,
  caller: Caller,
  { connection, tenant, draft, days }: z.infer<typeof ReplayedPolicy>,
): Promise<Request> {
  const since = new Date(deps.clock.now().getTime() - days * DAY_MS);
  if (connection !== undefined) {
    const { place: at, timeZone } = await rulesOf(deps, caller, connection, draft);
    const past = { connection: ConnectionId.parse(at.connection.id), tenant: caller.tenant, since };
    return { draft, level: null, timeZone, past };
  }
  const { own } = await policiesOver(deps, caller, tenant ?? caller.tenant);
  const { timeZone } = levelOf(own, draft);
  return { draft, level: own.tenant, timeZone, past: { connection: null, tenant: own.tenant, since } };
}

/** `rule`: of the draft, where it is that which decides. */
type Compared = { readonly said: ReplayedChange; readonly isSame: boolean; readonly rule: string | null };
type Compare = (change: PastChange, limited: ReturnType<typeof startTime>) => Compared;

function comparing({ draft, level, timeZone }: Request, of: OfConnection): Compare {
  const drafted = { tenant: level, timeZone: level === null ? of.timeZone : timeZone, rules: draft.rules };
  const judgeBy = (levels: readonly RuleLevel[]): Judge => compileRules(levels)?.(of.place) ?? (() => null);
  const [present, other] = [judgeBy(of.levels), judgeBy(withDraft(of, drafted))];
  return (change, limited) => {
    const was = limited(present)(change, change.createdAt);
    const is = limited(other)(change, change.createdAt);
    const { id, connection, name, kind, cause, state } = change;
    const said: ReplayedChange = {
      ...{ change: id, connection, name, kind, cause, state, createdAt: change.createdAt.toISOString() },
      ...{ from: outcomeOf(was), to: outcomeOf(is), explanation: is === null ? '' : explainVerdict(is) },
    };
    const isSame = said.from === said.to || (isUsual(was) && isUsual(is));
    return { said, isSame, rule: is !== null && is.level === level ? is.rule : null };
  };
}

/** One approval by a reviewer: so it is where no rule speaks of the change, too. */
function isUsual(verdict: Verdict | null): boolean {
  if (verdict === null) return true;
  const { approvals, from, configurators, deadlineHours, validHours } = verdict;
  const plain = approvals === 1 && from === 'reviewer' && configurators === 'allowed';
  return verdict.verdict === 'require' && plain && deadlineHours === null && validHours === null;
}

/** Short enough to count by. */
function outcomeOf(verdict: Verdict | null): string {
  if (verdict === null) return NOTHING;
  return verdict.verdict === 'require'
    ? `require ${verdict.approvals} from ${verdict.from}`
    : verdict.verdict;
}

/** Throws `invalid-input` for what could not be set as a connection's. */
async function rulesOf(
  { store }: Pick<DraftDeps, 'store'>,
  caller: Caller,
  connection: string,
  draft: z.infer<typeof Draft> | undefined,
) {
  if (draft?.timeZone !== undefined)
    throw invalidInput([{ path: 'draft.timeZone', message: 'belongs to the policy of a tenant' }]);
  const id = parseId(ConnectionId, connection);
  const found = id === null ? null : await store.tenantPolicies.rulesOf(caller.tenant, id);
  if (found === null) throw notFound('connection');
  return found;
}

async function policiesOver({ store }: Pick<DraftDeps, 'store'>, caller: Caller, tenant: string) {
  const id = parseId(TenantId, tenant);
  const found = id === null ? null : await store.tenantPolicies.get(caller.tenant, id);
  if (found === null) throw notFound('tenant');
  return found;
}

function levelOf(
  own: {
    readonly tenant: TenantId;
    readonly policy: { readonly timeZone: string; readonly rules: RuleLevel['rules'] };
  },
  draft: z.infer<typeof Draft> | undefined,
): RuleLevel {
  const timeZone = draft?.timeZone ?? own.policy.timeZone;
  return { tenant: own.tenant, timeZone, rules: draft?.rules ?? own.policy.rules };
}
