/** What every connector has to do, as one Vitest suite, run against a simulator of its provider that can be told to misbehave. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ExternalId } from '../src/domain/ids.ts';
import { type Connector, ConnectorError, type Cursor, type Page, type UserRecord } from './contract.ts';
import type { SessionTuning } from './session.ts';

/** The simulator's control, as far as this suite uses it. Faults go by the simulators' names for them. */
export type Control = {
  fault(order: {
    name: FaultName;
    on?: ListName;
    nth?: number;
    times?: number | null;
    origin?: string;
  }): Promise<unknown>;
  clearFaults(): Promise<unknown>;
  resetCounters(): Promise<unknown>;
  expireTokens(): Promise<unknown>;
  state(): Promise<{
    readonly users: { readonly listed: number; readonly deleted: number };
    readonly groups: number;
    readonly requests: Readonly<Record<string, number>>;
  }>;
};
type ListName = 'users' | 'groups' | 'members';
type FaultName =
  | `status-${401 | 403 | 404 | 500 | 503}`
  | `throttled-${'seconds' | 'date' | 'silent' | 'absurd' | '403'}`
  | 'empty-first-page'
  | 'empty-middle-page'
  | 'list-key-missing'
  | 'list-key-null'
  | 'html-page'
  | 'cut-off'
  | 'hang'
  | 'connection-reset'
  | 'unreadable-record'
  | 'unreadable-id'
  | 'foreign-link'
  | 'token-refused';

/** `pages`: how many pages the users have to fill at least, at the page size that the connector asks for. */
export type Scenario = { readonly pages: number };

export type Simulated = {
  /** A new instance, with right credentials, each time. */
  connect(tuning: SessionTuning): Connector;
  readonly control: Control;
  /** What must not be found in any error: secrets, keys, tokens. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
};

/**
 * What a provider has no notion of: lists that hold the deleted too, next pages that are links, access tokens that expire.
 */
export type Ability = 'deleted-users' | 'links' | 'expiring-tokens';

type Get = {
  connect(): Connector;
  control(): Control;
  failing(work: Promise<unknown>): Promise<ConnectorError['failure']>;
};

/** `simulated` is asked once; the simulator serves the whole suite. */
export function connectorConformance(
  name: string,
  simulated: (scenario: Scenario) => Promise<Simulated>,
  { cannot }: { readonly cannot: readonly Ability[] },
): void {
  describe(`${name} as every connector`, () => {
    let served: Simulated;
    const opened: Connector[] = [];
    beforeAll(async () => {
      served = await simulated({ pages: 3 });
    });
    afterEach(async () => {
      await served.control.clearFaults();
      for (const connector of opened.splice(0)) await connector.close();
    });
    afterAll(() => served.close());
    const get: Get = {
      connect: () => {
        const connector = served.connect(impatient());
        opened.push(connector);
        return connector;
      },
      control: () => served.control,
      failing: (work) => failureWithout(served.secrets, work),
    };
    const can = (ability: Ability) => !cannot.includes(ability);
    readsEverything(get, can);
    survivesOddPages(get, can);
    namesFailures(get);
    goesOnAfterwards(get, can);
    stops(get);
  });
}

/** Does not really wait: the clock moves by what would have been slept. */
function impatient(): SessionTuning {
  let ahead = 0;
  const sleep = async (ms: number) => {
    ahead += ms;
  };
  return { timeoutMs: 500, maxRetries: 2, clock: () => Date.now() + ahead, sleep };
}

async function failureWithout(secrets: readonly string[], work: Promise<unknown>) {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectorError)) throw error;
  const told = [inspect(error, { depth: 12, showHidden: true }), JSON.stringify(error), error.stack].join(
    '\n',
  );
  for (const secret of secrets) expect(told).not.toContain(secret);
  expect(told).not.toMatch(/Bearer |SSWS |eyJ[\w-]{16}|@[\w-]+\.(?:example|com|org|net|test)\b|<html/i);
  expect(error.failure.message).not.toBe('');
  expect(error.failure.remedy).not.toBe('');
  return error.failure;
}

const never = new AbortController().signal;

type Fetch<T> = (cursor: Cursor | null) => Promise<Page<T>>;

async function pagesOf<T>(fetch: Fetch<T>): Promise<Page<T>[]> {
  const pages: Page<T>[] = [];
  let cursor: Cursor | null = null;
  do {
    expect(pages.length, 'pages without an end').toBeLessThan(10_000);
    const page: Page<T> = await fetch(cursor);
    pages.push(page);
    cursor = page.next;
  } while (cursor !== null);
  return pages;
}

const usersOf = (connector: Connector) => pagesOf((cursor) => connector.fetchUsers(cursor, never));
const idOf = (record: UserRecord) => (record.kind === 'user' ? record.user.externalId : record.externalId);
const idsIn = (pages: readonly Page<UserRecord>[]) => pages.flatMap((page) => page.records.map(idOf));

async function secondPage(connector: Connector): Promise<Page<UserRecord>> {
  const first = await connector.fetchUsers(null, never);
  return connector.fetchUsers(first.next, never);
}

function readsEverything({ connect, control }: Get, can: (ability: Ability) => boolean): void {
  it('reads every user exactly once, and ends', async () => {
    const pages = await usersOf(connect());
    const ids = idsIn(pages);
    const { listed, deleted } = (await control().state()).users;
    expect(pages.length).toBeGreaterThanOrEqual(3);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(can('deleted-users') ? listed + deleted : listed);
    expect(pages.flatMap((page) => page.records).filter((record) => record.kind === 'unreadable')).toEqual(
      [],
    );
  });

  it('reads groups and members with as many requests as there are pages, and none for each user', async () => {
    const connector = connect();
    await control().resetCounters();
    const users = await usersOf(connector);
    const known = new Set(idsIn(users));
    const groups = await pagesOf((cursor) => connector.fetchGroups(cursor, never));
    const names = groups.flatMap((page) => page.records);
    let memberPages = 0;
    for (const record of names) {
      if (record.kind !== 'group') return expect.unreachable('a group cannot be read');
      const pages = await pagesOf((cursor) => connector.fetchMembers(record.group.externalId, cursor, never));
      memberPages += pages.length;
      const members = pages.flatMap((page) => page.records).filter((member) => member.kind === 'user');
      expect(members.filter(({ externalId }) => !known.has(externalId))).toEqual([]);
    }
    const { requests, groups: count } = await control().state();
    expect(names).toHaveLength(count);
    expect(requests).toMatchObject({ users: users.length, groups: groups.length, members: memberPages });
    expect(requests).toMatchObject({ user: 0, group: 0, other: 0 });
  });
}

function survivesOddPages({ connect, control, failing }: Get, can: (ability: Ability) => boolean): void {
  it('goes on over an empty page in the middle', async () => {
    const expected = idsIn(await usersOf(connect()));
    await control().fault({ name: 'empty-middle-page', nth: 2 });
    const pages = await usersOf(connect());
    expect(pages.filter((page) => page.next !== null).some((page) => page.records.length === 0)).toBe(true);
    expect(idsIn(pages)).toEqual(expected);
  });

  it('takes an empty first page without a next one as it is: judging it is not its business', async () => {
    await control().fault({ name: 'empty-first-page', times: 1 });
    expect((await connect().fetchUsers(null, never)).records).toEqual([]);
  });

  it.each(['list-key-missing', 'list-key-null', 'html-page', 'cut-off'] as const)(
    'does not take %s for a page',
    async (name) => {
      const connector = connect();
      await control().fault({ name, nth: 2, times: null });
      expect(await failing(secondPage(connector))).toMatchObject({ kind: 'unexpected-response' });
    },
  );

  it.each([
    ['unreadable-record', true],
    ['unreadable-id', false],
  ] as const)('reports one %s and lets the others through', async (name, withId) => {
    const expected = (await connect().fetchUsers(null, never)).records.map(idOf);
    await control().fault({ name });
    const { records } = await connect().fetchUsers(null, never);
    const broken = records.filter((record) => record.kind === 'unreadable');
    expect(broken).toHaveLength(1);
    expect(broken[0]?.problem).toMatch(/\w/);
    const at = records.findIndex((record) => record.kind === 'unreadable');
    expect(records.map(idOf)).toEqual(expected.map((id, index) => (index === at && !withId ? null : id)));
  });

  it.skipIf(!can('links'))('refuses a next link to another host and never connects to it', async () => {
    let connections = 0;
    const stranger = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    onTestFinished(() => void stranger.close());
    await once(stranger.listen(0, '127.0.0.1'), 'listening');
    const origin = `https://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    await control().fault({ name: 'foreign-link', origin });
    expect(await failing(usersOf(connect()))).toMatchObject({ kind: 'foreign-link' });
    expect(connections).toBe(0);
  });
}

function namesFailures({ connect, control, failing }: Get): void {
  it.each([
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
  ] as const)('calls lasting %s on the second page %s', async (name, kind) => {
    const connector = connect();
    await control().fault({ name, nth: 2, times: null });
    expect(await failing(secondPage(connector))).toMatchObject({ kind });
  });

  it('does not sit out an absurd wait, and says how long it is', async () => {
    await control().fault({ name: 'throttled-absurd', times: null });
    const failure = await failing(connect().fetchUsers(null, never));
    expect(failure).toMatchObject({ kind: 'rate-limited', retryAfterMs: 86_400_000 });
  });

  it('says that a refused credential is refused', async () => {
    await control().fault({ name: 'token-refused' });
    await control().fault({ name: 'status-401', times: null });
    expect(await failing(connect().fetchUsers(null, never))).toMatchObject({ kind: 'credentials-rejected' });
  });

  it.each([
    ['status-404', 'not-found'],
    ['status-403', 'permission-missing'],
  ] as const)("calls lasting %s on the first page of one group's members %s", async (name, kind) => {
    const connector = connect();
    const [first, other] = (await connector.fetchGroups(null, never)).records;
    if (first?.kind !== 'group' || other?.kind !== 'group') return expect.unreachable('there are no groups');
    await control().fault({ name, on: 'members', times: 1 });
    const gone = connector.fetchMembers(first.group.externalId, null, never);
    expect(await failing(gone)).toMatchObject({ kind });
    await expect(connector.fetchMembers(other.group.externalId, null, never)).resolves.toBeDefined();
  });

  it('calls a group that is not there not found', async () => {
    const gone = ExternalId.parse('00000000-0000-4000-8000-000000000000');
    expect(await failing(connect().fetchMembers(gone, null, never))).toMatchObject({ kind: 'not-found' });
  });

  it.each(['groups', 'members'] as const)('says which permission is missing for %s', async (on) => {
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

function goesOnAfterwards({ connect, control, failing }: Get, can: (ability: Ability) => boolean): void {
  it.each([
    'status-500',
    'status-503',
    'throttled-seconds',
    'throttled-date',
    'throttled-silent',
    'throttled-403',
    'hang',
    'connection-reset',
  ] as const)('is not stopped by a single %s', async (name) => {
    const expected = idsIn(await usersOf(connect()));
    await control().fault({ name, nth: 2, times: 1 });
    expect(idsIn(await usersOf(connect()))).toEqual(expected);
  });

  it('goes on from a saved cursor in another instance, also after a failure', async () => {
    const expected = await usersOf(connect());
    const before = connect();
    const first = await before.fetchUsers(null, never);
    await control().fault({ name: 'status-503', times: null });
    expect(await failing(before.fetchUsers(first.next, never))).toMatchObject({ kind: 'unavailable' });
    await before.close();
    await control().clearFaults();
    const saved: unknown = JSON.parse(JSON.stringify(first.next));
    const after = connect();
    const rest = await pagesOf((cursor) => after.fetchUsers(cursor ?? (saved as Cursor), never));
    expect(idsIn([first, ...rest])).toEqual(idsIn(expected));
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

function stops({ connect, control }: Get): void {
  it('ends with the reason of the abort while it waits for an answer', async () => {
    const connector = connect();
    await connector.fetchUsers(null, never);
    await control().resetCounters();
    await control().fault({ name: 'hang', times: null });
    const stopping = new AbortController();
    const reason = new Error('the run was cancelled');
    const work = connector.fetchUsers(null, stopping.signal);
    const ended = expect(work).rejects.toBe(reason);
    await expect.poll(async () => (await control().state()).requests['users']).toBe(1);
    stopping.abort(reason);
    await ended;
  });

  it('sends nothing when it is aborted already', async () => {
    const connector = connect();
    await control().resetCounters();
    const reason = new Error('the run was cancelled');
    await expect(connector.fetchUsers(null, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect((await control().state()).requests).toMatchObject({ users: 0, token: 0 });
  });
}
