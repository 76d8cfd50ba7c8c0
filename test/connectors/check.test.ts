/** The course that every connector's check takes. */
import { expect, it } from 'vitest';
import { type Attempt, checkInSteps, counted, somebody, Trial } from '../../connectors/check.ts';
import {
  type Connector,
  ConnectorError,
  type ConnectorFailure,
  type FailureKind,
  type UserRecord,
} from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { aDirectoryUser } from '../support/builders.ts';
import { failing as failure, never } from './aSession.ts';

const failing =
  (kind: FailureKind, more: Partial<ConnectorFailure> = {}) =>
  async () => {
    throw new ConnectorError({ kind, message: `It is ${kind}.`, remedy: 'Mend it.', ...more });
  };
const working = async () => ({ detail: 'Found.' });

async function steps(...attempts: readonly Attempt[]) {
  const found = [];
  for await (const step of checkInSteps('Acme', attempts)) found.push(step);
  return found;
}

it.each<[FailureKind, Partial<ConnectorFailure>, readonly string[]]>([
  ['unavailable', {}, ['reach -']],
  ['untrusted-certificate', {}, ['reach -']],
  ['rate-limited', {}, ['reach -']],
  ['misconfigured', {}, ['reach -']],
  ['misconfigured', { requestId: 'r1' }, ['reach +', 'credential +', 'users -', 'groups +']],
  ['credentials-rejected', {}, ['reach +', 'credential -']],
  ['unexpected-response', {}, ['reach +', 'credential +', 'users -', 'groups +']],
])(
  'charges a first failure of kind %s with %j to the step that is at fault',
  async (kind, more, expected) => {
    const found = await steps(
      { step: 'users', attempt: failing(kind, more) },
      { step: 'groups', attempt: working },
    );
    expect(found.map(({ step, ok }) => `${step} ${ok ? '+' : '-'}`)).toEqual(expected);
    for (const step of found) expect('remedy' in step).toBe(!step.ok);
  },
);

it('reports a permission once, however many attempts need it, and a missing one in place of what needs it', async () => {
  const found = await steps(
    { step: 'users', permission: 'users.read', attempt: working },
    { step: 'look-up', permission: 'users.read', attempt: failing('permission-missing') },
    { step: 'groups', permission: 'groups.read', attempt: failing('permission-missing') },
    { step: 'members', after: ['groups'], attempt: working },
  );
  expect(found.slice(2)).toEqual([
    { step: 'permission', ok: true, detail: 'users.read' },
    { step: 'users', ok: true, detail: 'Found.' },
    { step: 'look-up', ok: false, detail: 'It is permission-missing.', remedy: 'Mend it.' },
    { step: 'permission', ok: false, detail: 'groups.read', remedy: 'Mend it.' },
  ]);
});

it('says of an optional attempt what does not work when it fails', async () => {
  const without = 'Every run is a full one.';
  const found = await steps(
    { step: 'users', attempt: working },
    { step: 'changes', without, attempt: failing('unavailable') },
  );
  expect(found.at(-1)).toEqual({
    step: 'changes',
    ok: false,
    optional: true,
    detail: 'Every run is a full one. It is unavailable.',
    remedy: 'Mend it.',
  });
});

it('counts as failed what was found to be wrong, and leaves out what there is nothing to try on', async () => {
  const found = await steps(
    { step: 'users', attempt: async () => ({ detail: 'Nobody.', remedy: 'Look elsewhere.' }) },
    { step: 'groups', permission: 'groups.read', attempt: async () => null },
    { step: 'look-up', after: ['users'], attempt: working },
  );
  expect(found.slice(2)).toEqual([
    { step: 'users', ok: false, detail: 'Nobody.', remedy: 'Look elsewhere.' },
    { step: 'permission', ok: true, detail: 'groups.read' },
  ]);
});

it('passes on what is no failure of the connector', async () => {
  const attempt = () => Promise.reject(new Error('stopped by hand'));
  await expect(steps({ step: 'users', attempt })).rejects.toThrow('stopped by hand');
});

const id = (text: string) => ExternalId.parse(text);
const ada: UserRecord = { kind: 'user', user: { ...aDirectoryUser(), externalId: id('ada') } };
const broken: UserRecord = { kind: 'unreadable', externalId: id('broken'), problem: 'state: missing' };

/** Each list begins with an empty page, and goes on behind the second one if that holds anything. Notes what is asked about whom. */
function aConnector(users: readonly UserRecord[], groups: readonly string[]) {
  const asked: unknown[] = [];
  const listed = async <T>(cursor: string | null, records: readonly T[]) =>
    cursor === null
      ? { records: [], next: 'second' }
      : { records, next: records.length === 0 ? null : 'third' };
  const connector: Connector = {
    provider: 'scim',
    fetchUsers: (cursor) => listed(cursor, users),
    fetchGroups: (cursor) =>
      listed(
        cursor,
        groups.map((name) => ({ kind: 'group', group: { externalId: id(name), name, email: null } })),
      ),
    fetchMembers: async (group) => {
      asked.push(['members', group]);
      return { records: [{ kind: 'user', externalId: id('ada') }], next: null };
    },
    evidence: async () => ({ users: null, permissions: null }),
    lookUp: async (ids, among) => {
      asked.push(['look-up', ids, among]);
      return [{ kind: 'gone', externalId: id('ada') }];
    },
    changes: null,
    usage: () => ({ requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 }),
    close: async () => {},
  };
  return { trial: new Trial(connector, never), connector, asked };
}

const circle = async (cursor: string | null) => ({ records: [], next: cursor === 'one' ? 'two' : 'one' });

it('takes the first page that holds anything, and says how much of it was not understood', async () => {
  const { trial } = aConnector([ada, broken], []);
  const found = await trial.users();
  expect(found).toEqual([ada, broken]);
  expect(counted('Users', found)).toBe('Users on the first page: 2, not understood: 1.');
});

it('ends where empty pages lead in a circle', async () => {
  const { trial } = aConnector([], []);
  const circling = { ...aConnector([], []).connector, fetchGroups: circle, fetchUsers: circle };
  const lost = { kind: 'unexpected-response', message: expect.stringContaining('sent before') };
  expect(await failure(new Trial(circling, never).users())).toMatchObject(lost);
  expect(await failure(new Trial(circling, never).groups.attempt())).toMatchObject(lost);
  expect(await trial.users()).toEqual([]);
});

it('tries a group and a user that it has met', async () => {
  const { trial, asked } = aConnector([broken, ada], ['pilots']);
  await trial.users();
  expect(await trial.groups.attempt()).toEqual({ detail: 'Groups on the first page: 1.' });
  expect(await trial.members.attempt()).toEqual({ detail: 'Members of one group on the first page: 1.' });
  expect(await trial.lookUp(null, (found) => ({ detail: `${found?.kind}` }))()).toEqual({ detail: 'gone' });
  expect(asked).toEqual([
    ['members', 'pilots'],
    ['look-up', ['ada'], null],
  ]);
});

it('tries nothing on nobody, nor what the connector cannot', async () => {
  const { trial, asked } = aConnector([broken], []);
  await trial.users();
  await trial.groups.attempt();
  expect(await trial.members.attempt()).toBeNull();
  expect(await trial.lookUp([], () => ({ detail: 'Found.' }))()).toBeNull();
  expect(await trial.changes('Changes can be read.')()).toBeNull();
  expect(asked).toEqual([]);
});

it('asks for a remedy where there is nobody', () => {
  expect(somebody([broken], 'Look elsewhere.')).toEqual({
    detail: 'Users on the first page: 1, not understood: 1.',
  });
  expect(somebody([], 'Look elsewhere.')).toEqual({
    detail: 'Users on the first page: 0.',
    remedy: 'Look elsewhere.',
  });
});
