/** Disabled, deleted, out of scope and unassigned are four causes, whatever directory it is. An app's assignments: providersDelta.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guidText } from '../../connectors/ldap/values.ts';
import { connectorsWith } from '../../connectors/registry.ts';
import { SIMULATED } from '../../simulators/directory.ts';
import type { DomainObject } from '../../simulators/ldap/domain.ts';
import { BIND_DN, PASSWORD, startDomainController } from '../../simulators/ldap/server.ts';
import { startSimulator } from '../../simulators/start.ts';
import { createConnection } from '../../src/tenancy/connections.ts';
import { FileFolder, FOLDER_KEY } from '../connectors/fileFolder.ts';
import { Connected, Install } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

const folder = new FileFolder();
let install: Install;
beforeAll(async () => {
  install = await Install.open(connectorsWith(folder.access));
});
afterAll(async () => {
  await install.close();
  await folder.remove();
});

type Four = Readonly<Record<'disabled' | 'deleted' | 'outOfScope' | 'unassigned', string>>;

async function expectFourCauses(acme: Connected, ids: Four, deleted: string): Promise<void> {
  expect(await acme.changeOf(ids.disabled)).toMatchObject({ kind: 'suspend', cause: 'suspended' });
  expect(await acme.changeOf(ids.deleted)).toMatchObject({ kind: 'delete', cause: deleted });
  expect(await acme.changeOf(ids.outOfScope)).toMatchObject({ kind: 'delete', cause: 'out-of-scope' });
  const unassigned = { kind: 'update', cause: 'group-membership', rolesGained: [], rolesLost: ['admin'] };
  expect(await acme.changeOf(ids.unassigned)).toMatchObject(unassigned);
}

/** The others show whom they have deleted; a SCIM service only shows them no more. */
const DELETED = {
  entra: 'deprovisioned',
  okta: 'deprovisioned',
  google: 'deprovisioned',
  scim: 'left',
} as const;

describe.each(SIMULATED.flatMap((provider) => [true, false].map((full) => ({ provider, full }))))(
  'Of $provider, by a run that is full: $full,',
  ({ provider, full }) => {
    it('who is disabled, deleted, out of scope and unassigned differ by their causes', async () => {
      const simulator = await startSimulator(provider, { users: 100, groups: 6, plain: true });
      const { control } = simulator;
      try {
        await control.changeGroup('Engineering', { add: 40 });
        await control.changeGroup('Administrators', { add: 70 });
        const acme = await install.connectTo(simulator, {
          groups: [],
          scope: "'Engineering' in groups",
          roles: [{ group: 'Administrators', role: 'admin' }],
        });
        await acme.syncAndApply();
        const { removed } = await control.changeGroup('Administrators', { remove: 10 });
        const [outOfScope = ''] = (await control.changeGroup('Engineering', { remove: 1 })).removed;
        const known = (await acme.users()).filter(
          ({ fields, externalId }) =>
            externalId !== outOfScope && fields['email'] !== simulator.settings['adminEmail'],
        );
        const ids = known.map(({ externalId }) => externalId ?? '');
        const [disabled = '', deleted = ''] = ids.filter((id) => !removed.includes(id));
        const unassigned =
          removed.find((id) => ids.includes(id)) ?? expect.unreachable('one of ten is an engineer');
        await control.leave([disabled], 'disable');
        await control.leave([deleted], 'delete');
        expect(await acme.sync({ full })).toMatchObject({ result: 'finished' });
        await expectFourCauses(acme, { disabled, deleted, outOfScope, unassigned }, DELETED[provider]);
      } finally {
        await simulator.close();
      }
    });
  },
);

it.each([{ full: true }, { full: false }])(
  'Of a domain they differ by their causes: %o',
  async ({ full }) => {
    const dc = await startDomainController();
    try {
      const staff = 'OU=Staff,DC=harbor,DC=example';
      dc.domain.add(staff, { objectClass: ['top', 'organizationalUnit'] });
      const people = Array.from({ length: 30 }, (_, at) => dc.domain.addUser(`Kim ${at}`, staff));
      const crew = dc.domain.addGroup('Administrators', staff, people);
      const [one, two, three, four, ...others] = people;
      if (!one || !two || !three || !four) return expect.unreachable('there are thirty');
      const acme = await connectedTo('ldap', {
        settings: { url: dc.url, schema: 'active-directory', baseDn: staff },
        credentials: { bindDn: BIND_DN, password: PASSWORD },
        network: { ca: dc.ca },
      });
      await acme.syncAndApply();
      dc.domain.set(one, { userAccountControl: '514' });
      dc.domain.remove(two);
      dc.domain.set(three, { title: 'Robot' });
      dc.domain.set(crew, { member: [one, three, ...others].map(({ dn }) => dn) });
      expect(await acme.sync({ full })).toMatchObject({ result: 'finished' });
      const id = ({ guid }: DomainObject) => guidText(guid) ?? '';
      const ids = { disabled: id(one), deleted: id(two), outOfScope: id(three), unassigned: id(four) };
      await expectFourCauses(acme, ids, 'left');
    } finally {
      await dc.close();
    }
  },
);

it('Of a file they differ by their causes', async () => {
  const write = (changed: Readonly<Record<number, string | null>>) => {
    const rows = Array.from(
      { length: 30 },
      (_, at) => changed[at] ?? (changed[at] === null ? '' : `${at},active,Mate,Administrators`),
    );
    folder.write('users.csv', ['id,state,title,teams', ...rows.filter((row) => row !== '')].join('\n'));
  };
  write({});
  const acme = await connectedTo('file', {
    settings: {
      file: 'acme/users.csv',
      format: 'csv',
      columns: { externalId: 'id', state: 'state', jobTitle: 'title' },
      groups: { column: 'teams' },
    },
    credentials: { folderKey: FOLDER_KEY },
  });
  await acme.syncAndApply();
  write({
    1: '1,suspended,Mate,Administrators',
    2: null,
    3: '3,active,Robot,Administrators',
    4: '4,active,Mate,',
  });
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  await expectFourCauses(acme, { disabled: '1', deleted: '2', outOfScope: '3', unassigned: '4' }, 'left');
  expect(await acme.pending()).toHaveLength(4);
});

async function connectedTo(
  provider: 'ldap' | 'file',
  options: {
    readonly settings: object;
    readonly credentials: object;
    readonly network?: { readonly ca: string };
  },
): Promise<Connected> {
  const tenant = await install.tenant();
  const { id } = await createConnection(install, install.operator, {
    ...{ tenant, provider, name: 'directory' },
    ...options,
    mapping: {
      groups: [],
      scope: "user.jobTitle != 'Robot'",
      roles: [{ group: 'Administrators', role: 'admin' }],
    },
  });
  const administrator = await aCaller(install, tenant);
  return new Connected(install, { connection: id, tenant, directory: null, administrator });
}
