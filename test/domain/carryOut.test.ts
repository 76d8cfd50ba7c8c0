import { describe, expect, it } from 'vitest';
import { type Approved, carryOut, type Ground } from '../../src/domain/carryOut.ts';
import { actionsFor, CHANGE_KINDS, CHANGE_STATES, statesDecidedAsSet } from '../../src/domain/change.ts';
import { AuthUserId, ChangeId, TenantId } from '../../src/domain/ids.ts';
import { aStoredUser } from '../support/builders.ts';
import { unknownId } from '../support/tenancy.ts';

const user = aStoredUser({ fields: { email: 'ada@example.test', nickname: 'Countess' }, version: 3 });
const other = AuthUserId.parse(unknownId());
const update: Approved = {
  id: ChangeId.parse(unknownId()),
  kind: 'update',
  authUser: user.id,
  after: { state: 'active', fields: { email: 'new@example.test' } },
  fields: [{ field: 'email', before: 'ada@example.test', after: 'new@example.test' }],
  rolesGained: [],
  rolesLost: [],
  baseVersion: 3,
  foundTenants: [],
};
const create: Approved = { ...update, kind: 'create', authUser: null, fields: [], baseVersion: null };
const link: Approved = { ...update, kind: 'link' };
const unlinked = { ...update, kind: 'unlink', fields: [], after: { state: 'active', fields: {} } } as const;
const bareUnlink: Approved = { ...unlinked, baseVersion: 2 };
const place = user.tenant;
const here: Ground = {
  ...{ user, linkedTo: user.id, addressHeldByOther: false, links: 1, place, way: [] },
  withheldRoles: new Set(['vendor']),
};
const nowhere: Ground = { ...here, user: null, linkedTo: null, links: 0 };
const free: Ground = { ...here, linkedTo: null, links: 0 };

describe('carryOut', () => {
  it.each<[string, Approved, Ground]>([
    ['an update of the version that it was made from', update, here],
    ['a joiner', create, nowhere],
    ['a link to an auth user who has none', link, free],
  ])('applies %s', (_, change, ground) => {
    expect(carryOut(change, ground).outcome).toBe('applied');
  });

  const edited = { ...user, fields: { ...user.fields, email: 'new@example.test' }, version: 4 };
  it.each<[string, Approved, Ground['user']]>([
    ['what an update would make', update, edited],
    ['linked, and what that would make', link, edited],
    [
      'suspended',
      { ...bareUnlink, kind: 'suspend', after: { state: 'suspended', fields: {} } },
      { ...user, state: 'suspended' },
    ],
  ])('finds done what somebody has made so since: %s', (_, change, there) => {
    expect(carryOut(change, { ...here, user: there })).toEqual({ outcome: 'already-applied' });
    const gains = { ...change, rolesGained: ['clerk'] };
    expect(carryOut({ ...gains, baseVersion: 2 }, { ...here, user: there }).outcome).toBe('moved');
  });

  it('writes the fields that change and leaves all others', () => {
    expect(carryOut(update, here)).toMatchObject({
      fields: { email: 'new@example.test', nickname: 'Countess' },
      state: 'active',
    });
  });

  it.each<[string, Approved, Ground]>([
    ['an update of another version', { ...update, baseVersion: 2 }, here],
    ['an update of a user who is gone', update, { ...here, user: null }],
    ['an update of a user who is linked no more', update, { ...here, linkedTo: null }],
    ['an update of a user of somebody else', update, { ...here, linkedTo: other }],
    ['a joiner who has been linked', create, { ...nowhere, linkedTo: other }],
    ['a joiner whose address was given away', create, { ...nowhere, addressHeldByOther: true }],
    ['a link to an auth user who has got one', link, { ...free, links: 1 }],
    ['a link of somebody who is linked', link, { ...free, linkedTo: other }],
    ['the end of a link that is no more', { ...update, kind: 'unlink' }, free],
    ['the end of a link, of another version, that changes nothing else', bareUnlink, here],
    ['a link to another version', { ...link, baseVersion: 2 }, free],
    ['a link to another version that changes nothing else', { ...link, baseVersion: 2, fields: [] }, free],
    ['an update with a role that became a hidden one', { ...update, rolesGained: ['clerk', 'vendor'] }, here],
    ['a joiner with one', { ...create, rolesGained: ['vendor'] }, nowhere],
    ['a conflict', { ...update, kind: 'conflict' }, here],
    ['a change without content', { ...update, after: null }, here],
  ])('sends %s back', (_, change, ground) => {
    expect(carryOut(change, ground).outcome).toBe('moved');
  });
});

describe('carryOut of a change that puts somebody in a tenant', () => {
  const [top, sales, board, id] = [unknownId(), unknownId(), unknownId(), unknownId()].map((one) =>
    TenantId.parse(one),
  ) as [TenantId, TenantId, TenantId, TenantId];
  const made = TenantId.parse(unknownId());
  const after = { state: 'active', fields: {}, tenant: 'Top/Sales' } as const;
  const put: Approved = { ...create, id: ChangeId.parse(id), after };
  const outcome = (foundTenants: TenantId[], way: TenantId[], at: Ground['place'] = way[1] ?? 'missing') =>
    carryOut({ ...put, foundTenants }, { ...nowhere, place: at, way }).outcome;

  it('applies where the way leads into the tenants that were found, and else only into such as were made since', () => {
    expect(outcome([top, sales], [top, sales])).toBe('applied');
    expect(outcome([top], [top])).toBe('applied');
    expect(outcome([top], [top, made])).toBe('applied');
    expect(outcome([], [])).toBe('applied');
  });

  it('sends it back where it leads elsewhere: another tenant has the name, or stood somewhere before', () => {
    expect(outcome([top, sales], [top, board])).toBe('moved');
    expect(outcome([top, sales], [board, sales])).toBe('moved');
    expect(outcome([top], [board])).toBe('moved');
    expect(outcome([top], [top, sales])).toBe('moved');
    expect(outcome([top, sales], [top])).toBe('moved');
    expect(outcome([top, sales], [top, made])).toBe('moved');
    expect(outcome([top, sales], [top, sales], 'closed')).toBe('moved');
  });
});

describe('What is allowed', () => {
  it('is nothing where a change is history or waits for the next run', () => {
    for (const state of ['moved', 'applied', 'superseded'] as const)
      expect(actionsFor({ kind: 'update', state })).toEqual([]);
  });

  it('is never to approve or apply a conflict', () => {
    for (const state of CHANGE_STATES) {
      const actions = actionsFor({ kind: 'conflict', state });
      expect(actions).not.toContain('approve');
      expect(actions).not.toContain('apply');
    }
  });

  it('is to apply what is approved, and nothing else', () => {
    for (const kind of CHANGE_KINDS) {
      for (const state of CHANGE_STATES) {
        const applicable = state === 'approved' && kind !== 'conflict';
        expect(actionsFor({ kind, state }).includes('apply')).toBe(applicable);
      }
    }
  });

  it('to a decision on a whole set is less: it approves nothing refused, and nothing held unless it says so', () => {
    expect(statesDecidedAsSet('approve', false)).toEqual(['open', 'failed']);
    expect(statesDecidedAsSet('approve', true)).toEqual(['open', 'held', 'failed']);
    expect(statesDecidedAsSet('reject', false)).toContain('held');
  });
});
