import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest';
import { connectorsWith } from '../../connectors/registry.ts';
import { startSimulator } from '../../simulators/start.ts';
import type { ConnectionId } from '../../src/domain/ids.ts';
import type { Mapping } from '../../src/domain/mapping.ts';
import { listAudit } from '../../src/review/audit.ts';
import { createConnection, testConnection } from '../../src/tenancy/connections.ts';
import { FileFolder, FOLDER_KEY } from '../connectors/fileFolder.ts';
import { Install } from '../support/install.ts';

const folder = new FileFolder();
let install: Install;
beforeAll(async () => {
  install = await Install.open(connectorsWith(folder.access));
});
afterEach(() => folder.closeConnectors());
afterAll(async () => {
  await install.close();
  await folder.remove();
});

async function aFile(rows: readonly string[], mapping: Partial<Mapping>): Promise<ConnectionId> {
  folder.write('users.csv', ['id,mail,state,teams', ...rows].join('\n'));
  const { id } = await createConnection(install, install.operator, {
    tenant: await install.tenant(),
    name: 'Payroll',
    provider: 'file',
    settings: {
      file: 'acme/users.csv',
      format: 'csv',
      columns: { externalId: 'id', email: 'mail', state: 'state' },
      groups: { column: 'teams' },
    },
    credentials: { folderKey: FOLDER_KEY },
    mapping: mapping as Mapping,
    policy: { guards: {} },
  });
  return id;
}

async function tested(connection: ConnectionId, mapping?: Partial<Mapping>) {
  const wanted = mapping === undefined ? { connection } : { connection, mapping: mapping as Mapping };
  const test = testConnection(install, install.operator, wanted, AbortSignal.timeout(60_000));
  for (;;) {
    const { done, value } = await test.next();
    if (done) return value;
  }
}

it('shows up to five users as they would be mapped, the active first, with the roles of their groups', async () => {
  const mapping = { everyone: ['member'], roles: [{ group: 'Staff', role: 'staff' }] };
  const left = Array.from({ length: 9 }, (_, row) => `x${row},x@acme.example,deprovisioned,Staff`);
  const here = ['1,a@acme.example,active,Staff', '2,b@acme.example,active,Sales'];
  const preview = await tested(await aFile([...left, ...here], mapping));
  expect(preview?.sample.map(({ externalId, state, roles }) => [externalId, state, roles])).toEqual([
    ['1', 'active', ['member', 'staff']],
    ['2', 'active', ['member']],
    ...['x0', 'x1', 'x2'].map((id) => [id, 'deleted', ['member', 'staff']]),
  ]);
  expect(preview?.sample[0]?.fields).toMatchObject({ email: 'a@acme.example', displayName: null });
  expect(preview).toMatchObject({ groupRolesShown: true, users: 11, seconds: expect.any(Number) });
});

it('shows where everybody would be by a mapping that is not saved, as a tree', async () => {
  const connection = await aFile(
    Array.from({ length: 12 }, (_, row) => `${row},p${row}@acme.example,active,Team ${row % 3}`),
    {},
  );
  const rules = [
    { when: { group: 'Team 0' }, roles: ['first'], tenant: 'Teams/First', create: true },
    { when: { group: 'Team 9' }, roles: ['staff'] },
    { when: { attribute: { name: 'email', begins: 'p1' } }, tenant: 'Ones' },
  ];
  const preview = await tested(connection, { groups: [], rules } as never);
  expect(preview?.peopleInTree).toBe(5); // a file has no look-ups: of more people not all groups are known
  const all = await tested(connection, { rules: rules.slice(2) } as never);
  expect(all).toMatchObject({
    peopleInTree: 12,
    tree: [
      { tenant: null, is: 'there', people: 9 },
      { tenant: 'Ones', is: 'missing', people: 3 },
    ],
  });
  expect(preview?.shortcomings).toContainEqual({
    what: 'Rule 2 is about nobody: it names the group Team 9.',
    why: 'The directory lists no group of this id or name.',
  });
  expect(preview?.tree.map(({ tenant, is, people, roles }) => [tenant, is, people, roles])).toEqual([
    [null, 'there', 2, []],
    ['Ones', 'missing', 1, []],
    ['Teams', 'made', 0, []],
    ['Teams/First', 'made', 2, [{ role: 'first', people: 2 }]],
  ]);
  expect(await tested(connection)).toMatchObject({ tree: [{ tenant: null, people: 12 }] });
});

it('says what will not work, and why', async () => {
  const mapping = { roles: [{ group: 'Stuff', role: 'staff' }] };
  const preview = await tested(await aFile(['1,a@acme.example,active,Staff'], mapping));
  expect(preview?.shortcomings).toEqual(
    expect.arrayContaining([
      { what: 'Every run reads the whole directory.', why: expect.stringContaining('who has changed') },
      {
        what: 'Nobody gets the role staff by the group Stuff.',
        why: 'The directory lists no group of this id or name.',
      },
    ]),
  );
});

it('says of whom the mapping makes nothing, and which attributes and groups that it uses nobody has', async () => {
  const rows = Array.from({ length: 4 }, (_, row) => `${row},p${row}@acme.example,active,Staff`);
  const connection = await aFile(rows, {});
  const scoped = await tested(connection, {
    scope: 'user.email != "p0@acme.example"',
    attributes: { department: { value: 'user.userName == "" ? user.custom.team : ""' } },
  } as never);
  expect(scoped?.shortcomings).toEqual(
    expect.arrayContaining([
      {
        what: '1 of the 4 people who were read are out of scope.',
        why: expect.stringContaining('does not hold'),
      },
      {
        what: 'Of 3 of the 4 people who were read, nothing can be made out.',
        why: 'mapping.attributes.department: no such key: team',
      },
      {
        what: 'Nobody of the 4 people who were read has the custom attribute team, which the mapping uses.',
        why: expect.any(String),
      },
    ]),
  );
  expect(scoped).toMatchObject({ sample: [], users: 4 });
  const grouped = await tested(connection, { scope: '"Staff" in groups || "Nobody" in groups' } as never);
  expect(grouped?.sample).toHaveLength(4);
  expect(grouped?.shortcomings).toContainEqual({
    what: 'An expression of the mapping looks for the group Nobody, which nobody is in.',
    why: 'The directory lists no group of this id or name.',
  });
});

it('reckons the time of a full pull from the first pages and the number of users', async () => {
  const rows = Array.from({ length: 4_500 }, (_, row) => `${row},p@acme.example,active,`);
  const connection = await aFile(rows, {});
  let ticks = 0;
  const clock = {
    now: () => {
      ticks += 2_000;
      return new Date(ticks);
    },
  };
  const test = testConnection(
    { ...install, store: install.store, clock },
    install.operator,
    { connection },
    AbortSignal.timeout(60_000),
  );
  let ended = await test.next();
  while (ended.done !== true) ended = await test.next();
  // Each page takes two seconds of this clock: five of users. There are no groups, and so no page that counts.
  expect(ended.value).toMatchObject({ users: 4_500, seconds: 10 });
});

it('shows nobody where a step fails that a pull needs', async () => {
  const connection = await aFile(['1,a@acme.example,active,Staff'], {});
  folder.folder('acme', 'another-key-than-before');
  expect(await tested(connection)).toBeNull();
  folder.folder('acme', FOLDER_KEY);
});

it.each(['entra', 'okta', 'google'] as const)(
  'foresees for %s what the first run then gives',
  async (provider) => {
    const simulator = await startSimulator(provider, { users: 30, groups: 4, plain: true, seed: 3 });
    onTestFinished(() => simulator.close());
    const mapping = { groups: [], roles: [{ group: 'Administrators', role: 'administrator' }] };
    const acme = await install.connectTo(simulator, mapping);
    const preview = await tested(acme.connection);
    expect(preview?.sample).toHaveLength(5);
    expect(preview).toMatchObject({ groupRolesShown: true, users: expect.any(Number) });
    await acme.syncAndApply();
    for (const { externalId, state, fields, roles } of preview?.sample ?? []) {
      if (state === 'deleted') continue;
      const user = await acme.user(externalId);
      expect(user).toMatchObject({ state, roles });
      expect(user.fields['email'] ?? null).toBe(fields['email']);
    }
  },
);

it('keeps the sample out of the audit log', async () => {
  const preview = await tested(await aFile(['1,sampled@acme.example,active,Staff'], {}));
  expect(JSON.stringify(preview)).toContain('sampled@acme.example');
  expect(await install.auditIsWhole()).toBe(true);
  const { items } = await listAudit(install, install.operator, { limit: 500 });
  expect(JSON.stringify(items)).not.toContain('sampled@acme.example');
});
