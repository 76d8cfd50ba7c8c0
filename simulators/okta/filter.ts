/** The part of Okta's filter grammar that a directory sync uses: comparisons joined by `and` or `or`, without parentheses. */
import type { Person } from '../population/people.ts';
import { type OktaObjects, statusOf } from './objects.ts';

type Test = (person: Person) => boolean;

const comparison = /^\s*([A-Za-z.]+)\s+(eq|gt|ge|lt|le)\s+"([^"]*)"\s*$/;

const compared: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  eq: (left, right) => left === right,
  gt: (left, right) => left > right,
  ge: (left, right) => left >= right,
  lt: (left, right) => left < right,
  le: (left, right) => left <= right,
};

function timeTest(secondsOf: (person: Person) => number, operator: string, value: string): Test | null {
  const seconds = Date.parse(value) / 1000;
  const compare = compared[operator];
  return compare && Number.isFinite(seconds) ? (person) => compare(secondsOf(person), seconds) : null;
}

function testOf(text: string, objects: OktaObjects): Test | null {
  const [, field, operator = '', value = ''] = comparison.exec(text) ?? [];
  if (field === 'lastUpdated') return timeTest(objects.lastUpdatedOf, operator, value);
  if (field === 'created') return timeTest((person) => person.created, operator, value);
  if (operator !== 'eq') return null;
  if (field === 'status') return (person) => statusOf(person) === value;
  if (field !== 'id' && field !== 'profile.login' && field !== 'profile.email') return null;
  const wanted = objects.findUser(value);
  return (person) => person === wanted;
}

/** null: an expression outside of the grammar. */
export function filterOf(expression: string, objects: OktaObjects): Test | null {
  const alternatives: Test[] = [];
  for (const alternative of expression.split(/\s+or\s+/)) {
    const tests = alternative.split(/\s+and\s+/).map((text) => testOf(text, objects));
    if (tests.includes(null)) return null;
    alternatives.push((person) => tests.every((test) => test?.(person)));
  }
  return (person) => alternatives.some((test) => test(person));
}
