import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import { asOwner } from '../support/database.ts';
import { aUser } from '../support/tenancy.ts';
import { UNKNOWN } from './operations.ts';
import { addCustomer, type Served, serve } from './served.ts';

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let user: string;
let key: string;

beforeAll(async () => {
  served = await serve();
  customer = await addCustomer(served, 'Harbor');
  user = await aUser(served.databaseUrl, customer.administrator.tenant);
  key = customer.keys.application;
  await createRole(served.deps, served.operator, { name: 'clerk' });
});
afterAll(() => served.close());

const ask = (known?: string) =>
  served.request('GET', `/v1/users/${user}/authorization`, {
    key,
    ...(known === undefined ? {} : { headers: { 'if-none-match': known } }),
  });

describe('an authorization over HTTP', () => {
  it('has its version as the entity tag, and may be kept by who asked as long as they ask again', async () => {
    const { status, headers, body } = await ask();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      user,
      tenant: customer.tenant,
      active: true,
      entries: [{ name: 'Harbor' }],
    });
    expect(headers.get('etag')).toBe(`"${body.version}"`);
    expect(headers.get('cache-control')).toBe('private, no-cache');
  });

  it('is not sent again to whoever has it, and is as soon as it changes', async () => {
    const { body } = await ask();
    for (const known of [`"${body.version}"`, `W/"${body.version}"`, `"other", "${body.version}"`, '*']) {
      const again = await ask(known);
      expect(again, known).toMatchObject({ status: 304, body: '' });
      expect(again.headers.get('etag')).toBe(`"${body.version}"`);
    }
    expect((await ask('"other"')).status).toBe(200);
    await grantRole(served.deps, served.operator, { user, role: 'clerk' });
    const changed = await ask(`"${body.version}"`);
    expect(changed).toMatchObject({ status: 200, body: { entries: [{ roles: ['clerk'] }] } });
  });
});

describe('a key that was just good for a read', () => {
  /** As another process would: this one hears of it by no other way than the database. */
  const elsewhere = (text: string, value: string) =>
    asOwner(served.databaseUrl, (client) => client.query(text, [value]));

  const aKey = async (name: string) => {
    const principal = await served.request('POST', '/v1/principals', {
      key: customer.keys.system,
      body: { name, role: 'application', tenant: customer.tenant },
    });
    const made = await served.request('POST', `/v1/principals/${principal.body.id}/keys`, {
      key: customer.keys.system,
      body: {},
    });
    const read = () => served.request('GET', `/v1/users/${user}/authorization`, { key: made.body.key });
    for (const _ of [1, 2]) expect((await read()).status).toBe(200);
    return { principal: principal.body.id, id: made.body.id, read };
  };

  it('opens nothing from the moment on that it is revoked', async () => {
    const { id, read } = await aKey('revoked');
    await elsewhere('UPDATE api_key SET revoked_at = now() WHERE id = $1', id);
    expect(await read()).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
  });

  it('opens nothing from the moment on that its principal is disabled', async () => {
    const { principal, read } = await aKey('disabled');
    await elsewhere('UPDATE principal SET disabled_at = now() WHERE id = $1', principal);
    expect((await read()).status).toBe(401);
  });

  it('may no more than its principal from the moment on that this may less', async () => {
    const { principal, read } = await aKey('demoted');
    await elsewhere(`UPDATE principal SET role = 'reviewer' WHERE id = $1`, principal);
    expect(await read()).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  it('is refused from the moment on that its tenant is suspended, and is good again with it', async () => {
    const { read } = await aKey('suspended');
    await elsewhere(`UPDATE tenant SET state = 'suspended' WHERE id = $1`, customer.tenant);
    expect(await read()).toMatchObject({ status: 403, body: { code: 'tenant-suspended' } });
    await elsewhere(`UPDATE tenant SET state = 'active' WHERE id = $1`, customer.tenant);
    expect((await read()).status).toBe(200);
  });

  it('opens for each of those who come with it at once, and one that is none opens for nobody', async () => {
    const { id, read } = await aKey('shared');
    const statuses = async (reading: () => Promise<{ readonly status: number }>) =>
      new Set((await Promise.all(Array.from({ length: 30 }, reading))).map(({ status }) => status));
    expect(await statuses(read)).toEqual(new Set([200]));
    await elsewhere('UPDATE api_key SET revoked_at = now() WHERE id = $1', id);
    expect(await statuses(read)).toEqual(new Set([401]));
    const path = `/v1/users/${user}/authorization`;
    expect(await statuses(() => served.request('GET', path, { key: 'rc_nobodys' }))).toEqual(new Set([401]));
  });

  it('finds nobody who is not there, as ever', async () => {
    const { read } = await aKey('mistaken');
    const nobody = await served.request('GET', `/v1/users/${UNKNOWN}/authorization`, { key });
    expect(nobody).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect((await read()).status).toBe(200);
  });
});
