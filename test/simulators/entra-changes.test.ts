import { expect, it } from 'vitest';
import { everyPage, type Json, list, type Visitor, visit } from './visitor.ts';

/** Follows a reading of changes to its end. */
async function changesFrom(visitor: Visitor, link: string) {
  const items: Json[] = [];
  let next = link;
  for (let pages = 1; ; pages += 1) {
    const body = (await visitor.get(next)).json();
    items.push(...list(body['value']));
    expect(Object.keys(body).filter((name) => /nextLink|deltaLink/.test(name))).toHaveLength(1);
    if (body['@odata.deltaLink'] !== undefined)
      return { items, pages, link: String(body['@odata.deltaLink']) };
    next = String(body['@odata.nextLink']);
  }
}

const latest = (feed: string) => `/v1.0/${feed}/delta?$deltatoken=latest`;
const idsIn = (items: readonly Json[]) => items.map((item) => String(item['id']));

it('names nobody with the latest token, then whoever changed, and says how somebody was removed', async () => {
  const visitor = await visit('entra', { users: 40 });
  const { control } = visitor.simulator;
  const first = await changesFrom(visitor, latest('users'));
  expect(first.items).toEqual([]);
  const { ids: deleted } = await control.leave(1, 'delete');
  const { ids: purged } = await control.leave(1, 'purge');
  const { ids: hired } = await control.hire(1);
  const { items, link } = await changesFrom(visitor, first.link);
  const told = new Map(items.map((item) => [String(item['id']), item['@removed']]));
  expect(told.get(deleted[0] ?? '')).toEqual({ reason: 'changed' });
  expect(told.get(purged[0] ?? '')).toEqual({ reason: 'deleted' });
  expect(told.has(hired[0] ?? '')).toBe(true);
  expect(told.get(hired[0] ?? '')).toBeUndefined();
  expect((await changesFrom(visitor, link)).items).toEqual([]);
  await control.restore(deleted);
  const restored = await changesFrom(visitor, link);
  expect(restored.items.find((item) => String(item['id']) === deleted[0])).not.toHaveProperty('@removed');
});

it('begins with everybody when no token is given, and forgets nothing that happens meanwhile', async () => {
  const visitor = await visit('entra', { users: 450 });
  const page = (await visitor.get('/v1.0/users/delta?$select=id')).json();
  const { ids } = await visitor.simulator.control.rename(2);
  const { items, link, pages } = await changesFrom(visitor, String(page['@odata.nextLink']));
  expect(pages).toBe(2);
  const all = [...idsIn(list(page['value'])), ...idsIn(items)];
  expect(all.sort()).toEqual(idsIn(await everyPage(visitor, '/v1.0/users?$select=id&$top=999')).sort());
  expect(idsIn((await changesFrom(visitor, link)).items)).toEqual(expect.arrayContaining([...ids]));
});

it('tells who joined and left a group, by their kind', async () => {
  const visitor = await visit('entra', { users: 200 });
  const { link } = await changesFrom(visitor, latest('groups'));
  const { group, added, removed } = await visitor.simulator.control.changeGroup('VPN Users', {
    add: 2,
    remove: 1,
  });
  const { items } = await changesFrom(visitor, link);
  const type = '#microsoft.graph.user';
  const joined = added.map((id) => ({ '@odata.type': type, id }));
  const left = removed.map((id) => ({ '@odata.type': type, id, '@removed': { reason: 'deleted' } }));
  expect(items.map(({ id }) => String(id))).toEqual([group]);
  expect(new Set(list(items[0]?.['members@delta']))).toEqual(new Set([...joined, ...left]));
});

it('knows nothing of a token of another life, and can be told to forget one', async () => {
  const visitor = await visit('entra', { users: 5 });
  const unknown = await visitor.get('/v1.0/users/delta?$deltatoken=AAAA.0');
  expect([unknown.status, unknown.json()['error']?.['code']]).toEqual([400, 'syncStateNotFound']);
  const { link } = await changesFrom(visitor, latest('users'));
  await visitor.simulator.control.fault({ name: 'changes-expired' });
  const expired = await visitor.get(link);
  expect([expired.status, expired.json()['error']?.['code']]).toEqual([410, 'resyncRequired']);
  expect(expired.headers['location']).toContain('/users/delta');
});
