import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRole } from '../../src/tenancy/roles.ts';
import { asOwner } from '../support/database.ts';
import { operationsOf, parametersOf, pathWith } from './operations.ts';
import { addCustomer, aSession, fill, type Json, type Served, serve } from './served.ts';

let served: Served;
let lists: readonly { readonly path: string }[];
let key: string;

beforeAll(async () => {
  served = await serve();
  for (const name of ['one', 'two', 'three']) await createRole(served.deps, served.operator, { name });
  const first = await addCustomer(served, 'First');
  const second = await addCustomer(served, 'Second');
  const { ids } = await fill(served, first, 6);
  await fill(served, second, 5);
  await asOwner(served.databaseUrl, (client) =>
    client.query('UPDATE tenant SET product_plan_id = $1 WHERE id = ANY ($2)', [
      ids.productPlan,
      [first.tenant, second.tenant],
    ]),
  );
  await asOwner(served.databaseUrl, (client) =>
    client.query('UPDATE change_group SET difference_key = md5(connection_id::text)'),
  );
  key = first.keys.system;
  const { body: me } = await served.request('GET', '/v1/whoami', { key });
  for (let more = 3; more > 0; more--) await aSession(served, me.principal);
  await asOwner(served.databaseUrl, (client) =>
    client.query(
      `INSERT INTO apply_outcome (apply_id, change_id, tenant_id, outcome)
       SELECT $1, id, tenant_id, 'moved' FROM change WHERE connection_id = $2 AND apply_id IS NULL`,
      [ids.apply, ids.connection],
    ),
  );
  for (const text of ['Asked HR', 'They know'])
    await served.request('POST', `/v1/changes/${ids.change}/comments`, { key, body: { text } });
  lists = (await operationsOf(served))
    .filter((listed) => parametersOf(listed, 'query').some(({ name }) => name === 'after'))
    .map(({ path }) => ({ path: pathWith(path, ids) }));
});
afterAll(() => served.close());

async function walk(path: string, limit: number): Promise<{ items: Json[]; pages: number }> {
  const items: Json[] = [];
  let pages = 0;
  let after: string | null = null;
  do {
    const cursor: string = after === null ? '' : `&after=${encodeURIComponent(after)}`;
    const { status, body }: Json = await served.request('GET', `${path}?limit=${limit}${cursor}`, { key });
    expect(status, path).toBe(200);
    expect(body.items.length).toBeLessThanOrEqual(limit);
    items.push(...body.items);
    after = body.next;
    pages += 1;
  } while (after !== null && pages < 1_000);
  return { items, pages };
}

it('walks every list page by page, each item exactly once and in the same order', async () => {
  expect(lists.length).toBeGreaterThan(8);
  for (const { path } of lists) {
    const whole = await walk(path, 500);
    expect(whole.pages, path).toBe(1);
    expect(whole.items.length, path).toBeGreaterThan(1);
    for (const limit of [1, 2]) {
      const walked = await walk(path, limit);
      expect(walked.items, path).toEqual(whole.items);
      expect(walked.pages, path).toBe(Math.ceil(whole.items.length / limit));
    }
  }
});

it('goes on where it was although something was added meanwhile', async () => {
  const { body } = await served.request('GET', '/v1/roles?limit=2', { key });
  await createRole(served.deps, served.operator, { name: 'added meanwhile' });
  const rest = await served.request('GET', `/v1/roles?limit=500&after=${body.next}`, { key });
  const names = [...body.items, ...rest.body.items].map(({ name }: Json) => name);
  expect(names).toEqual(['one', 'two', 'three', 'added meanwhile']);
});

it('refuses a limit that is out of bounds and a cursor that it did not make, and names them', async () => {
  for (const { path } of lists) {
    for (const query of ['limit=0', 'limit=501', 'limit=many', 'after=!!']) {
      const { status, body } = await served.request('GET', `${path}?${query}`, { key });
      expect(status, `${path}?${query}`).toBe(400);
      expect(body.fields, `${path}?${query}`).toEqual([
        expect.objectContaining({ path: query.split('=')[0] }),
      ]);
    }
  }
});

it('takes a filter once or several times', async () => {
  const states = async (query: string) => {
    const { body } = await served.request('GET', `/v1/changes?limit=500&${query}`, { key });
    return new Set(body.items.map(({ state }: Json) => state));
  };
  expect(await states('state=applied')).toEqual(new Set(['applied']));
  expect(await states('state=applied&state=open')).toEqual(new Set(['applied', 'open']));
});
