import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseCases, parseConnectionPolicy, parseTenantPolicy } from '../../src/configuration/policyFile.ts';
import { testDraft } from '../../src/review/policyDrafts.ts';

const examples = join(import.meta.dirname, '..', '..', 'examples');
const read = (name: string) => readFileSync(join(examples, name), 'utf8');

it('The example policy decides the example cases as they say, each rule for one of them at least', () => {
  const { rules = [], timeZone = 'UTC' } = parseTenantPolicy(read('policy.yaml'));
  const { cases, failed } = testDraft({
    draft: { rules, timeZone },
    cases: parseCases(read('policy-cases.yaml')),
  });
  expect(cases.filter(({ passed }) => !passed)).toEqual([]);
  expect(failed).toBe(0);
  const decided = new Set(cases.map(({ verdict }) => verdict?.rule));
  expect(rules.map(({ name }) => name).filter((name) => !decided.has(name))).toEqual([]);
});

it('A policy file names what it changes and nothing else; what is wrong in it is told with its place', () => {
  expect(Object.keys(parseConnectionPolicy('guards: {deletedPercent: 5}'))).toEqual(['guards']);
  expect(Object.keys(parseTenantPolicy('rules: []'))).toEqual(['rules']);
  const wrong = `rules:\n  - name: a\n    when: change.kin == "x"\n    decide: approve\n`;
  expect(() => parseTenantPolicy(wrong)).toThrow(/rules\.0\.when, line 3, column 18: no such key: kin/);
  expect(() => parseTenantPolicy('rules: [{name: a, when: "true", decide: {requires: {}}}]')).toThrow(
    /decide/,
  );
  expect(() => parseCases('cases: [{name: a, change: {user: {jobTite: x}}, expect: approve}]')).toThrow(
    /jobTite/,
  );
});
