/** Needs a source whose people can be made to come, change, leave and return (`moves`). */
import { expect, it } from 'vitest';
import { idOf, type Suite, usersOf } from './harness.ts';

export function followsMoves({ connect, control, abilities }: Suite): void {
  const stateOf = async (id: string | undefined) => {
    const records = (await usersOf(connect())).flatMap((page) => page.records);
    // Who moves while the lists are read may be named twice: the last record counts.
    const last = records.filter((record) => idOf(record) === id).at(-1);
    return last?.kind === 'user' ? last.user.state : last?.kind;
  };

  it('shows who has come as active, and who was disabled as suspended', async () => {
    const [hired] = (await control().hire(1)).ids;
    expect(await stateOf(hired)).toBe('active');
    await control().leave([hired ?? ''], 'disable');
    expect(await stateOf(hired)).toBe('suspended');
  });

  it(
    abilities.deletedUsers
      ? 'names who was deleted as deprovisioned, until they are restored'
      : 'does not name who was deleted, until they are restored',
    async () => {
      const { ids } = await control().leave(1, 'delete');
      expect(await stateOf(ids[0])).toBe(abilities.deletedUsers ? 'deprovisioned' : undefined);
      await control().restore(ids);
      expect(await stateOf(ids[0])).toBe('active');
    },
  );
}
