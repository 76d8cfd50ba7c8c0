import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JudgedChange } from '../../src/domain/changeExpression.ts';
import { TenantId } from '../../src/domain/ids.ts';
import {
  APPROVER_ROLES,
  compileRules,
  explainVerdict,
  idleRules,
  outOfTime,
  type ReviewRule,
  ReviewRules,
  type RuleLevel,
  stricter,
  VERDICTS,
  type Verdict,
  verdictOf,
} from '../../src/domain/reviewRules.ts';
import { localTime } from '../../src/domain/timeZone.ts';
import { aChange } from '../support/builders.ts';

const place = {
  tenant: { id: 't', name: 'Harbor' },
  connection: { id: 'c', name: 'Harbor Okta', provider: 'okta' },
};
const NOON = new Date('2026-05-01T12:00:00Z'); // a Friday
const ROOT = TenantId.parse('01a20115-dead-71f6-a218-fc3bfeae2c2f');

const change = (given: Partial<JudgedChange> = {}): JudgedChange => ({
  ...aChange(),
  ...{ risk: 'low', riskSignals: [] },
  ...given,
});

type Decide = ReviewRule['decide'];
const rule = (name: string, when: string, decide: Decide): ReviewRule => ({ name, when, decide });
const always = (decide: Decide) => rule(JSON.stringify(decide), 'true', decide);

/** What levels from the root's down to the connection's say; each a list of rules. */
function said(given: Partial<JudgedChange>, ...levels: readonly (readonly ReviewRule[])[]): Verdict | null {
  const all = levels.map((rules, at): RuleLevel => {
    return { tenant: at === levels.length - 1 ? null : ROOT, timeZone: 'Europe/Berlin', rules };
  });
  return compileRules(all)?.(place)(change(given), NOON) ?? null;
}
const verdictWhere = (when: string, given: Partial<JudgedChange> = {}) =>
  said(given, [rule('r', when, 'approve')])?.verdict ?? null;

const requires = (approvals: number, more: object = {}): Decide => ({
  require: { approvals, from: 'reviewer', ...more },
});
const hold: Decide = { hold: { reason: 'wait' } };
const reject: Decide = { reject: { reason: 'never' } };
const ignore: Decide = { ignore: { reason: 'not now', days: 30 } };

describe('A condition', () => {
  const person = { state: 'active', fields: { department: 'Sales', 'custom.level': 7 }, roles: ['clerk'] };
  it.each([
    ['change.kind == "update" && change.set == "changed"', {}],
    ['change.cause == "edited"', {}],
    ['"jobTitle" in change.fields', { fields: [{ field: 'jobTitle', before: 'a', after: 'b' }] }],
    ['"admin" in change.rolesGained && size(change.rolesLost) == 0', { rolesGained: ['admin'] }],
    [
      'change.risk == "high" && "many-fields" in change.riskSignals',
      { risk: 'high', riskSignals: ['many-fields'] },
    ],
    [
      'before.department == "Sales" && after.department == ""',
      { before: person, after: { ...person, fields: {} } },
    ],
    ['user.custom.level == 7.0 && has(user.custom.level)', { after: person }],
    ['!has(user.custom.other)', { after: person }],
    [
      '!before.exists && after.exists && user.department == "Sales"',
      { kind: 'create', before: null, after: person },
    ],
    ['user.department == "Sales" && !after.exists', { before: person, after: null }],
    ['user.place == "North/Oslo"', { after: { ...person, tenant: 'North/Oslo' } }],
    ['tenant.name == "Harbor" && connection.provider == "okta"', {}],
    ['time.weekday == "friday" && time.hour == 14 && time.date == "2026-05-01"', {}],
  ] as const)('%s holds', (when, given) => {
    expect(verdictWhere(when, given as Partial<JudgedChange>)).toBe('approve');
    expect(verdictWhere(`!(${when})`, given as Partial<JudgedChange>)).toBe(null);
  });

  it.each([
    ['change.kin == "update"', 'line 1, column 8: no such key: kin'],
    ['user.department', 'gives string, not bool'],
    ['change.risk > 3', 'line 1, column 1'],
    ['true &&\n  usr.department == "x"', 'line 2, column 3'],
    ['size(user.custom) == 0', 'write user.custom.NAME'],
    ['change.fields.exists(a, change.rolesLost.exists(b, a == b))', 'inside another macro'],
  ])('%s is refused when it is saved, with its place', (when, message) => {
    const { error } = ReviewRules.safeParse([rule('r', when, 'approve')]);
    expect(error?.issues.map(({ path }) => path.join('.'))).toEqual(['0.when']);
    expect(error?.issues[0]?.message).toContain(message);
  });

  it('that cannot be evaluated for a change holds it, with the reason, whatever the rules after it say', () => {
    const rules = [rule('level', 'user.custom.level > 3', 'approve'), always('approve')];
    const verdict = said({}, rules);
    expect(verdict).toMatchObject({ verdict: 'hold', rule: 'level' });
    expect(verdict && explainVerdict(verdict)).toBe(
      'policy rule “level”: the condition of the rule cannot be evaluated for it: no such key: level',
    );
    expect(said({}, [always(reject)], rules)).toMatchObject({ verdict: 'reject' });
  });

  it('that cannot be evaluated is let go by whomever the strictest rule asks that might have had the say', () => {
    const two = requires(2, { from: 'tenant-administrator' });
    const unknown = rule('level', 'user.custom.level > 3', two);
    expect(said({}, [unknown])).toMatchObject({
      ...{ verdict: 'hold', rule: 'level', reason: expect.stringContaining('cannot be evaluated') },
      ...{ approvals: 2, from: 'tenant-administrator', configurators: 'refused', days: null },
    });
    const after = [rule('level', 'user.custom.level > 3', 'approve'), always(requires(3))];
    expect(said({}, after)).toMatchObject({ verdict: 'hold', rule: 'level', approvals: 3 });
    const before = [rule('other', 'change.kind == "delete"', requires(3)), ...after.slice(0, 1)];
    expect(said({}, before)).toMatchObject({ verdict: 'hold', approvals: 1 });
  });

  it('whose turn does not come in time asks all that any rule of any level asks', () => {
    const levels = [
      { tenant: ROOT, timeZone: 'UTC', rules: [always(requires(3, { from: 'system' }))] },
      { tenant: null, timeZone: 'UTC', rules: [always('approve')] },
    ];
    expect(outOfTime(5, compileRules(levels)?.(place).most)).toMatchObject({
      ...{ verdict: 'hold', rule: '', level: null, days: null },
      ...{ approvals: 3, from: 'system', configurators: 'refused' },
    });
    expect(outOfTime(5)).toMatchObject({ verdict: 'hold', approvals: 1 });
  });
});

it('Local days and hours are those of the time zone, over the change to summer time too', () => {
  const at = (text: string, zone: string) => {
    const { weekday, hour, date } = localTime(new Date(text), zone);
    return `${weekday} ${date} ${hour}`;
  };
  expect(at('2026-03-29T00:59:59Z', 'Europe/Berlin')).toBe('sunday 2026-03-29 1');
  expect(at('2026-03-29T01:00:00Z', 'Europe/Berlin')).toBe('sunday 2026-03-29 3');
  expect(at('2026-01-01T05:00:00Z', 'America/Los_Angeles')).toBe('wednesday 2025-12-31 21');
  expect(at('2026-01-01T18:15:00Z', 'Asia/Kathmandu')).toBe('friday 2026-01-02 0');
  expect(at('2026-01-01T00:00:00Z', 'UTC')).toBe('thursday 2026-01-01 0');
});

describe('At one level', () => {
  it('the first rule that holds decides; where none does, the level says nothing', () => {
    const rules = [rule('a', 'change.risk == "high"', hold), rule('b', 'true', 'approve')];
    expect(said({ risk: 'high' }, rules)).toMatchObject({ verdict: 'hold', rule: 'a' });
    expect(said({}, rules)).toMatchObject({ verdict: 'approve', rule: 'b' });
    expect(said({}, [rule('a', 'false', hold)])).toBeNull();
    expect(said({})).toBeNull();
  });

  it('rules are refused that have a name twice or stand behind one that is about everything', () => {
    const messages = (...rules: readonly object[]) =>
      ReviewRules.safeParse(rules).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    expect(messages(rule('a', 'false', hold), rule('a', 'true', hold))).toEqual([
      '1.name: is the name of a rule before it too',
    ]);
    expect(messages(rule('a', ' true ', hold), rule('b', 'false', hold))).toEqual([
      '1: is never looked at: rule 1 is about every change',
    ]);
  });

  it.each([
    ['approv', 'has to be approve, or'],
    [{ requires: { approvals: 2 } }, 'requires'],
    [{ hold: {} }, 'hold.reason'],
    [{ hold: { reason: 'a' }, reject: { reason: 'b' } }, 'has to say one of'],
    [{ require: { approvals: 0 } }, '>=1'],
    [{ require: { escalateTo: 'system' } }, 'is of no use without deadlineHours'],
    [{ ignore: { reason: 'a' } }, 'days'],
  ])('the decision %j is refused, and it is said why', (decide, message) => {
    const { error } = ReviewRules.safeParse([{ name: 'a', when: 'true', decide }]);
    expect(error?.issues.map((issue) => issue.message).join('; ')).toContain(message);
  });
});

describe('Several levels', () => {
  it.each([
    ['approve', requires(2), { verdict: 'require', approvals: 2 }],
    [requires(2), 'approve', { verdict: 'require', approvals: 2 }],
    [requires(1), 'approve', { verdict: 'require', approvals: 1 }],
    [hold, requires(3), { verdict: 'hold', approvals: 3, configurators: 'refused', reason: 'wait' }],
    [ignore, hold, { verdict: 'ignore', days: 30 }],
    [reject, ignore, { verdict: 'reject', reason: 'never' }],
    [
      requires(2, { from: 'system', configurators: 'allowed', deadlineHours: 48, escalateTo: 'system' }),
      requires(3, { configurators: 'refused', deadlineHours: 24, validHours: 8 }),
      {
        ...{ verdict: 'require', approvals: 3, from: 'system', configurators: 'refused' },
        ...{ deadlineHours: 24, escalateTo: 'system', validHours: 8 },
      },
    ],
  ] as const)('%j above and %j below come to the strictest', (above, below, expected) => {
    expect(said({}, [always(above)], [always(below)])).toMatchObject(expected);
  });

  it('approve no undo, whatever level would: somebody has to; all else that rules say holds for it', () => {
    const undo = { cause: 'undo' } as const;
    const seen = said(undo, [always('approve')], [always('approve')]);
    expect(seen).toMatchObject({ verdict: 'require', approvals: 1, from: 'reviewer' });
    expect(seen === null ? '' : explainVerdict(seen)).toMatch(
      /: needs one approval from reviewer: no rule approves what takes/,
    );
    for (const decide of [requires(2), hold, ignore, reject])
      expect(said(undo, [always('approve')], [always(decide)])).toEqual(
        said({}, [always('approve')], [always(decide)]),
      );
    expect(said(undo, [rule('r', 'false', 'approve')])).toBeNull();
  });

  it('leave out one whose rules say nothing, and name the level of the rule that decides', () => {
    expect(said({}, [rule('a', 'false', hold)], [always('approve')])).toMatchObject({
      ...{ verdict: 'approve', level: null },
    });
    expect(said({}, [always(hold)], [always('approve')])).toMatchObject({ level: ROOT });
  });

  const hours = fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined });
  const decisions: fc.Arbitrary<Decide> = fc.oneof(
    fc.constant<Decide>('approve'),
    fc.constantFrom(hold, reject, ignore),
    fc
      .record({
        ...{ approvals: fc.integer({ min: 1, max: 4 }), from: fc.constantFrom(...APPROVER_ROLES) },
        ...{ configurators: fc.constantFrom('allowed', 'refused'), deadlineHours: hours, validHours: hours },
      })
      .map((require) => ({ require }) as Decide),
  );
  const verdicts = decisions.map((decide) => verdictOf({ name: 'r', decide }, null));
  const atMost = (one: number | null, other: number | null) =>
    one === null || (other !== null && other <= one);

  it('never come to less than any of them asks, in whatever order they are taken', () => {
    fc.assert(
      fc.property(verdicts, verdicts, verdicts, (a, b, c) => {
        const all = stricter(stricter(a, b), c);
        for (const one of [a, b, c]) {
          expect(VERDICTS.indexOf(all.verdict)).toBeGreaterThanOrEqual(VERDICTS.indexOf(one.verdict));
          expect(all.approvals).toBeGreaterThanOrEqual(one.approvals);
          expect(APPROVER_ROLES.indexOf(all.from)).toBeGreaterThanOrEqual(APPROVER_ROLES.indexOf(one.from));
          expect(one.configurators === 'refused' && all.configurators === 'allowed').toBe(false);
          expect(atMost(one.deadlineHours, all.deadlineHours)).toBe(true);
          expect(atMost(one.validHours, all.validHours)).toBe(true);
        }
        expect(stricter(a, stricter(b, c))).toEqual(all);
        expect(stricter(a, a)).toEqual(a);
      }),
    );
  });
});

describe('A rule below decides nothing', () => {
  const above = (...rules: readonly ReviewRule[]): readonly RuleLevel[] => [
    { tenant: ROOT, timeZone: 'UTC', rules },
  ];
  const idle = (own: readonly ReviewRule[], levels: readonly RuleLevel[]) =>
    idleRules(own, levels).map(({ rule: name }) => name);

  it('where one above that is about everything, or about the same, is at least as strict, with all before it', () => {
    const own = [
      rule('mine', 'change.risk == "low"', 'approve'),
      rule('two', 'change.kind == "link"', requires(2)),
    ];
    expect(idle(own, above(always(requires(1))))).toEqual(['mine']);
    expect(idle(own, above(always(hold)))).toEqual(['mine']);
    expect(idle(own, above(always(requires(2, { configurators: 'refused' }))))).toEqual(['mine', 'two']);
    expect(idle(own, above(rule('same', ' change.risk == "low" ', requires(1))))).toEqual(['mine']);
    expect(idle(own, above(rule('other', 'change.kind == "create"', 'approve'), always(reject)))).toEqual([
      'mine',
    ]);
  });

  it('and nothing is said of one that may decide something', () => {
    expect(idle([always(requires(2))], above(always(requires(1))))).toEqual([]);
    expect(idle([always('approve')], above(rule('a', 'change.risk == "high"', hold)))).toEqual([]);
    expect(idle([always(hold)], [])).toEqual([]);
  });
});
