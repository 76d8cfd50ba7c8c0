import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { carryOutApply } from '../../src/review/apply.ts';
import { asOwner } from '../support/database.ts';
import { addCustomer, fill, type Ids, type Json, type Served, serve } from './served.ts';

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let ids: Ids;

beforeAll(async () => {
  served = await serve();
  customer = await addCustomer(served, 'Acme');
  ({ ids } = await fill(served, customer, 4));
  const { keys } = customer;
  const made = await served.request('POST', '/v1/roles', { key: keys.system, body: { name: 'viewer' } });
  expect(made.status).toBe(201);
});
afterAll(() => served.close());

const as = (role: 'reviewer' | 'tenant-administrator' | 'auditor') => ({
  get: (path: string) => served.request('GET', path, { key: customer.keys[role] }),
  post: (path: string, body: unknown) => served.request('POST', path, { key: customer.keys[role], body }),
});

async function waiting(): Promise<Json> {
  const { body } = await as('reviewer').get(`/v1/changes?connection=${ids.connection}&state=open`);
  return body.items;
}

/** As a plan would have left it whose rules ask for this of all. */
async function ask(approvals: number): Promise<void> {
  await asOwner(served.databaseUrl, async (client) => {
    const verdict = v7();
    await client.query(
      `INSERT INTO policy_verdict (id, tenant_id, connection_id, verdict, rule, approvals, digest) VALUES ($1, $2, $3, 'require', 'all', $4, '')`,
      [verdict, ids.tenant, ids.connection, approvals],
    );
    await client.query('UPDATE change SET verdict_id = $1 WHERE connection_id = $2', [
      verdict,
      ids.connection,
    ]);
  });
}

it('edits somebody new, says who is to look at them, and takes comments', async () => {
  const [first] = await waiting();
  const path = `/v1/changes/${first.id}`;
  const edited = await as('tenant-administrator').post(`${path}/adjustment`, {
    ...{ fingerprint: first.fingerprint, roles: ['viewer'], reason: 'a trainee' },
  });
  expect(edited.status).toBe(200);
  const now = (await as('reviewer').get(`/v1/changes/${edited.body.change}`)).body;
  expect(now).toMatchObject({ rolesGained: ['viewer'], state: 'open', approvals: null, assignee: null });
  expect((await as('reviewer').get(path)).body).toMatchObject({
    state: 'superseded',
    note: { because: 'replaced', by: now.id },
  });
  const assigned = await as('reviewer').post('/v1/changes/assignments', { to: 'me', changes: [now.id] });
  expect(assigned.body).toEqual({ assigned: 1 });
  const mine = await as('reviewer').get('/v1/changes?assignee=me');
  expect(mine.body.items.map(({ id }: Json) => id)).toEqual([now.id]);
  const said = await as('reviewer').post(`/v1/changes/${now.id}/comments`, { text: 'Ask Jo' });
  expect(said).toMatchObject({ status: 201, body: { text: 'Ask Jo', by: 'Acme reviewer' } });
  const { body: comments } = await as('auditor').get(`/v1/changes/${now.id}/comments`);
  expect(comments.items.at(-1)).toEqual(said.body);
  const ended = await as('tenant-administrator').post(`/v1/adjustments/${edited.body.adjustment}/end`, {
    reason: 'a mistake',
  });
  expect((await as('reviewer').get(`/v1/changes/${ended.body.change}`)).body).toMatchObject({
    rolesGained: [],
  });
});

it('counts approvals by two people, and says of what is missing whose', async () => {
  await ask(2);
  const [first] = await waiting();
  const body = {
    ...{ verdict: 'approve', reason: 'checked' },
    changes: [{ id: first.id, fingerprint: first.fingerprint }],
  };
  expect((await as('reviewer').post('/v1/changes/decisions', body)).body).toEqual({
    ...{ decided: 0, waiting: 1, refused: [] },
  });
  expect((await as('reviewer').post('/v1/changes/decisions', body)).body).toMatchObject({
    refused: [
      { id: first.id, because: 'approved-already', explanation: expect.stringContaining('somebody else') },
    ],
  });
  const { approvals } = (await as('auditor').get(`/v1/changes/${first.id}`)).body;
  expect(approvals).toMatchObject({
    needed: 2,
    given: [{ by: 'Acme reviewer' }],
    deadline: null,
    overdue: false,
  });
  const set = {
    ...{ verdict: 'approve', reason: 'checked', connection: ids.connection },
    revision: (await as('auditor').get(`/v1/changes/summary?connection=${ids.connection}`)).body.items[0]
      .revision,
  };
  const all = await as('tenant-administrator').post('/v1/changes/decisions', set);
  expect(all.body).toMatchObject({ decided: 1, waiting: 2, left: [] });
});

it('refuses in our own words what cannot be decided', async () => {
  const { post } = as('reviewer');
  const twice = { connection: ids.connection, revision: 0 };
  const refused = await post('/v1/changes/decisions', {
    ...{ verdict: 'hold', reason: '', until: 'never', revisions: [twice, twice] },
  });
  expect(refused.status).toBe(400);
  expect(refused.body.fields).toEqual([
    { path: 'reason', message: 'says why, for whoever asks later' },
    { path: 'until', message: 'is no moment with its time zone, such as 2026-12-31T18:00:00Z' },
    { path: 'revisions.1.connection', message: 'is named before already' },
  ]);
  const adjusting = await post(`/v1/changes/${ids.change}/adjustment`, {
    ...{ fingerprint: '0'.repeat(64), roles: [], reason: 'r' },
  });
  expect(adjusting.status).toBe(403);
});

it('sets rules, tries and tests them, lets go what they hold, sets a guard aside, and takes back what was applied', async () => {
  const harbor = await addCustomer(served, 'Harbor');
  const { ids: there } = await fill(served, harbor, 4);
  const { connection, tenant } = there;
  const key = harbor.keys['tenant-administrator'];
  const send = (method: string, path: string, body?: unknown) => served.request(method, path, { key, body });
  const rules = [{ name: 'look', when: 'change.kind == "create"', decide: { hold: { reason: 'HR looks' } } }];
  const wrong = [{ ...rules[0], when: 'change.kin == 1' }];
  expect(await send('PATCH', `/v1/tenants/${tenant}/policy`, { rules: wrong })).toMatchObject({
    status: 400,
    body: { fields: [{ path: 'rules.0.when', message: expect.stringContaining('line 1, column 8') }] },
  });
  const draft = { rules };
  expect((await send('POST', '/v1/policy-replays', { connection, draft })).body).toMatchObject({
    differences: [{ from: 'nothing', to: 'hold', changes: 4 }],
  });
  const listed = await send('POST', '/v1/policy-replays/changes', { connection, draft, to: 'hold' });
  expect(listed.body.items).toHaveLength(4);
  expect((await send('PATCH', `/v1/tenants/${tenant}/policy`, { rules })).status).toBe(200);
  const cases = [{ name: 'a joiner', change: { kind: 'create' }, expect: 'hold' }];
  expect((await send('POST', '/v1/policy-tests', { connection, cases })).body).toMatchObject({ passed: 1 });

  const summary = async () =>
    (await send('GET', `/v1/changes/summary?connection=${connection}`)).body.items[0];
  const decided = async (body: object) =>
    (await send('POST', '/v1/changes/decisions', { reason: 'seen', ...body })).body;
  const set = async () => ({ revisions: [{ connection, revision: (await summary()).revision }] });
  expect(await decided({ verdict: 'approve', ...(await set()) })).toMatchObject({ decided: 0 });
  const { body: held } = await send('GET', `/v1/changes?connection=${connection}&state=held`);
  expect(held.items).toHaveLength(3);
  const until = '2026-12-31T00:00:00.000Z';
  const [one] = held.items;
  const named = { changes: [{ id: one.id, fingerprint: one.fingerprint }] };
  expect(await decided({ verdict: 'reject', ...named, until })).toMatchObject({ decided: 1 });
  expect((await send('GET', `/v1/changes/${one.id}`)).body).toMatchObject({
    state: 'rejected',
    decision: { until, reason: 'seen' },
  });
  expect(await decided({ verdict: 'approve', includeHeld: true, ...(await set()) })).toMatchObject({
    decided: 2,
  });

  const guard = { guard: 'too-many-deletions', allowed: 5, until: inDays(2), reason: 'a move' };
  const aside = await send('POST', `/v1/connections/${connection}/guards/overrides`, guard);
  expect(aside).toMatchObject({ status: 201, body: { guard: 'too-many-deletions', allowed: 5 } });
  expect((await send('DELETE', `/v1/guard-overrides/${aside.body.id}`)).status).toBe(204);

  const { apply } = (await send('POST', `/v1/connections/${connection}/applies`)).body;
  await carryOutApply(served.deps, apply, { signal: AbortSignal.timeout(30_000) });
  const back = `/v1/applies/${apply}/undo`;
  expect((await send('POST', back, { dryRun: true })).body).toMatchObject({ proposed: 2 });
  const undone = await send('POST', back, { reason: 'Wrong mapping' });
  expect(undone.body).toMatchObject({ proposed: 2, kinds: { delete: 2 } });
  const { body: proposed } = await send('GET', `/v1/changes?connection=${connection}&cause=undo`);
  expect(proposed.items.map(({ undoReason }: Json) => undoReason)).toEqual([
    'Wrong mapping',
    'Wrong mapping',
  ]);
});

function inDays(days: number): string {
  return new Date(served.deps.clock.now().getTime() + days * 86_400_000).toISOString();
}
