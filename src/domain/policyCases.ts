/** Cases that a policy is tested by: changes as a person writes them down, and what is expected of the rules. */
import { z } from 'zod';
import type { Fields, FieldValue } from './authUser.ts';
import {
  type Cause,
  CHANGE_KINDS,
  type ChangeKind,
  causes,
  type FieldChange,
  type ProposedChange,
} from './change.ts';
import type { JudgedChange, JudgedPlace } from './changeExpression.ts';
import { PROVIDERS, TEXT_ATTRIBUTES } from './directory.ts';
import type { ConnectionId, ExternalId, TenantId } from './ids.ts';
import { Policy } from './policy.ts';
import {
  APPROVER_ROLES,
  compileRules,
  explainVerdict,
  type Judge,
  type RuleLevel,
  VERDICTS,
  type Verdict,
} from './reviewRules.ts';
import { RISKS, type RiskLevel, type RiskSignal, riskFacts, riskOf, riskSignals } from './risk.ts';

const text = z.string().max(2_000);
const roles = z.array(z.string().max(100)).max(1_000);
const keysOf = <K extends string>(table: Readonly<Record<K, unknown>>) =>
  z.enum(Object.keys(table) as [K, ...K[]]);

/** Somebody, by their fields. */
const Side = z.strictObject({
  state: z.enum(['active', 'suspended', 'deleted']).optional(),
  /** Below the connection's tenant. */
  place: text.optional(),
  roles: roles.optional(),
  ...(Object.fromEntries(
    [...TEXT_ATTRIBUTES, 'userType', 'manager'].map((name) => [name, text.optional()]),
  ) as Record<string, z.ZodOptional<typeof text>>),
  custom: z.record(z.string().max(100), z.union([text, z.number(), z.boolean(), z.array(text)])).optional(),
});

export const NOTHING = 'nothing';
const EXPECTED = [...VERDICTS, NOTHING] as const;

/** `nothing`: no rule speaks of it, and one approval is enough. What is not named is not looked at. */
const Expected = z.union([
  z.enum(EXPECTED),
  z.strictObject({
    verdict: z.enum(EXPECTED),
    rule: z.string().max(100).optional(),
    approvals: z.int().min(1).optional(),
    from: z.enum(APPROVER_ROLES).optional(),
    configurators: z.enum(['allowed', 'refused']).optional(),
    deadlineHours: z.int().nullable().optional(),
    escalateTo: z.enum(APPROVER_ROLES).nullable().optional(),
    validHours: z.int().nullable().optional(),
    reason: z.string().optional(),
    days: z.int().optional(),
  }),
]);

export const PolicyCase = z.strictObject({
  name: z.string().trim().min(1, 'is empty').max(200),
  change: z.strictObject({
    kind: z.enum(CHANGE_KINDS).default('update'),
    /** What is usual for the kind, where it is not said. */
    cause: keysOf(causes).optional(),
    /** Of both sides. */
    user: Side.prefault({}),
    before: Side.prefault({}),
    after: Side.prefault({}),
    /** Assessed from all the others where it is not said. */
    risk: z.enum(RISKS).optional(),
    riskSignals: z.array(keysOf(riskSignals)).max(50).optional(),
  }),
  tenant: z.string().max(100).optional(),
  connection: z.string().max(100).optional(),
  provider: z.enum(PROVIDERS).optional(),
  /** When it is judged. A Wednesday noon where it is not said. */
  at: z.iso.datetime({ offset: true }).default('2026-01-07T12:00:00Z'),
  expect: Expected,
});
export type PolicyCase = z.infer<typeof PolicyCase>;

export const PolicyCases = z.array(PolicyCase).min(1, 'has no case').max(1_000);

export type CaseResult = {
  readonly name: string;
  readonly passed: boolean;
  /** null: no rule speaks of it. */
  readonly verdict: Verdict | null;
  readonly explanation: string;
  /** What is otherwise than expected, one sentence for each. */
  readonly differences: readonly string[];
};

const usualCause = {
  create: 'joined',
  link: 'matched-by-email',
  reactivate: 'returned',
  update: 'edited',
  unlink: 'undo', // nothing else ends a link
  suspend: 'suspended',
  delete: 'left',
  conflict: 'match-unsure',
} as const satisfies Record<ChangeKind, Cause>;

type Described = { state: string; fields: Fields; roles: readonly string[]; tenant?: string };

function describe(shared: z.infer<typeof Side>, own: z.infer<typeof Side>): Described {
  const { state, place, roles: held, custom, ...fields } = { ...shared, ...own };
  const values: Record<string, FieldValue> = {};
  for (const [name, value] of Object.entries(fields as Fields)) if (value !== undefined) values[name] = value;
  for (const [name, value] of Object.entries({ ...shared.custom, ...custom }))
    values[`custom.${name}`] = value;
  const tenant = place === undefined ? {} : { tenant: place };
  return { state: state ?? 'active', fields: values, roles: held ?? [], ...tenant };
}

/** The change that a case speaks of, as a plan would have proposed it. */
export function changeOf({ change: given }: Pick<PolicyCase, 'change'>): JudgedChange {
  const { kind, user } = given;
  const before = isOfNobody(given) ? null : describe(user, { state: stateBefore(kind), ...given.before });
  const after = describe(stays(given), { state: stateAfter(kind), ...given.after });
  const [had, has] = [before?.roles ?? [], after.roles];
  const change = {
    kind,
    cause: given.cause ?? usualCause[kind],
    before,
    after,
    fields: before === null ? [] : fieldsBetween(before, after),
    rolesGained: has.filter((role) => !had.includes(role)),
    rolesLost: had.filter((role) => !has.includes(role)),
  };
  return { ...change, ...assessed(change, given.risk, given.riskSignals) };
}

/** There is no auth user yet. A conflict is about whoever comes, unless the case says who is there. */
function isOfNobody({ kind, before }: PolicyCase['change']): boolean {
  return kind === 'create' || (kind === 'conflict' && Object.keys(before).length === 0);
}

/** What is the same after the change: of whoever is suspended or deleted, all that they have. */
function stays({ kind, user, before }: PolicyCase['change']): z.infer<typeof Side> {
  if (kind !== 'suspend' && kind !== 'delete') return user;
  return { ...user, ...before, custom: { ...user.custom, ...before.custom } };
}

const stateBefore = (kind: JudgedChange['kind']) => (kind === 'reactivate' ? 'suspended' : 'active');

function stateAfter(kind: JudgedChange['kind']) {
  if (kind === 'suspend') return 'suspended';
  return kind === 'delete' ? 'deleted' : 'active';
}

function fieldsBetween(before: Described, after: Described): readonly FieldChange[] {
  const names = [...new Set([...Object.keys(before.fields), ...Object.keys(after.fields)])];
  const fields = names.flatMap((field): FieldChange[] => {
    const [was, is] = [before.fields[field] ?? null, after.fields[field] ?? null];
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [{ field, before: was, after: is }];
  });
  const [from, to] = [before.tenant ?? null, after.tenant ?? null];
  return from === to ? fields : [...fields, { field: 'tenant', before: from, after: to }];
}

function assessed(
  change: Omit<JudgedChange, 'risk' | 'riskSignals'>,
  risk: RiskLevel | undefined,
  signals: readonly RiskSignal[] | undefined,
): Pick<JudgedChange, 'risk' | 'riskSignals'> {
  if (risk !== undefined && signals !== undefined) return { risk, riskSignals: signals };
  if (signals !== undefined) return { risk: highestOf(signals), riskSignals: signals };
  const proposed: ProposedChange = {
    ...change,
    ...{ externalId: '' as ExternalId, tenant: '' as TenantId, authUser: null, candidates: [] },
    ...{ baseVersion: null, foundTenants: [], desiredHash: '' },
  };
  const found = riskOf(proposed, riskFacts(Policy.parse({}), []));
  return { risk: risk ?? found.level, riskSignals: found.signals };
}

function highestOf(signals: readonly RiskSignal[]): RiskLevel {
  const levels = new Set<RiskLevel>(signals.map((signal) => riskSignals[signal].level));
  return RISKS.findLast((level) => levels.has(level)) ?? 'low';
}

/** Levels from the root's on; `place`: what a case says otherwise counts. `limited`: makes a judge one that comes to an end. */
export function testCases(
  levels: readonly RuleLevel[],
  place: JudgedPlace,
  cases: readonly PolicyCase[],
  limited: (judge: Judge) => Judge,
): readonly CaseResult[] {
  const judgeAt = compileRules(levels) ?? (() => () => null);
  return cases.map((one) => {
    const verdict = limited(judgeAt(placeOf(one, place)))(changeOf(one), new Date(one.at));
    const differences = differencesBetween(one.expect, verdict);
    return {
      name: one.name,
      passed: differences.length === 0,
      verdict,
      explanation: told(verdict),
      differences,
    };
  });
}

const told = (verdict: Verdict | null) =>
  verdict === null ? 'no rule speaks of it: one approval' : explainVerdict(verdict);

function placeOf({ tenant, connection, provider }: PolicyCase, place: JudgedPlace): JudgedPlace {
  return {
    tenant: { ...place.tenant, name: tenant ?? place.tenant.name },
    connection: {
      id: place.connection.id as ConnectionId,
      name: connection ?? place.connection.name,
      provider: provider ?? place.connection.provider,
    },
  };
}

function differencesBetween(expected: PolicyCase['expect'], verdict: Verdict | null): readonly string[] {
  const wanted: Readonly<Record<string, unknown>> =
    typeof expected === 'string' ? { verdict: expected } : expected;
  const got: Readonly<Record<string, unknown>> = verdict === null ? { verdict: NOTHING } : { ...verdict };
  return Object.entries(wanted).flatMap(([name, value]) => {
    const found = got[name] ?? null;
    return value === undefined || value === found ? [] : [`${name}: expected ${value}, got ${found}`];
  });
}
