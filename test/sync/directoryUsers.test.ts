import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asOwner } from '../support/database.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

async function synced(faults: Faults = {}): Promise<Connected> {
  const directory = aDirectory({
    users: 6,
    pageSize: 2,
    groups: [{ id: 'engineers', members: ['u1', 'u2'] }],
    ...faults,
  });
  const acme = await install.connect({ directory, guards: noGuards });
  await acme.sync();
  return acme;
}

type Kept = Readonly<Record<string, { readonly user: unknown; readonly groups: readonly unknown[] }>>;

/** By external id. */
const kept = (acme: Connected): Promise<Kept> =>
  asOwner(install.database.url, async (client) => {
    const { rows } = await client.query(
      'SELECT external_id, content FROM directory_user WHERE connection_id = $1 ORDER BY external_id',
      [acme.connection],
    );
    return Object.fromEntries(rows.map(({ external_id, content }) => [external_id, content]));
  });

/** As the directory is at this moment. */
const there = (acme: Connected): Kept =>
  Object.fromEntries(
    acme.directory.users.map((user) => [
      user.externalId,
      {
        user: JSON.parse(JSON.stringify(user)),
        groups: acme.directory.groups
          .filter(({ members }) => members !== 'everyone' && members.includes(user.externalId))
          .map(({ id, name }) => ({ externalId: id, name })),
      },
    ]),
  );

describe('What was last read of the directory users', () => {
  it('is kept whether or not anything is proposed: also of attributes that nothing follows from', async () => {
    const acme = await synced();
    expect(await kept(acme)).toEqual(there(acme));
    await acme.approveAll();
    await acme.apply();
    acme.directory.edit('u1', { custom: { shoeSize: '42' } });
    acme.directory.group('engineers', ['u2', 'u3']);
    await acme.sync();
    expect(await acme.changes()).toEqual([]);
    expect(await kept(acme)).toEqual(there(acme));
  });

  it('is written only where it has changed', async () => {
    const acme = await synced();
    const versions = () =>
      asOwner(install.database.url, async (client) => {
        const { rows } = await client.query(
          'SELECT external_id, xmin::text, ctid::text FROM directory_user WHERE connection_id = $1 ORDER BY external_id',
          [acme.connection],
        );
        return rows;
      });
    const before = await versions();
    acme.directory.edit('u3', { department: 'Engines' });
    await acme.sync();
    const after = await versions();
    expect(after.filter((row, at) => row.ctid !== before[at]?.ctid).map((row) => row.external_id)).toEqual([
      'u3',
    ]);
  });

  it('goes with whoever is away, by a complete snapshot or by what the provider says of them', async () => {
    const acme = await synced({ hasFeed: true });
    await acme.approveAll();
    await acme.apply();
    acme.directory.remove('u4');
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await kept(acme)).toEqual(there(acme));
    acme.directory.remove('u5');
    acme.directory.edit('u6', { displayName: 'Edited' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await kept(acme)).toEqual(there(acme));
  });

  it('stays for whoever a partial snapshot does not name, and for whoever could not be understood', async () => {
    const acme = await synced();
    const before = await kept(acme);
    acme.directory.remove('u1', 'u6');
    acme.directory.edit('u2', { displayName: 'Edited' });
    acme.directory.faults = { fails: { page: 2 } };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial' });
    expect(await kept(acme)).toEqual({ ...before, u2: there(acme)['u2'], u3: there(acme)['u3'] });
    acme.directory.faults = { unreadable: ['u3'] };
    await acme.sync();
    expect(Object.keys(await kept(acme))).toEqual(['u2', 'u3', 'u4', 'u5']);
  });
});
