import { hash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KnownContents } from '../../src/store/directoryUsers.ts';
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

  it('is what the last of several mentions says, also where that is what was known before', async () => {
    const acme = await synced();
    await acme.approveAll();
    await acme.apply();
    const before = await kept(acme);
    const asItWas = acme.directory.users.flatMap(({ externalId: id, ...user }) =>
      id === 'u1' ? [{ id, ...user }] : [],
    );
    acme.directory.edit('u1', { displayName: 'Named on the first page' });
    acme.directory.faults = { listedTwice: asItWas };
    await acme.sync();
    expect(await acme.changes()).toEqual([]);
    expect(await kept(acme)).toEqual(before);
  });

  it('needs no second look where their auth user agrees with it, and gets one where that has moved', async () => {
    const acme = await synced();
    const lookedAt = () =>
      asOwner(install.database.url, async (client) => {
        const { rows } = await client.query(
          `SELECT external_id FROM staged_user WHERE desired_hash IS NOT NULL AND run_id = (
             SELECT id FROM sync_run WHERE connection_id = $1 ORDER BY id DESC LIMIT 1) ORDER BY external_id`,
          [acme.connection],
        );
        return rows.map((row) => row.external_id);
      });
    expect(await lookedAt()).toEqual(['u1', 'u2', 'u3', 'u4', 'u5', 'u6']);
    await acme.sync();
    expect(await lookedAt()).toEqual(['u1', 'u2', 'u3', 'u4', 'u5', 'u6']); // nothing is applied yet
    await acme.approveAll();
    await acme.apply();
    acme.directory.edit('u2', { custom: { shoeSize: '42' } });
    acme.directory.group('engineers', ['u1', 'u2', 'u5']);
    await acme.sync();
    expect(await lookedAt()).toEqual(['u2', 'u5']);
    await asOwner(install.database.url, (client) =>
      client.query(
        `UPDATE auth_user SET version = version + 1 WHERE id = (
           SELECT auth_user_id FROM identity WHERE connection_id = $1 AND external_id = 'u4')`,
        [acme.connection],
      ),
    );
    await acme.sync();
    expect(await lookedAt()).toEqual(['u4']);
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

describe('Known contents', () => {
  const digest = (text: string) => hash('sha256', text, 'buffer');
  const kept = (digests: readonly Buffer[]) => {
    const sorted = [...digests].sort(Buffer.compare).map((one) => one.subarray(0, 16));
    return sorted.length === 0 ? null : Buffer.concat(sorted);
  };

  it('are found among any others, and nothing else is', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 3_000, size: 'max' }), (texts) => {
        const known = new KnownContents();
        const [settled, others, absent] = [0, 1, 2].map((part) =>
          texts.filter((_, at) => at % 3 === part).map(digest),
        );
        for (let first = 0; first < 256; first++) {
          const begins = (all: readonly Buffer[] = []) => kept(all.filter((one) => one[0] === first));
          known.add(first, { settled: begins(settled), others: begins(others) });
        }
        expect(settled?.every((one) => known.find(one) === 'settled')).toBe(true);
        expect(others?.every((one) => known.find(one) === 'unsettled')).toBe(true);
        expect(absent?.every((one) => known.find(one) === null)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('that share their first bytes are told apart', () => {
    const digests = Array.from({ length: 40 }, (_, n) =>
      Buffer.concat([Buffer.from('0001020304', 'hex'), digest(`${n}`)]),
    );
    const known = new KnownContents();
    known.add(0, { settled: kept(digests.slice(0, 30)), others: null });
    expect(digests.map((one) => known.find(one))).toEqual([
      ...Array(30).fill('settled'),
      ...Array(10).fill(null),
    ]);
  });
});
