import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import { aUser } from '../support/tenancy.ts';
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
    await grantRole(served.deps, customer.administrator, { user, role: 'clerk' });
    const changed = await ask(`"${body.version}"`);
    expect(changed).toMatchObject({ status: 200, body: { entries: [{ roles: ['clerk'] }] } });
  });
});
