import { describe, expect, expectTypeOf, it } from 'vitest';
import type { AuthUserState } from '../../src/domain/authUser.ts';
import {
  type Cause,
  type ChangeKind,
  causes,
  fingerprintOfChange,
  type ProposedChange,
} from '../../src/domain/change.ts';
import { checkProposal } from '../../src/domain/checkPlan.ts';
import { AuthUserId, ExternalId, TenantId } from '../../src/domain/ids.ts';
import { placesBelow } from '../../src/domain/place.ts';
import { planAbsent, planSeen } from '../../src/domain/plan.ts';
import type { CompleteSnapshot, Snapshot } from '../../src/domain/snapshot.ts';
import { aCandidate, aCompleteSnapshot, aPlanContext, aSeenUser, aStoredUser } from '../support/builders.ts';
import { unknownId } from '../support/tenancy.ts';

const context = aPlanContext();
const complete = aCompleteSnapshot(10);
const linked = (state: AuthUserState = 'active', more = {}) => ({
  ...aStoredUser({ state, ...more }),
  agreedVersion: 3,
});

describe('planSeen, of a user who is linked', () => {
  it.each<['active' | 'suspended' | 'deleted', AuthUserState, ChangeKind | null, string | null]>([
    ['active', 'active', null, null],
    ['active', 'suspended', 'reactivate', 'returned'],
    ['active', 'deleted', 'reactivate', 'returned'],
    ['suspended', 'active', 'suspend', 'suspended'],
    ['suspended', 'suspended', null, null],
    ['suspended', 'deleted', null, null],
    ['deleted', 'active', 'delete', 'deprovisioned'],
    ['deleted', 'suspended', 'delete', 'deprovisioned'],
    ['deleted', 'deleted', null, null],
  ])('wanted %s, stored %s: %s', (wanted, stored, kind, cause) => {
    const change = planSeen(aSeenUser({ desired: { state: wanted }, linked: linked(stored) }), context);
    expect(change?.kind ?? null).toBe(kind);
    expect(change?.cause ?? null).toBe(cause);
  });

  it.each([
    ['edited', { fields: { email: 'ada@example.test', displayName: 'Ada L' } }, {}, context],
    ['group-membership', { roles: ['engineer'] }, {}, context],
    ['local-edit', { roles: ['engineer'] }, { agreedVersion: 2 }, context],
    [
      'mapping-changed',
      { roles: ['engineer'] },
      { agreedVersion: 2 },
      aPlanContext({ mappingChanged: true }),
    ],
  ])('says %s as the cause of an update', (cause, desired, more, within) => {
    const change = planSeen(aSeenUser({ desired, linked: { ...linked(), ...more } }), within);
    expect(change).toMatchObject({ kind: 'update', cause });
  });

  it('shows field by field what differs of what the directory owns, and roles gained and lost', () => {
    const stored = linked('active', {
      fields: { email: 'ada@example.test', displayName: 'Ada', phone: '1', nickname: 'Countess' },
      roles: ['engineer', 'member'],
      version: 7,
    });
    const desired = {
      fields: { email: 'ada@example.test', displayName: 'Ada L', phone: null, department: 'Engines' },
      roles: ['analyst', 'member'],
    };
    expect(planSeen(aSeenUser({ desired, linked: stored }), context)).toMatchObject({
      before: {
        state: 'active',
        fields: { email: 'ada@example.test', displayName: 'Ada', phone: '1' },
        roles: ['engineer', 'member'],
      },
      after: {
        state: 'active',
        fields: { email: 'ada@example.test', displayName: 'Ada L', department: 'Engines' },
        roles: ['analyst', 'member'],
      },
      fields: [
        { field: 'displayName', before: 'Ada', after: 'Ada L' },
        { field: 'phone', before: '1', after: null },
        { field: 'department', before: null, after: 'Engines' },
      ],
      rolesGained: ['analyst'],
      rolesLost: ['engineer'],
      baseVersion: 7,
      authUser: stored.id,
    });
  });

  it.each<[string, object, object]>([
    ['null and a field that is not there', {}, { phone: null }],
    ['equal lists', { tags: ['a', 'b'] }, { tags: ['a', 'b'] }],
  ])('takes %s for the same', (_, stored, wanted) => {
    const seen = aSeenUser({
      desired: { fields: { ...wanted } },
      linked: linked('active', { fields: stored }),
    });
    expect(planSeen(seen, context)).toBeNull();
  });

  it.each<[string, object, object]>([
    ['lists in another order', { tags: ['a', 'b'] }, { tags: ['b', 'a'] }],
    ['a text and a list of it', { tags: 'a' }, { tags: ['a'] }],
    ['a number and its text', { tags: 1 }, { tags: '1' }],
    ['another case', { tags: 'a' }, { tags: 'A' }],
  ])('takes %s for different', (_, stored, wanted) => {
    const seen = aSeenUser({
      desired: { fields: { ...wanted } },
      linked: linked('active', { fields: stored }),
    });
    expect(planSeen(seen, context)?.fields).toHaveLength(1);
  });

  it('keeps fields and roles on a user who is taken away, so that it can be undone', () => {
    const stored = linked('active', { roles: ['engineer'] });
    const change = planSeen(aSeenUser({ desired: { state: 'deleted' }, linked: stored }), context);
    expect(change).toMatchObject({
      after: { state: 'deleted', fields: stored.fields, roles: ['engineer'] },
      fields: [],
      rolesLost: [],
    });
  });
});

describe('planSeen, of a user without a link', () => {
  it.each<['active' | 'suspended' | 'deleted', ChangeKind | null]>([
    ['active', 'create'],
    ['suspended', null],
    ['deleted', null],
  ])('who is %s in the directory: %s', (state, kind) => {
    expect(planSeen(aSeenUser({ desired: { state } }), context)?.kind ?? null).toBe(kind);
  });

  it.each<[string, number[], string[], ChangeKind, string]>([
    ['nobody', [], ['example.test'], 'create', 'joined'],
    ['one without a link, at a verified domain', [0], ['example.test'], 'link', 'matched-by-email'],
    ['one without a link, at another domain', [0], ['other.test'], 'conflict', 'address-unverified'],
    ['one with a link', [1], ['example.test'], 'conflict', 'address-taken'],
    ['one with a link, at another domain', [1], [], 'conflict', 'address-taken'],
    ['two without a link', [0, 0], ['example.test'], 'conflict', 'several-candidates'],
    ['two, one of them linked', [0, 1], ['example.test'], 'conflict', 'several-candidates'],
  ])('whose address %s has', (_, links, domains, kind, cause) => {
    const sameAddress = links.map((count) => aCandidate({ links: count }));
    const verifiedDomains = new Map([[context.tenant, new Set(domains)]]);
    const change = planSeen(aSeenUser({ sameAddress }), aPlanContext({ verifiedDomains }));
    expect(change).toMatchObject({ kind, cause });
    expect(change?.candidates).toHaveLength(kind === 'conflict' ? links.length : 0);
  });

  const below = TenantId.parse(unknownId());
  const places = placesBelow(context.tenant, [{ id: below, names: ['Offices', 'Rome'], closed: false }]);
  it.each<[string, TenantId, ChangeKind, string]>([
    ['above', context.tenant, 'conflict', 'address-unverified'],
    ['for that tenant', below, 'link', 'matched-by-email'],
  ])('whose address somebody in a tenant below has, at a domain verified %s', (_, tenant, kind, cause) => {
    const there = aPlanContext({ places, verifiedDomains: new Map([[tenant, new Set(['example.test'])]]) });
    const change = planSeen(aSeenUser({ sameAddress: [aCandidate({ tenant: below })] }), there);
    expect(change).toMatchObject({ kind, cause });
    if (kind !== 'conflict') return;
    expect(change?.candidates[0]?.because).toBe(
      'is in the tenant Offices/Rome and has the same address, whose domain the tenant has not verified',
    );
  });

  it('never inherits a deleted account', () => {
    const change = planSeen(aSeenUser({ sameAddress: [aCandidate({ state: 'deleted' })] }), context);
    expect(change).toMatchObject({ kind: 'create', authUser: null });
  });

  it('matches no domain that only ends like a verified one', () => {
    const fields = { email: 'ada@evil-example.test', displayName: 'Ada' };
    const sameAddress = [aCandidate({ fields })];
    const change = planSeen(aSeenUser({ desired: { fields }, sameAddress }), context);
    expect(change).toMatchObject({ kind: 'conflict', cause: 'address-unverified' });
  });
});

describe('planAbsent', () => {
  it('takes no snapshot for complete that nobody has concluded to be so', () => {
    // Held by the compiler: without the mark of concludeSnapshot the value is none.
    expectTypeOf<{ readonly kind: 'complete'; readonly users: number }>().not.toExtend<CompleteSnapshot>();
    expectTypeOf<Extract<Snapshot, { kind: 'complete' }>>().toEqualTypeOf<CompleteSnapshot>();
    const absent = { externalId: ExternalId.parse('u1'), linked: aStoredUser(), told: null };
    expect(planAbsent(absent, context, { kind: 'named' })).toBeNull();
  });

  const externalId = ExternalId.parse('u1');

  it.each<[AuthUserState, ChangeKind | null]>([
    ['active', 'delete'],
    ['suspended', 'delete'],
    ['deleted', null],
  ])('of a user who is stored as %s: %s', (state, kind) => {
    const change = planAbsent({ externalId, linked: aStoredUser({ state }), told: null }, context, complete);
    expect(change === null ? null : change.kind).toBe(kind);
  });

  it.each([
    [false, 'left'],
    [true, 'scope-changed'],
  ])('where the reading changed is %s says %s', (readingChanged, cause) => {
    const change = planAbsent(
      { externalId, linked: aStoredUser(), told: null },
      aPlanContext({ readingChanged }),
      complete,
    );
    expect(change?.cause).toBe(cause);
  });
});

describe('whoever belongs in a tenant that is not known', () => {
  const seen = (given: Parameters<typeof aSeenUser>[0] = {}) =>
    aSeenUser({ ...given, desired: { ...given.desired, placeUnknown: true } });

  it.each([
    ['joins', seen()],
    ['would be linked', seen({ sameAddress: [aCandidate()] })],
  ])('waits for a person where they %s', (_, one) => {
    expect(planSeen(one, context)).toMatchObject({ kind: 'conflict', cause: 'tenant-unknown' });
  });

  it('stays where they are and is brought up to date where they are linked', () => {
    const one = seen({ linked: linked(), desired: { roles: ['engineer'] } });
    expect(planSeen(one, context)).toMatchObject({ kind: 'update', rolesGained: ['engineer'] });
    expect(planSeen(seen({ linked: linked() }), context)).toBeNull();
  });
});

describe('checkProposal', () => {
  const partial: Snapshot = { kind: 'partial', reason: 'page-failed' };
  const snapshots: readonly Snapshot[] = [complete, partial, { kind: 'named' }];
  /** As somebody might have made it by mistake: no code that plans has had a hand in it. */
  const removal = (kind: 'suspend' | 'delete', cause: Cause): ProposedChange => {
    const { id, tenant, version } = aStoredUser();
    const nothing = { before: null, after: null, fields: [], rolesGained: [], rolesLost: [], candidates: [] };
    return {
      ...{ externalId: ExternalId.parse('u1'), tenant, authUser: id, kind, cause, ...nothing },
      ...{ baseVersion: version, foundTenants: [], desiredHash: '00' },
    };
  };
  const passes = (...[change, known]: Parameters<typeof checkProposal>) => {
    try {
      checkProposal(change, known);
      return true;
    } catch (error) {
      expect((error as Error).message).toMatch(/^rule 1: /);
      return false;
    }
  };

  it('takes access away only for what is known: of all kinds, causes, ways of knowing and snapshots these', () => {
    const ways = (['seen', 'told', 'missed'] as const).flatMap((how) =>
      snapshots.map((snapshot) => ({ how, snapshot })),
    );
    const removals = (Object.keys(causes) as Cause[]).flatMap((cause) => [
      removal('suspend', cause),
      removal('delete', cause),
    ]);
    const passed = removals.flatMap((change) =>
      ways
        .filter(({ how, snapshot }) =>
          passes(change, {
            snapshot,
            seen: how === 'seen',
            told: how === 'told',
            candidates: [],
            placeUnknown: false,
          }),
        )
        .map(({ how, snapshot }) => `${change.kind}, ${change.cause}, ${how}, ${snapshot.kind}`),
    );
    expect(passed.toSorted()).toEqual([
      'delete, deprovisioned, seen, complete',
      'delete, deprovisioned, seen, named',
      'delete, deprovisioned, seen, partial',
      'delete, left, missed, complete',
      'delete, left, told, complete',
      'delete, left, told, named',
      'delete, left, told, partial',
      'delete, out-of-scope, told, complete',
      'delete, out-of-scope, told, named',
      'delete, out-of-scope, told, partial',
      'delete, scope-changed, missed, complete',
      'delete, scope-changed, told, complete',
      'delete, scope-changed, told, named',
      'delete, scope-changed, told, partial',
      'suspend, deprovisioned, seen, complete',
      'suspend, deprovisioned, seen, named',
      'suspend, deprovisioned, seen, partial',
      'suspend, left, missed, complete',
      'suspend, left, told, complete',
      'suspend, left, told, named',
      'suspend, left, told, partial',
      'suspend, out-of-scope, told, complete',
      'suspend, out-of-scope, told, named',
      'suspend, out-of-scope, told, partial',
      'suspend, scope-changed, missed, complete',
      'suspend, scope-changed, told, complete',
      'suspend, scope-changed, told, named',
      'suspend, scope-changed, told, partial',
      'suspend, suspended, seen, complete',
      'suspend, suspended, seen, named',
      'suspend, suspended, seen, partial',
    ]);
  });

  it('deletes whoever has been away for long enough only where it is known that they left', () => {
    const change = removal('delete', 'grace-over');
    const known = { snapshot: complete, seen: false, told: true, candidates: [], placeUnknown: false };
    expect(passes(change, known)).toBe(false);
    expect(passes(change, { ...known, graceOver: true })).toBe(true);
    expect(passes(removal('suspend', 'grace-over'), { ...known, graceOver: true })).toBe(false);
  });

  it('refuses to link an auth user who is linked, or who was not found by address', () => {
    const free = aCandidate();
    const link = planSeen(aSeenUser({ sameAddress: [free] }), context);
    if (link === null) throw new Error('a user with a certain match is a change');
    const known = (candidates: readonly ReturnType<typeof aCandidate>[]) => ({
      snapshot: complete,
      seen: true,
      told: false,
      candidates,
      placeUnknown: false,
    });
    expect(() => checkProposal(link, known([free]))).not.toThrow();
    expect(() => checkProposal(link, known([{ ...free, links: 1 }]))).toThrow('rule 5');
    expect(() => checkProposal(link, known([]))).toThrow('rule 5');
    const authUser = AuthUserId.parse(unknownId());
    expect(() => checkProposal({ ...link, kind: 'create', authUser }, known([]))).toThrow('rule 5');
  });

  it.each(['create', 'link'] as const)(
    'refuses a %s where it is not known in which tenant they belong',
    (kind) => {
      const free = aCandidate();
      const change = planSeen(aSeenUser({ sameAddress: kind === 'link' ? [free] : [] }), context);
      if (change?.kind !== kind) throw new Error('the change is of the kind that is tried');
      const known = { snapshot: complete, seen: true, told: false, candidates: [free] };
      expect(() => checkProposal(change, { ...known, placeUnknown: false })).not.toThrow();
      expect(() => checkProposal(change, { ...known, placeUnknown: true })).toThrow('without knowledge');
    },
  );
});

describe('fingerprintOfChange', () => {
  const change = planSeen(aSeenUser({ linked: linked(), desired: { roles: ['engineer'] } }), context);
  if (change === null) throw new Error('a role that is missing is a change');

  it.each([
    ['cause', { cause: 'local-edit' as const }],
    ['version', { baseVersion: 99 }],
    ['desired hash', { desiredHash: '00' }],
  ])('does not depend on the %s', (_, other) => {
    expect(fingerprintOfChange({ ...change, ...other })).toBe(fingerprintOfChange(change));
  });

  it.each([
    ['kind', { kind: 'reactivate' as const }],
    ['external id', { externalId: ExternalId.parse('u2') }],
    ['tenant', { tenant: aStoredUser().tenant.replace(/.$/, 'x') as typeof change.tenant }],
    ['auth user', { authUser: null }],
    ['before', { before: null }],
    ['after', { after: { state: 'active' } }],
    ['roles gained', { rolesGained: [] }],
    ['roles lost', { rolesLost: ['member'] }],
    ['candidates', { candidates: [{ authUser: aStoredUser().id, because: 'it' }] }],
  ])('depends on the %s', (_, other) => {
    expect(fingerprintOfChange({ ...change, ...other })).not.toBe(fingerprintOfChange(change));
  });
});
