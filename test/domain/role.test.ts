import { expect, it } from 'vitest';
import { hindranceToGiving, hindranceToMapping } from '../../src/domain/role.ts';

it.each([
  ['assignable', false, true, null],
  ['assignable', true, false, 'outside-plan'],
  ['ordinary', true, true, null],
  ['ordinary', false, true, 'from-above-only'],
  ['ordinary', false, false, 'from-above-only'],
  ['hidden', true, true, null],
  ['hidden', false, true, 'from-above-only'],
  ['automatic', true, true, 'automatic'],
] as const)(
  'given by hand, a role that is %s (by the system: %s; in the plan: %s) meets %s',
  (type, isSystem, inPlan, met) => {
    expect(hindranceToGiving(type, { isSystem, inPlan })).toBe(met);
  },
);

it.each([
  ['ordinary', false, true, null],
  ['assignable', false, false, 'outside-plan'],
  ['assignable', true, false, null],
  ['automatic', true, true, 'unmappable'],
  ['hidden', true, true, 'unmappable'],
  [null, false, true, 'unknown'],
  [null, true, true, null],
] as const)(
  'named in a mapping, a role that is %s (by who writes roles: %s; in the plan: %s) meets %s',
  (type, writesRoles, inPlan, met) => {
    expect(hindranceToMapping(type, { writesRoles, inPlan })).toBe(met);
  },
);
