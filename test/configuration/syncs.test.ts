import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  diffConfiguration,
  exportConfiguration,
  loadConfiguration,
} from '../../src/configuration/configuration.ts';
import { getConnection } from '../../src/tenancy/connections.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { getTenant } from '../../src/tenancy/tenants.ts';
import { getUser, listUsers } from '../../src/tenancy/users.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
  await createRole(install, install.operator, { name: 'editor', type: 'assignable' });
});
afterAll(() => install.close());

const load = async (configuration: string) => {
  const difference = await diffConfiguration(install, install.operator, { configuration });
  const { stamp } = difference;
  await loadConfiguration(install, install.operator, { configuration, stamp });
  return difference;
};

/** A connected customer with a local user who has the address of one in the directory. */
async function withLocal(verifiedDomains: readonly string[] = []) {
  const directory = aDirectory({ users: 3 });
  const acme = await install.connect({ directory, guards: noGuards, verifiedDomains });
  const { name } = await getTenant(install, install.operator, acme.tenant);
  directory.edit('u1', { email: 'shared@example.com' });
  await load(`users:
  - {tenant: ${name}, userName: kiosk, email: shared@example.com, displayName: Kiosk, roles: [{role: editor}]}
  - {tenant: ${name}, userName: robot}`);
  return { acme, name };
}

const locals = async (acme: Connected) => {
  const { items } = await listUsers(install, install.operator, { tenant: acme.tenant });
  const known = items.filter(({ userName }) => userName === 'kiosk' || userName === 'robot');
  return await Promise.all(known.map(({ id }) => getUser(install, install.operator, id)));
};

describe('a local user', () => {
  it('whose address the directory has too is no sync’s to touch: that waits for a person', async () => {
    const { acme } = await withLocal();
    const before = await locals(acme);
    await acme.syncAndApply();
    expect(await acme.changeOf('u1')).toMatchObject({ kind: 'conflict', cause: 'address-unverified' });
    await acme.sync({ full: true });
    await acme.approveAll();
    expect(await locals(acme)).toEqual(before);
    expect(before).toHaveLength(2);
  });

  it('at a verified domain is linked only by whoever approves it, and keeps what was given by hand', async () => {
    const { acme } = await withLocal(['example.com']);
    const before = await locals(acme);
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({ kind: 'link' });
    expect(await locals(acme)).toEqual(before);
    await acme.approve('u1');
    await acme.apply();
    expect(await acme.user('u1')).toMatchObject({ id: before[0]?.id, manualRoles: ['editor'] });
  });

  it('is not made beside a user of the same name whom the directory has', async () => {
    const directory = aDirectory({ users: 1 });
    const acme = await install.connect({ directory, guards: noGuards });
    await acme.syncAndApply();
    const { name } = await getTenant(install, install.operator, acme.tenant);
    const userName = (await acme.user('u1')).fields['userName'];
    const configuration = `users: [{tenant: ${name}, userName: ${userName}}]`;
    await expect(diffConfiguration(install, install.operator, { configuration })).rejects.toMatchObject({
      fields: [
        {
          path: 'users.0.userName',
          message: expect.stringContaining('name them by connection and externalId'),
        },
      ],
    });
  });
});

describe('a user of a directory', () => {
  it('is given roles by hand once the directory has brought them, and comes out with these alone', async () => {
    const directory = aDirectory({ users: 2 });
    const acme = await install.connect({ directory, guards: noGuards });
    const { name } = await getTenant(install, install.operator, acme.tenant);
    const connection = (await getConnection(install, install.operator, acme.connection)).name;
    const file = `users:
  - tenant: ${name}
    connection: ${connection}
    externalId: u1
    roles:
      - role: editor
`;
    expect(await load(file)).toMatchObject({ differences: [], waiting: 1 });
    await acme.syncAndApply();
    expect(await load(file)).toMatchObject({ waiting: 0, differences: [{ kind: 'user', action: 'update' }] });
    expect(await load(file)).toMatchObject({ waiting: 0, differences: [] });
    await acme.sync({ full: true });
    expect(await acme.live()).toEqual([]);
    expect((await acme.user('u1')).manualRoles).toEqual(['editor']);
    const { configuration } = await exportConfiguration(install, install.operator, { tenant: acme.tenant });
    expect(configuration).toContain(file);
    expect(configuration).not.toContain('u2');
  });
});
