import { afterAll, beforeAll, expect, it } from 'vitest';
import { guidText } from '../../connectors/ldap/values.ts';
import { connectors } from '../../connectors/registry.ts';
import type { DomainObject } from '../../simulators/ldap/domain.ts';
import {
  BIND_DN,
  type DomainController,
  PASSWORD,
  startDomainController,
} from '../../simulators/ldap/server.ts';
import { createConnection } from '../../src/tenancy/connections.ts';
import { Connected, Install } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

const STAFF = 'OU=Staff,DC=harbor,DC=example';

let install: Install;
let dc: DomainController;
let people: DomainObject[];
beforeAll(async () => {
  install = await Install.open(connectors);
  dc = await startDomainController();
  dc.domain.add(STAFF, { objectClass: ['top', 'organizationalUnit'] });
  people = Array.from({ length: 60 }, (_, at) => dc.domain.addUser(`Kim ${at}`, STAFF));
  dc.domain.addGroup('Crew', STAFF, people.slice(0, 30));
});
afterAll(async () => {
  await dc.close();
  await install.close();
});

async function connected(): Promise<Connected> {
  const tenant = await install.tenant();
  const { id } = await createConnection(install, install.operator, {
    tenant,
    name: 'domain',
    provider: 'ldap',
    settings: { url: dc.url, schema: 'active-directory', baseDn: STAFF, pageSize: 20 },
    credentials: { bindDn: BIND_DN, password: PASSWORD },
    mapping: { groups: null, everyone: ['member'] },
    network: { ca: dc.ca, baseUrl: null, proxy: null },
  });
  const administrator = await aCaller(install, tenant);
  return new Connected(install, { connection: id, tenant, directory: null, administrator });
}

it('A domain is read, applied, and found unchanged, whether all of it is read or what changed', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  expect(await acme.users()).toHaveLength(people.length);
  expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(await acme.pending()).toEqual([]);
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'named' });
  expect(await acme.pending()).toEqual([]);
});

it('Who was edited, disabled and deleted in a domain is found by what changed', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  const [edited, disabled, deleted] = people.splice(-3);
  if (edited === undefined || disabled === undefined || deleted === undefined) return expect.unreachable();
  dc.domain.set(edited, { title: 'Pilot' });
  dc.domain.set(disabled, { userAccountControl: '514' });
  dc.domain.remove(deleted);
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'named' });
  expect(await acme.pending('update')).toEqual([guidText(edited.guid)]);
  expect([...(await acme.pending('suspend', 'delete'))].sort()).toEqual(
    [disabled, deleted].map(({ guid }) => guidText(guid)).sort(),
  );
});

it('A domain controller that drops the connection half-way costs a fresh start, and nobody', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  dc.fault({ name: 'reset', on: 'users', nth: 2 });
  expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished', snapshot: 'complete' });
  dc.fault({ name: 'reset', on: 'users', nth: 2, times: 1_000 });
  expect(await acme.sync({ full: true })).toMatchObject({
    result: 'failed',
    failure: { kind: 'unavailable', message: expect.stringContaining('closed the connection') },
  });
  dc.clearFaults();
  expect(await acme.pending()).toEqual([]);
});
