import { describe, expect, it } from 'vitest';
import { oktaDefinition } from '../../connectors/okta/index.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing } from './aSession.ts';
import {
  type Answered,
  type Asked,
  allPages,
  anOktaUser,
  closedAfterEach,
  type Org,
  usersOf,
} from './oktaOrg.ts';

const signal = new AbortController().signal;
const group = ExternalId.parse('00g1');
const { org, connected } = closedAfterEach();

const idsOf = (records: readonly unknown[]) =>
  records.map((record) => {
    const { user, externalId } = record as { user?: { externalId: string }; externalId?: string };
    return user?.externalId ?? externalId;
  });

describe('the chain of pages', () => {
  it('leads from the deactivated users to the living, and to those who have changed since it began', async () => {
    const gone = anOktaUser('00u2', { status: 'DEPROVISIONED' });
    const lists = usersOf([anOktaUser('00u1')], { deprovisioned: [gone], recent: [gone] });
    let minutes = 0;
    const acme = await org((asked, origin) => {
      const date = new Date(Date.UTC(2026, 2, 1, 9, minutes++)).toUTCString();
      const answered = lists(asked, origin);
      return { ...answered, headers: { ...answered.headers, date } };
    });
    const records = await allPages(async (cursor) => connected(acme).fetchUsers(cursor, signal));
    expect(records).toMatchObject([
      { kind: 'user', user: { externalId: '00u2', state: 'deprovisioned' } },
      { kind: 'user', user: { externalId: '00u1', state: 'active' } },
      { kind: 'user', user: { externalId: '00u2', state: 'deprovisioned' } },
    ]);
    expect(acme.asked.map(({ path }) => decodeURIComponent(path))).toEqual([
      '/api/v1/users?filter=status eq "DEPROVISIONED"&limit=200',
      '/api/v1/users?limit=200',
      '/api/v1/users?filter=lastUpdated gt "2026-03-01T08:55:00.000Z"&limit=200',
    ]);
    for (const { headers } of acme.asked) {
      expect(headers).toMatchObject({
        authorization: 'SSWS secret-api-token',
        'content-type':
          'application/json; okta-response=omitCredentials,omitCredentialsLinks,omitTransitioningToStatus',
      });
    }
  });

  it("reads everybody once more where no answer tells Okta's time", async () => {
    const acme = await org(() => ({ headers: { date: 'today' }, body: [] }));
    const connector = connected(acme);
    await allPages((cursor) => connector.fetchUsers(cursor, signal));
    expect(decodeURIComponent(acme.asked[2]?.path ?? '')).toContain(
      'lastUpdated gt "1970-01-01T00:00:00.000Z"',
    );
  });

  it('goes on behind an empty page, in another process too', async () => {
    const acme = await org(({ path }, origin) => {
      const link = [
        `<${origin}${path}>; rel="self"`,
        `<${origin}/api/v1/groups?after=a,b;c&limit=200>; rel=next`,
      ];
      return path === '/api/v1/groups?limit=200'
        ? { headers: { link }, body: [] }
        : { headers: { link: link[0] ?? '' }, body: [{ id: '00g9', profile: { name: 'Staff' } }] };
    });
    const first = await connected(acme).fetchGroups(null, signal);
    expect(first.records).toEqual([]);
    expect(await connected(acme).fetchGroups(first.next, signal)).toEqual({
      records: [{ kind: 'group', group: { externalId: '00g9', name: 'Staff', email: null } }],
      next: null,
    });
    expect(acme.asked[1]?.path).toBe('/api/v1/groups?after=a,b;c&limit=200');
  });

  it('keeps the others where one record cannot be understood', async () => {
    const deprovisioned = [
      anOktaUser('00u1'),
      anOktaUser('00u2', { status: 'FUTURE_STATE' }),
      anOktaUser('00u3'),
    ];
    const acme = await org(usersOf([], { deprovisioned }));
    const { records } = await connected(acme).fetchUsers(null, signal);
    expect(records.map(({ kind }) => kind)).toEqual(['user', 'unreadable', 'user']);
  });

  it('ends with the reason of whoever aborted it', async () => {
    const stop = new AbortController();
    const acme = await org(() => {
      stop.abort(new Error('stopped by hand'));
      return new Promise(() => {});
    });
    await expect(connected(acme).fetchUsers(null, stop.signal)).rejects.toThrow('stopped by hand');
  });
});

describe('a link to the next page', () => {
  it('stops at a link to another host, and the token never goes there', async () => {
    const elsewhere = await org(() => ({ body: [] }));
    const acme = await org(() => ({
      headers: { link: `<${elsewhere.origin}/api/v1/users?after=1>; rel="next"` },
      body: [anOktaUser('00u1')],
    }));
    const failure = await failing(connected(acme).fetchUsers(null, signal));
    expect(failure).toMatchObject({
      kind: 'foreign-link',
      message: expect.stringContaining(elsewhere.origin),
    });
    expect(elsewhere.asked).toEqual([]);
  });

  it("stays at the gateway where links carry the org's own address", async () => {
    const gateway = await org(({ path }) =>
      path.includes('after=')
        ? { headers: { link: '<https://acme.okta.com/x>; rel="self"' }, body: [anOktaUser('00u2')] }
        : {
            headers: { link: '<https://acme.okta.com/api/v1/groups/00g1/users?after=1>; rel="next"' },
            body: [anOktaUser('00u1')],
          },
    );
    const connector = connected(gateway, {
      settings: { orgUrl: 'https://acme.okta.com' },
      baseUrl: gateway.origin,
    });
    const members = await allPages((cursor) => connector.fetchMembers(group, cursor, signal));
    expect(idsOf(members)).toEqual(['00u1', '00u2']);
  });
});

describe('a page of a list', () => {
  it.each([
    [
      'is full, and something removed its Link header',
      { body: Array.from({ length: 200 }, (_, i) => anOktaUser(`00u${i}`)) },
    ],
    ['has a cut-off Link header', { headers: { link: '<https://acme' }, body: [] }],
    ['is an object', { body: { users: [] } }],
    ['is null', { body: 'null' }],
    ['is an HTML page', { headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' }],
    ['is cut off', { body: '[{"id":"00u1","status":"ACT' }],
    ['is empty text', { body: '' }],
    ['has the wrong status', { status: 204 }],
  ])('breaks the chain instead of ending it when it %s', async (_, page: Answered) => {
    const acme = await org(() => page);
    expect(await failing(connected(acme).fetchUsers(null, signal))).toMatchObject({
      kind: 'unexpected-response',
    });
  });

  it.each(['/api/v1/groups?limit=200', '/api/v1/users?after=1'])(
    'breaks the chain when it leads in a circle or astray: %s',
    async (next) => {
      const acme = await org((_, origin) => ({
        headers: { link: `<${origin}${next}>; rel="next"` },
        body: [],
      }));
      expect(await failing(connected(acme).fetchGroups(null, signal))).toMatchObject({
        kind: 'unexpected-response',
      });
    },
  );
});

describe('a place in a list', () => {
  it.each([
    '',
    'groups /api/v1/groups?limit=200',
    'live-users https://evil.example/api/v1/users',
    'live-users //evil.example/api/v1/users',
    'live-users',
    'recent-users /api/v1/users?filter=x soon',
    'members /api/v1/users?limit=200',
  ])('is not followed where it is none of this list: %j', async (cursor) => {
    const acme = await org(usersOf([]));
    expect(await failing(connected(acme).fetchUsers(cursor, signal))).toMatchObject({
      kind: 'cursor-expired',
    });
    expect(acme.asked).toEqual([]);
  });

  it('has expired when Okta has forgotten it', async () => {
    const acme = await org(() => ({ status: 400, body: { errorCode: 'E0000001', errorSummary: 'x' } }));
    const failure = await failing(
      connected(acme).fetchUsers('live-users /api/v1/users?after=old&limit=200', signal),
    );
    expect(failure.kind).toBe('cursor-expired');
  });
});

describe('a refusal', () => {
  it.each([
    [401, 'E0000011', 'credentials-rejected', 'Security › API › Tokens'],
    [403, 'E0000006', 'permission-missing', 'okta.users.read'],
    [401, 'E0000015', 'permission-missing', 'okta.users.read'],
    [404, 'E0000007', 'misconfigured', 'orgUrl'],
    [302, '', 'misconfigured', 'orgUrl'],
    [400, 'E0000031', 'unexpected-response', ''],
    [500, 'E0000009', 'unavailable', ''],
    [503, 'E0000010', 'unavailable', ''],
  ])('with status %i and code %s says who has to act', async (status, errorCode, kind, remedy) => {
    const acme = await org(() => ({
      status,
      headers: { 'x-okta-request-id': 'req-1' },
      body: errorCode === '' ? '' : { errorCode, errorSummary: 'personal data' },
    }));
    const failure = await failing(connected(acme).fetchUsers(null, signal));
    expect(failure).toMatchObject({
      kind,
      status,
      requestId: 'req-1',
      remedy: expect.stringContaining(remedy),
    });
    expect(JSON.stringify(failure)).not.toMatch(/personal data|secret-api-token/);
  });

  it('of an API token is not asked for twice', async () => {
    const acme = await org(() => ({ status: 401, body: { errorCode: 'E0000011' } }));
    await failing(connected(acme).fetchUsers(null, signal));
    expect(acme.asked).toHaveLength(1);
  });

  it('names the scope that groups and members need', async () => {
    const acme = await org(() => ({ status: 403, body: { errorCode: 'E0000006' } }));
    for (const work of [
      connected(acme).fetchGroups(null, signal),
      connected(acme).fetchMembers(group, null, signal),
    ]) {
      expect((await failing(work)).remedy).toContain('grants okta.groups.read');
    }
  });

  it.each([
    [404, 'E0000007', 'not-found'],
    [403, 'E0000006', 'permission-missing'],
  ] as const)(
    "of one group's members with status %i is about that group and no wrong address, on any page: %s",
    async (status, errorCode, kind) => {
      const acme = await org(() => ({ status, body: { errorCode, errorSummary: 'x' } }));
      const inTheMiddle = 'members /api/v1/groups/00g1/users?after=00u7&limit=200';
      for (const cursor of [null, inTheMiddle]) {
        const failure = await failing(connected(acme).fetchMembers(group, cursor, signal));
        expect(failure).toMatchObject({ kind, status });
      }
    },
  );
});

describe('the pace', () => {
  const oktaNow = Date.parse('2026-03-01T09:00:00Z');
  const limits = (limit: number, remaining: number, resetInSeconds: number) => ({
    date: new Date(oktaNow).toUTCString(),
    'x-rate-limit-limit': `${limit}`,
    'x-rate-limit-remaining': `${remaining}`,
    'x-rate-limit-reset': `${oktaNow / 1000 + resetInSeconds}`,
  });

  /** A clock ten minutes behind Okta's, which the waits move on. */
  function patient() {
    const waits: number[] = [];
    let now = oktaNow - 600_000;
    const sleep = async (ms: number) => {
      waits.push(ms);
      now += ms;
    };
    return { waits, tuning: { sleep, clock: () => now, maxRetries: 3 } };
  }

  it.each([
    [40, 41_000],
    [-5, 1_000],
  ])("waits until the window's end by Okta's own clock, and a second more: %i s", async (reset, waited) => {
    let refused = false;
    const acme = await org(() => {
      if (refused) return { body: [], headers: limits(600, 599, 60) };
      refused = true;
      return { status: 429, headers: limits(600, 0, reset), body: { errorCode: 'E0000047' } };
    });
    const { waits, tuning } = patient();
    await connected(acme, { tuning }).fetchUsers(null, signal);
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBe(waited);
    expect(acme.asked).toHaveLength(2);
  });

  it.each([-5, 50])(
    'pauses shortly when requests at the same time were too many, whatever the reset says: %i s',
    async (reset) => {
      let refused = false;
      const acme = await org(() => {
        if (refused) return { body: [] };
        refused = true;
        return { status: 429, headers: limits(0, 0, reset), body: { errorCode: 'E0000047' } };
      });
      const { waits, tuning } = patient();
      await connected(acme, { tuning }).fetchUsers(null, signal);
      const waited = waits.reduce((sum, ms) => sum + ms, 0);
      expect(waited).toBeGreaterThan(0);
      expect(waited).toBeLessThanOrEqual(2_000);
    },
  );

  it.each([
    [600, 599, 0, 250],
    [600, 300, 0, 250],
    [600, 120, 500, 1_500],
    [600, 60, 31_000, 31_000],
    [600, 0, 31_000, 31_000],
    [0, 0, 0, 0],
  ])(
    'uses half of the limit and leaves the last tenth: of %i are %i left',
    async (limit, remaining, least, most) => {
      const acme = await org(() => ({ body: [], headers: limits(limit, remaining, 30) }));
      const { waits, tuning } = patient();
      const connector = connected(acme, { tuning });
      await connector.fetchGroups(null, signal);
      expect(waits).toEqual([]);
      await connector.fetchGroups(null, signal);
      const waited = waits.reduce((sum, ms) => sum + ms, 0);
      expect(waited).toBeGreaterThanOrEqual(least);
      expect(waited).toBeLessThanOrEqual(most);
    },
  );

  it('paces each endpoint by its own limit, whichever group is asked for', async () => {
    const acme = await org(({ path }) => ({
      body: [],
      headers: limits(path.includes('/groups/') ? 60 : 0, 6, 30),
    }));
    const { waits, tuning } = patient();
    const connector = connected(acme, { tuning });
    await connector.fetchMembers(ExternalId.parse('00g1'), null, signal);
    await connector.fetchGroups(null, signal);
    expect(waits).toEqual([]);
    await connector.fetchMembers(ExternalId.parse('00g2'), null, signal);
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBe(31_000);
  });
});

describe('the check of a connection', () => {
  const steps = async (to: Org) => {
    const found = [];
    for await (const step of oktaDefinition.check(connected(to), signal)) found.push(step);
    return found;
  };
  const everything = ({ path }: Asked): Answered => {
    if (path.startsWith('/api/v1/logs?')) return { body: [] };
    if (/users\/\w+\/groups/.test(path)) return { body: [{ id: '00g1' }] };
    if (path.includes('id%20eq')) return { body: [anOktaUser('00u1')] };
    if (path.startsWith('/api/v1/groups?')) return { body: [{ id: '00g1', profile: { name: 'Staff' } }] };
    return { body: [anOktaUser('00u1'), anOktaUser('00u2', { status: 'FUTURE_STATE' })] };
  };

  it('goes through all steps', async () => {
    expect(await steps(await org(everything))).toEqual([
      { step: 'reach', ok: true, detail: 'Okta answers.' },
      { step: 'credential', ok: true, detail: 'Okta accepts the credential.' },
      { step: 'permission', ok: true, detail: 'okta.users.read' },
      { step: 'users', ok: true, detail: 'Users on the first page: 2, not understood: 1.' },
      { step: 'permission', ok: true, detail: 'okta.groups.read' },
      { step: 'groups', ok: true, detail: 'Groups on the first page: 1.' },
      { step: 'members', ok: true, detail: 'Members of one group on the first page: 2.' },
      { step: 'look-up', ok: true, detail: 'One user by id; groups of that user: 1.' },
      { step: 'permission', ok: true, optional: true, detail: 'okta.logs.read' },
      { step: 'changes', ok: true, optional: true, detail: 'The System Log can be read.' },
    ]);
  });

  it('says that the System Log is missing, what does not work without it, and where to grant it', async () => {
    const acme = await org((asked) =>
      asked.path.startsWith('/api/v1/logs?')
        ? { status: 403, body: { errorCode: 'E0000006' } }
        : everything(asked),
    );
    const remedy = expect.stringContaining('grants okta.logs.read in the Admin Console');
    expect((await steps(acme)).filter(({ ok }) => !ok)).toEqual([
      { step: 'permission', ok: false, optional: true, detail: 'okta.logs.read', remedy },
      {
        step: 'changes',
        ok: false,
        optional: true,
        detail: expect.stringContaining('every run reads the whole directory'),
        remedy,
      },
    ]);
  });

  it('stops at a refused credential', async () => {
    const acme = await org(() => ({ status: 401, body: { errorCode: 'E0000004' } }));
    expect(await steps(acme)).toMatchObject([
      { step: 'reach', ok: true },
      { step: 'credential', ok: false, remedy: expect.any(String) },
    ]);
  });

  it('stops at an address that is no Okta org', async () => {
    const acme = await org(() => ({ status: 404, body: 'not here' }));
    expect(await steps(acme)).toMatchObject([
      { step: 'reach', ok: false, remedy: expect.stringContaining('orgUrl') },
    ]);
  });

  it('goes on to the groups when the users are refused, so that both missing scopes are seen at once', async () => {
    const acme = await org(() => ({ status: 403, body: { errorCode: 'E0000006' } }));
    expect(await steps(acme)).toMatchObject([
      { step: 'reach', ok: true },
      { step: 'credential', ok: true },
      {
        step: 'permission',
        ok: false,
        detail: 'okta.users.read',
        remedy: expect.stringContaining('okta.users.read'),
      },
      {
        step: 'permission',
        ok: false,
        detail: 'okta.groups.read',
        remedy: expect.stringContaining('okta.groups.read'),
      },
      { step: 'permission', ok: false, optional: true, detail: 'okta.logs.read' },
      { step: 'changes', ok: false, optional: true },
    ]);
  });

  it('does not take a directory for empty where the role sees nobody', async () => {
    const acme = await org(() => ({ body: [] }));
    expect(await steps(acme)).toContainEqual({
      step: 'users',
      ok: false,
      detail: 'Users on the first page: 0.',
      remedy: expect.stringContaining('Admin roles'),
    });
  });
});
