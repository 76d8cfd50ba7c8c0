import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import { type Provider, SIMULATED as providers } from '../../simulators/directory.ts';
import { FAULTS, type FaultName, type FaultOrder } from '../../simulators/faults.ts';
import {
  everyPage,
  type Json,
  list,
  pageOf,
  userList as path,
  type Reply,
  type Visitor,
  visit,
} from './visitor.ts';

const members = {
  entra: (group: string) => `/v1.0/groups/${group}/members`,
  okta: (group: string) => `/api/v1/groups/${group}/users`,
  google: (group: string) => `/admin/directory/v1/groups/${group}/members`,
  scim: (group: string) => `/scim/v2/Groups/${group}?attributes=members`,
} as const satisfies Record<Provider, (group: string) => string>;
const groupList = {
  entra: '/v1.0/groups',
  okta: '/api/v1/groups',
  google: '/admin/directory/v1/groups?customer=my_customer',
  scim: '/scim/v2/Groups?cursor=',
} as const satisfies Record<Provider, string>;

/** A directory of 120 users in pages of 50, with one fault. */
async function faulty(provider: Provider, order: FaultOrder): Promise<Visitor> {
  const visitor = await visit(provider, { users: 120, plain: true });
  await visitor.simulator.control.fault(order);
  return visitor;
}

/** The replies to one listing of the users, to its end or to the first that is no page. */
async function replies(visitor: Visitor, most = 8): Promise<readonly Reply[]> {
  const { provider } = visitor.simulator;
  const seen: Reply[] = [];
  for (let next: string | null = path[provider]; next !== null && seen.length < most; ) {
    const reply: Reply = await visitor.get(next);
    seen.push(reply);
    if (reply.status !== 200) return seen;
    next = pageOf(provider, reply, path[provider]).link;
  }
  return seen;
}

const sizes = (provider: Provider, seen: readonly Reply[]): number[] =>
  seen.map((reply) => pageOf(provider, reply, path[provider]).items.length);

const idsOf = (users: readonly Json[]): readonly unknown[] => users.map((user) => user['id']);

it.each(providers)(
  '%s: an empty first page ends the list with status 200, until cleared',
  async (provider) => {
    const visitor = await faulty(provider, { name: 'empty-first-page' });
    for (const _ of [1, 2]) expect(sizes(provider, await replies(visitor))).toEqual([0]);
    await visitor.simulator.control.clearFaults();
    expect(sizes(provider, await replies(visitor))).toEqual([50, 50, 20]);
  },
);

it.each(providers)('%s: an empty middle page loses nobody', async (provider) => {
  const visitor = await faulty(provider, { name: 'empty-middle-page', nth: 2 });
  expect(sizes(provider, await replies(visitor))).toEqual([50, 0, 50, 20]);
});

const answers = [
  ['status-401', 401, 401, 401, 401],
  ['status-403', 403, 403, 403, 403],
  ['status-404', 404, 404, 404, 404],
  ['status-500', 500, 500, 500, 500],
  ['status-503', 503, 503, 503, 503],
  ['throttled-403', 429, 429, 403, 429],
] as const;

it.each(answers)(
  '%s strikes the chosen page once, and the next try goes through',
  async (name, ...wanted) => {
    for (const [at, provider] of providers.entries()) {
      const visitor = await faulty(provider, { name, nth: 2 });
      const statuses = (await replies(visitor)).map((reply) => reply.status);
      expect(statuses).toEqual([200, wanted[at]]);
      expect((await replies(visitor)).map((reply) => reply.status)).toEqual([200, 200, 200]);
    }
  },
);

it('says when to come back in seconds, as a date, absurdly or not at all', async () => {
  const visitor = await visit('entra');
  const retryAfter = async (name: FaultName, seconds?: number) => {
    await visitor.simulator.control.clearFaults();
    await visitor.simulator.control.fault({ name, seconds });
    const reply = await visitor.get(path.entra);
    expect(reply.status).toBe(429);
    return reply.headers['retry-after'];
  };
  expect(await retryAfter('throttled-seconds', 7)).toBe('7');
  expect(await retryAfter('throttled-absurd')).toBe('86400');
  expect(await retryAfter('throttled-silent')).toBeUndefined();
  const date = String(await retryAfter('throttled-date', 30));
  expect(date).toMatch(/ GMT$/);
  expect(Date.parse(date)).toBeGreaterThan(Date.now());
});

it.each(providers)(
  '%s: an HTML page and cut-off JSON come with status 200 and do not parse',
  async (provider) => {
    for (const [name, type] of [
      ['html-page', 'text/html'],
      ['cut-off', provider === 'scim' ? 'application/scim+json' : 'application/json'],
    ] as const) {
      const visitor = await faulty(provider, { name });
      const reply = await visitor.get(path[provider]);
      expect([reply.status, String(reply.headers['content-type'])]).toEqual([
        200,
        expect.stringContaining(type),
      ]);
      expect(() => reply.json()).toThrow(SyntaxError);
    }
  },
);

it('hangs without an answer, and breaks a connection without one', async () => {
  const visitor = await faulty('okta', { name: 'hang' });
  await visitor.simulator.control.fault({ name: 'connection-reset' });
  const never = visitor.get(path.okta).then(
    () => 'answered',
    () => 'ended with the simulator',
  );
  // The hanging request is struck first; while it waits, the next one is broken off and the one after is answered.
  while ((await visitor.simulator.control.state()).requests.users < 1);
  await expect(visitor.get(path.okta)).rejects.toThrow();
  expect((await visitor.get(path.okta)).status).toBe(200);
  await visitor.simulator.close();
  expect(await never).toBe('ended with the simulator');
});

it('drops the list’s key, or Okta’s list itself, or puts null in its place', async () => {
  const listIn = {
    entra: (body: Json | null) => body?.['value'],
    okta: (body: Json | null) => body,
    google: (body: Json | null) => body?.['users'],
    scim: (body: Json | null) => body?.['Resources'],
  };
  for (const provider of providers) {
    const visitor = await faulty(provider, { name: 'list-key-missing', times: 1 });
    await visitor.simulator.control.fault({ name: 'list-key-null' });
    const [without, withNull] = [await visitor.get(path[provider]), await visitor.get(path[provider])];
    expect([without.status, withNull.status]).toEqual([200, 200]);
    expect(listIn[provider](without.json())).toEqual(provider === 'okta' ? {} : undefined);
    expect(listIn[provider](withNull.json())).toBeNull();
  }
});

it.each(providers)('%s: one object of the page is unreadable, with or without its id', async (provider) => {
  const visitor = await visit(provider, { users: 120, plain: true });
  const honest = pageOf(provider, await visitor.get(path[provider]), '').items;
  for (const [name, idsLost] of [
    ['unreadable-record', 0],
    ['unreadable-id', 1],
  ] as const) {
    await visitor.simulator.control.fault({ name });
    const bent = pageOf(provider, await visitor.get(path[provider]), '').items;
    expect(bent).toHaveLength(honest.length);
    expect(bent.filter((user, at) => JSON.stringify(user) !== JSON.stringify(honest[at]))).toHaveLength(1);
    expect(bent.filter((user) => user['id'] === undefined)).toHaveLength(idsLost);
  }
});

it.each(providers)('%s: a looping link never ends', async (provider) => {
  const visitor = await faulty(provider, { name: 'looping-link', nth: 2 });
  const seen = await replies(visitor, 6);
  expect(sizes(provider, seen)).toEqual([50, 50, 50, 50, 50, 50]);
  const links = seen.map((reply) => pageOf(provider, reply, path[provider]).link);
  expect(new Set(links).size).toBe(1);
});

it('leads to another origin, or hands out a token that Google and SCIM refuse', async () => {
  const keys = await openKeys(null);
  const visited: (string | undefined)[] = [];
  const foreign = createServer({ key: keys.serverKey, cert: keys.serverCertificate }, (request, response) => {
    visited.push(request.headers.authorization);
    response.end('[]');
  });
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void foreign.close());
  const origin = `https://127.0.0.1:${(foreign.address() as AddressInfo).port}`;
  for (const provider of ['entra', 'okta'] as const) {
    const visitor = await faulty(provider, { name: 'foreign-link', origin });
    const { link } = pageOf(provider, await visitor.get(path[provider]), '');
    expect(link?.startsWith(`${origin}/`)).toBe(true);
  }
  expect(visited).toEqual([]);
  for (const provider of ['google', 'scim'] as const) {
    const visitor = await faulty(provider, { name: 'foreign-link' });
    expect((await replies(visitor)).map((reply) => reply.status)).toEqual([200, 400]);
  }
});

it.each(providers)(
  '%s: with the permission lost, fields come back null and groups answer 403',
  async (provider) => {
    const visitor = await visit(provider, { users: 60, plain: true });
    const [group] = pageOf(provider, await visitor.get(groupList[provider]), '').items;
    const before = await everyPage(visitor, path[provider]);
    await visitor.simulator.control.fault({ name: 'permission-lost' });
    const after = await everyPage(visitor, path[provider]);
    expect(idsOf(after)).toEqual(idsOf(before));
    const valueIn = (user: Json | undefined) => {
      if (provider === 'entra') return user?.['department'];
      if (provider === 'scim') return user?.['title'];
      return provider === 'okta' ? user?.['profile']?.['department'] : user?.['organizations'];
    };
    expect(before.every((user) => valueIn(user) !== null)).toBe(true);
    expect(after.every((user) => valueIn(user) === null)).toBe(true);
    expect((await visitor.get(groupList[provider])).status).toBe(403);
    expect((await visitor.get(members[provider](String(group?.['id'])))).status).toBe(403);
  },
);

it.each(providers)('%s: half the users are missing although every page answers 200', async (provider) => {
  const visitor = await faulty(provider, { name: 'half-missing' });
  const seen = await replies(visitor);
  expect(seen.map((reply) => reply.status)).toEqual([200, 200, 200]);
  expect(sizes(provider, seen)).toEqual([25, 25, 10]);
});

it('refuses tokens in each provider’s words until cleared', async () => {
  const paths = {
    entra: (visitor: Visitor) => `/${visitor.simulator.settings['directoryId']}/oauth2/v2.0/token`,
    okta: () => '/oauth2/v1/token',
    google: () => '/token',
    scim: () => '/oauth/token',
  };
  const clients = { entra: 'invalid_client', okta: 'invalid_client', scim: 'invalid_client' };
  const errors = { ...clients, google: 'invalid_grant' };
  for (const provider of providers) {
    const visitor = await faulty(provider, { name: 'token-refused' });
    const reply = await visitor.post(paths[provider](visitor), {});
    expect([reply.status >= 400, reply.json()['error']]).toEqual([true, errors[provider]]);
  }
});

it.each(providers)(
  '%s: a wrong clock is wrong in headers and time stamps alike, and other faults strike beside it',
  async (provider) => {
    const visitor = await visit(provider, { users: 20, plain: true });
    const look = async () => {
      const selected = '/v1.0/users?$select=id,createdDateTime,employeeHireDate';
      const { headers, text } = await visitor.get(provider === 'entra' ? selected : path[provider]);
      const stamps = text.match(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g) ?? [];
      return { date: Date.parse(String(headers['date'])), stamps: stamps.map((stamp) => Date.parse(stamp)) };
    };
    const right = await look();
    await visitor.simulator.control.fault({ name: 'clock-skew', seconds: -86_400 });
    const wrong = await look();
    expect(wrong.date).toBeLessThan(right.date - 86_000_000);
    expect(wrong.date).toBeGreaterThan(right.date - 86_400_001);
    const off = wrong.stamps.map((stamp, at) => stamp - (right.stamps[at] ?? 0));
    // Only Entra shows a day of hiring, which is no time stamp.
    expect(new Set(off)).toEqual(new Set(provider === 'entra' ? [-86_400_000, 0] : [-86_400_000]));
    await visitor.simulator.control.fault({ name: 'status-500' });
    expect((await visitor.get(path[provider])).status).toBe(500);
  },
);

it('okta: a filter by time goes by the clock that its time stamps have', async () => {
  const visitor = await visit('okta', { users: 20, plain: true });
  await visitor.simulator.control.fault({ name: 'clock-skew', seconds: 7_200 });
  const users = pageOf('okta', await visitor.get(path.okta), path.okta).items;
  const times = users.map((user) => String(user['lastUpdated'])).toSorted();
  const filter = encodeURIComponent(`lastUpdated gt "${times.at(-2)}"`);
  const newest = pageOf('okta', await visitor.get(`/api/v1/users?filter=${filter}`), path.okta).items;
  expect(newest.map((user) => user['lastUpdated'])).toEqual([times.at(-1)]);
});

it.each(providers)('%s: behind a page somebody is renamed, and somebody hired', async (provider) => {
  const visitor = await faulty(provider, { name: 'change-while-reading', nth: 2 });
  expect(sizes(provider, await replies(visitor))).toEqual([50, 50, 21]);
  expect((await visitor.simulator.control.state()).users.listed).toBe(121);
  expect(sizes(provider, await replies(visitor))).toEqual([50, 50, 21]);
});

it('limits a fault to a class of requests, a first request and a number of times', async () => {
  const visitor = await visit('okta', { users: 10 });
  await visitor.simulator.control.fault({ name: 'status-500', on: 'groups', nth: 2, times: 2 });
  const statuses: number[] = [];
  for (let request = 0; request < 5; request += 1) {
    expect((await visitor.get(path.okta)).status).toBe(200);
    statuses.push((await visitor.get(groupList.okta)).status);
  }
  expect(statuses).toEqual([200, 500, 500, 200, 200]);
  const { faults } = await visitor.simulator.control.state();
  expect(faults).toEqual([{ name: 'status-500', on: 'groups', nth: 2, times: 2, seen: 5, struck: 2 }]);
});

it('says what is wrong with an order that it does not understand', async () => {
  const visitor = await visit('okta');
  const wrong = { name: 'sunspots' as FaultName };
  await expect(visitor.simulator.control.fault(wrong)).rejects.toThrow(/name/);
  expect((await visitor.post('/_control/dance', {})).status).toBe(400);
});

it('describes every fault in one sentence', () => {
  for (const { says } of Object.values(FAULTS)) expect(says).toMatch(/^[^\n]{15,140}\.$/);
});

it('keeps answering pages whole while no fault is set', async () => {
  const visitor = await visit('entra', { users: 120, plain: true });
  const value = (await visitor.get(path.entra)).json()['value'];
  expect(list(value)).toHaveLength(50);
});
