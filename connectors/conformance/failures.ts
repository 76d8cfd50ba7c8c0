/** Needs a source that can be told to refuse, to slow down or to break off; each test names the fault it needs. */
import { expect, it } from 'vitest';
import { ExternalId } from '../../src/domain/ids.ts';
import type { Cursor, FailureKind } from '../contract.ts';
import { idsIn, never, pagesOf, type Suite, secondPage, usersOf } from './harness.ts';
import { FAULTS, type FaultName } from './source.ts';

const LASTING: readonly (readonly [FaultName, FailureKind])[] = [
  ['status-401', 'credentials-rejected'],
  ['status-403', 'permission-missing'],
  ['status-404', 'not-found'],
  ['status-500', 'unavailable'],
  ['status-503', 'unavailable'],
  ['throttled-seconds', 'rate-limited'],
  ['throttled-date', 'rate-limited'],
  ['throttled-silent', 'rate-limited'],
  ['throttled-403', 'rate-limited'],
  ['hang', 'unavailable'],
  ['connection-reset', 'unavailable'],
];

const PASSING: readonly FaultName[] = LASTING.map(([name]) => name).filter(
  (name) => !['status-401', 'status-403', 'status-404'].includes(name),
);

/** A try that hangs ends by its time-out; no other has to be in such a hurry. */
const hurryFor = (name: FaultName) => (name === 'hang' ? { timeoutMs: 300 } : {});

/** Where the place in a list is lost with the connection, what breaks that one strikes the first page: the second has no place to go on from. */
const pageStruckBy = (name: FaultName, can: Suite['can']) =>
  (FAULTS.network as readonly FaultName[]).includes(name) && !can('lasting-cursors') ? 1 : 2;

export function namesFailures({ connect, control, failing, can }: Suite): void {
  it.for(LASTING.filter(([name]) => can(name)))(
    'calls lasting %s on the second page %s',
    async ([name, kind]) => {
      const connector = connect(hurryFor(name));
      await control().fault({ name, nth: pageStruckBy(name, can), times: null });
      expect(await failing(secondPage(connector))).toMatchObject({ kind });
    },
  );

  it.skipIf(!can('throttled-absurd'))(
    'does not sit out an absurd wait, and says how long it is',
    async () => {
      await control().fault({ name: 'throttled-absurd', times: null });
      const failure = await failing(connect().fetchUsers(null, never));
      expect(failure).toMatchObject({ kind: 'rate-limited', retryAfterMs: 86_400_000 });
    },
  );

  it.skipIf(!can('token-refused'))('says that a refused credential is refused', async () => {
    await control().fault({ name: 'token-refused' });
    if (can('status-401')) await control().fault({ name: 'status-401', times: null });
    expect(await failing(connect().fetchUsers(null, never))).toMatchObject({ kind: 'credentials-rejected' });
  });
}

/** Needs groups. */
export function namesFailuresOfGroups({ connect, control, failing, can }: Suite): void {
  const refusals: readonly (readonly [FaultName, FailureKind])[] = [
    ['status-404', 'not-found'],
    ['status-403', 'permission-missing'],
  ];
  it.for(refusals.filter(([name]) => can(name)))(
    "calls lasting %s on the first page of one group's members %s",
    async ([name, kind]) => {
      const connector = connect();
      const [first, other] = (await connector.fetchGroups(null, never)).records;
      if (first?.kind !== 'group' || other?.kind !== 'group')
        return expect.unreachable('there are no groups');
      await control().fault({ name, on: 'members', times: 1 });
      const gone = connector.fetchMembers(first.group.externalId, null, never);
      expect(await failing(gone)).toMatchObject({ kind });
      await expect(connector.fetchMembers(other.group.externalId, null, never)).resolves.toBeDefined();
    },
  );

  it('calls a group that is not there not found', async () => {
    const gone = ExternalId.parse('00000000-0000-4000-8000-000000000000');
    expect(await failing(connect().fetchMembers(gone, null, never))).toMatchObject({ kind: 'not-found' });
  });

  const lists = can('status-403') ? (['groups', 'members'] as const) : [];
  it.for(lists)('says which permission is missing for %s', async (on) => {
    const connector = connect();
    const groups = await connector.fetchGroups(null, never);
    const group = groups.records.find((record) => record.kind === 'group');
    if (group?.kind !== 'group') return expect.unreachable('there is no group');
    await control().fault({ name: 'status-403', on, times: null });
    const { externalId } = group.group;
    const work =
      on === 'groups' ? connector.fetchGroups(null, never) : connector.fetchMembers(externalId, null, never);
    expect(await failing(work)).toMatchObject({ kind: 'permission-missing' });
  });
}

export function goesOnAfterwards({ connect, control, failing, can }: Suite): void {
  it.for(PASSING.filter(can))('is not stopped by a single %s', async (name) => {
    const expected = idsIn(await usersOf(connect()));
    await control().fault({ name, nth: pageStruckBy(name, can), times: 1 });
    expect(idsIn(await usersOf(connect(hurryFor(name))))).toEqual(expected);
  });

  it.skipIf(!can('lasting-cursors'))(
    'goes on from a saved cursor in another instance, also after a failure',
    async () => {
      const expected = await usersOf(connect());
      const before = connect();
      const first = await before.fetchUsers(null, never);
      if (can('status-503')) {
        await control().fault({ name: 'status-503', times: null });
        expect(await failing(before.fetchUsers(first.next, never))).toMatchObject({ kind: 'unavailable' });
      }
      await before.close();
      await control().clearFaults();
      const saved: unknown = JSON.parse(JSON.stringify(first.next));
      const after = connect();
      const rest = await pagesOf((cursor) => after.fetchUsers(cursor ?? (saved as Cursor), never));
      expect(idsIn([first, ...rest])).toEqual(idsIn(expected));
    },
  );

  it.skipIf(can('lasting-cursors'))('calls a cursor of another instance expired', async () => {
    const before = connect();
    const { next } = await before.fetchUsers(null, never);
    expect(next).not.toBeNull();
    await before.close();
    expect(await failing(connect().fetchUsers(next, never))).toMatchObject({ kind: 'cursor-expired' });
  });

  it.skipIf(!can('expiring-tokens'))('gets a new access token when the old one has expired', async () => {
    const expected = idsIn(await usersOf(connect()));
    const connector = connect();
    const first = await connector.fetchUsers(null, never);
    await control().expireTokens();
    const rest = await pagesOf((cursor) => connector.fetchUsers(cursor ?? first.next, never));
    expect(idsIn([first, ...rest])).toEqual(expected);
  });
}

export function stops({ connect, control, can }: Suite): void {
  it.skipIf(!can('hang'))('ends with the reason of the abort while it waits for an answer', async () => {
    const connector = connect();
    await connector.fetchUsers(null, never);
    if (can('request-counts')) await control().resetCounters();
    await control().fault({ name: 'hang', times: null });
    const stopping = new AbortController();
    const reason = new Error('the run was cancelled');
    const work = connector.fetchUsers(null, stopping.signal);
    const ended = expect(work).rejects.toBe(reason);
    if (can('request-counts')) {
      await expect.poll(async () => (await control().state()).requests['users']).toBe(1);
    }
    stopping.abort(reason);
    await ended;
  });

  it('sends nothing when it is aborted already', async () => {
    const connector = connect();
    if (can('request-counts')) await control().resetCounters();
    const reason = new Error('the run was cancelled');
    await expect(connector.fetchUsers(null, AbortSignal.abort(reason))).rejects.toBe(reason);
    if (!can('request-counts')) return;
    expect((await control().state()).requests).toMatchObject({ users: 0, token: 0 });
  });
}
