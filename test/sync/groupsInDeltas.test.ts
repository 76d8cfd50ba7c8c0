/** What a provider tells of groups between two full runs: only what concerns the groups that the mapping reads has everybody read again. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { SIMULATED } from '../../simulators/directory.ts';
import { ROOT } from '../../simulators/ldap/domain.ts';
import {
  BIND_DN,
  type DomainController,
  PASSWORD,
  startDomainController,
} from '../../simulators/ldap/server.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { createConnection } from '../../src/tenancy/connections.ts';
import { Connected, Install } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open(connectors);
});
afterAll(() => install.close());

const mapping = {
  groups: [],
  everyone: ['member'],
  roles: [
    { group: 'Administrators', role: 'admin' },
    { group: 'Wanted', role: 'wanted' },
  ],
};

/** By external id, what each change that waits gives and takes. */
async function rolesPending(acme: Connected) {
  const pending = (await acme.live()).map(({ externalId, rolesGained, rolesLost }) => {
    return { externalId, rolesGained, rolesLost };
  });
  return pending.sort((one, other) => (one.externalId < other.externalId ? -1 : 1));
}

describe.each(SIMULATED)('Groups of %s', (provider) => {
  let simulator: Simulator;
  let acme: Connected;
  beforeEach(async () => {
    simulator = await startSimulator(provider, { users: 60, groups: 6, plain: true });
    acme = await install.connectTo(simulator, mapping);
    await acme.syncAndApply();
  });
  afterEach(() => simulator.close());

  it('that nobody reads may change and the run stays a delta', async () => {
    if (provider === 'scim') {
      // Five minutes are read twice, and these groups are as young as that; each of these takes a minute.
      for (let minute = 0; minute < 6; minute++) await simulator.control.lose(0);
      await acme.sync({ full: true });
    }
    const { added } = await simulator.control.changeGroup('Engineering', { add: 2, remove: 1 });
    expect(added).toHaveLength(2);
    // Google tells of a new name without saying which group it is.
    if (provider !== 'google') await simulator.control.renameGroup('All Staff', 'Whole Staff');
    const { ids } = await simulator.control.rename(1);
    expect(await acme.sync()).toMatchObject({ kind: 'delta', snapshot: 'named' });
    expect(await acme.pending()).toEqual(ids);
    const byDelta = await rolesPending(acme);
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await rolesPending(acme)).toEqual(byDelta);
  });

  it('that take a name that is wanted give its role, and one that loses it takes the role away', async () => {
    await simulator.control.renameGroup('Engineering', 'Wanted');
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    const gained = await rolesPending(acme);
    expect(gained.length).toBeGreaterThan(0);
    expect(gained.every(({ rolesGained }) => rolesGained.includes('wanted'))).toBe(true);
    await acme.approveAll();
    await acme.apply();
    await simulator.control.renameGroup('Wanted', 'Engineering');
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    const lost = await rolesPending(acme);
    expect(lost).toEqual(
      gained.map(({ externalId }) => ({ externalId, rolesGained: [], rolesLost: ['wanted'] })),
    );
  });

  it('that are read give and take the role of whoever joins and leaves', async () => {
    const { added, removed } = await simulator.control.changeGroup('Administrators', { add: 1, remove: 1 });
    await acme.sync();
    const changed = await rolesPending(acme);
    expect(changed).toHaveLength(2);
    expect(changed).toContainEqual({ externalId: added[0], rolesGained: ['admin'], rolesLost: [] });
    expect(changed).toContainEqual({ externalId: removed[0], rolesGained: [], rolesLost: ['admin'] });
  });
});

describe('Groups of a domain', () => {
  const STAFF = `OU=Staff,${ROOT}`;
  let dc: DomainController;
  let acme: Connected;
  beforeEach(async () => {
    dc = await startDomainController();
    dc.domain.add(STAFF, { objectClass: ['top', 'organizationalUnit'] });
    const [kim, lee] = ['Kim', 'Lee'].map((name) => dc.domain.addUser(name, STAFF));
    if (kim === undefined || lee === undefined) return expect.unreachable('two were made');
    const inner = dc.domain.addGroup('Inner', STAFF, [kim]);
    dc.domain.addGroup('Administrators', STAFF, [inner]);
    dc.domain.addGroup('Sales', STAFF, [kim]);
    const tenant = await install.tenant();
    const connection = await createConnection(install, install.operator, {
      tenant,
      name: 'domain',
      provider: 'ldap',
      settings: { url: dc.url, schema: 'active-directory', baseDn: STAFF },
      credentials: { bindDn: BIND_DN, password: PASSWORD },
      network: { ca: dc.ca },
      mapping,
    });
    const administrator = await aCaller(install, tenant);
    acme = new Connected(install, { connection: connection.id, tenant, directory: null, administrator });
    await acme.syncAndApply();
  });
  afterEach(() => dc.close());

  const find = (name: string) => {
    const found = [...dc.domain.objects.values()].find(({ dn }) => dn.startsWith(`CN=${name},`));
    return found ?? expect.unreachable(`there is no ${name}`);
  };
  const put = (member: string, group: string) => {
    const before = find(group).attributes.get('member')?.values ?? [];
    dc.domain.set(find(group), { member: [...before, find(member).dn] });
  };

  it('that nobody reads may change and the run stays a delta', async () => {
    put('Lee', 'Sales');
    expect(await acme.sync()).toMatchObject({ kind: 'delta', snapshot: 'named' });
    expect(await acme.pending()).toEqual([]);
  });

  it('count where they lie within one that is read, which itself has not changed', async () => {
    put('Lee', 'Inner');
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await rolesPending(acme)).toMatchObject([{ rolesGained: ['admin'], rolesLost: [] }]);
  });

  it('count when one within a group that is read is deleted', async () => {
    dc.domain.remove(find('Inner'));
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await rolesPending(acme)).toMatchObject([{ rolesGained: [], rolesLost: ['admin'] }]);
  });
});
