import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { Mapping } from '../../src/domain/mapping.ts';
import { previewMapping } from '../../src/sync/previewMapping.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aTenant, unknownId } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const roles = [{ group: 'engineers', role: 'engineer' }];

/** Ten users, all applied; two of them are engineers, who have a role for it. */
async function settled(
  guards: Partial<Record<keyof typeof noGuards, number>> = noGuards,
): Promise<Connected> {
  const directory = aDirectory({
    users: 10,
    groups: [
      { id: 'engineers', members: ['u1', 'u2'] },
      { id: 'sales', members: ['u3'] },
    ],
  });
  const acme = await install.connect({ directory, mapping: { groups: [], roles }, guards });
  await acme.syncAndApply();
  return acme;
}

type Given = z.input<typeof Mapping>;

const preview = (acme: Connected, mapping: Given, caller = install.operator) =>
  previewMapping(install, caller, { connection: acme.connection, mapping: { groups: [], ...mapping } });

/** All rows of all tables. */
const everything = () =>
  asOwner(install.database.url, async (client) => {
    const { rows: tables } = await client.query(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
    );
    const found: Record<string, string> = {};
    for (const { name } of tables) {
      const { rows } = await client.query(
        `SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS all FROM "${name}" t`,
      );
      found[name] = rows[0].all;
    }
    return found;
  });

describe('The preview of a mapping', () => {
  it.each<[string, Given]>([
    ['other roles for a group', { roles: [{ group: 'engineers', role: 'builder' }] }],
    ['no roles at all', { roles: [] }],
    ['a role for everybody', { roles, everyone: ['member'] }],
    ['a field that the directory does not own', { roles, omit: ['department'] }],
    ['a tenant for some', { roles, rules: [{ tenant: 'Workshop', create: true }] }],
  ])('foresees what the next full run proposes: %s', async (_, mapping) => {
    const acme = await settled();
    acme.directory.edit('u9', { department: 'Engines' });
    acme.directory.remove('u10');
    await acme.sync({ full: true });
    const { changes, after, withdrawn } = await preview(acme, mapping);
    const before = new Set((await acme.changes()).map(({ fingerprint }) => fingerprint));
    await install.remap(acme.connection, Mapping.parse({ groups: [], ...mapping }));
    const run = await acme.sync({ full: true });
    const proposed = (await acme.changes()).filter(({ fingerprint }) => !before.has(fingerprint));
    expect(proposed.length + withdrawn).toBeGreaterThan(0);
    const shown = ({ externalId, kind, fingerprint, fields }: (typeof changes)[number]) => ({
      ...{ externalId, kind, fingerprint, fields },
    });
    expect(changes.map(shown).sort(byId)).toEqual(proposed.map(shown).sort(byId));
    expect(after).toEqual((run as { counts: unknown }).counts);
    const kept = (await acme.changes()).length - proposed.length;
    expect(withdrawn).toBe(before.size - kept);
  });

  it('asks the provider for nothing, and leaves nothing behind', async () => {
    const acme = await settled();
    acme.directory.edit('u9', { department: 'Engines' });
    await acme.sync();
    acme.directory.requests.length = 0;
    const before = await everything();
    const found = await preview(acme, {
      roles: [],
      everyone: ['member'],
      rules: [{ tenant: 'Workshop', create: true }],
    });
    expect(found.proposed).toEqual({ update: 10 });
    expect(acme.directory.requests).toEqual([]);
    expect(await everything()).toEqual(before);
  });

  it('counts whom each role would be given to and taken from', async () => {
    const acme = await settled();
    const found = await preview(acme, { roles: [], everyone: ['member'] });
    expect(found).toMatchObject({
      users: 10,
      before: { changed: 0 },
      after: { changed: 10 },
      roles: [
        { role: 'engineer', gained: 0, lost: 2 },
        { role: 'member', gained: 10, lost: 0 },
      ],
      unreadGroups: [],
    });
  });

  it('names the roles that saving would make, with those that may be meant instead; a tenant, which makes none, is refused as then', async () => {
    const acme = await settled();
    const mistyped = {
      roles: [{ group: 'engineers', role: 'enginer' }],
      everyone: ['unheard of', 'engineer'],
    };
    const { newRoles, roles: given } = await preview(acme, mistyped);
    expect(newRoles).toEqual([
      { role: 'enginer', similar: ['engineer'] },
      { role: 'unheard of', similar: [] },
    ]);
    expect(given).toContainEqual({ role: 'enginer', gained: 2, lost: 0 });
    expect((await preview(acme, { roles })).newRoles).toEqual([]);
    const admin = await aCaller(install, acme.tenant, 'tenant-administrator');
    await expect(preview(acme, mistyped, admin)).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [
        { path: 'mapping.roles.0.role', message: 'there is no role "enginer"; is "engineer" meant?' },
        { path: 'mapping.everyone.0', message: 'there is no role "unheard of"' },
      ],
    });
  });

  it('says what guards would hold', async () => {
    const acme = await settled({ ...noGuards, lostRolesPercent: 0, lostRolesAtLeast: 1 });
    const { held, after } = await preview(acme, { roles: [] });
    expect(held).toEqual(['2 users would lose roles; up to 1 go without a person looking at them']);
    expect(after.held).toBe(2);
  });

  it('names groups whose members were not read, and supposes nothing of them', async () => {
    const acme = await settled();
    const found = await preview(acme, { roles: [{ group: 'sales', role: 'engineer' }] });
    expect(found).toMatchObject({ unreadGroups: ['sales'], proposed: {}, roles: [] });
  });

  it('proposes nothing for whoever could not be understood', async () => {
    const acme = await settled();
    acme.directory.faults = { unreadable: ['u1'] };
    await acme.sync({ full: true });
    const { changes } = await preview(acme, { roles: [] });
    expect(changes.map(({ externalId, kind }) => [externalId, kind])).toEqual([['u2', 'update']]);
  });

  it('can be had while a run is under way', async () => {
    const acme = await settled();
    acme.directory.faults = {
      beforePage: async () => {
        const { proposed } = await preview(acme, { roles: [] });
        expect(proposed).toEqual({ update: 2 });
      },
    };
    expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished' });
  });

  it('is refused before there is anything to look at, of a mapping that is none, and to whoever may not see it', async () => {
    const fresh = await install.connect({ directory: aDirectory({ users: 1 }) });
    await expect(preview(fresh, {})).rejects.toMatchObject({ code: 'not-allowed-now' });
    const acme = await settled();
    await expect(preview(acme, { everyone: [''] })).rejects.toMatchObject({ code: 'invalid-input' });
    const elsewhere = await aCaller(install, await aTenant(install));
    await expect(preview(acme, {}, elsewhere)).rejects.toMatchObject({ code: 'not-found' });
    const application = await aCaller(install, acme.tenant, 'application');
    await expect(preview(acme, {}, application)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(
      previewMapping(install, install.operator, {
        connection: unknownId(),
        mapping: {},
      }),
    ).rejects.toMatchObject({ code: 'not-found' });
  });
});

const byId = (one: { readonly externalId: string }, other: { readonly externalId: string }) =>
  one.externalId < other.externalId ? -1 : 1;
