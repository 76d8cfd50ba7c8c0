import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { openKeys } from '../../simulators/certificates.ts';
import { listRuns } from '../../src/sync/runs.ts';
import type { ChangedConnection } from '../../src/tenancy/connectionInput.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
let ca: string;
beforeAll(async () => {
  install = await Install.open();
  ca = (await openKeys(null)).ca;
});
afterAll(() => install.close());

type Given = Omit<z.input<typeof ChangedConnection>, 'connection'>;
const update = async ({ connection }: Connected, given: Given): Promise<void> => {
  await updateConnection(install, install.operator, { connection, ...given });
};

const credentials = { directory: 'entered again' };
const network = { baseUrl: null, ca: null, proxy: null };
const roles = [{ group: 'engineers', role: 'engineer' }];

/** What alters neither who is in the directory nor what is read of them. */
const HARMLESS: [string, (acme: Connected) => Promise<void>][] = [
  ['its name', (acme) => update(acme, { name: `renamed ${acme.connection}` })],
  ['its schedule', (acme) => update(acme, { schedule: '*/30 * * * *' })],
  ['its policy', (acme) => update(acme, { policy: { guards: { ...noGuards, deletedPercent: 99 } } })],
  ['its share of the rate limits', (acme) => update(acme, { network: { ...network, share: 0.2 } })],
];
/** Where credentials are sent elsewhere, they have to be entered again. */
const ACCESS: typeof HARMLESS = [
  ['its settings', (acme) => install.redirect(acme.connection, acme.directory)],
  [
    'its base address',
    (acme) => update(acme, { credentials, network: { ...network, baseUrl: 'https://other.test' } }),
  ],
  ['the authority that it trusts', (acme) => update(acme, { credentials, network: { ...network, ca } })],
  [
    'its proxy',
    (acme) => update(acme, { credentials, network: { ...network, proxy: 'http://proxy.test:3128' } }),
  ],
  ['its credentials', (acme) => update(acme, { credentials })],
];
const MAPPING: (typeof HARMLESS)[number] = [
  'its mapping',
  (acme) => install.remap(acme.connection, { roles, everyone: [], custom: ['shoeSize'] }),
];

/** Ten users, two of whom have a role by a group, all applied; the next run may be a delta. */
async function settled(faults: Faults = {}): Promise<Connected> {
  const directory = aDirectory({
    users: 10,
    pageSize: 3,
    groups: [{ id: 'engineers', members: ['u1', 'u2'] }],
    hasFeed: true,
    ...faults,
  });
  const acme = await install.connect({ directory, mapping: { roles }, guards: noGuards });
  await acme.syncAndApply();
  return acme;
}

async function withNews(faults: Faults = {}): Promise<Connected> {
  const acme = await settled(faults);
  acme.directory.edit('u3', { displayName: 'Edited' });
  acme.directory.remove('u4');
  acme.directory.edit('u5', {});
  acme.directory.faults = { ...acme.directory.faults, outOfScope: ['u5'] };
  return acme;
}

const runsOf = async ({ administrator, connection }: Connected) =>
  (await listRuns(install, administrator, { connection })).items;

describe('A connection of which was changed', () => {
  it.each(HARMLESS)(
    '%s goes on with a delta: nothing else is the reason of what it finds',
    async (_, change) => {
      const acme = await withNews();
      await change(acme);
      expect(await acme.sync()).toMatchObject({ kind: 'delta' });
      expect(await acme.changeOf('u3')).toMatchObject({ cause: 'edited' });
      expect(await acme.changeOf('u4')).toMatchObject({ kind: 'delete', cause: 'left' });
      expect(await acme.changeOf('u5')).toMatchObject({ kind: 'delete', cause: 'out-of-scope' });
    },
  );

  it.each([...ACCESS, MAPPING])(
    '%s reads everybody; that is why somebody is left out, but not why somebody has left',
    async (what, change) => {
      const acme = await withNews();
      await change(acme);
      expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
      const cause = what === MAPPING[0] ? 'mapping-changed' : 'edited';
      expect(await acme.changeOf('u3')).toMatchObject({ cause });
      expect(await acme.changeOf('u4')).toMatchObject({ kind: 'delete', cause: 'left' });
      expect(await acme.changeOf('u5')).toMatchObject({ kind: 'delete', cause: 'scope-changed' });
      expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    },
  );

  it.each([...HARMLESS, ...ACCESS, MAPPING])(
    '%s keeps or drops its place in the feed, also while only a part of the directory can be read',
    async (what, change) => {
      const acme = await withNews();
      await change(acme);
      const { faults } = acme.directory;
      acme.directory.faults = { ...faults, fails: { page: 3 } };
      expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'partial' });
      acme.directory.faults = faults;
      const isKept = HARMLESS.some(([harmless]) => harmless === what);
      expect(await acme.sync()).toMatchObject({ kind: isKept ? 'delta' : 'full' });
      expect(await acme.pending()).toEqual(['u3', 'u4', 'u5']);
    },
  );

  it.each([...HARMLESS, ...ACCESS, MAPPING])(
    '%s goes on with a run that was left, or gives it up for one by what it says now',
    async (what, change) => {
      const acme = await withNews();
      await acme.leftAtLookUp();
      const [left] = await runsOf(acme);
      await change(acme);
      expect(await acme.sync()).toMatchObject({ result: 'finished' });
      const [last, before] = await runsOf(acme);
      if (HARMLESS.some(([harmless]) => harmless === what))
        expect(last).toMatchObject({ id: left?.id, kind: 'delta', state: 'finished' });
      else {
        expect(before).toMatchObject({
          id: left?.id,
          state: 'failed',
          failure: { kind: 'configuration-changed' },
        });
        expect(last).toMatchObject({ kind: 'full', state: 'finished' });
      }
      expect(await acme.pending()).toEqual(['u3', 'u4', 'u5']);
    },
  );
});

describe('A permission that is lost', () => {
  const told = (...permissions: string[]): Faults => ({
    hasFeed: true,
    evidence: { users: null, permissions },
  });
  const lost = async (): Promise<Connected> => {
    const acme = await settled(told('groups', 'users'));
    acme.directory.remove('u4');
    acme.directory.group('engineers', []);
    acme.directory.faults = told('users');
    return acme;
  };

  it.each([...HARMLESS, MAPPING])('is not hidden by a change of %s', async (_, change) => {
    const acme = await lost();
    await change(acme);
    for (const full of [false, true])
      expect(await acme.sync({ full })).toMatchObject({
        snapshot: 'partial',
        partialReason: 'permission-lost',
      });
    expect(await acme.pending('delete', 'suspend')).toEqual([]);
    expect((await acme.live()).flatMap(({ rolesLost }) => rolesLost)).toEqual([]);
  });

  it.each(ACCESS)('is meant where credentials are entered with a change of %s', async (_, change) => {
    const acme = await lost();
    await change(acme);
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await acme.pending('delete')).toEqual(['u4']);
  });
});
