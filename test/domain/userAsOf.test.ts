import { describe, expect, it } from 'vitest';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { type HeldRole, type LaterEvent, type UserNow, userAsOf } from '../../src/domain/userAsOf.ts';

const CONNECTION = 'c' as ConnectionId;
const by = (connection: ConnectionId | null) => ({ ofDirectory: connection !== null, connection });

function aUser(user: Partial<UserNow>): UserNow {
  const names = { userName: null, email: null, displayName: null, createdAt: '2026-01-01T00:00:00.000Z' };
  return { id: 'u', tenant: 't', state: 'active', identities: [], roles: [], ...names, ...user } as UserNow;
}
function anEvent(event: Partial<LaterEvent>): LaterEvent {
  return { type: 'user.updated', fields: [], gained: [], lost: [], stateBefore: null, ...by(null), ...event };
}
function held(role: string, connection: ConnectionId | null = null): HeldRole {
  const origin = connection === null ? 'manual' : 'directory';
  return { role, origin, tenant: 't', connection, grantedAt: '2026-01-01' } as HeldRole;
}
const rolesOf = ({ roles }: UserNow) => roles.map(({ role, origin }) => `${role} ${origin}`).sort();

describe('An auth user as of an earlier moment', () => {
  it('has the roles that were taken since, and not those that came since, each by whoever gave it', () => {
    const now = aUser({ roles: [held('editor'), held('editor', CONNECTION), held('reader', CONNECTION)] });
    const then = userAsOf(now, [
      anEvent({ ...by(CONNECTION), gained: ['editor'], lost: ['writer'] }),
      anEvent({ lost: ['auditor'], fields: ['email'] }),
    ]);
    expect(rolesOf(then)).toEqual([
      'auditor manual',
      'editor manual',
      'reader directory',
      'writer directory',
    ]);
    expect(then.changedSince).toEqual(['email']);
  });

  it('is what they were before the oldest of what came since', () => {
    const now = aUser({ state: 'deleted', roles: [held('reader')] });
    const later = [
      anEvent({ type: 'user.deleted', ...by(CONNECTION), stateBefore: 'suspended' }),
      anEvent({ gained: ['reader'] }),
      anEvent({ lost: ['reader'] }),
      anEvent({ type: 'user.suspended' }),
    ];
    expect(userAsOf(now, later)).toMatchObject({
      state: 'active',
      roles: [{ role: 'reader' }],
      changedSince: [],
    });
    expect(userAsOf(now, later.slice(0, 1)).state).toBe('suspended');
    expect(userAsOf(now, later.slice(0, 2)).roles).toEqual([]);
    expect(userAsOf(now, [])).toEqual({ ...now, changedSince: [] });
  });

  it('says so where the links to directories may have been others', () => {
    const linked = anEvent({ type: 'user.linked', ...by(CONNECTION) });
    const unlinked = anEvent({ type: 'user.unlinked', ...by(CONNECTION) });
    for (const event of [linked, unlinked])
      expect(userAsOf(aUser({}), [event]).changedSince).toEqual(['identities']);
  });

  it('says so where the state of then, or the place, is not known', () => {
    const above = anEvent({ type: 'user.deleted', ofDirectory: true });
    const moved = anEvent({ type: 'user.moved', ofDirectory: true });
    expect(userAsOf(aUser({ state: 'deleted' }), [above, moved])).toMatchObject({
      state: 'deleted',
      changedSince: ['state', 'tenant'],
    });
  });
});
