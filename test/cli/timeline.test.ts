import { expect, it } from 'vitest';
import { entryInWords } from '../../src/cli/timeline.ts';
import { ChangeId } from '../../src/domain/ids.ts';
import type { TimelineEntry } from '../../src/domain/timeline.ts';

it('A timeline names the rule that has decided once, and whoever else has, with the reason', async () => {
  const change = ChangeId.parse('019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b');
  const decided = {
    ...{ at: new Date('2026-05-01T09:00:00Z'), what: 'decided', change, decision: 'd', verdict: 'hold' },
    ...{ finding: null, until: null, approval: null },
  } as const;
  const who = async (by: object) =>
    (await entryInWords({ ...decided, ...by } as unknown as TimelineEntry, async () => 'Okta'))[1];
  const reason = 'policy rule “no leavers”: HR looks';
  expect(await who({ madeBy: 'policy', by: null, rule: 'no leavers', reason })).toBe(reason);
  const person = { madeBy: 'person', by: 'Ada', rule: null, reason: 'Seen with HR' };
  expect(await who(person)).toBe('Ada: Seen with HR');
});
