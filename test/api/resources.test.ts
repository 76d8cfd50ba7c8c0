import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openServer } from '../../src/api/server.ts';
import { getApply, listApplies } from '../../src/review/applies.ts';
import { getChange, listChanges, listEvents } from '../../src/review/changes.ts';
import { explainUser } from '../../src/review/explain.ts';
import { explainPerson } from '../../src/review/standing.ts';
import { getTimeline } from '../../src/review/timeline.ts';
import { replanRun } from '../../src/sync/replan.ts';
import { getRun, listRuns } from '../../src/sync/runs.ts';
import { listKeys } from '../../src/tenancy/apiKeys.ts';
import { getConnection, listConnections } from '../../src/tenancy/connections.ts';
import { listPrincipals } from '../../src/tenancy/principals.ts';
import { listRoles } from '../../src/tenancy/roles.ts';
import { describeTenant, listTenants } from '../../src/tenancy/tenants.ts';
import { getUser, listUsers } from '../../src/tenancy/users.ts';
import { untilFeedIsUpToDate } from '../support/waiting.ts';
import { aConnection, addCustomer, fill, type Ids, type Json, type Served, serve } from './served.ts';

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let ids: Ids;
let fingerprint: string;
let key: string;

beforeAll(async () => {
  served = await serve();
  customer = await addCustomer(served, 'Acme');
  ({ ids, fingerprint } = await fill(served, customer, 5));
  key = customer.keys['tenant-administrator'];
});
afterAll(() => served.close());

const get = (path: string) => served.request('GET', path, { key });
const post = (path: string, body?: unknown) => served.request('POST', path, { key, body });

it('answers with all that the use cases give, field by field', async () => {
  const { deps } = served;
  const caller = customer.administrator;
  await untilFeedIsUpToDate(served.databaseUrl);
  const given: readonly (readonly [string, Promise<unknown>])[] = [
    ['/v1/tenants', listTenants(deps, caller)],
    [`/v1/tenants/${ids.tenant}`, describeTenant(deps, caller, ids.tenant)],
    ['/v1/connections', listConnections(deps, caller)],
    [`/v1/connections/${ids.connection}`, getConnection(deps, caller, ids.connection)],
    ['/v1/runs', listRuns(deps, caller, {})],
    [`/v1/runs/${ids.run}`, getRun(deps, caller, ids.run)],
    ['/v1/changes', listChanges(deps, caller, {})],
    [`/v1/changes/${ids.change}`, getChange(deps, caller, ids.change)],
    ['/v1/applies', listApplies(deps, caller, {})],
    [`/v1/applies/${ids.apply}`, getApply(deps, caller, ids.apply)],
    ['/v1/users', listUsers(deps, caller)],
    [`/v1/users/${ids.user}`, getUser(deps, caller, ids.user)],
    ['/v1/roles', listRoles(deps, caller)],
    ['/v1/principals', listPrincipals(deps, caller)],
    ['/v1/keys', listKeys(deps, caller)],
    ['/v1/events', listEvents(deps, caller, {})],
    [`/v1/users/${ids.user}/explanation`, explainUser(deps, caller, ids.user)],
    [`/v1/users/${ids.user}/timeline`, getTimeline(deps, caller, { user: ids.user })],
    [`/v1/runs/${ids.run}/replan`, replanRun(deps, caller, ids.run)],
    [
      `/v1/connections/${ids.connection}/explanation?externalId=nobody`,
      explainPerson(deps, caller, { connection: ids.connection, externalId: 'nobody' }),
    ],
  ];
  for (const [path, value] of given)
    expect((await get(path)).body, path).toEqual(JSON.parse(JSON.stringify(await value)));
});

describe('connections', () => {
  it('are made, found where the answer says, and changed; their credentials never come out', async () => {
    const made = await post('/v1/connections', aConnection('Second'));
    expect(made).toMatchObject({ status: 201, body: { name: 'Second', tenant: ids.tenant, version: 1 } });
    const at = made.headers.get('location') ?? '';
    const changed = await served.request('PATCH', at, {
      key,
      body: { schedule: '*/30 * * * *', timeZone: 'Europe/Rome', version: 1 },
    });
    expect(changed.body).toMatchObject({ schedule: '*/30 * * * *', timeZone: 'Europe/Rome', version: 2 });
    const found = await get(at);
    expect({ ...found.body, newRoles: [] }).toEqual(changed.body);
    for (const { body } of [made, changed, found, await get('/v1/connections'), await get('/v1/audit')])
      expect(JSON.stringify(body)).not.toMatch(/credentials":|00secretOktaToken/);
    const stale = await served.request('PATCH', at, { key, body: { name: 'Third', version: 1 } });
    expect(stale).toMatchObject({ status: 409, body: { code: 'changed-since-shown' } });
    const twice = await post('/v1/connections', aConnection('Second'));
    expect(twice).toMatchObject({ status: 409, body: { code: 'name-taken' } });
  });

  it('are tested step by step; the step that fails says what helps', async () => {
    const network = { baseUrl: 'https://127.0.0.1:1' };
    const { body: made } = await post('/v1/connections', { ...aConnection('Unreachable'), network });
    const { status, body } = await post(`/v1/connections/${made.id}/test`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ ok: false, steps: [{ step: 'reach', ok: false }] });
    expect(body.steps[0].remedy).toMatch(/\w/);
  });

  it('are tested to the end with a mapping that comes in the body', async () => {
    const network = { baseUrl: 'https://127.0.0.1:1' };
    const { body: made } = await post('/v1/connections', { ...aConnection('By a mapping'), network });
    const { status, body } = await post(`/v1/connections/${made.id}/test`, { mapping: {} });
    expect(status).toBe(200);
    expect(body).toMatchObject({ ok: false, steps: [{ step: 'reach', ok: false }] });
  });
});

describe('keys', () => {
  it('are listed with whom they are of and until when they are good, and never with what opens anything', async () => {
    const { body: principal } = await post('/v1/principals', { name: 'A pipeline', role: 'reviewer' });
    const expiresAt = '2099-01-01T00:00:00.000Z';
    const { body: made } = await post(`/v1/principals/${principal.id}/keys`, { expiresAt });
    await served.request('DELETE', `/v1/keys/${made.id}`, { key });
    const { body } = await get('/v1/keys?limit=500');
    const listed = body.items.find(({ id }: Json) => id === made.id);
    expect(listed).toEqual({
      ...{ id: made.id, principal: principal.id, expiresAt },
      ...{ createdAt: expect.any(String), revokedAt: expect.any(String), lastUsedAt: null },
      ...{ name: '', tenant: null, permissions: null, replaces: null },
    });
    expect(JSON.stringify(body)).not.toContain(made.key);
    expect(JSON.stringify(body)).not.toContain(createHash('sha256').update(made.key).digest('hex'));
  });

  it('of another tenant are not among them, nor those of the tenant above', async () => {
    const elsewhere = await addCustomer(served, 'Elsewhere');
    const mine = async (as: string) =>
      (await served.request('GET', '/v1/keys?limit=500', { key: as })).body.items;
    const principals = new Set(
      (await mine(elsewhere.keys['tenant-administrator'])).map((one: Json) => one.principal),
    );
    const ours = (await mine(key)).map((one: Json) => one.principal);
    expect(principals.size).toBeGreaterThan(0);
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.filter((principal: string) => principals.has(principal))).toEqual([]);
    const above = await listKeys(served.deps, served.operator, { limit: 500 });
    const system = (await listPrincipals(served.deps, served.operator, { limit: 500 })).items
      .filter(({ role }) => role === 'system')
      .map(({ id }) => id as string);
    expect(above.items.length).toBeGreaterThan(ours.length);
    expect(ours.filter((principal: string) => system.includes(principal))).toEqual([]);
  });
});

describe('runs', () => {
  it('are asked for, queued once, and found where the answer says', async () => {
    const first = await post(`/v1/connections/${ids.connection}/runs`);
    expect(first).toMatchObject({ status: 202, body: { already: false, run: { state: 'queued' } } });
    expect(served.queued).toContain(first.body.run.id);
    const again = await post(`/v1/connections/${ids.connection}/runs`);
    expect(again).toMatchObject({ status: 202, body: { already: true, run: { id: first.body.run.id } } });
    const found = await get(first.headers.get('location') ?? '');
    expect(found.body).toEqual(first.body.run);
  });

  it('are taken on although the queue cannot be reached: they are recorded, and handed over later', async () => {
    const { body: made } = await post('/v1/connections', aConnection('Queueless'));
    const enqueueRun = async () => {
      throw new Error('no queue');
    };
    const server = await openServer({ ...served.deps, enqueueRun }, { host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${server.url}/v1/connections/${made.id}/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    });
    const { run } = (await answer.json()) as Json;
    await server.close();
    expect(answer.status).toBe(202);
    expect((await get(`/v1/runs/${run.id}`)).body).toMatchObject({ state: 'queued' });
    expect(served.lines.some((line) => line.includes('queue.not-reached'))).toBe(true);
  });
});

describe('changes', () => {
  it('are refused when their content is not what was shown', async () => {
    const { body } = await post('/v1/changes/decisions', {
      verdict: 'approve',
      reason: 'expected',
      changes: [{ id: ids.change, fingerprint: '0'.repeat(64) }],
    });
    expect(body).toMatchObject({ decided: 0, refused: [{ id: ids.change, because: 'changed-since-shown' }] });
  });

  it('are decided on one by one or as a set that was seen, and applied', async () => {
    const one = await post('/v1/changes/decisions', {
      verdict: 'reject',
      reason: 'unknown person',
      changes: [{ id: ids.change, fingerprint }],
    });
    expect(one.body).toEqual({ decided: 1, waiting: 0, refused: [] });
    expect((await get(`/v1/changes/${ids.change}`)).body).toMatchObject({
      state: 'rejected',
      decision: { by: 'Acme tenant-administrator', reason: 'unknown person' },
    });
    const summary = await get(`/v1/changes/summary?connection=${ids.connection}`);
    const { revision } = summary.body.items[0];
    const all = await post('/v1/changes/decisions', {
      verdict: 'approve',
      reason: 'the new class',
      connection: ids.connection,
      revision,
      filter: { set: 'new' },
    });
    expect(all.body.decided).toBeGreaterThan(2);
    const started = await post(`/v1/connections/${ids.connection}/applies`);
    expect(started).toMatchObject({ status: 202, body: { total: all.body.decided } });
    expect(served.queued).toContain(started.body.apply);
    expect((await get(started.headers.get('location') ?? '')).body).toMatchObject({ state: 'running' });
    const again = await post(`/v1/connections/${ids.connection}/applies`);
    expect(again.body).toEqual(started.body); // the one that is running
  });

  it('are applied until somebody pauses, resumes or cancels that, and by themselves where the policy says so', async () => {
    const { body: list } = await get(`/v1/applies?connection=${ids.connection}&limit=1`);
    const [{ id }] = list.items;
    const at = `/v1/applies/${id}`;
    expect(await post(`${at}/pause`)).toMatchObject({
      status: 200,
      body: { state: 'paused', actions: ['resume', 'cancel'], halt: { because: 'person', reason: null } },
    });
    expect(await post(`/v1/connections/${ids.connection}/applies`)).toMatchObject({
      status: 409,
      body: { code: 'not-allowed-now', remedy: 'Resume or cancel it first.' },
    });
    const before = served.queued.length;
    const resumed = await post(`${at}/resume`, { reason: 'Looked at' });
    expect(resumed).toMatchObject({ status: 202, body: { state: 'running', halt: null } });
    expect(served.queued.slice(before)).toEqual([id]);
    expect(await post(`${at}/cancel`, { reason: 'Too early' })).toMatchObject({
      status: 200,
      body: { state: 'cancelled', done: 0, explanation: 'somebody said so' },
    });
    expect((await get(`${at}/changes`)).body).toEqual({ items: [], next: null });
    expect(await post(`${at}/pause`)).toMatchObject({ status: 409, body: { code: 'not-allowed-now' } });

    const policy = {
      ...(await get(`/v1/connections/${ids.connection}`)).body.policy,
      apply: { start: 'automatic' },
    };
    await served.request('PATCH', `/v1/connections/${ids.connection}`, { key, body: { policy } });
    const [{ id: change, fingerprint: shown }] = (await get('/v1/changes?state=approved')).body.items;
    const named = { changes: [{ id: change, fingerprint: shown }], reason: 'after all' };
    await post('/v1/changes/decisions', { verdict: 'reject', ...named });
    const queued = served.queued.length;
    await post('/v1/changes/decisions', { verdict: 'approve', ...named });
    const [apply] = served.queued.slice(queued);
    expect((await get(`/v1/applies/${apply}`)).body).toMatchObject({
      state: 'running',
      by: 'policy',
      total: 1,
    });
  });
});

describe('users', () => {
  it('are edited by hand, unless somebody else was faster', async () => {
    const at = `/v1/users/${ids.user}`;
    const { version } = (await get(at)).body;
    const edited = await served.request('PATCH', at, { key, body: { displayName: 'Ada', version } });
    expect(edited).toMatchObject({ status: 200, body: { displayName: 'Ada', version: version + 1 } });
    const late = await served.request('PATCH', at, { key, body: { displayName: 'Eve', version } });
    expect(late).toMatchObject({ status: 409, body: { code: 'changed-since-shown' } });
  });

  it('are given roles by hand, which can have any name, and lose them again', async () => {
    const name = 'billing/ops & co?';
    await served.request('POST', '/v1/roles', {
      key: customer.keys.system,
      body: { name, type: 'assignable' },
    });
    const at = `/v1/users/${ids.user}/roles/${encodeURIComponent(name)}`;
    const granted = await served.request('PUT', at, { key });
    expect(granted).toMatchObject({ status: 200, body: { roles: [{ name, origin: 'manual' }] } });
    const revoked = await served.request('DELETE', at, { key });
    expect(revoked).toMatchObject({ status: 200, body: { roles: [] } });
  });
});

describe('notification channels', () => {
  it('are added, tried, read and removed, and nothing shows where their webhook is', async () => {
    const destination = { type: 'teams', url: 'https://10.1.2.3/webhook/secret-part' };
    const made = await post('/v1/notification-channels', { name: 'Acme IT', destination });
    const at = made.headers.get('location') ?? '';
    expect(made).toMatchObject({
      status: 201,
      body: { tenant: ids.tenant, destination: { type: 'teams', host: '10.1.2.3', ca: null }, last: null },
    });
    expect((await get(at)).body).toEqual(made.body);
    expect(JSON.stringify(made.body)).not.toContain('secret-part');
    const tested = await served.request('POST', `${at}/test`, { key });
    expect(tested).toMatchObject({
      status: 200,
      body: { ok: false, problem: expect.stringContaining('private') },
    });
    expect((await served.request('DELETE', at, { key })).status).toBe(204);
    expect((await get(at)).status).toBe(404);
    const plain = { name: 'Plain', destination: { ...destination, url: 'http://hooks.example/' } };
    expect(await post('/v1/notification-channels', plain)).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'destination.url', message: 'must be an https address' }] },
    });
  });
});

describe('the audit log', () => {
  it('names whoever held the key, and is whole', async () => {
    await post('/v1/tenants', { name: 'Below Acme' });
    const { body } = await served.request('GET', `/v1/audit?limit=500`, { key });
    const edited = body.items.find(({ action }: Json) => action === 'auth-user.edited');
    expect(edited).toMatchObject({ actor: { kind: 'person', name: 'Acme tenant-administrator' } });
    const verified = await get('/v1/audit/verification');
    expect(verified.body.tenants.length).toBeGreaterThan(1);
    for (const chain of verified.body.tenants)
      expect(chain).toMatchObject({ ok: true, tenantName: expect.stringMatching(/./) });
    const unheardOf = `${ids.tenant}/1/${'00'.repeat(32)}`;
    const other = await get(`/v1/audit/verification?tenant=${ids.tenant}&known=${unheardOf}`);
    expect(other.body.tenants).toMatchObject([{ ok: false, brokenAt: 1 }]);
    expect(await get('/v1/audit/verification?known=x')).toMatchObject({ status: 400 });
  });

  it('is exported with the evidence of a period, as one file', async () => {
    const body = { from: '2026-01-01T00:00:00Z', to: '2027-01-01T00:00:00Z' };
    const answer = await fetch(`${served.url}/v1/audit/evidence`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/x-tar');
    const name = /^attachment; filename="(rollcall-evidence-[0-9a-f-]{36})\.tar"$/.exec(
      answer.headers.get('content-disposition') ?? '',
    );
    const tar = Buffer.from(await answer.arrayBuffer());
    for (const file of ['audit.jsonl', 'manifest.json', 'signature.json', 'users.csv'])
      expect(tar.includes(`${name?.[1]}/${file}`), file).toBe(true);
    expect(await post('/v1/audit/evidence', { ...body, to: body.from })).toMatchObject({
      status: 400,
      body: { fields: [{ path: 'to', message: 'is not after the beginning of the period' }] },
    });
    const { reviewer } = customer.keys;
    const refused = await served.request('POST', '/v1/audit/evidence', { key: reviewer, body });
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });
});
