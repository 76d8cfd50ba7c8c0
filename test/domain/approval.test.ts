import { describe, expect, it } from 'vitest';
import { type Approvals, awaitedInWords, explainHindrance, ruleInWords } from '../../src/domain/approval.ts';

const given = (...by: string[]) =>
  by.map((name) => ({ by: name, at: '2026-05-01T09:00:00.000Z', reason: 'r' }));
const asked = (more: Partial<Approvals> = {}): Approvals => ({
  rule: 'two',
  level: 'connection',
  needed: 2,
  from: 'reviewer',
  configurators: 'refused',
  given: [],
  deadline: null,
  escalateTo: null,
  overdue: false,
  validHours: null,
  ...more,
});

describe('What several approvals wait for', () => {
  it('is how many more, by whom', () => {
    expect(awaitedInWords(asked())).toBe('0 of 2 approvals; 2 more by reviewer or above');
    expect(awaitedInWords(asked({ given: given('Jo') }))).toBe(
      '1 of 2 approvals; 1 more by reviewer or above',
    );
    expect(awaitedInWords(asked({ given: given('Jo', 'Bo') }))).toBe('2 of 2 approvals');
  });

  it('names the rule that asks, and whose it is', () => {
    expect(ruleInWords(asked())).toBe('policy rule “two” of the connection');
    expect(ruleInWords(asked({ level: 'above' }))).toBe('policy rule “two” of a tenant above');
    expect(ruleInWords(asked({ rule: null }))).toBe('policy rules, whichever of them holds');
  });

  it('is the role of escalation once the deadline is over, also where there are as many', () => {
    const late = asked({ overdue: true, escalateTo: 'tenant-administrator', given: given('Jo', 'Bo') });
    expect(awaitedInWords(late)).toBe(
      '2 of 2 approvals; one has to be by tenant-administrator, for its deadline is over',
    );
    expect(awaitedInWords({ ...late, escalateTo: null })).toBe('2 of 2 approvals');
  });
});

it('says to whoever is in the way of themselves who is not', () => {
  const of = { from: 'tenant-administrator' } as const;
  expect(explainHindrance('needs-role', of)).toContain('the role tenant-administrator');
  expect(explainHindrance('own-configuration', of)).toContain('another reviewer');
  expect(explainHindrance('approved-already', of)).toContain('somebody else');
});
