import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ScimCredentials, ScimSettings } from '../../connectors/scim/credentials.ts';
import { openScim, scimDefinition } from '../../connectors/scim/index.ts';
import { failing, never } from './aSession.ts';
import type { Answered, Asked } from './oktaOrg.ts';
import { aService, idsOf, listResponse, scimError, simulatedService, usersOf } from './scimService.ts';

const SECRET = 'p+ss/w=rd: ä&';

describe('settings', () => {
  const settings = (more: Record<string, unknown>) =>
    ScimSettings.safeParse({ scimUrl: 'https://x.example', ...more });

  it.each([
    ['https://scim.example.com/v2/', 'https://scim.example.com/v2'],
    ['https://SCIM.example.com', 'https://scim.example.com'],
    ['https://scim.example.com:8443/a/b//', 'https://scim.example.com:8443/a/b'],
  ])('take the address %s', (scimUrl, expected) => {
    expect(ScimSettings.parse({ scimUrl })).toMatchObject({ scimUrl: expected, paging: 'auto' });
  });

  it.each([
    [{ scimUrl: 'http://scim.example.com' }, 'https'],
    [{ scimUrl: 'scim.example.com' }, 'https'],
    [{ scimUrl: 'https://user:pass@scim.example.com' }, 'user name'],
    [{ scimUrl: 'https://scim.example.com/v2/Users' }, 'before /Users'],
    [{ scimUrl: 'https://scim.example.com/v2/groups/' }, 'before /Users'],
    [{ scimUrl: 'https://scim.example.com/v2?a=b' }, 'without a query'],
    [{ tokenUrl: 'http://x.example/token' }, 'https'],
    [{ pageSize: 1 }, '>=2'],
    [{ paging: 'offset' }, 'auto'],
    [{ Paging: 'index' }, 'Paging'],
  ])('refuse %j with the reason', (more, reason) => {
    const { error } = settings(more);
    expect(error?.issues.map(({ message }) => message)).toEqual([expect.stringContaining(reason)]);
  });

  it.each([
    { kind: 'api-token', token: 'two words' },
    { kind: 'api-token', token: '' },
    { kind: 'basic', userName: 'a:b', password: 'x' },
    { kind: 'bearer', token: 'x' },
  ])('refuse credentials without showing them: %j', (credentials) => {
    const { error } = ScimCredentials.safeParse(credentials);
    expect(error?.issues).toHaveLength(1);
    expect(JSON.stringify(error?.issues)).not.toMatch(/two words|a:b/);
  });

  it.each(['tokenUrl', 'clientId'] as const)('name a missing %s with a client secret', async (name) => {
    const all = { scimUrl: 'https://x.example', tokenUrl: 'https://x.example/token', clientId: 'c' };
    const { [name]: _, ...some } = all;
    const opening = Promise.resolve().then(() =>
      openScim({
        settings: ScimSettings.parse(some),
        credentials: { kind: 'secret', clientSecret: SECRET },
        network: { baseUrl: null, ca: null, proxy: null },
      }),
    );
    expect(await failing(opening)).toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining(name),
    });
  });
});

describe('what is sent to prove who asks', () => {
  const withToken = ({ path }: Asked): Answered =>
    path === '/token'
      ? { body: { access_token: 'access', token_type: 'bearer', expires_in: 60 } }
      : listResponse(0, []);
  const sent = async (credentials: Record<string, unknown>, settings: Record<string, unknown> = {}) => {
    const service = await aService(withToken);
    const oauth =
      credentials['kind'] === 'secret' ? { tokenUrl: `${service.origin}/token`, clientId: 'c:1' } : {};
    await usersOf(service.connect({ credentials, settings: { ...oauth, ...settings } }));
    return service.asked;
  };

  it('is a bearer token', async () => {
    const asked = await sent({ kind: 'api-token', token: 'abc' });
    expect(new Set(asked.map(({ headers }) => headers['authorization']))).toEqual(new Set(['Bearer abc']));
    expect(asked.at(-1)?.headers['accept']).toMatch(/^application\/scim\+json/);
  });

  it('is a user name with a password in UTF-8', async () => {
    const asked = await sent({ kind: 'basic', userName: 'kim', password: SECRET });
    const expected = `Basic ${Buffer.from(`kim:${SECRET}`).toString('base64')}`;
    expect(new Set(asked.map(({ headers }) => headers['authorization']))).toEqual(new Set([expected]));
  });

  it('is a token for client id and secret, form-encoded in the header', async () => {
    const [token, ...lists] = await sent({ kind: 'secret', clientSecret: SECRET }, { scope: 'scim:read' });
    const pair = Buffer.from(
      String(token?.headers['authorization']).slice('Basic '.length),
      'base64',
    ).toString();
    expect(pair.split(':').map((part) => new URLSearchParams(`x=${part}`).get('x'))).toEqual(['c:1', SECRET]);
    expect(token?.method).toBe('POST');
    expect(token?.body).toBe('grant_type=client_credentials&scope=scim%3Aread');
    expect(new Set(lists.map(({ headers }) => headers['authorization']))).toEqual(new Set(['Bearer access']));
  });

  it('is a token for client id and secret in the body, where the endpoint wants it so', async () => {
    const [token] = await sent({ kind: 'secret', clientSecret: SECRET }, { clientAuthentication: 'body' });
    expect(token?.headers['authorization']).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(token?.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'c:1',
      client_secret: SECRET,
    });
  });

  it.each(['header', 'body'])(
    'works with the secret in the %s, and with it as a password',
    async (clientAuthentication) => {
      const { simulator, connect } = await simulatedService({ users: 5 });
      const credentials = { ...simulator.alternativeCredentials };
      expect(await idsOf(connect({ settings: { clientAuthentication }, credentials }))).toHaveLength(5);
      const { clientId: userName } = simulator.settings;
      const basic = { kind: 'basic', userName, password: credentials['clientSecret'] };
      expect(await idsOf(connect({ credentials: basic }))).toHaveLength(5);
    },
  );
});

describe('the token endpoint', () => {
  const asking = async (answered: Answered) => {
    const service = await aService(({ path }) => (path === '/token' ? answered : listResponse(0, [])));
    const settings = { tokenUrl: `${service.origin}/token`, clientId: 'c' };
    const credentials = { kind: 'secret', clientSecret: SECRET };
    return { service, users: usersOf(service.connect({ settings, credentials })) };
  };

  it.each([
    [{ status: 401, body: { error: 'invalid_client' } }, 'credentials-rejected', /invalid_client/],
    [{ status: 400, body: { error: 'invalid_scope' } }, 'permission-missing', /scope/],
    [{ status: 400, body: '<html>' }, 'credentials-rejected', /refuses/],
    [{ status: 404, body: '' }, 'misconfigured', /tokenUrl/],
    [{ status: 302, headers: { location: 'https://elsewhere.example' } }, 'misconfigured', /tokenUrl/],
    [{ status: 200, body: { access_token: 'x', token_type: 'mac' } }, 'unexpected-response', /no usable/],
    [{ status: 200, body: '<html>' }, 'unexpected-response', /JSON/],
  ])('that answers %j is %s', async (answered, kind, message) => {
    const { service, users } = await asking(answered);
    expect(await failing(users)).toMatchObject({ kind, message });
    expect(service.asked.filter(({ path }) => path !== '/token')).toEqual([]);
  });

  it('is asked once for requests at the same time, and again when a token is refused', async () => {
    let given = 0;
    const service = await aService(({ path, headers }) => {
      if (path === '/token') return { body: { access_token: `t${++given}`, token_type: 'Bearer' } };
      return headers['authorization'] === 'Bearer t1' && given === 1 && path.includes('/Groups')
        ? scimError(401)
        : listResponse(0, []);
    });
    const settings = { tokenUrl: `${service.origin}/token`, clientId: 'c', paging: 'index' };
    const connector = service.connect({ settings, credentials: { kind: 'secret', clientSecret: SECRET } });
    await Promise.all([1, 2, 3].map(() => connector.fetchUsers(null, never)));
    expect(given).toBe(1);
    await connector.fetchGroups(null, never);
    expect(given).toBe(2);
  });

  it('may be on another host than the service, and each sees its own secret only', async () => {
    const tokens = await aService(() => ({
      body: { access_token: 'access', token_type: 'Bearer', expires_in: '60' },
    }));
    const service = await aService(() => listResponse(0, []));
    const settings = {
      scimUrl: service.origin,
      tokenUrl: `${tokens.origin}/oauth/token?tenant=1`,
      clientId: 'c',
    };
    const connector = openScim({
      settings: ScimSettings.parse(settings),
      credentials: { kind: 'secret', clientSecret: SECRET },
      network: { baseUrl: null, ca: service.ca + tokens.ca, proxy: null },
    });
    onTestFinished(() => connector.close());
    await usersOf(connector);
    expect(tokens.asked.map(({ path }) => path)).toEqual(['/oauth/token?tenant=1']);
    expect(JSON.stringify(service.asked)).not.toContain(
      Buffer.from(`c:${encodeURIComponent(SECRET)}`).toString('base64'),
    );
    expect(JSON.stringify(tokens.asked)).not.toContain('Bearer access');
    expect(service.asked.every(({ headers }) => headers['authorization'] === 'Bearer access')).toBe(true);
  });
});

describe('other hosts', () => {
  /** Counts who connects. */
  async function aStranger() {
    const stranger = { connections: 0, origin: '' };
    const server = createServer((socket) => {
      stranger.connections += 1;
      socket.destroy();
    });
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    stranger.origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return stranger;
  }

  it('named in links, locations and references are never spoken to', async () => {
    const stranger = await aStranger();
    const elsewhere = `${stranger.origin}/v2/Users/u2`;
    const user = {
      id: 'u1',
      meta: { location: elsewhere },
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { manager: { $ref: elsewhere } },
    };
    const group = {
      id: 'g1',
      displayName: 'Staff',
      members: [{ value: 'u1', $ref: elsewhere }],
      meta: user.meta,
    };
    const service = await aService(({ path }) => {
      const headers = { link: `<${elsewhere}>; rel="next"`, location: elsewhere };
      if (path.includes('/Users')) return { ...listResponse(1, [user]), headers };
      if (path.includes('/Groups/')) return { body: group, headers };
      return path.includes('/Groups') ? { ...listResponse(1, [group]), headers } : { status: 404, headers };
    });
    const connector = service.connect();
    const users = await usersOf(connector);
    expect(users).toMatchObject([{ user: { externalId: 'u1', manager: 'u2' } }]);
    const groups = await connector.fetchGroups(null, never);
    if (groups.records[0]?.kind !== 'group') return expect.unreachable('there is no group');
    const { records } = await connector.fetchMembers(groups.records[0].group.externalId, null, never);
    expect(records).toEqual([{ kind: 'user', externalId: 'u1' }]);
    expect(stranger.connections).toBe(0);
  });

  it.each([301, 302, 307, 308])('are not followed to by a redirect with status %i', async (status) => {
    const stranger = await aStranger();
    const service = await aService(() => ({ status, headers: { location: `${stranger.origin}/v2/Users` } }));
    expect(await failing(usersOf(service.connect()))).toMatchObject({
      kind: 'misconfigured',
      remedy: /scimUrl/,
    });
    expect(stranger.connections).toBe(0);
  });
});

describe('a refusal', () => {
  it.each([
    [scimError(401), 'credentials-rejected', /credential/],
    [scimError(403), 'permission-missing', /all users and all groups/],
    [scimError(404), 'misconfigured', /scimUrl/],
    [{ status: 404, body: 'nothing here' }, 'misconfigured', /scimUrl/],
    [scimError(400, 'sensitive'), 'unexpected-response', /base URL/],
  ])('of the first page, %j, is %s and says what to do', async (answered, kind, remedy) => {
    const service = await aService(() => answered);
    expect(await failing(usersOf(service.connect()))).toMatchObject({ kind, remedy });
  });
});

describe('the check of a connection', () => {
  const steps = async (connector: ReturnType<typeof openScim>) => {
    const found = [];
    for await (const step of scimDefinition.check(connector, never)) found.push(step);
    return found;
  };

  it('goes through all steps', async () => {
    const { connect } = await simulatedService({ users: 30 });
    const all = ['reach', 'credential', 'users', 'groups', 'members', 'look-up', 'changes'];
    expect((await steps(connect())).map(({ step, ok }) => [step, ok])).toEqual(
      all.map((step) => [step, true]),
    );
  });

  it('says that changes cannot be told where the service does not filter, and that a full pull still works', async () => {
    const { connect } = await simulatedService({ users: 30, quirks: ['no-filter'] });
    const found = await steps(connect());
    expect(found.filter(({ ok }) => !ok)).toMatchObject([
      { step: 'changes', optional: true, detail: expect.stringContaining('each run is a full pull') },
    ]);
  });

  it('stops at a refused credential', async () => {
    const { connect } = await simulatedService({ users: 3 });
    const found = await steps(connect({ credentials: { kind: 'api-token', token: 'wrong' } }));
    expect(found.map(({ step, ok }) => [step, ok])).toEqual([
      ['reach', true],
      ['credential', false],
    ]);
  });

  it('names the lists that the client may not read', async () => {
    const { connect } = await simulatedService({ users: 3, permissions: ['users:read'] });
    const failed = (await steps(connect())).filter(({ ok }) => !ok);
    expect(failed.map(({ step }) => step)).toContain('groups');
    expect(failed.every(({ remedy }) => remedy !== undefined)).toBe(true);
  });

  it('does not take a service for empty where the client sees nobody', async () => {
    const service = await aService(() => listResponse(0, undefined));
    expect(await steps(service.connect())).toContainEqual(
      expect.objectContaining({ step: 'users', ok: false, remedy: expect.stringContaining('read all') }),
    );
  });
});
