import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import { createKey } from '../../src/tenancy/apiKeys.ts';
import { createPrincipal } from '../../src/tenancy/principals.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import type { TestClock } from '../support/clock.ts';
import { asOwner } from '../support/database.ts';
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

const MINUTE = 60_000;

let served: Served;
let clock: TestClock;
let harbor: Awaited<ReturnType<typeof addCustomer>>;
let other: Awaited<ReturnType<typeof addCustomer>>;
let ids: Ids;
/** Of support for all tenants: at the root. */
let sue: { readonly id: string; readonly key: string };
let administrator: string;

beforeAll(async () => {
  served = await serve();
  clock = served.deps.clock as TestClock;
  harbor = await addCustomer(served, 'Harbor');
  other = await addCustomer(served, 'Other');
  ids = (await fill(served, harbor)).ids;
  sue = await somebody('Sue', 'support', null);
  administrator = harbor.keys['tenant-administrator'];
});
afterAll(() => served.close());

async function somebody(name: string, role: 'support' | 'tenant-administrator', tenant: string | null) {
  const { deps, operator } = served;
  const { id } = await createPrincipal(deps, operator, { tenant: tenant as never, name, role });
  return { id, key: (await createKey(deps, operator, { principal: id })).key };
}

const ask = (body: object = {}, key = sue.key) =>
  served.request('POST', '/v1/support-accesses', {
    key,
    body: { tenant: harbor.tenant, reason: 'Ticket 4711', ...body },
  });
const post = (id: string, verb: string, key: string, body?: object) =>
  served.request('POST', `/v1/support-accesses/${id}/${verb}`, { key, body });

async function granted(body: object = {}): Promise<Json> {
  const { id } = (await ask(body)).body;
  const answer = await post(id, 'grant', administrator);
  expect(answer.status).toBe(200);
  return answer.body;
}

/** As Sue, during an access. */
const during = (access: string, method: string, path: string, body?: unknown) =>
  served.request(method, path, { key: sue.key, body, headers: { 'rollcall-support-access': access } });

/** The tenant's audit log, the newest last. */
async function log(filter = ''): Promise<readonly Json[]> {
  const { body } = await served.request('GET', `/v1/audit?limit=500&order=oldest${filter}`, {
    key: administrator,
  });
  return body.items;
}

const said = ({ status, body }: Answer) => [status, body.code];

describe('a request for support access', () => {
  it('gives nothing until it is granted, and is told to the tenant: who, why, how long, what they may', async () => {
    const asked = await ask({ minutes: 30 });
    expect(asked).toMatchObject({ status: 201, body: { state: 'requested', mayWrite: false } });
    expect(asked.headers.get('location')).toBe(`/v1/support-accesses/${asked.body.id}`);
    expect(asked.body.actions).toEqual(['end']);
    expect(said(await during(asked.body.id, 'GET', '/v1/users'))).toEqual([409, 'not-allowed-now']);
    const { body } = await served.request('GET', `/v1/support-accesses/${asked.body.id}`, {
      key: administrator,
    });
    expect(body).toMatchObject({
      principal: sue.id,
      name: 'Sue',
      reason: 'Ticket 4711',
      minutes: 30,
      actions: ['grant', 'refuse', 'end'],
    });
    expect((await log()).at(-1)).toMatchObject({
      action: 'support-access.requested',
      subject: { kind: 'support-access', id: asked.body.id },
      actor: { kind: 'person', name: 'Sue' },
    });
  });

  it('can be refused, or taken back, and not granted afterwards', async () => {
    for (const [verb, key] of [
      ['refuse', administrator],
      ['end', sue.key],
    ] as const) {
      const { id } = (await ask()).body;
      expect((await post(id, verb, key)).body).toMatchObject({ state: 'refused', actions: [] });
      expect(said(await post(id, 'grant', administrator))).toEqual([409, 'not-allowed-now']);
      expect(said(await during(id, 'GET', '/v1/users'))).toEqual([403, 'support-access-ended']);
    }
  });

  it('cannot be for longer than the install lets anybody in, nor be granted for more than was asked', async () => {
    expect((await ask({ minutes: 481 })).body).toMatchObject({
      code: 'invalid-input',
      fields: [{ path: 'minutes' }],
    });
    const { id } = (await ask({ minutes: 480 })).body;
    for (const body of [{ minutes: 481 }, { mayWrite: true }])
      expect(said(await post(id, 'grant', administrator, body))).toEqual([400, 'invalid-input']);
    const { body } = await post(id, 'grant', administrator, { minutes: 10 });
    expect(Date.parse(body.expiresAt) - clock.now().getTime()).toBe(10 * MINUTE);
  });

  it('is decided on within the own subtree, and never by the person who asked', async () => {
    const { id } = (await ask()).body;
    expect(said(await post(id, 'grant', other.keys['tenant-administrator']))).toEqual([404, 'not-found']);
    expect(said(await post(id, 'grant', sue.key))).toEqual([403, 'forbidden']);
    for (const role of ['reviewer', 'auditor', 'application'] as const)
      expect(said(await post(id, 'grant', harbor.keys[role]))).toEqual([403, 'forbidden']);
    const both = await somebody('Both', 'tenant-administrator', harbor.tenant);
    const own = (await ask({}, both.key)).body;
    expect(said(await post(own.id, 'grant', both.key))).toEqual([403, 'forbidden']);
    expect(said(await post(own.id, 'grant', harbor.keys.system))).toEqual([200, undefined]);
  });

  it('cannot be made for a tenant that is not at or below the own one', async () => {
    const below = await somebody('Sam', 'support', harbor.tenant);
    const answer = await ask({ tenant: other.tenant }, below.key);
    const unknown = await ask({ tenant: '01a20115-dead-71f6-a218-fc3bfeae2c2f' }, below.key);
    expect(said(answer)).toEqual([404, 'not-found']);
    expect({ ...answer.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
  });
});

describe('an invitation', () => {
  const invite = (body: object, key = administrator) =>
    served.request('POST', '/v1/support-accesses/invitations', {
      key,
      body: { reason: 'Please look', ...body },
    });

  it('lets somebody from above in who has told their id', async () => {
    const { status, body } = await invite({ principal: sue.id, minutes: 15 });
    expect(status).toBe(201);
    expect(body).toMatchObject({ state: 'granted', name: 'Sue', tenant: harbor.tenant });
    expect((await during(body.id, 'GET', '/v1/users')).status).toBe(200);
  });

  it('reaches nobody beside or without support, and says the same of them as of nobody', async () => {
    const beside = await somebody('Ben', 'support', other.tenant);
    const answers = await Promise.all(
      [beside.id, other.principal, harbor.principal, '01a20115-dead-71f6-a218-fc3bfeae2c2f'].map(
        (principal) => invite({ principal }),
      ),
    );
    expect(
      new Set(answers.map(({ status, body }) => JSON.stringify([status, { ...body, instance: '' }]))).size,
    ).toBe(1);
    expect(answers[0]).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  it('is never for another’s tenant', async () => {
    expect(said(await invite({ principal: sue.id, tenant: other.tenant }))).toEqual([404, 'not-found']);
  });
});

describe('during a support access', () => {
  it('its person reads what an auditor reads, in that tenant alone, and changes nothing', async () => {
    const { id } = await granted();
    expect((await during(id, 'GET', '/v1/whoami')).body).toMatchObject({
      tenant: harbor.tenant,
      role: 'support',
      supportAccess: id,
    });
    expect((await during(id, 'GET', `/v1/users/${ids.user}`)).status).toBe(200);
    expect((await during(id, 'GET', '/v1/audit')).status).toBe(200);
    expect(said(await during(id, 'GET', `/v1/tenants/${other.tenant}`))).toEqual([404, 'not-found']);
    expect((await during(id, 'GET', '/v1/tenants')).body.items.map((one: Json) => one.id)).toEqual([
      harbor.tenant,
    ]);
    for (const [method, path] of [
      ['PATCH', `/v1/users/${ids.user}`],
      ['POST', `/v1/connections/${ids.connection}/runs`],
      ['POST', '/v1/principals'],
      ['POST', `/v1/support-accesses/${id}/end`],
    ] as const)
      expect(said(await during(id, method, path, {}))).toEqual([403, 'forbidden']);
    expect((await served.request('GET', '/v1/users', { key: sue.key })).status).toBe(403);
  });

  it('with the right to write its person does what administrators do, but for who comes in', async () => {
    const { id } = await granted({ mayWrite: true });
    const edited = await during(id, 'PATCH', `/v1/users/${ids.user}`, { displayName: 'Renamed' });
    expect(edited.status).toBe(200);
    expect((await log()).find(({ action }) => action === 'auth-user.edited')?.actor).toEqual({
      kind: 'support',
      id,
      name: 'Sue',
    });
    for (const path of [
      '/v1/principals',
      `/v1/principals/${ids.principal}/keys`,
      '/v1/support-accesses/invitations',
    ])
      expect(said(await during(id, 'POST', path, {}))).toEqual([403, 'forbidden']);
  });

  it('each request is in the tenant’s log, reads and refusals too: operation, ids and status, and nothing of anybody', async () => {
    const { id, audit } = await granted();
    await during(id, 'GET', `/v1/users/${ids.user}`);
    await during(id, 'GET', '/v1/users?search=secret%40acme.example');
    await during(id, 'PATCH', `/v1/users/${ids.user}`, { displayName: 'Jane Doe' });
    const entries = await log(`&supportAccess=${id}`);
    expect(audit).toBe(`/v1/audit?tenant=${harbor.tenant}&supportAccess=${id}`);
    expect(
      entries.map(({ action, details }) => [action, details.operation ?? details.status, details.ids ?? {}]),
    ).toEqual([
      ['support.acted', 'getUser', { user: ids.user }],
      ['support.answered', 200, {}],
      ['support.acted', 'listUsers', {}],
      ['support.answered', 200, {}],
      ['support.acted', 'editUser', { user: ids.user }],
      ['support.answered', 403, {}],
    ]);
    expect(entries[0]?.details.request).toBe(entries[1]?.details.request);
    expect(JSON.stringify(entries)).not.toMatch(/secret|Jane/);
    const { body } = await served.request('GET', '/v1/audit/verification', { key: administrator });
    expect(body.tenants).toMatchObject([{ tenant: harbor.tenant, ok: true }]);
  });

  it('two entries belong together by a request id that the support person cannot choose', async () => {
    const { id } = await granted();
    const chosen = '019a0d1e-7f53-7c07-9d2c-4b1c6d5e0a11';
    const headers = { 'rollcall-support-access': id, 'x-request-id': chosen };
    const answers = [
      await served.request('GET', '/v1/users', { key: sue.key, headers }),
      await served.request('GET', `/v1/users/${ids.user}`, { key: sue.key, headers }),
    ];
    const entries = await log(`&supportAccess=${id}`);
    const [first, second] = answers.map((answer) => answer.headers.get('x-request-id'));
    expect(entries.map(({ details }) => details.request)).toEqual([first, first, second, second]);
    expect(new Set([first, second, chosen]).size).toBe(3);
  });

  it('nothing is done that cannot be recorded', async () => {
    const { id } = await granted({ mayWrite: true });
    const log = (statement: string) => asOwner(served.databaseUrl, (owner) => owner.query(statement));
    await log('REVOKE INSERT ON audit_entry FROM rollcall_app');
    const answers = [
      await during(id, 'GET', `/v1/users/${ids.user}`),
      await during(id, 'POST', `/v1/connections/${ids.connection}/runs`),
    ];
    await log('GRANT INSERT ON audit_entry TO rollcall_app');
    expect(answers.map(({ status, body }) => [status, Object.keys(body).includes('userName')])).toEqual([
      [500, false],
      [500, false],
    ]);
    expect((await during(id, 'GET', `/v1/users/${ids.user}`)).body.userName).toBe('00u0@acme.example');
  });

  it('a key that was narrowed narrows the access as well', async () => {
    const { deps, operator } = served;
    const { key } = await createKey(deps, operator, {
      principal: sue.id,
      permissions: ['support.request', 'users.read'],
    });
    const { id } = await granted({ mayWrite: true });
    const headers = { 'rollcall-support-access': id };
    expect((await served.request('GET', '/v1/users', { key, headers })).status).toBe(200);
    expect(said(await served.request('GET', '/v1/tenants', { key, headers }))).toEqual([403, 'forbidden']);
  });
});

describe('a support access ends', () => {
  let id: string;
  beforeEach(async () => {
    ({ id } = await granted({ minutes: 60 }));
    expect((await during(id, 'GET', '/v1/users')).status).toBe(200);
  });
  const refusedFromNowOn = async () => {
    const before = (await log(`&supportAccess=${id}`)).length;
    expect(said(await during(id, 'GET', '/v1/users'))).toEqual([403, 'support-access-ended']);
    expect(await log(`&supportAccess=${id}`)).toHaveLength(before); // nothing was done
  };

  it.each([
    ['its person', () => sue.key],
    ['an administrator of the tenant', () => administrator],
    ['the system', () => harbor.keys.system],
  ])('when %s says so, at once', async (_, key) => {
    expect((await post(id, 'end', key())).body).toMatchObject({ state: 'ended', actions: [] });
    expect((await post(id, 'end', key())).status).toBe(200);
    await refusedFromNowOn();
    expect(
      (await log()).filter(({ action, subject }) => action === 'support-access.ended' && subject.id === id),
    ).toHaveLength(1);
  });

  it('between two requests: whatever was begun before stands in the log before, and nothing after', async () => {
    const busy = Promise.all(Array.from({ length: 12 }, () => during(id, 'GET', '/v1/users?limit=1')));
    await post(id, 'end', administrator);
    const answered = (await busy).map(({ status }) => status);
    const entries = (await log()).filter(({ subject }) => subject.id === id);
    const at = entries.findIndex(({ action }) => action === 'support-access.ended');
    expect(entries.slice(at).map(({ action }) => action)).not.toContain('support.acted');
    const acted = entries.filter(({ action }) => action === 'support.acted').length;
    expect(acted).toBe(1 + answered.filter((status) => status === 200).length);
  });

  it('by itself, when its time is up and not before', async () => {
    clock.advance(60 * MINUTE - 1);
    expect((await during(id, 'GET', '/v1/users')).status).toBe(200);
    clock.advance(1);
    await refusedFromNowOn();
    const { body } = await served.request('GET', `/v1/support-accesses/${id}`, { key: administrator });
    expect(body).toMatchObject({ state: 'ended', endedBy: null, endedAt: body.expiresAt });
  });

  it('in the middle of what takes longer: it is broken off when the time is up', async () => {
    const { ca, serverKey: key, serverCertificate: cert } = await openKeys(null);
    const silent = createServer({ key, cert }, () => {}).listen(0, '127.0.0.1'); // takes requests, and answers none
    await once(silent, 'listening');
    const baseUrl = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const { body: slow } = await served.request('POST', '/v1/connections', {
      key: administrator,
      body: { ...aConnection(`Slow ${id}`), network: { baseUrl, ca } },
    });
    const { id: access } = await granted({ minutes: 10, mayWrite: true });
    clock.advance(10 * MINUTE - 700);
    const answer = await during(access, 'POST', `/v1/connections/${slow.id}/test`);
    expect(said(answer)).toEqual([403, 'support-access-ended']);
    const entries = (await log(`&supportAccess=${access}`)).map(({ action, details }) => [
      action,
      details.status,
    ]);
    expect(entries).toEqual([
      ['support.acted', undefined],
      ['support.answered', 403],
    ]);
    silent.closeAllConnections();
    silent.close();
  });

  it('with the principal, when they are disabled', async () => {
    await served.request('POST', `/v1/principals/${sue.id}/disable`, { key: harbor.keys.system });
    expect((await during(id, 'GET', '/v1/users')).status).toBe(401);
    await served.request('POST', `/v1/principals/${sue.id}/enable`, { key: harbor.keys.system });
    expect((await during(id, 'GET', '/v1/users')).status).toBe(200);
  });

  it('never for somebody else: another’s access is answered like one that does not exist', async () => {
    const max = await somebody(`Max ${id}`, 'support', null);
    const named = (access: string) =>
      served.request('GET', '/v1/users', { key: max.key, headers: { 'rollcall-support-access': access } });
    const [foreign, unknown] = await Promise.all([named(id), named('01a20115-dead-71f6-a218-fc3bfeae2c2f')]);
    expect(said(foreign)).toEqual([404, 'not-found']);
    expect({ ...foreign.body, instance: '' }).toEqual({ ...unknown.body, instance: '' });
    const { body } = await served.request('GET', '/v1/support-accesses', { key: max.key });
    expect(body.items).toEqual([]);
  });
});

it('a tenant below another sees nothing of who was let in above', async () => {
  const { deps, operator } = served;
  const child = await createTenant(deps, operator, { name: 'Child', parent: harbor.tenant });
  const { key } = await somebody('Cleo', 'tenant-administrator', child.id);
  const { id } = await granted();
  expect((await served.request('GET', '/v1/support-accesses', { key })).body.items).toEqual([]);
  for (const verb of ['grant', 'refuse', 'end'])
    expect(said(await post(id, verb, key))).toEqual([404, 'not-found']);
});
