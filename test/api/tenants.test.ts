import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addCustomer, fill, type Json, type Served, serve } from './served.ts';

let served: Served;
let ours: Awaited<ReturnType<typeof addCustomer>>;
let system: string;

beforeAll(async () => {
  served = await serve();
  ours = await addCustomer(served, 'Ours');
  await fill(served, ours);
  system = ours.keys.system;
});
afterAll(() => served.close());

const call = async (
  method: string,
  path: string,
  body?: unknown,
  key = ours.keys['tenant-administrator'],
) => {
  const answer = await served.request(method, path, { key, ...(body === undefined ? {} : { body }) });
  return { status: answer.status, body: answer.body as Json };
};

async function below(name: string, parent: string = ours.tenant): Promise<string> {
  const { status, body } = await call('POST', '/v1/tenants', { name, parent });
  expect(status).toBe(201);
  return body.id;
}

describe('A tenant over HTTP', () => {
  it('answers with its children and with all that is below it by kind, and with nothing above', async () => {
    const child = await below('Child');
    await below('Grandchild', child);
    const { body } = await call('GET', `/v1/tenants/${ours.tenant}`);
    expect(body).toMatchObject({
      ...{ parent: null, path: [ours.tenant], kind: 'enterprise', state: 'active', deleteAt: null },
      ...{ inheritsRoles: true, plan: null, effectivePlan: null },
      children: { items: [{ id: child, parent: ours.tenant, kind: 'individual' }], next: null },
      descendants: { individual: 2, organisation: 0, enterprise: 0 },
    });
    expect(body.children.items[0].dataKey).toMatch(new RegExp(`^${body.dataKey}\\d+\\.$`));
    const listed = await call('GET', `/v1/tenants?parent=${ours.tenant}`);
    expect(listed.body).toEqual(body.children);
  });

  it('gives its first children, and where the next ones are', async () => {
    const parent = await below('Many');
    for (let n = 0; n < 52; n += 1) await below(`child ${n}`, parent);
    const { body } = await call('GET', `/v1/tenants/${parent}`);
    expect(body.children.items).toHaveLength(50);
    const rest = await call('GET', `/v1/tenants?parent=${parent}&after=${body.children.next}`);
    expect(rest.body).toMatchObject({ items: [{ name: 'child 50' }, { name: 'child 51' }], next: null });
    expect(body.descendants).toEqual({ individual: 52, organisation: 0, enterprise: 0 });
  });

  it('is changed at the version that was seen; its product plan by the system alone', async () => {
    const id = await below('Versioned');
    const changed = await call('PATCH', `/v1/tenants/${id}`, {
      name: 'Renamed',
      inheritsRoles: false,
      version: 1,
    });
    expect(changed).toMatchObject({
      status: 200,
      body: { name: 'Renamed', inheritsRoles: false, version: 2 },
    });
    const stale = await call('PATCH', `/v1/tenants/${id}`, { name: 'Again', version: 1 });
    expect(stale).toMatchObject({ status: 409, body: { code: 'changed-since-shown' } });
    const plan = (await call('POST', '/v1/product-plans', { name: 'Business' }, system)).body.id;
    for (const [method, path] of [
      ['PATCH', `/v1/tenants/${id}`],
      ['POST', '/v1/tenants'],
    ] as const) {
      const refused = await call(method, path, {
        ...(method === 'POST' ? { name: 'With a plan' } : {}),
        plan,
      });
      expect(refused, path).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
    const set = await call('PATCH', `/v1/tenants/${id}`, { plan }, system);
    expect(set).toMatchObject({ status: 200, body: { plan, effectivePlan: plan, version: 3 } });
    const unknown = await call('PATCH', `/v1/tenants/${id}`, { plan: id }, system);
    expect(unknown).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  it('is moved, suspended, resumed and deleted, and refuses with a code that says why', async () => {
    const [from, to] = [await below('From'), await below('To')];
    const id = await below('Moving', from);
    expect(await call('POST', `/v1/tenants/${from}/move`, { parent: id })).toMatchObject({
      status: 409,
      body: { code: 'not-allowed-now' },
    });
    expect(await call('POST', `/v1/tenants/${id}/move`, { parent: to })).toMatchObject({
      status: 200,
      body: { parent: to, path: [ours.tenant, to, id] },
    });
    expect(await call('DELETE', `/v1/tenants/${to}`)).toMatchObject({
      status: 409,
      body: { code: 'tenant-in-use', detail: 'The tenant is in use: 1 tenant below it.' },
    });
    expect(await call('DELETE', `/v1/tenants/${to}?at=2999-01-31T00:00:00Z`)).toMatchObject({
      status: 200,
      body: { state: 'suspended', deleteAt: '2999-01-31T00:00:00.000Z' },
    });
    expect(await call('POST', `/v1/tenants/${to}/resume`)).toMatchObject({ status: 409 });
    expect(await call('POST', `/v1/tenants/${to}/keep`)).toMatchObject({
      status: 200,
      body: { state: 'active' },
    });
    expect(await call('POST', `/v1/tenants/${id}/suspend`)).toMatchObject({ body: { state: 'suspended' } });
    expect(await call('POST', `/v1/tenants/${id}/resume`)).toMatchObject({ body: { state: 'active' } });
    expect(await call('DELETE', `/v1/tenants/${from}`)).toMatchObject({
      status: 200,
      body: { state: 'deleted' },
    });
    expect(await call('GET', `/v1/tenants/${from}`)).toMatchObject({ status: 404 });
    expect(await call('DELETE', `/v1/tenants/${id}?at=yesterday`)).toMatchObject({
      status: 400,
      body: { code: 'invalid-input', fields: [{ path: 'at' }] },
    });
  });

  it('that is suspended opens nothing for its own, takes no run, and is shown to those above', async () => {
    const theirs = await addCustomer(served, 'Theirs');
    const { ids } = await fill(served, theirs);
    await call('POST', `/v1/tenants/${theirs.tenant}/suspend`, undefined, system);
    const own = await call('GET', '/v1/tenants', undefined, theirs.keys['tenant-administrator']);
    expect(own).toMatchObject({ status: 403, body: { code: 'tenant-suspended' } });
    for (const verb of ['runs', 'applies']) {
      const refused = await call('POST', `/v1/connections/${ids.connection}/${verb}`, {}, system);
      expect(refused, verb).toMatchObject({ status: 403, body: { code: 'tenant-suspended' } });
    }
    const seen = await call('GET', `/v1/tenants/${theirs.tenant}`, undefined, system);
    expect(seen.body).toMatchObject({ state: 'suspended' });
  });
});
