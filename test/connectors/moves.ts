/**
 * People who are deleted and restored while a provider's two lists of users, the deleted and the living, are being read one after
 * the other. The provider is a server that does what its lists say; each connector's test says how it words them.
 */
import { expect, it } from 'vitest';
import type { UserRecord } from '../../connectors/contract.ts';

const FIRST = ['1-gone', '2-living', '3-gone', '4-living'] as const;
type Id = (typeof FIRST)[number] | '5-new';

/** `deleted`: the time of it, ISO 8601. */
export type Person = { readonly id: Id; readonly deleted: string | null };

/** A page of one user, in the order of their ids: the first behind `after`, and whether there are more. */
export type ShowPage = (
  list: 'deleted' | 'living',
  after: string,
) => { person: Person | null; isLast: boolean };

/** Serves what `show` says, to a connector that reads all users; `show` is called once for each request for users. */
export type ReadUsers = (show: ShowPage) => Promise<readonly UserRecord[]>;

/** Deletes who is living, restores who is not, hires who is unknown, right before so many requests have been answered. */
type Move = { readonly before: number; readonly who: Id };

export function followsMovesBetweenLists(readUsers: ReadUsers): void {
  async function read(moves: readonly Move[]) {
    const people = new Map<Id, Person>();
    for (const id of FIRST) {
      people.set(id, { id, deleted: id.endsWith('gone') ? '2020-01-01T00:00:00.000Z' : null });
    }
    let requests = 0;
    const records = await readUsers((list, after) => {
      requests += 1;
      for (const { who } of moves.filter(({ before }) => before === requests)) {
        const isLiving = people.get(who)?.deleted === null;
        people.set(who, { id: who, deleted: isLiving ? new Date().toISOString() : null });
      }
      const listed = [...people.values()].filter(
        ({ deleted }) => (deleted !== null) === (list === 'deleted'),
      );
      const found = listed.filter(({ id }) => id > after);
      return { person: found[0] ?? null, isLast: found.length <= 1 };
    });
    const said = records.map((record) =>
      record.kind === 'user'
        ? [record.user.externalId, record.user.state]
        : expect.unreachable(record.problem),
    );
    const inTheEnd = [...people.values()].map(({ id, deleted }) => [
      id,
      deleted === null ? 'active' : 'deprovisioned',
    ]);
    return { said: Object.fromEntries(said), inTheEnd: Object.fromEntries(inTheEnd), mentions: said.length };
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
}
