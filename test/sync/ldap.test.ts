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

async function connected(userFilter?: string): Promise<Connected> {
  const tenant = await install.tenant();
  const { id } = await createConnection(install, install.operator, {
    tenant,
    name: 'domain',
    provider: 'ldap',
    settings: { url: dc.url, schema: 'active-directory', baseDn: STAFF, pageSize: 20, userFilter },
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

const kim = () => people[0] ?? expect.unreachable('there are people');

it.each<[string, () => void, object]>([
  [
    'shows nobody',
    () => dc.fault({ name: 'nobody', on: 'users' }),
    { snapshot: 'partial', partialReason: 'empty-directory' },
  ],
  ...(
    [
      ['signed-out', 'credentials-rejected'],
      ['refused', 'permission-missing'],
      ['busy', 'rate-limited'],
      ['unavailable', 'unavailable'],
      ['internal-error', 'unavailable'],
      ['html', 'unexpected-response'],
      ['cut-off', 'unexpected-response'],
      ['no-paging', 'unexpected-response'],
      ['no-cookie', 'unexpected-response'],
      ['same-page', 'unexpected-response'],
    ] as const
  ).map(([name, kind]): [string, () => void, object] => [
    `answers the second page with ${name}`,
    () => dc.fault({ name, on: 'users', nth: 2, times: 1_000 }),
    { failure: { kind } },
  ]),
  [
    'hides whether somebody is enabled',
    () => dc.domain.set(kim(), { userAccountControl: [] }),
    { result: 'finished', snapshot: 'complete' },
  ],
  [
    'hides whether anybody is enabled',
    () => dc.rights.hidden.add('useraccountcontrol'),
    { result: 'finished' },
  ],
  [
    'hides an id',
    () => dc.rights.nameless.add(kim()),
    { snapshot: 'partial', partialReason: 'nameless-record' },
  ],
  ['hides who is in a group', () => dc.rights.hidden.add('memberof'), { result: 'finished' }],
])('Nobody leaves or loses anything when a domain controller %s', async (_, trouble, outcome) => {
  const acme = await connected();
  await acme.syncAndApply();
  trouble();
  const ended = await acme.sync({ full: true });
  dc.clearFaults();
  dc.rights.hidden.clear();
  dc.rights.nameless.clear();
  dc.domain.set(kim(), { userAccountControl: '512' });
  expect(ended).toMatchObject(outcome);
  expect(await acme.pending()).toEqual([]);
});

it('One user of a domain who cannot be read stays as they are, is reported, and the others are gone on with', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  const other = people[1] ?? expect.unreachable('there are people');
  dc.domain.set(kim(), { userAccountControl: [], title: 'Unseen' });
  dc.domain.set(other, { title: 'Seen' });
  const run = await acme.sync({ full: true });
  dc.domain.set(kim(), { userAccountControl: '512' });
  expect(run).toMatchObject({ result: 'finished', snapshot: 'complete' });
  const stored = 'run' in run ? await install.store.runs.get(acme.tenant, run.run) : null;
  expect(stored?.unreadable).toBe(1);
  expect(await acme.pending()).toEqual([guidText(other.guid)]);
});

it('What a domain controller hides of everybody is blanked by nobody but a person, and so is half of a domain that it hides', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  dc.rights.hidden.add('mail');
  await acme.sync({ full: true });
  const blanked = await acme.live();
  expect(blanked).toHaveLength((await acme.users()).length);
  expect(blanked.every(({ kind, state }) => kind === 'update' && state === 'held')).toBe(true);
  dc.rights.hidden.clear();
  const half = people.slice(0, people.length / 2);
  dc.domain.forget(half);
  await acme.sync({ full: true });
  const missing = await acme.live();
  for (const one of half) dc.domain.objects.set(one.guid.toString('hex'), one);
  dc.domain.set(kim(), {});
  expect(missing).toHaveLength(half.length);
  expect(missing.every(({ state }) => state === 'held')).toBe(true);
  await acme.sync({ full: true });
  expect(await acme.live()).toEqual([]);
});

it('A feed that expired has everybody read, and one that repeats itself proposes each change once', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  dc.domain.set(kim(), { title: 'Mate' });
  dc.fault({ name: 'repeated', on: 'changes', times: 1_000 });
  expect(await acme.sync()).toMatchObject({ kind: 'delta', snapshot: 'named' });
  dc.clearFaults();
  expect(await acme.pending()).toEqual([guidText(kim().guid)]);
  dc.domain.invocation = Buffer.from(dc.domain.invocation).reverse();
  expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
  expect(await acme.pending()).toEqual([guidText(kim().guid)]);
});

it('Who was removed from a domain and restored between two runs stays, and who was only removed goes, known by an id alone', async () => {
  const acme = await connected();
  await acme.syncAndApply();
  const [back, gone] = people.splice(-2);
  if (back === undefined || gone === undefined) return expect.unreachable();
  const was = { dn: back.dn, attributes: new Map(back.attributes) };
  dc.domain.remove(back);
  dc.domain.remove(gone);
  dc.domain.restore(back, was);
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'named' });
  expect(await acme.pending()).toEqual([guidText(gone.guid)]);
  expect(await acme.changeOf(guidText(gone.guid) ?? '')).toMatchObject({ kind: 'delete', cause: 'left' });
  dc.domain.remove(back);
  expect(await acme.sync()).toMatchObject({ snapshot: 'named' });
  expect(await acme.pending('delete')).toEqual([back, gone].map(({ guid }) => guidText(guid)).sort());
  dc.domain.restore(back, was);
  expect(await acme.sync()).toMatchObject({ snapshot: 'named' });
  expect(await acme.pending()).toEqual([guidText(gone.guid)]);
  people.push(back);
});

it.each([{ full: true }, { full: false }])(
  'Who is disabled in a domain, deleted, moved out of the base and left out by the filter differ by their causes: %o',
  async (how) => {
    const acme = await connected('(&(objectCategory=person)(objectClass=user)(!(title=Robot)))');
    await acme.syncAndApply();
    const [disabled, deleted, moved, filtered] = people.splice(-4);
    if (!disabled || !deleted || !moved || !filtered) return expect.unreachable();
    dc.domain.set(disabled, { userAccountControl: '514' });
    dc.domain.remove(deleted);
    dc.domain.move(moved, 'CN=Elsewhere,CN=Users,DC=harbor,DC=example');
    dc.domain.set(filtered, { title: 'Robot' });
    await acme.sync(how);
    const change = ({ guid }: DomainObject) => acme.changeOf(guidText(guid) ?? '');
    expect(await change(disabled)).toMatchObject({ kind: 'suspend', cause: 'suspended' });
    expect(await change(deleted)).toMatchObject({ kind: 'delete', cause: 'left' });
    expect(await change(moved)).toMatchObject({ kind: 'delete', cause: 'out-of-scope' });
    expect(await change(filtered)).toMatchObject({ kind: 'delete', cause: 'out-of-scope' });
    dc.domain.forget([moved, filtered]);
  },
);

it.each([{ full: true }, { full: false }])(
  'Whoever is edited while a domain is being read is found by that run or the next (%o)',
  async ({ full }) => {
    const acme = await connected();
    await acme.syncAndApply();
    const [first, last, before] = [people[0], people.at(-1), people[3]];
    if (first === undefined || last === undefined || before === undefined) return expect.unreachable();
    dc.domain.set(before, { title: `Known ${full}` });
    let isStruck = false;
    const run = await acme.sync({
      full,
      onProgress: () => {
        if (isStruck) return;
        isStruck = true;
        for (const one of [first, last]) dc.domain.set(one, { title: `Meanwhile ${full}` });
      },
    });
    expect(run).toMatchObject({ result: 'finished', snapshot: full ? 'complete' : 'named' });
    expect(isStruck).toBe(true);
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'named' });
    expect(await acme.pending('update')).toEqual(
      [first, last, before].map(({ guid }) => guidText(guid)).sort(),
    );
    expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'complete' });
    expect(await acme.pending()).toHaveLength(3);
  },
);
