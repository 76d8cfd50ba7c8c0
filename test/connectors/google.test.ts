import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { FailureKind } from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing } from './aSession.ts';
import {
  type Answered,
  type Asked,
  aUser,
  closedAfterEach,
  nobody,
  refusal,
  usersBody,
} from './googleAccount.ts';
import { allPages } from './oktaOrg.ts';

const signal = new AbortController().signal;
const group = ExternalId.parse('g1');
const { account, connected } = closedAfterEach();

/** Answers each request with the next of these, and the last one from then on. */
function inTurn(...answers: readonly Answered[]) {
  let at = 0;
  return (): Answered => answers[Math.min(at++, answers.length - 1)] ?? {};
}

describe('the list of users', () => {
  const living: Answered = { body: usersBody([aUser('1')], 'second page/+') };
  const gone = (id: string, deletionTime?: string) => aUser(id, { deletionTime });
  const date = new Date(Date.UTC(2026, 2, 1, 9)).toUTCString();
  /** Between its first and its last request somebody else is deleted. */
  const accountOf = (asked: readonly Asked[], headers: Readonly<Record<string, string>> = { date }) => {
    const old = gone('9', '2026-02-20T09:00:00.000Z');
    const fresh = [gone('8', '2026-03-01T08:55:01.000Z'), gone('7')];
    return ({ query }: Asked): Answered => {
      if (query['showDeleted'] === 'true')
        return { headers, body: usersBody(asked.length === 1 ? [old] : [old, ...fresh]) };
      return 'pageToken' in query ? { body: usersBody([aUser('2', { suspended: true })]) } : living;
    };
  };
  const anAccount = async (headers?: Readonly<Record<string, string>>) => {
    const google = await account((asked) => accountOf(google.asked, headers)(asked));
    return google;
  };
  const allOf = (google: Awaited<ReturnType<typeof account>>) =>
    allPages((cursor) => connected(google).fetchUsers(cursor, signal));

  it('leads from the deleted to the living, and to who has been deleted since, as deprovisioned', async () => {
    const google = await anAccount();
    expect(await allOf(google)).toMatchObject([
      { user: { externalId: '9', state: 'deprovisioned' } },
      { user: { externalId: '1', state: 'active' } },
      { user: { externalId: '2', state: 'suspended' } },
      { user: { externalId: '8', state: 'deprovisioned' } },
      { user: { externalId: '7', state: 'deprovisioned' } },
    ]);
    expect(google.asked.map(({ query }) => [query['showDeleted'], query['pageToken']])).toEqual([
      ['true', undefined],
      [undefined, undefined],
      [undefined, 'second page/+'],
      ['true', undefined],
    ]);
  });

  it("names all the deleted once more where no answer tells Google's time", async () => {
    expect((await allOf(await anAccount({ date: 'today' }))).slice(3)).toMatchObject([
      { user: { externalId: '9' } },
      { user: { externalId: '8' } },
      { user: { externalId: '7' } },
    ]);
  });

  it('asks for one token, however many pages', async () => {
    const google = await anAccount();
    const connector = connected(google);
    await allPages((cursor) => connector.fetchUsers(cursor, signal));
    expect(google.tokenRequests).toHaveLength(1);
  });

  it('is asked for in full, in the largest pages, with what tells where the next page is', async () => {
    const google = await anAccount();
    await allOf(google);
    const { path, query, headers } = google.asked[1] ?? {};
    expect(path).toBe('/admin/directory/v1/users');
    expect(query).toMatchObject({ customer: 'my_customer', projection: 'full', maxResults: '500' });
    expect(query?.['fields']).toMatch(/^kind,nextPageToken,users\(/);
    expect(query).not.toHaveProperty('showDeleted');
    expect(headers).toMatchObject({ authorization: 'Bearer token-2', 'accept-encoding': 'gzip' });
    expect(headers?.['user-agent']).toContain('gzip');
  });

  it('goes on behind an empty page', async () => {
    const google = await account(() => ({ body: usersBody(undefined, 'more') }));
    const page = await connected(google).fetchUsers(null, signal);
    expect(page.records).toEqual([]);
    expect(page.next).not.toBeNull();
  });

  it('reports one object that cannot be read and keeps the others', async () => {
    const google = await account(() => ({ body: usersBody([aUser('1', { phones: ['x'] }), aUser('2')]) }));
    const { records } = await connected(google).fetchUsers(null, signal);
    expect(records).toMatchObject([{ kind: 'unreadable', externalId: '1' }, { user: { externalId: '2' } }]);
  });

  it('fails when a page names itself as the next one', async () => {
    const google = await account(() => ({ body: usersBody([aUser('1')], 'same') }));
    const connector = connected(google);
    const { next } = await connector.fetchUsers(null, signal);
    expect(await failing(connector.fetchUsers(next, signal))).toMatchObject({
      kind: 'unexpected-response',
    });
  });
});

describe('an answer that is no page never reads as "nobody"', () => {
  it.each<[string, unknown]>([
    ['neither list nor kind', {}],
    ['the kind of groups', { kind: 'admin#directory#groups' }],
    ['null in place of the list', { kind: 'admin#directory#users', users: null }],
    ['an HTML page', '<html>Sign in</html>'],
    ['an answer cut off', '{"kind":"admin#directory#users","users":[{"id":"1"'],
    ['nothing', ''],
  ])('%s', async (_what, body) => {
    const google = await account(() => ({ body }));
    const failure = await failing(connected(google).fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'unexpected-response', status: 200 });
  });
});

describe('groups and members', () => {
  it('are listed page by page, nested groups resolved by Google', async () => {
    const google = await account(({ path }) =>
      path.endsWith('/members')
        ? {
            body: {
              kind: 'admin#directory#members',
              members: [
                { id: '1', type: 'USER' },
                { id: 'g2', type: 'GROUP' },
                { id: 'C0', type: 'CUSTOMER' },
                { id: '3', type: 'EXTERNAL' },
              ],
              nextPageToken: 'm2',
            },
          }
        : { body: { kind: 'admin#directory#groups', groups: [{ id: 'g1', name: 'Staff' }] } },
    );
    const connector = connected(google);
    expect(await connector.fetchGroups(null, signal)).toEqual({
      records: [{ kind: 'group', group: { externalId: 'g1', name: 'Staff', email: null } }],
      next: null,
    });
    expect(await connector.fetchMembers(group, null, signal)).toEqual({
      records: [{ kind: 'user', externalId: '1' }, { kind: 'everyone' }],
      next: 'm2',
    });
    expect(google.asked.map(({ path }) => path)).toEqual([
      '/admin/directory/v1/groups',
      '/admin/directory/v1/groups/g1/members',
    ]);
    expect(google.asked[0]?.query).toMatchObject({ customer: 'my_customer', maxResults: '200' });
    expect(google.asked[1]?.query).toMatchObject({ includeDerivedMembership: 'true', maxResults: '200' });
    for (const { query } of google.asked) expect(query['fields']).toContain('nextPageToken');
  });

  it.each([
    ['deleted meanwhile', 404, 'notFound', 'not-found'],
    ['that the administrator may not see', 403, 'forbidden', 'permission-missing'],
  ])('of a group %s are unknown, which is no empty group, on any page', async (_, status, reason, kind) => {
    const google = await account(() => refusal(status, reason));
    for (const cursor of [null, 'm2']) {
      const failure = await failing(connected(google).fetchMembers(group, cursor, signal));
      expect(failure).toMatchObject({ kind, status });
    }
  });
});

describe('a 403', () => {
  it.each(['userRateLimitExceeded', 'rateLimitExceeded', 'quotaExceeded', 'dailyLimitExceeded'])(
    'for %s is about pace: the request is sent again',
    async (reason) => {
      const google = await account(inTurn(refusal(403, reason), nobody));
      expect((await connected(google).fetchUsers(null, signal)).records).toEqual([]);
      expect(google.asked).toHaveLength(2);
    },
  );

  it('for a quota that only its status tells is about pace, too', async () => {
    const error = { code: 403, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' };
    const google = await account(inTurn({ status: 403, body: { error } }, nobody));
    expect((await connected(google).fetchUsers(null, signal)).records).toEqual([]);
  });

  it('for a quota that stays is a rate limit, with the wait that Google asks for', async () => {
    const busy = { ...refusal(403, 'quotaExceeded'), headers: { 'retry-after': '30' } };
    const google = await account(() => busy);
    const failure = await failing(
      connected(google, { tuning: { clock: () => 0, maxRetries: 0 } }).fetchUsers(null, signal),
    );
    expect(failure).toMatchObject({ kind: 'rate-limited', status: 403, retryAfterMs: 30_000 });
  });

  it.each([
    ['forbidden', 'Users › Read'],
    ['insufficientPermissions', 'admin.directory.user.readonly'],
    ['accessNotConfigured', 'Admin SDK API'],
  ])('for %s is a missing permission: sent once, with a remedy that says where', async (reason, where) => {
    const google = await account(() => refusal(403, reason));
    const failure = await failing(connected(google).fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'permission-missing', status: 403 });
    expect(failure.remedy).toContain(where);
    expect(google.asked).toHaveLength(1);
  });

  it('for groups names the privilege for groups', async () => {
    const google = await account(() => refusal(403, 'forbidden'));
    const { remedy } = await failing(connected(google).fetchGroups(null, signal));
    expect(remedy).toContain('Groups › Read');
  });

  it('whose reason stands in the details, as newer checks write it, is understood', async () => {
    const error = { code: 403, status: 'PERMISSION_DENIED', details: [{ reason: 'SERVICE_DISABLED' }] };
    const google = await account(() => ({ status: 403, body: { error } }));
    const { remedy } = await failing(connected(google).fetchUsers(null, signal));
    expect(remedy).toContain('Enable');
  });
});

describe('other refusals', () => {
  it.each<[string, Answered, FailureKind]>([
    ['a first page refused', refusal(400, 'invalid'), 'misconfigured'],
    ['a customer that Google does not know', refusal(404, 'notFound'), 'misconfigured'],
    ["a 404 that is not in Google's words", { status: 404, body: '<html>no</html>' }, 'not-found'],
    ['a proxy that forbids', { status: 403, body: '<html>no</html>' }, 'permission-missing'],
    ['429', refusal(429, 'rateLimitExceeded'), 'rate-limited'],
    ['503', refusal(503, 'backendError'), 'unavailable'],
    [
      'a redirect',
      { status: 302, headers: { location: 'https://elsewhere.example/' } },
      'unexpected-response',
    ],
  ])('%s', async (_what, answer, kind) => {
    const google = await account(() => answer);
    expect(await failing(connected(google).fetchUsers(null, signal))).toMatchObject({ kind });
  });

  it('a page token that Google no longer takes: the list starts again', async () => {
    const google = await account(({ query }) =>
      !('pageToken' in query) ? { body: usersBody([], 'old') } : refusal(400, 'invalid'),
    );
    const connector = connected(google);
    const { next } = await connector.fetchUsers(null, signal);
    expect(await failing(connector.fetchUsers(next, signal))).toMatchObject({ kind: 'cursor-expired' });
  });

  it.each(['', 'live:', 'live:x', 'live:soon:x', 'gone:0:x', 'p.1'])(
    'a cursor that is none of ours (%o) starts the list again',
    async (cursor) => {
      const google = await account(() => nobody);
      expect(await failing(connected(google).fetchUsers(cursor, signal))).toMatchObject({
        kind: 'cursor-expired',
      });
      expect(google.asked).toEqual([]);
    },
  );
});

describe('nothing secret', () => {
  it.each<[string, Answered]>([
    ['a refusal', refusal(403, 'forbidden')],
    ['no page', { body: {} }],
    ['a failure', { status: 500 }],
  ])('is in the error after %s', async (_what, answer) => {
    const google = await account(() => answer);
    const error = await connected(google)
      .fetchUsers(null, signal)
      .then(
        () => expect.unreachable('it should have failed'),
        (reason: unknown) => reason,
      );
    const all = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
    expect(all).toContain('ConnectorError');
    expect(all).not.toMatch(/token-1|assertion|PRIVATE KEY|sync-admin@/);
  });
});
