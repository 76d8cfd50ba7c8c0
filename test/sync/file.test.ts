import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectorsWith } from '../../connectors/registry.ts';
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

const PEOPLE = ['1,a@acme.example,Staff', '2,b@acme.example,Staff', '3,c@acme.example,', '4,d@acme.example,'];
const write = (lines: readonly string[]) => folder.write('users.csv', ['id,mail,teams', ...lines].join('\n'));

/** A connection whose first import is applied. */
async function settled(): Promise<Connected> {
  write(PEOPLE);
  const tenant = await install.tenant();
  const { id } = await createConnection(install, install.operator, {
    tenant,
    name: 'Payroll',
    provider: 'file',
    settings: {
      file: 'acme/users.csv',
      format: 'csv',
      columns: { externalId: 'id', email: 'mail' },
      groups: { column: 'teams' },
    },
    credentials: { folderKey: FOLDER_KEY },
    mapping: { roles: [{ group: 'Staff', role: 'staff' }] },
    policy: { guards: {} },
  });
  const acme = new Connected(install, {
    connection: id,
    tenant,
    directory: null,
    administrator: await aCaller(install, tenant),
  });
  expect(await acme.syncAndApply()).toMatchObject({ applied: 4 });
  return acme;
}

it('people come out of a file with their roles, and the same file again proposes nothing', async () => {
  const acme = await settled();
  expect((await acme.users()).map(({ fields }) => fields['email']).sort()).toEqual(
    PEOPLE.map((row) => row.split(',')[1]),
  );
  expect(await acme.user('1')).toMatchObject({ roles: ['staff'] });
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(await acme.pending()).toEqual([]);
  write(PEOPLE.slice(0, 3).map((row) => row.replace('1,a@', '1,ada@')));
  await acme.sync();
  expect(await acme.pending('update')).toEqual(['1']);
  expect(await acme.pending('delete')).toEqual(['4']);
});

it('people whose names are spelled otherwise, by blanks, zero-width characters or decomposed letters, are as they were', async () => {
  const acme = await settled();
  write(['1,zo\u00eb@acme.example,Staff', ...PEOPLE.slice(1)]);
  await acme.syncAndApply();
  for (const [mail, team] of [
    ['zoe\u0308@acme.example', 'Staff'],
    [' zo\u200b\u00eb@acme.example\ufeff ', ' St\u200baff '],
    ['zo\u00eb@acme.example', 'Staff'],
  ]) {
    write([`1,${mail},${team}`, ...PEOPLE.slice(1)]);
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect(await acme.pending()).toEqual([]);
  }
});

it.each([
  [
    'is empty',
    () => folder.write('users.csv', ''),
    { snapshot: 'partial', partialReason: 'empty-directory' },
  ],
  ['has a header only', () => write([]), { snapshot: 'partial', partialReason: 'empty-directory' }],
  [
    'has a row without an id',
    () => write([...PEOPLE.slice(0, 2), ',x@acme.example,']),
    { snapshot: 'partial', partialReason: 'nameless-record' },
  ],
  ['lacks a column', () => folder.write('users.csv', 'id,teams\n1,Staff\n'), { result: 'failed' }],
  ['is cut off within quotes', () => write(['1,a@acme.example,"Sta']), { result: 'failed' }],
  ['is not there any more', () => rmSync(join(folder.root, 'acme', 'users.csv')), { result: 'failed' }],
  ['is a page of HTML', () => folder.write('users.csv', '<html><body>Signed out'), { result: 'failed' }],
  [
    'is another folder’s by its key',
    () => folder.folder('acme', 'not-the-key-of-before'),
    { result: 'failed' },
  ],
])('nobody leaves when the file %s', async (_, change, outcome) => {
  const acme = await settled();
  change();
  expect(await acme.sync()).toMatchObject(outcome);
  folder.folder('acme', FOLDER_KEY);
  expect(await acme.pending('delete', 'suspend', 'update')).toEqual([]);
  write(PEOPLE.map((row) => row.replace('1,a@', '1,ada@')));
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(await acme.pending()).toEqual(['1']);
});

it('a column that is empty for everybody blanks nobody’s address before a person has looked', async () => {
  const acme = await settled();
  const many = Array.from({ length: 60 }, (_, at) => `m${at},m${at}@acme.example,`);
  write([...PEOPLE, ...many]);
  await acme.syncAndApply();
  write([...PEOPLE, ...many].map((row) => row.replace(/,[^,]*@acme.example,/, ',,')));
  expect(await acme.sync()).toMatchObject({ result: 'finished' });
  const blanked = await acme.live();
  expect(blanked).toHaveLength(64);
  expect(new Set(blanked.map(({ kind, state }) => `${kind} ${state}`))).toEqual(new Set(['update held']));
  expect((await acme.users()).filter(({ fields }) => fields['email'] === undefined)).toEqual([]);
});

it('who stands in the file twice stays as they are, and the others are gone on with', async () => {
  const acme = await settled();
  write(['1,ada@acme.example,', '1,eve@acme.example,', '2,bob@acme.example,Staff', '3,c@acme.example,']);
  const run = await acme.sync();
  expect(run).toMatchObject({ result: 'finished', snapshot: 'complete' });
  const stored = 'run' in run ? await install.store.runs.get(acme.tenant, run.run) : null;
  expect(stored?.unreadable).toBe(2);
  expect(await acme.pending('update')).toEqual(['2']);
  expect(await acme.pending('delete')).toEqual(['4']);
});

it('half of the people missing, in a file without a flaw, waits for a person, with the reason', async () => {
  const acme = await settled();
  const many = Array.from({ length: 60 }, (_, at) => `m${at},m${at}@acme.example,`);
  write([...PEOPLE, ...many]);
  expect(await acme.syncAndApply()).toMatchObject({ applied: many.length });
  write([...PEOPLE, ...many.slice(0, 26)]);
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  const gone = await acme.changes();
  expect(gone.map(({ kind, state }) => `${kind} ${state}`)).toEqual(many.slice(26).map(() => 'delete held'));
  expect(new Set(gone.map(({ decision }) => decision?.madeBy))).toEqual(new Set(['guard']));
  expect((await acme.users()).every(({ state }) => state === 'active')).toBe(true);
});

it('a file that is replaced while it is read is read anew, and nobody is taken for gone who stands in either', async () => {
  const acme = await settled();
  let isReplaced = false;
  const run = await acme.sync({
    onProgress: () => {
      if (isReplaced) return;
      isReplaced = true;
      write(PEOPLE.map((row) => row.replace('2,b@', '2,bob@')).toReversed());
    },
  });
  expect(isReplaced).toBe(true);
  expect(run).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(await acme.pending()).toEqual(['2']);
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(await acme.pending()).toEqual(['2']);
});
