/** Needs a source that can be told to answer with odd pages; each test names the fault it needs. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { idOf, idsIn, never, type Suite, secondPage, usersOf } from './harness.ts';
import { FAULTS } from './source.ts';

export function survivesOddPages({ connect, control, failing, can, brokenPagesAre: kind }: Suite): void {
  it.skipIf(!can('empty-middle-page'))('goes on over an empty page in the middle', async () => {
    const expected = idsIn(await usersOf(connect()));
    await control().fault({ name: 'empty-middle-page', nth: 2 });
    const pages = await usersOf(connect());
    expect(pages.filter((page) => page.next !== null).some((page) => page.records.length === 0)).toBe(true);
    expect(idsIn(pages)).toEqual(expected);
  });

  it.skipIf(!can('empty-first-page'))(
    'takes an empty first page without a next one as it is: judging it is not its business',
    async () => {
      await control().fault({ name: 'empty-first-page', times: 1 });
      expect((await connect().fetchUsers(null, never)).records).toEqual([]);
    },
  );

  it.for(FAULTS['broken-pages'].filter(can))('does not take %s for a page', async (name) => {
    const connector = connect();
    await control().fault({ name, nth: 2, times: null });
    expect(await failing(secondPage(connector))).toMatchObject({ kind });
  });

  it.for(FAULTS['unreadable-records'].filter(can))(
    'reports one %s and lets the others through',
    async (name) => {
      const expected = (await connect().fetchUsers(null, never)).records.map(idOf);
      await control().fault({ name });
      const { records } = await connect().fetchUsers(null, never);
      const broken = records.filter((record) => record.kind === 'unreadable');
      expect(broken).toHaveLength(1);
      expect(broken[0]?.problem).toMatch(/\w/);
      const at = records.findIndex((record) => record.kind === 'unreadable');
      const withId = name === 'unreadable-record';
      expect(records.map(idOf)).toEqual(expected.map((id, index) => (index === at && !withId ? null : id)));
    },
  );

  it.skipIf(!can('looping-link'))('does not go round in a circle', async () => {
    await control().fault({ name: 'looping-link', times: null });
    expect(await failing(usersOf(connect()))).toMatchObject({ kind: 'unexpected-response' });
  });

  it.skipIf(!can('foreign-link'))(
    'refuses a next link to another host and never connects to it',
    async () => {
      let connections = 0;
      const stranger = createServer((socket) => {
        connections += 1;
        socket.destroy();
      });
      onTestFinished(() => void stranger.close());
      await once(stranger.listen(0, '127.0.0.1'), 'listening');
      const origin = `https://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
      await control().fault({ name: 'foreign-link', origin });
      expect(await failing(usersOf(connect()))).toMatchObject({ kind: 'foreign-link' });
      expect(connections).toBe(0);
    },
  );
}
