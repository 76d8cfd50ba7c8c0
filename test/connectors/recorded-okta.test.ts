/** What Okta really answered, recorded by others and kept beside this project: the connector reads all of it. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, type TestContext } from 'vitest';
import { z } from 'zod';
import { type Connector, ConnectorError } from '../../connectors/contract.ts';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { anOrg, connectedTo } from './oktaOrg.ts';

const file = fileURLToPath(new URL('../../../shared/recorded/okta.ndjson', import.meta.url));
const reason = 'the recorded answers of Okta (../shared/recorded/okta.ndjson) are not on this machine';
const signal = new AbortController().signal;

const Exchange = z.object({
  method: z.string(),
  path: z.string(),
  status: z.number(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});
type Exchange = z.infer<typeof Exchange>;

const User = z.object({
  id: z.string(),
  status: z.string(),
  profile: z.record(z.string(), z.unknown()),
});
const Group = z.object({ id: z.string(), profile: z.looseObject({ name: z.string() }) });

/** GET requests whose path, without its query, looks like that. */
function recorded(context: TestContext, status: number, ...paths: readonly RegExp[]): readonly Exchange[] {
  if (!existsSync(file)) context.skip(reason);
  const all = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Exchange.parse(JSON.parse(line)));
  const found = all.filter(
    (one) =>
      one.method === 'GET' &&
      one.status === status &&
      paths.some((path) => path.test(one.path.replace(/\?.*/, ''))),
  );
  expect(found.length).toBeGreaterThan(0);
  return found;
}

/** The connector's reading of one recorded answer, and the path that it asked for. A single object comes as a list of one. */
async function reading<T>({ status, headers, body }: Exchange, read: (connector: Connector) => Promise<T>) {
  const org = await anOrg(() => ({
    status,
    headers,
    body: status === 200 && body.startsWith('{') ? `[${body}]` : body,
  }));
  const recordedAt = /<(https:\/\/[^/>]+)/.exec(headers['link'] ?? '')?.[1] ?? 'https://test.okta.com';
  const connector = connectedTo(org, { settings: { orgUrl: recordedAt }, baseUrl: org.origin });
  try {
    return { result: await read(connector), asked: org.asked.map(({ path }) => path) };
  } finally {
    await connector.close();
    await org.close();
  }
}

/** As the recording has it. */
function inBody<T>(schema: z.ZodType<T>, { body }: Exchange): readonly T[] {
  const parsed: unknown = JSON.parse(body);
  return z.array(schema).parse(Array.isArray(parsed) ? parsed : [parsed]);
}

const fieldOf: Readonly<Record<string, keyof DirectoryUser>> = {
  login: 'userName',
  email: 'email',
  displayName: 'displayName',
  firstName: 'givenName',
  lastName: 'familyName',
  mobilePhone: 'mobilePhone',
};
const stateOf: Readonly<Record<string, DirectoryUser['state']>> = {
  ACTIVE: 'active',
  PASSWORD_EXPIRED: 'active',
  RECOVERY: 'active',
  STAGED: 'suspended',
  SUSPENDED: 'suspended',
};

function expectSame(user: DirectoryUser, was: z.infer<typeof User>): void {
  expect([user.externalId, user.state]).toEqual([was.id, stateOf[was.status]]);
  for (const [attribute, value] of Object.entries(was.profile)) {
    const field = fieldOf[attribute];
    expect(field === undefined ? (user.custom[attribute] ?? null) : user[field], attribute).toBe(value);
  }
  const filled = Object.entries(was.profile).filter(
    ([attribute, value]) => value !== null && !fieldOf[attribute],
  );
  expect(user.custom).toEqual(Object.fromEntries(filled));
}

describe('what Okta really answered', () => {
  it('arrives field by field: every list of users and every single user', async (context) => {
    const exchanges = recorded(context, 200, /^\/api\/v1\/users$/, /^\/api\/v1\/users\/[^/]+$/);
    let users = 0;
    for (const exchange of exchanges) {
      const { result } = await reading(exchange, (connector) => connector.fetchUsers(null, signal));
      const was = inBody(User, exchange);
      expect(result.records.map(({ kind }) => kind)).toEqual(was.map(() => 'user'));
      for (const [at, record] of result.records.entries()) {
        if (record.kind === 'user') expectSame(record.user, was[at] ?? expect.unreachable());
      }
      users += was.length;
    }
    expect(users).toBeGreaterThan(30);
  });

  it('goes on where its next link leads, and else with the living users', async (context) => {
    for (const exchange of recorded(context, 200, /^\/api\/v1\/users$/)) {
      const { result, asked } = await reading(exchange, async (connector) => {
        const { next } = await connector.fetchUsers(null, signal);
        await connector
          .fetchUsers(next, signal)
          .catch((error: unknown) => expect(error).toBeInstanceOf(ConnectorError));
        return next;
      });
      const next = /<https:\/\/[^/]+([^>]+)>; rel="next"/.exec(exchange.headers['link'] ?? '')?.[1];
      expect(asked[1]).toBe(next ?? '/api/v1/users?limit=200');
      expect(result).not.toBeNull();
    }
  });

  it('arrives as groups: every list of groups, and every single group', async (context) => {
    const lists = [
      /^\/api\/v1\/groups$/,
      /^\/api\/v1\/groups\/(?!rules$)[^/]+$/,
      /^\/api\/v1\/users\/[^/]+\/groups$/,
    ];
    for (const exchange of recorded(context, 200, ...lists)) {
      const { result } = await reading(exchange, (connector) => connector.fetchGroups(null, signal));
      const groups = inBody(Group, exchange).map(({ id, profile }) => ({
        externalId: id,
        name: profile.name,
        email: null,
      }));
      expect(result).toEqual({ records: groups.map((group) => ({ kind: 'group', group })), next: null });
    }
  });

  it("arrives as members: every group's list of users", async (context) => {
    for (const exchange of recorded(context, 200, /^\/api\/v1\/groups\/[^/]+\/users$/)) {
      const group = ExternalId.parse(exchange.path.split('/')[4]);
      const { result, asked } = await reading(exchange, (connector) =>
        connector.fetchMembers(group, null, signal),
      );
      const members = inBody(User, exchange).map(({ id }) => ({ kind: 'user', externalId: id }));
      expect(result).toEqual({ records: members, next: null });
      expect(asked).toEqual([`${exchange.path}?limit=200`]);
    }
  });

  it("is understood when there is nothing: 404 with Okta's own error", async (context) => {
    for (const exchange of recorded(context, 404, /^\/api\/v1\/groups\//)) {
      const group = ExternalId.parse(exchange.path.split('/')[4]);
      const { result } = await reading(exchange, (connector) =>
        connector.fetchMembers(group, null, signal).catch((error: unknown) => error),
      );
      expect(result).toMatchObject({ failure: { kind: 'not-found', status: 404 } });
    }
  });

  const idIn = ({ path }: Exchange) => ExternalId.parse(path.split('/')[4]);
  /** Asked by a filter, the org names nobody: each user is then asked for alone. */
  const lookedUp = async (answers: Readonly<Record<string, Exchange>>, id: ExternalId, appScope?: string) => {
    const org = await anOrg(({ path }) => answers[path.replace(/[?].*/, '')] ?? { body: [] });
    const connector = connectedTo(org, { settings: appScope === undefined ? {} : { appScope } });
    try {
      return await connector.lookUp?.([id], appScope === undefined ? null : [], signal);
    } finally {
      await connector.close();
      await org.close();
    }
  };

  const aUser = (context: TestContext): object => {
    const [exchange] = recorded(context, 200, /^\/api\/v1\/users\/00u[^/]+$/);
    return JSON.parse(exchange?.body ?? '{}') as object;
  };

  it('answers a look-up: every single user, with the groups of those whose groups were recorded', async (context) => {
    const groups = recorded(context, 200, /^\/api\/v1\/users\/[^/]+\/groups$/);
    const template = aUser(context);
    for (const exchange of recorded(context, 200, /^\/api\/v1\/users\/00u[^/]+$/)) {
      const [was] = inBody(User, exchange);
      const found = await lookedUp({ [exchange.path]: exchange }, idIn(exchange));
      expect(found).toMatchObject([{ kind: 'user', user: { externalId: was?.id }, groups: [] }]);
    }
    for (const exchange of groups) {
      const id = idIn(exchange);
      const body = JSON.stringify({ ...template, id });
      const user = { ...exchange, headers: {}, body };
      const found = await lookedUp(
        { [`/api/v1/users/${id}`]: user, [exchange.path]: { ...exchange, headers: {} } },
        id,
      );
      expect(found).toMatchObject([
        { kind: 'user', groups: inBody(Group, exchange).map((group) => group.id) },
      ]);
    }
  });

  it('says gone of whom it does not find', async (context) => {
    for (const exchange of recorded(context, 404, /^\/api\/v1\/users\/[^/]+$/)) {
      const externalId = idIn(exchange);
      expect(await lookedUp({ [exchange.path]: exchange }, externalId)).toEqual([
        { kind: 'gone', externalId },
      ]);
    }
  });

  it('tells whether a user is assigned to an app', async (context) => {
    const template = aUser(context);
    for (const exchange of recorded(context, 200, /^\/api\/v1\/apps\/[^/]+\/users\/[^/]+$/)) {
      const [, , , , app = '', , name] = exchange.path.split('/');
      const id = ExternalId.parse(name);
      const user = {
        ...exchange,
        headers: {},
        body: JSON.stringify({ ...template, id }),
      };
      const found = await lookedUp({ [`/api/v1/users/${id}`]: user, [exchange.path]: exchange }, id, app);
      expect(found).toMatchObject([{ kind: 'user', user: { externalId: id } }]);
    }
  });

  it('names who is assigned to an app: every list, with the user that expand=user puts into it', async (context) => {
    const template = aUser(context);
    const named: string[] = [];
    for (const exchange of recorded(context, 200, /^\/api\/v1\/apps\/[^/]+\/users$/)) {
      const assigned = inBody(z.looseObject({ id: z.string() }), exchange);
      // The recordings did not ask for the users themselves, as the connector does.
      const expanded = assigned.map((one) => ({ ...one, _embedded: { user: { ...template, id: one.id } } }));
      const [, , , , app = ''] = exchange.path.split('/');
      for (const [body, kind] of [
        [JSON.stringify(expanded), 'user'],
        [exchange.body, 'unreadable'],
      ] as const) {
        const org = await anOrg(() => ({ ...exchange, headers: {}, body }));
        const connector = connectedTo(org, { settings: { appScope: app } });
        try {
          const { records } = await connector.fetchUsers(null, signal);
          expect(
            records.map((one) => [one.kind, one.kind === 'user' ? one.user.externalId : one.externalId]),
          ).toEqual(assigned.map(({ id }) => [kind, id]));
          named.push(...records.map((one) => one.kind));
        } finally {
          await connector.close();
          await org.close();
        }
      }
    }
    expect(named.length).toBeGreaterThan(2);
  });

  it('is all read by one of these tests, but for what Rollcall never asks for', (context) => {
    if (!existsSync(file)) context.skip(reason);
    const read = [
      /^\/api\/v1\/users(\/[^/]+(\/groups)?)?$/,
      /^\/api\/v1\/groups(\/(?!rules$)[^/]+(\/users)?)?$/,
      /^\/api\/v1\/apps\/[^/]+\/users(\/[^/]+)?$/,
    ];
    const neverAsked = [/^\/api\/v1\/eventHooks(\/|$)/, /^\/api\/v1\/groups\/rules$/];
    const others = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => Exchange.parse(JSON.parse(line)))
      .filter(({ method }) => method === 'GET') // it sends nothing that changes anything
      .map((one) => one.path.replace(/\?.*/, ''))
      .filter((path) => ![...read, ...neverAsked].some((known) => known.test(path)));
    expect(others).toEqual([]);
  });
});
