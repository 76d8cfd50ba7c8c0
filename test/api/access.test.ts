import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Action, mayDo, PRINCIPAL_ROLES } from '../../src/domain/permission.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import {
  type Listed,
  operationsOf,
  parametersOf,
  pathWith,
  UNKNOWN,
  unknownIds,
  usableBody,
} from './operations.ts';
import {
  type Answer,
  aConnection,
  addCustomer,
  fill,
  type Ids,
  type Json,
  type Served,
  serve,
} from './served.ts';

let served: Served;
let operations: readonly Listed[];
let ours: Awaited<ReturnType<typeof addCustomer>>;
let theirs: Awaited<ReturnType<typeof addCustomer>>;
let ourIds: Ids;
let theirIds: Ids;
let theirFingerprint: string;

beforeAll(async () => {
  served = await serve();
  operations = await operationsOf(served);
  await createRole(served.deps, served.operator, { name: 'reader', type: 'assignable' });
  ours = await addCustomer(served, 'Ours');
  theirs = await addCustomer(served, 'Theirs');
  ourIds = (await fill(served, ours)).ids;
  ({ ids: theirIds, fingerprint: theirFingerprint } = await fill(served, theirs));
});
afterAll(() => served.close());

const isOpen = ({ operation }: Listed) => operation.security !== undefined;

/** All of an answer but what is of this one request. */
function said({ status, body }: Answer): Json {
  const { instance: _, ...rest } = body;
  return { status, ...rest };
}

describe('without a valid key', () => {
  it('only health and readiness answer', () => {
    expect(operations.filter(isOpen).map(({ path }) => path)).toEqual(['/healthz', '/readyz']);
  });

  it('every other route answers 401, and says how to come in', async () => {
    for (const { method, path } of operations.filter((listed) => !isOpen(listed))) {
      const answer = await served.request(method, pathWith(path, ourIds));
      expect(answer, `${method} ${path}`).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="rollcall"');
    }
  });

  it.each([
    ['an unknown key', `Bearer rc_${'x'.repeat(43)}`],
    ['something else', 'Bearer something'],
    ['another scheme', 'Basic cm9sbDpjYWxs'],
    ['nothing', ''],
  ])('%s is refused', async (_, authorization) => {
    const answer = await served.request('GET', '/v1/whoami', { headers: { authorization } });
    expect(answer.status).toBe(401);
  });

  it('a revoked key is refused from then on', async () => {
    const made = await served.request('POST', `/v1/principals/${ours.principal}/keys`, {
      key: ours.keys['tenant-administrator'],
      body: {},
    });
    const { key, id } = made.body;
    expect((await served.request('GET', '/v1/whoami', { key })).body).toMatchObject({ role: 'reviewer' });
    await served.request('DELETE', `/v1/keys/${id}`, { key: ours.keys['tenant-administrator'] });
    expect((await served.request('GET', '/v1/whoami', { key })).status).toBe(401);
  });
});

describe('another tenant’s ids', () => {
  it('are answered like ids that do not exist, on every route that has one in its path', async () => {
    const key = ours.keys['tenant-administrator'];
    const withIds = operations.filter((listed) =>
      parametersOf(listed, 'path').some(({ name }) => name !== 'role'),
    );
    expect(withIds.length).toBeGreaterThan(15);
    for (const { method, path, operation } of withIds) {
      const body = operation.requestBody === undefined ? undefined : usableBody[operation.operationId];
      const [foreign, unknown] = await Promise.all(
        [theirIds, unknownIds].map((ids) => served.request(method, pathWith(path, ids), { key, body })),
      );
      const permitted = mayDo('tenant-administrator', operation['x-permission']);
      const expected = permitted && operation.operationId !== 'verifyDomain' ? 404 : 403; // a matter of the role alone
      expect(foreign, `${method} ${path}`).toMatchObject({ status: expected });
      expect(said(foreign as Answer)).toEqual(said(unknown as Answer));
    }
  });

  it('are answered like ids that do not exist, in every query parameter', async () => {
    const key = ours.keys['tenant-administrator'];
    const filters = operations.flatMap((listed) =>
      parametersOf(listed, 'query')
        .filter(({ schema }) => schema.format === 'uuid')
        .map(({ name }) => ({ path: listed.path, name: name as 'tenant' | 'parent' | 'connection' })),
    );
    expect(filters.length).toBeGreaterThan(10);
    for (const { path, name } of filters) {
      const id = theirIds[name === 'parent' ? 'tenant' : name];
      const foreign = await served.request('GET', `${path}?${name}=${id}`, { key });
      const unknown = await served.request('GET', `${path}?${name}=${UNKNOWN}`, { key });
      expect(said(foreign), `${path}?${name}`).toEqual(said(unknown));
      expect(foreign.status === 404 || foreign.body.items.length === 0, `${path}?${name}`).toBe(true);
    }
  });
});

describe('another tenant’s ids in what is sent and what is seen', () => {
  it.each([
    ['/v1/tenants', () => ({ name: 'Below', parent: theirIds.tenant })],
    ['/v1/connections', () => ({ ...aConnection('Taken over'), tenant: theirIds.tenant })],
    ['/v1/principals', () => ({ name: 'Spy', role: 'auditor', tenant: theirIds.tenant })],
    [
      '/v1/changes/decisions',
      () => ({ verdict: 'approve', reason: 'why not', connection: theirIds.connection, revision: 1 }),
    ],
  ])('in a body of %s are not found', async (path, body) => {
    const answer = await served.request('POST', path, {
      key: ours.keys['tenant-administrator'],
      body: body(),
    });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  it('among changes to decide on are refused one by one', async () => {
    const answer = await served.request('POST', '/v1/changes/decisions', {
      key: ours.keys['tenant-administrator'],
      body: {
        verdict: 'approve',
        reason: 'why not',
        changes: [{ id: theirIds.change, fingerprint: theirFingerprint }],
      },
    });
    expect(answer.body).toEqual({ decided: 0, refused: [{ id: theirIds.change, because: 'not-found' }] });
  });

  it('never come in lists', async () => {
    const key = ours.keys['tenant-administrator'];
    const lists = operations.filter((listed) => listed.method === 'GET' && !isOpen(listed));
    const foreign = Object.values(theirIds);
    for (const { path } of lists.filter((listed) => parametersOf(listed, 'path').length === 0)) {
      const answer = await served.request('GET', path, { key });
      const text = JSON.stringify(answer.body);
      expect(answer.status, path).toBe(200);
      expect(
        foreign.filter((id) => text.includes(id)),
        path,
      ).toEqual([]);
    }
  });

  it('still have what they had', async () => {
    const key = theirs.keys['tenant-administrator'];
    const connection = await served.request('GET', `/v1/connections/${theirIds.connection}`, { key });
    expect(connection.body).toMatchObject({ name: 'Okta', version: 1 });
    const user = await served.request('GET', `/v1/users/${theirIds.user}`, { key });
    expect(user.body).toMatchObject({ version: 1, roles: [] });
  });
});

describe('roles', () => {
  it.each(PRINCIPAL_ROLES)('%s may do exactly what its permissions say', async (role) => {
    for (const { method, path, operation } of operations) {
      const permission: Action | undefined = operation['x-permission'];
      if (permission === undefined) continue;
      const { status } = await served.request(method, pathWith(path, unknownIds, 'unheard-of'), {
        key: ours.keys[role],
        ...(operation.requestBody === undefined ? {} : { body: {} }),
      });
      const allowed =
        mayDo(role, permission) && (operation.operationId !== 'verifyDomain' || role === 'system');
      if (allowed) expect([200, 400, 404], `${method} ${path}`).toContain(status);
      else expect(status, `${method} ${path}`).toBe(403);
    }
  });

  it('are told to whoever asks with a key', async () => {
    const { body } = await served.request('GET', '/v1/whoami', { key: ours.keys.auditor });
    expect(body).toMatchObject({ role: 'auditor', tenant: ourIds.tenant, name: 'Ours auditor' });
    expect(body.permissions).toContain('audit.read');
    expect(body.permissions).not.toContain('changes.apply');
  });
});
