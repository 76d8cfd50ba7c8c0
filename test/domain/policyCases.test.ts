import { expect, it } from 'vitest';
import type { ProposedChange } from '../../src/domain/change.ts';
import type { JudgedChange } from '../../src/domain/changeExpression.ts';
import { planSeen } from '../../src/domain/plan.ts';
import { changeOf, PolicyCase } from '../../src/domain/policyCases.ts';
import { aCandidate, aPlanContext, aSeenUser, aStoredUser } from '../support/builders.ts';

const ada = { email: 'ada@example.test', displayName: 'Ada' };
const linked = (state: 'active' | 'suspended' = 'active') => ({
  ...aStoredUser({ state, fields: ada, roles: ['clerk'] }),
  agreedVersion: 3,
});

/** Of a change, what conditions see and what a case may leave out. */
const seen = ({ kind, before, after, fields, rolesGained, rolesLost }: ProposedChange | JudgedChange) => ({
  ...{ kind, before, after, fields, rolesGained, rolesLost },
});

it.each<readonly [string, object, Parameters<typeof aSeenUser>[0]]>([
  [
    'somebody new',
    { kind: 'create', after: { ...ada, roles: ['clerk'] } },
    { desired: { fields: ada, roles: ['clerk'] } },
  ],
  [
    'an update',
    { user: ada, before: { roles: ['clerk'] }, after: { displayName: 'Ada L', roles: ['lead'] } },
    { linked: linked(), desired: { fields: { ...ada, displayName: 'Ada L' }, roles: ['lead'] } },
  ],
  [
    'a return',
    { kind: 'reactivate', user: { ...ada, roles: ['clerk'] } },
    { linked: linked('suspended'), desired: { fields: ada, roles: ['clerk'] } },
  ],
  [
    'a suspension, of which it says how the user is',
    { kind: 'suspend', before: { ...ada, roles: ['clerk'] } },
    { linked: linked(), desired: { state: 'suspended' } },
  ],
  [
    'a deletion',
    { kind: 'delete', user: { ...ada, roles: ['clerk'] } },
    { linked: linked(), desired: { state: 'deleted' } },
  ],
  [
    'a conflict',
    { kind: 'conflict', user: { ...ada, roles: ['clerk'] } },
    { desired: { fields: ada, roles: ['clerk'] }, sameAddress: [aCandidate({ links: 1, fields: ada })] },
  ],
])('A case is the change that a plan would propose: %s', (_, change, given) => {
  const proposed = planSeen(aSeenUser(given), aPlanContext());
  const described = changeOf(PolicyCase.parse({ name: 'it', change, expect: 'nothing' }));
  expect(proposed).not.toBeNull();
  expect(seen(described)).toEqual(seen(proposed as ProposedChange));
});

it('That a link ends is somebody’s undo, which no rule approves', () => {
  const described = PolicyCase.parse({ name: 'it', change: { kind: 'unlink' }, expect: 'nothing' });
  expect(changeOf(described).cause).toBe('undo');
});
