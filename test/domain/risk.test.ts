import { describe, expect, it } from 'vitest';
import type { FieldChange, ProposedChange } from '../../src/domain/change.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { Policy } from '../../src/domain/policy.ts';
import { type RiskLevel, type RiskSignal, riskFacts, riskOf, riskSignals } from '../../src/domain/risk.ts';
import { aChange } from '../support/builders.ts';

const policy = Policy.parse({
  protected: { users: ['Boss@Example.test'], roles: ['auditor'] },
  keepOneOf: ['billing'],
});
const named = (name: string) => (change: ProposedChange) => change.externalId === name;
const facts = riskFacts(policy, ['operator'], {
  ...{ manages: named('manager'), isLastHolder: named('last'), isStrange: named('stranger') },
  isUnusualHour: () => false,
});
const externalId = (id: string) => ({ externalId: ExternalId.parse(id) });
const withRoles = (...roles: string[]) => ({ state: 'active', fields: { email: 'ada@example.test' }, roles });
const fields = (count: number, after: string | null = 'new'): FieldChange[] =>
  Array.from({ length: count }, (_, at) => ({ field: `custom.${at}`, before: 'old', after }));

const cases: [Partial<ProposedChange>, RiskLevel, RiskSignal[]][] = [
  [{ kind: 'create', before: null }, 'low', []],
  [{ kind: 'update', fields: fields(1) }, 'low', []],
  [{ kind: 'delete', before: withRoles() }, 'low', []],
  [
    { kind: 'create', before: null, rolesGained: ['Global Administrator'] },
    'high',
    ['privileged-role-gained'],
  ],
  [{ kind: 'update', rolesGained: ['auditor'] }, 'high', ['privileged-role-gained']],
  [{ kind: 'update', rolesGained: ['billing'] }, 'high', ['privileged-role-gained']],
  [{ kind: 'update', rolesGained: ['operator'] }, 'high', ['privileged-role-gained']],
  [{ kind: 'update', rolesGained: ['product owner'] }, 'low', []],
  [{ kind: 'update', rolesLost: ['owner'] }, 'high', ['privileged-role-lost']],
  [{ kind: 'reactivate', after: withRoles('admin') }, 'high', ['privileged-role-gained']],
  [{ kind: 'update', after: withRoles('admin'), fields: fields(1) }, 'low', []],
  [{ kind: 'delete', before: withRoles('admin') }, 'high', ['privileged-user-removed']],
  [{ kind: 'suspend', before: withRoles('viewer') }, 'medium', ['removed-with-roles']],
  [{ kind: 'delete', cause: 'scope-changed', before: withRoles() }, 'medium', ['removed-by-settings']],
  [{ kind: 'update', rolesLost: ['a', 'b'] }, 'low', []],
  [{ kind: 'update', rolesLost: ['a', 'b', 'c'] }, 'high', ['many-roles-lost']],
  [{ kind: 'update', rolesGained: ['a', 'b', 'c', 'd', 'e'] }, 'medium', ['many-roles-gained']],
  [{ kind: 'update', fields: fields(7) }, 'low', []],
  [{ kind: 'update', fields: fields(8) }, 'medium', ['many-fields']],
  [{ kind: 'update', fields: fields(3, null) }, 'medium', ['fields-emptied']],
  [{ kind: 'update', fields: [{ field: 'tenant', before: null, after: 'West' }] }, 'medium', ['tenant-move']],
  [
    { kind: 'update', fields: [{ field: 'email', before: 'ada@old.test', after: 'ada@new.test' }] },
    'medium',
    ['other-domain'],
  ],
  [{ kind: 'link', fields: [] }, 'medium', ['user-taken-over']],
  [{ kind: 'update', cause: 'local-edit', fields: fields(1) }, 'medium', ['undoes-local-edit']],
  [{ kind: 'suspend', before: withRoles(), ...externalId('manager') }, 'medium', ['manages-others']],
  [{ kind: 'update', fields: fields(1), ...externalId('manager') }, 'low', []],
  [{ kind: 'delete', before: withRoles(), ...externalId('last') }, 'medium', ['last-holder']],
  [{ kind: 'update', rolesLost: ['a'], ...externalId('last') }, 'medium', ['last-holder']],
  [{ kind: 'update', fields: fields(1), ...externalId('last') }, 'low', []],
  [{ kind: 'create', before: null, ...externalId('stranger') }, 'medium', ['broken-pattern']],
  [{ kind: 'update', fields: fields(1), ...externalId('stranger') }, 'low', []],
  [{ kind: 'conflict', cause: 'address-taken', rolesGained: ['admin'] }, 'medium', ['conflict']],
  [
    { kind: 'delete', before: { ...withRoles(), fields: { email: 'boss@EXAMPLE.test' } } },
    'high',
    ['protected-user'],
  ],
];

describe('Risk', () => {
  it.each(cases)('of %j is %s, for %j', (given, level, signals) => {
    expect(riskOf(aChange(given), facts)).toEqual({ level, signals });
  });

  it('is medium for whatever changes at an hour at which nothing is expected', () => {
    const atNight = { ...facts, noticed: { ...facts.noticed, isUnusualHour: () => true } };
    expect(riskOf(aChange(), atNight)).toEqual({ level: 'medium', signals: ['unusual-hour'] });
    expect(riskOf(aChange({ kind: 'delete' }), atNight).signals).toEqual(['unusual-hour']);
  });

  it('has a case for every signal but that of earlier versions', () => {
    const met = new Set(cases.flatMap(([, , signals]) => signals));
    expect(Object.keys(riskSignals).filter((signal) => !met.has(signal as RiskSignal))).toEqual([
      'unusual-hour',
      'not-assessed',
    ]);
  });
});
