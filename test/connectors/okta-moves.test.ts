/** People who are deactivated and reactivated while an Okta org's users are being read, against an org that does what its lists say. */
import { afterEach, expect, it } from 'vitest';
import { type Answered, allPages, anOktaUser, anOrg, connectedTo, type Org } from './oktaOrg.ts';

const signal = new AbortController().signal;
const LONG_AGO = '2020-01-01T00:00:00.000Z';
const FIRST = ['A-gone', 'B-living', 'C-gone', 'D-living'] as const;
type Id = (typeof FIRST)[number] | 'E-new';
type User = { readonly id: Id; status: 'ACTIVE' | 'DEPROVISIONED'; lastUpdated: string };

let org: Org;
afterEach(() => org.close());

/** Moves somebody to the other list, or in; they bear the time of the move. */
type Move = { readonly before: number; readonly who: Id };

/** Pages of one user, in the order of their ids. Each move happens right before so many requests have been answered. */
async function anOrgWithMoves(moves: () => readonly Move[]) {
  let users: User[] = [];
  let requests = 0;
  org = await anOrg(({ path }, origin): Answered => {
    const { pathname, searchParams } = new URL(path, origin);
    requests += 1;
    const filter = searchParams.get('filter');
    const after = searchParams.get('after') ?? '';
    // Whoever moves while the last list is read was named in one of the lists before.
    const isRead = filter?.startsWith('lastUpdated') === true && after !== '';
    for (const { who } of moves().filter(({ before }) => before === requests && !isRead)) move(users, who);
    const found = users.filter((user) => user.id > after && accepts(filter, user));
    const [user] = found;
    const links = [`<${origin}${path}>; rel="self"`];
    if (user !== undefined && found.length > 1) {
      const query = new URLSearchParams({
        ...(filter === null ? {} : { filter }),
        after: user.id,
        limit: '1',
      });
      links.push(`<${origin}${pathname}?${query}>; rel="next"`);
    }
    const body = user === undefined ? [] : [anOktaUser(user.id, { status: user.status })];
    return { headers: { link: links }, body };
  });
  return {
    /** The last that was said of each user, and what is so in the end. */
    async read() {
      requests = 0;
      users = FIRST.map((id) => ({
        id,
        status: id.endsWith('gone') ? 'DEPROVISIONED' : 'ACTIVE',
        lastUpdated: LONG_AGO,
      }));
      const connector = connectedTo(org);
      const records = await allPages((cursor) => connector.fetchUsers(cursor, signal));
      await connector.close();
      const said = records.map((record) =>
        record.kind === 'user'
          ? [record.user.externalId, record.user.state]
          : expect.unreachable(record.problem),
      );
      const inTheEnd = users.map(({ id, status }) => [id, status === 'ACTIVE' ? 'active' : 'deprovisioned']);
      return {
        said: Object.fromEntries(said),
        inTheEnd: Object.fromEntries(inTheEnd),
        mentions: said.length,
      };
    },
  };
}

function move(users: User[], who: Id): void {
  const lastUpdated = new Date().toISOString();
  const user = users.find(({ id }) => id === who);
  if (user === undefined) users.push({ id: who, status: 'ACTIVE', lastUpdated });
  else Object.assign(user, { status: user.status === 'ACTIVE' ? 'DEPROVISIONED' : 'ACTIVE', lastUpdated });
}

function accepts(filter: string | null, { status, lastUpdated }: User): boolean {
  if (filter === null) return status !== 'DEPROVISIONED';
  const since = /^lastUpdated gt "([^"]+)"$/.exec(filter)?.[1];
  return since === undefined ? filter === `status eq "${status}"` : lastUpdated > since;
}

// Requests 1 and 2 read the deactivated, 3 and 4 the living, and those behind them whoever has changed.
it.each<[string, readonly Move[], object]>([
  ['nobody moves', [], {}],
  ['is reactivated behind the first list', [{ before: 3, who: 'A-gone' }], { 'A-gone': 'active' }],
  ['is reactivated behind their place in both lists', [{ before: 4, who: 'A-gone' }], { 'A-gone': 'active' }],
  [
    'is reactivated before their place in the first list',
    [{ before: 2, who: 'C-gone' }],
    { 'C-gone': 'active' },
  ],
  ['is deactivated between the two lists', [{ before: 3, who: 'B-living' }], { 'B-living': 'deprovisioned' }],
  [
    'is deactivated before the second list comes to their place',
    [{ before: 4, who: 'D-living' }],
    { 'D-living': 'deprovisioned' },
  ],
  [
    'is deactivated behind their place in the second list',
    [{ before: 4, who: 'B-living' }],
    { 'B-living': 'deprovisioned' },
  ],
  [
    'is away just when the second list comes to their place',
    [
      { before: 3, who: 'B-living' },
      { before: 4, who: 'B-living' },
    ],
    { 'B-living': 'active' },
  ],
  ['comes in', [{ before: 4, who: 'E-new' }], { 'E-new': 'active' }],
])('names everybody, last as they are by then, when somebody %s', async (_, moves, expected) => {
  const { said, inTheEnd } = await (await anOrgWithMoves(() => moves)).read();
  expect(said).toEqual(inTheEnd);
  expect(said).toMatchObject(expected);
});

it('names everybody, last as they are by then, whenever two moves happen, to one person or to two', async () => {
  let moves: readonly Move[] = [];
  const { read } = await anOrgWithMoves(() => moves);
  const times = [1, 2, 3, 4, 5];
  const single = times.flatMap((before) => FIRST.map((who): Move => ({ before, who })));
  for (const [at, one] of single.entries()) {
    for (const other of single.slice(at + 1)) {
      moves = [one, other];
      const { said, inTheEnd } = await read();
      expect(said, JSON.stringify(moves)).toEqual(inTheEnd);
    }
  }
});

it('names nobody twice when nobody moves', async () => {
  expect((await (await anOrgWithMoves(() => [])).read()).mentions).toBe(FIRST.length);
});
