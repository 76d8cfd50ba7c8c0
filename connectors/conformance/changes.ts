/** Needs `abilities.delta` and a source with `moves`; each test names the fault it needs besides. */
import { expect, it } from 'vitest';
import type { Changes, ChangesPage, Connector, Cursor, DeltaToken } from '../contract.ts';
import { groupIdsOf, membersOf, never, type Suite, usersOf } from './harness.ts';
import type { Touched } from './source.ts';

type Named = {
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  readonly unreadable: number;
  readonly token: DeltaToken;
};

const feedOf = ({ changes }: Connector): Changes =>
  changes ?? expect.unreachable('the registry declares changes that are not there');

/** `between` is called once, after the first page. */
async function readChanges(
  connector: Connector,
  token: DeltaToken,
  between?: () => Promise<unknown>,
): Promise<Named> {
  const pages: ChangesPage[] = [];
  let cursor: Cursor | null = null;
  do {
    expect(pages.length, 'pages without an end').toBeLessThan(1_000);
    const page: ChangesPage = await feedOf(connector).fetch(token, cursor, never);
    pages.push(page);
    cursor = page.next;
    if (pages.length === 1) await between?.();
  } while (cursor !== null);
  expect(pages.slice(0, -1).filter((page) => page.token !== null)).toEqual([]);
  return {
    users: new Set(pages.flatMap((page) => page.users)),
    groups: new Set(pages.flatMap((page) => page.groups)),
    unreadable: pages.reduce((sum, page) => sum + page.unreadable, 0),
    token: pages.at(-1)?.token ?? expect.unreachable('the last page has no token'),
  };
}

const begun = (connector: Connector) => feedOf(connector).begin(never);

function expectNamed(named: Pick<Named, 'users'>, ids: readonly string[]): void {
  expect(ids.length).toBeGreaterThan(0);
  expect(ids.filter((id) => !named.users.has(id))).toEqual([]);
}

function movesOf({ control, can }: Suite): readonly (readonly [string, () => Promise<Touched>])[] {
  const deletions = [
    ['was deleted', () => control().leave(2, 'delete')],
    ['was deleted and restored', async () => control().restore((await control().leave(2, 'delete')).ids)],
  ] as const;
  return [
    ['came', () => control().hire(3)],
    ['was renamed', () => control().rename(3)],
    ['was disabled', () => control().leave(2, 'disable')],
    ...(can('deletions-in-changes') ? deletions : []),
  ];
}

export function tellsChanges(suite: Suite): void {
  const { connect, control, failing, can } = suite;

  it('begins with next to nobody', async () => {
    const connector = connect();
    const everybody = (await usersOf(connector)).flatMap((page) => page.records).length;
    const named = await readChanges(connector, await begun(connector));
    expect(named.unreadable).toBe(0);
    expect(named.users.size).toBeLessThan(everybody / 2); // some readings go back a little, for what is told late
  });

  it.for(movesOf(suite))('names who %s, from a token that another instance began', async ([, move]) => {
    const token = await begun(connect());
    const { ids } = await move();
    expectNamed(await readChanges(connect(), JSON.parse(JSON.stringify(token))), ids);
  });

  it.skipIf(can('deletions-in-changes'))(
    'does not pass over who was deleted: a full pull has to follow',
    async () => {
      const connector = connect();
      const token = await begun(connector);
      await control().leave(2, 'delete');
      const needed = await readChanges(connector, token).then(
        ({ unreadable }) => unreadable > 0,
        async (error: unknown) => (await failing(Promise.reject(error))).kind === 'cursor-expired',
      );
      expect(needed).toBe(true);
    },
  );

  it.skipIf(!can('moving-members'))('names who joined and left a group, or the group', async () => {
    const connector = connect();
    const group = await aSmallGroup(connector);
    const token = await begun(connector);
    const { added, removed } = await control().changeGroup(group, { add: 2, remove: 1 });
    const named = await readChanges(connector, token);
    expect([...added, ...removed]).toHaveLength(3);
    if (!named.groups.has(group)) expectNamed(named, [...added, ...removed]);
  });

  it('tells the same again to who asks again with the same token, and goes on from the next one', async () => {
    const connector = connect();
    const token = await begun(connector);
    const { ids } = await control().hire(2);
    const first = await readChanges(connector, token);
    expectNamed(first, ids);
    expectNamed(await readChanges(connect(), token), ids);
    const later = (await control().rename(2)).ids;
    expectNamed(await readChanges(connect(), first.token), later);
  });

  it('tells a change that is made while the changes are read in this reading or in the next', async () => {
    const connector = connect();
    const token = await begun(connector);
    await control().rename(2);
    let meanwhile: readonly string[] = [];
    const first = await readChanges(connector, token, async () => {
      meanwhile = (await control().hire(2)).ids;
    });
    const next = await readChanges(connector, first.token);
    expectNamed({ ...next, users: new Set([...first.users, ...next.users]) }, meanwhile);
  });
}

/** The same feed with a source that misbehaves. */
export function survivesOddChanges({ connect, control, failing, can }: Suite): void {
  it.skipIf(!can('changes-repeated'))(
    'names everybody also when the source repeats itself, out of order',
    async () => {
      const connector = connect();
      const token = await begun(connector);
      const { ids } = await control().rename(4);
      await control().fault({ name: 'changes-repeated' });
      expectNamed(await readChanges(connector, token), ids);
    },
  );

  it.skipIf(!can('changes-expired'))('says that a token has expired, and takes nobody for gone', async () => {
    const connector = connect();
    const token = await begun(connector);
    await control().fault({ name: 'changes-expired' });
    expect(await failing(readChanges(connector, token))).toMatchObject({ kind: 'cursor-expired' });
  });

  it('calls a token that it did not make expired', async () => {
    const foreign = feedOf(connect()).fetch('made-by-nobody', null, never);
    expect(await failing(foreign)).toMatchObject({ kind: 'cursor-expired' });
  });

  it.skipIf(!can('foreign-link'))('refuses a link to another host among the changes', async () => {
    const connector = connect();
    const token = await begun(connector);
    await control().rename(1);
    await control().fault({
      name: 'foreign-link',
      on: 'changes',
      times: null,
      origin: 'https://127.0.0.1:1',
    });
    const failure = await failing(
      readChanges(connector, token).then(({ token: next }) => readChanges(connector, next)),
    );
    expect(failure).toMatchObject({ kind: 'foreign-link' });
  });

  it.skipIf(!can('status-503'))(
    'fails as any list does, and goes on from the same token afterwards',
    async () => {
      const connector = connect();
      const token = await begun(connector);
      const { ids } = await control().rename(2);
      for (const on of ['changes', 'users'] as const)
        await control().fault({ name: 'status-503', on, times: null });
      expect(await failing(readChanges(connector, token))).toMatchObject({ kind: 'unavailable' });
      await control().clearFaults();
      expectNamed(await readChanges(connect(), token), ids);
    },
  );
}

async function aSmallGroup(connector: Connector) {
  for (const group of await groupIdsOf(connector)) {
    const { members, everyone } = await membersOf(connector, group);
    if (!everyone && members.length >= 3 && members.length <= 60) return group;
  }
  return expect.unreachable('there is no group of 3 to 60 members');
}
