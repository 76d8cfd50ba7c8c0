/** People who are deleted and restored while a directory's users are being read, against a Graph that does what its lists say. */
import { expect, it } from 'vitest';
import { everyUser } from './entraDirectory.ts';
import { aGraph, aUser } from './entraHost.ts';

const LONG_AGO = '2020-01-01T00:00:00Z';
const FIRST = ['1-gone', '2-living', '3-gone', '4-living'] as const;
type Id = (typeof FIRST)[number] | '5-new';
type User = { readonly id: Id; deletedDateTime: string | null };
/** Deletes who is living, restores who is not, hires who is unknown, right before so many requests have been answered. */
type Move = { readonly before: number; readonly who: Id };

/** Pages of one user, in the order of their ids. */
async function read(moves: readonly Move[]) {
  const users: User[] = FIRST.map((id) => ({ id, deletedDateTime: id.endsWith('gone') ? LONG_AGO : null }));
  const graph = await aGraph(({ path, query, origin }) => {
    for (const { who } of moves.filter(({ before }) => before === graph.asked.length)) move(users, who);
    const wantsDeleted = path.startsWith('/directory/deletedItems/');
    const found = users
      .filter(({ deletedDateTime }) => (deletedDateTime !== null) === wantsDeleted)
      .filter(({ id }) => id > (query.get('$skiptoken') ?? ''));
    const value = found.slice(0, 1).map(({ id, deletedDateTime }) => aUser(id, { deletedDateTime }));
    const link = `${origin}/v1.0${path}?$skiptoken=${found[0]?.id}`;
    return { body: { value, ...(found.length > 1 ? { '@odata.nextLink': link } : {}) } };
  });
  const records = await everyUser(graph.connect());
  const said = records.map((record) =>
    record.kind === 'user' ? [record.user.externalId, record.user.state] : expect.unreachable(record.problem),
  );
  const inTheEnd = users.map(({ id, deletedDateTime }) => [
    id,
    deletedDateTime === null ? 'active' : 'deprovisioned',
  ]);
  return { said: Object.fromEntries(said), inTheEnd: Object.fromEntries(inTheEnd), mentions: said.length };
}

function move(users: User[], who: Id): void {
  const user = users.find(({ id }) => id === who);
  if (user === undefined) users.push({ id: who, deletedDateTime: null });
  else user.deletedDateTime = user.deletedDateTime === null ? new Date().toISOString() : null;
}

// Requests 1 and 2 read the deleted, 3 and 4 the living, and those behind them the deleted again.
it.each<[string, readonly Move[], object]>([
  ['is restored behind the first list', [{ before: 3, who: '1-gone' }], { '1-gone': 'active' }],
  [
    'is restored before their place in the first list',
    [{ before: 2, who: '3-gone' }],
    { '3-gone': 'active' },
  ],
  [
    'is restored before their place in the second list',
    [{ before: 4, who: '3-gone' }],
    { '3-gone': 'active' },
  ],
  ['is deleted between the two lists', [{ before: 3, who: '2-living' }], { '2-living': 'deprovisioned' }],
  [
    'is deleted before the second list comes to their place',
    [{ before: 4, who: '4-living' }],
    { '4-living': 'deprovisioned' },
  ],
  [
    'is deleted behind their place in the second list',
    [{ before: 4, who: '2-living' }],
    { '2-living': 'deprovisioned' },
  ],
  [
    'is restored, and deleted again',
    [
      { before: 3, who: '1-gone' },
      { before: 5, who: '1-gone' },
    ],
    { '1-gone': 'deprovisioned' },
  ],
  ['comes in', [{ before: 4, who: '5-new' }], { '5-new': 'active' }],
])('names everybody, last as they are by then, when somebody %s', async (_, moves, expected) => {
  const { said, inTheEnd } = await read(moves);
  expect(said).toEqual(inTheEnd);
  expect(said).toMatchObject(expected);
});

it('never leaves out anybody, whenever somebody moves', async () => {
  for (const before of [1, 2, 3, 4, 5]) {
    for (const who of FIRST) {
      const { said } = await read([{ before, who }]);
      expect(Object.keys(said).sort(), `${who} before ${before}`).toEqual(FIRST);
    }
  }
});

it('names nobody twice when nobody moves', async () => {
  expect((await read([])).mentions).toBe(FIRST.length);
});
