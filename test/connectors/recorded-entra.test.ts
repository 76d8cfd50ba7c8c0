/** What Microsoft Graph really answered, recorded by others and kept beside this project: the connector reads all of it. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { z } from 'zod';
import type { ChangesPage, Connector, Cursor } from '../../connectors/contract.ts';
import { entraDefinition, openEntra } from '../../connectors/entra/index.ts';
import { living, positionOf } from '../../connectors/entra/positions.ts';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import { aGraph, aUser } from './entraHost.ts';
import { aHost } from './httpsHost.ts';

const file = fileURLToPath(new URL('../../../shared/recorded/entra.json', import.meta.url));
const reason =
  'the recorded answers of Microsoft Graph (../shared/recorded/entra.json) are not on this machine';
const GRAPH = 'https://graph.microsoft.com';

const Exchange = z.object({
  method: z.string(),
  url: z.string(),
  status: z.number(),
  body: z.unknown().optional(),
});
const Item = z.record(z.string(), z.unknown());
type Item = z.infer<typeof Item>;

/** What an answer holds, by the path that was asked. */
const HOLDS = {
  users: /^\/users(\/delta)?$|\/microsoft\.graph\.user$/,
  user: /^\/users\/\*(\/manager)?$/,
  groups: /^\/groups(\/delta)?$|\/microsoft\.graph\.group$/,
  group: /^\/groups\/\*$|^\/directory\/deletedItems\/\*$/,
  members: /^\/(groups|users)\/\*\/(members|memberOf|transitiveMembers|transitiveMemberOf)$/,
  assignments: /\/appRoleAssignedTo$/,
  // Never asked for: notifications are subscribed to by whoever sets them up, and lists are not counted.
  nothing: /^\/subscriptions|\/\$count$/,
} as const;
type Kind = keyof typeof HOLDS;

function recorded(context: TestContext) {
  if (!existsSync(file)) context.skip(reason);
  const exchanges = z.array(Exchange).parse(JSON.parse(readFileSync(file, 'utf8')));
  return exchanges
    .filter(({ method, status }) => method === 'GET' && status === 200)
    .map(({ url, body }) => {
      const path = url.replace(`${GRAPH}/v1.0`, '').replace(/\?.*/s, '');
      const kinds = Object.keys(HOLDS).filter((kind) => HOLDS[kind as Kind].test(path)) as Kind[];
      expect(kinds, path).toHaveLength(1);
      return { path, kind: kinds[0], body };
    });
}

/** All objects of one kind, each list or single object as one page. */
function pages(context: TestContext, ...kinds: readonly Kind[]): Item[][] {
  const found = recorded(context).flatMap(({ kind, body }) => {
    if (kind === undefined || !kinds.includes(kind) || typeof body === 'string') return [];
    const { value = [body] } = Item.parse(body);
    return Array.isArray(value) ? [z.array(Item).parse(value)] : [];
  });
  expect(found.length).toBeGreaterThan(1);
  return found;
}

/** A connector to a host that issues tokens and answers everything else with this body. */
async function graphAnswering(body: unknown): Promise<Connector> {
  const host = await aHost((request, response) => {
    response.setHeader('content-type', 'application/json');
    const token = JSON.stringify({ token_type: 'Bearer', expires_in: 3599, access_token: 'a.e30.c' });
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.end(request.method === 'POST' ? token : text.replaceAll(GRAPH, host.origin));
  });
  const id = crypto.randomUUID();
  const connector = openEntra({
    settings: entraDefinition.settings.parse({ directoryId: id, clientId: id }),
    credentials: { kind: 'secret', clientSecret: 'hunter2-hunter2' },
    network: { ...host.network, baseUrl: host.origin },
  });
  onTestFinished(() => connector.close());
  return connector;
}

const readUsers = async (value: readonly Item[]) =>
  (await (await graphAnswering({ value })).fetchUsers(living, never)).records;

const FIELDS: Readonly<Record<string, keyof DirectoryUser>> = {
  id: 'externalId',
  userPrincipalName: 'userName',
  mail: 'email',
  displayName: 'displayName',
  givenName: 'givenName',
  surname: 'familyName',
  jobTitle: 'jobTitle',
  officeLocation: 'officeLocation',
  mobilePhone: 'mobilePhone',
  preferredLanguage: 'locale',
};

/** What has to arrive of a user whose state is known. */
function userOf(item: Item) {
  const fields = Object.entries(FIELDS).map(([name, field]) => [field, item[name] ?? null]);
  const [phone = null] = z.array(z.string()).parse(item['businessPhones'] ?? []);
  return { kind: 'user', user: { ...Object.fromEntries(fields), state: 'active', phone } };
}

function unreadableFor(item: Item, wanted: Readonly<Record<string, string>>) {
  const lacks = Object.keys(wanted).filter((name) => item[name] === undefined);
  const problem = lacks.map((name) => `${name}: not readable as ${wanted[name]}`).join('; ');
  return lacks.length === 0 ? null : { kind: 'unreadable', externalId: item['id'] ?? null, problem };
}

function groupOf(item: Item) {
  const { id, displayName, mail = null } = item;
  const group = { externalId: id, name: displayName, email: mail };
  return unreadableFor(item, { id: 'string', displayName: 'string' }) ?? { kind: 'group', group };
}

describe('recorded users of Microsoft Graph', () => {
  it('arrive field by field once their state is known', async (context) => {
    const recordedValues: unknown[] = [];
    for (const items of pages(context, 'users', 'user')) {
      const known = items.map((item, at) => ({ id: `made-up-${at}`, accountEnabled: true, ...item }));
      expect(await readUsers(known)).toMatchObject(known.map(userOf));
      recordedValues.push(...items.flatMap((item) => Object.keys(FIELDS).filter((name) => name in item)));
    }
    expect(new Set(recordedValues)).toEqual(new Set(Object.keys(FIELDS)));
  });

  it('are all unknown as they are, because no recording asked for accountEnabled', async (context) => {
    for (const items of pages(context, 'users', 'user')) {
      const wanted = { id: 'string', accountEnabled: 'boolean' };
      expect(await readUsers(items)).toEqual(items.map((item) => unreadableFor(item, wanted)));
    }
  });
});

describe('recorded lists of Microsoft Graph', () => {
  it('hold groups that arrive with id, name and address, or say what they lack', async (context) => {
    const expected = pages(context, 'groups', 'group').map((items) => items.map(groupOf));
    for (const [at, value] of pages(context, 'groups', 'group').entries()) {
      const { records } = await (await graphAnswering({ value })).fetchGroups(null, never);
      expect(records).toEqual(expected[at]);
    }
    expect(expected.flat().filter(({ kind }) => kind === 'group').length).toBeGreaterThan(9);
  });

  it('hold members, of whom the users are kept and those without a kind are unknown', async (context) => {
    const kept: unknown[] = [];
    for (const value of pages(context, 'members')) {
      const group = ExternalId.parse('11111111-2222-3333-4444-555555555555');
      const { records } = await (await graphAnswering({ value })).fetchMembers(group, null, never);
      const readable = value.filter((item) => item['@odata.type'] !== undefined && item['id'] !== undefined);
      const users = readable.filter((item) => item['@odata.type'] === '#microsoft.graph.user');
      const members = records.filter((record) => record.kind === 'user').map(({ externalId }) => externalId);
      expect(members).toEqual(users.map(({ id }) => id));
      expect(records.filter((record) => record.kind === 'unreadable')).toHaveLength(
        value.length - readable.length,
      );
      kept.push(...members);
    }
    expect(kept.length).toBeGreaterThan(0);
  });

  it('hold next links, which are given back as they are', async (context) => {
    const links = recorded(context).flatMap(({ kind, body }) => {
      const link = kind === 'users' ? Item.parse(body)['@odata.nextLink'] : undefined;
      return typeof link === 'string' ? [{ link, body }] : [];
    });
    expect(links.length).toBeGreaterThan(1);
    for (const { link, body } of links) {
      const { next } = await (await graphAnswering(body)).fetchUsers(living, never);
      const { link: kept } = positionOf(next ?? '');
      expect(kept?.replace(/^https:\/\/127\.0\.0\.1:\d+/, GRAPH)).toBe(link);
    }
  });

  it('hold what is no list, and that is never taken for one', async (context) => {
    const others = recorded(context).filter(({ kind, body }) => {
      const value = typeof body === 'string' ? undefined : Item.parse(body)['value'];
      return kind !== 'nothing' && !Array.isArray(value);
    });
    expect(others.length).toBeGreaterThan(5);
    for (const { body } of others) {
      const failure = await failing((await graphAnswering(body)).fetchUsers(null, never));
      expect(failure).toMatchObject({ kind: 'unexpected-response', status: 200 });
    }
  });
});

describe('recorded assignments and changes of Microsoft Graph', () => {
  it('hold who is assigned to an application, and nobody else is in scope', async (context) => {
    const [answer, ...others] = recorded(context).filter(({ kind }) => kind === 'assignments');
    expect(others).toEqual([]);
    const { value } = z
      .object({ value: z.array(z.looseObject({ principalId: z.string(), principalType: z.string() })) })
      .parse(answer?.body);
    const assigned = value
      .filter(({ principalType }) => principalType === 'User')
      .map((one) => one.principalId);
    expect(assigned.length).toBeGreaterThan(0);
    const graph = await aGraph(({ path }) => ({
      body: path.endsWith('/appRoleAssignedTo')
        ? answer?.body
        : { value: [...assigned, crypto.randomUUID()].map((id) => aUser(id)) },
    }));
    const connector = graph.connect({ appScope: { servicePrincipalId: crypto.randomUUID() } });
    const { records } = await connector.fetchUsers(living, never);
    expect(records.flatMap((one) => (one.kind === 'user' ? [one.user.externalId] : []))).toEqual(assigned);
  });

  it('hold changed users and groups: each is named, or counted as unreadable without an id', async (context) => {
    const deltas = recorded(context).filter(({ path }) => path.endsWith('/delta'));
    expect(deltas.length).toBeGreaterThan(3);
    for (const { path: about, body } of deltas) {
      const { value } = z.object({ value: z.array(Item) }).parse(body);
      const graph = await aGraph(({ path, query, origin }) => ({
        body: {
          value: path === about && query.get('$deltatoken') !== 'latest' ? value : [],
          '@odata.deltaLink': `${origin}/v1.0${path}?$deltatoken=next`,
        },
      }));
      const changes = graph.connect().changes ?? expect.unreachable('there are no changes');
      const token = await changes.begin(never);
      const named = new Set<string>();
      let unreadable = 0;
      let cursor: Cursor | null = null;
      do {
        const page: ChangesPage = await changes.fetch(token, cursor, never);
        for (const id of [...page.users, ...page.groups]) named.add(id);
        for (const { externalId } of page.renamed) named.add(externalId);
        unreadable += page.unreadable;
        cursor = page.next;
      } while (cursor !== null);
      const ids = value.flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
      expect([...named]).toEqual(expect.arrayContaining(ids));
      expect(unreadable).toBe(value.length - ids.length);
    }
  });
});
