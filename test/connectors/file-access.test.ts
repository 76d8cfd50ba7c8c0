import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CheckStep } from '../../connectors/contract.ts';
import { fileDefinition, openFile } from '../../connectors/file/index.ts';
import { FileCredentials, FileSettings } from '../../connectors/file/settings.ts';
import { connectors } from '../../connectors/registry.ts';
import { failing } from './aSession.ts';
import { FileFolder, FOLDER_KEY, groupsOf, never, type Settings, usersOf } from './fileFolder.ts';

const folder = new FileFolder();
beforeEach(() => folder.write('users.csv', 'id,mail\n1,a\n2,b\n'));
afterEach(() => folder.closeConnectors());
afterAll(() => folder.remove());

const refused = (settings: Settings, key = FOLDER_KEY) => failing(usersOf(folder.connect(settings, { key })));
const columns = { externalId: 'id' };

describe('A path', () => {
  it.each([
    '../acme/users.csv',
    'acme/../../etc/passwd',
    'acme/./users.csv',
    '/etc/passwd',
    'acme//users.csv',
    'acme/',
    'acme/.rollcall-key',
    '.git/config',
    'acme\\..\\users.csv',
    'C:/users.csv',
    'acme/users\0.csv',
    '',
  ])('%j is refused before anything is opened', (file) => {
    expect(FileSettings.safeParse({ file, format: 'csv', columns }).success).toBe(false);
  });

  it.each(['acme/users.csv', 'acme/exports of May/Übersicht.csv', 'acme/a..b.csv'])('%j is one', (file) => {
    expect(FileSettings.safeParse({ file, format: 'csv', columns }).success).toBe(true);
  });

  it('to the memberships stays in the folder of the people', () => {
    const groups = { file: 'other/groups.csv', columns: { group: 'g', member: 'm' } };
    const parsed = FileSettings.safeParse({ file: 'acme/users.csv', format: 'csv', columns, groups });
    expect(parsed.error?.issues[0]?.path).toEqual(['groups', 'file']);
  });

  it('that leads over a link, to a second name, to a folder or to a pipe is refused', async () => {
    const outside = join(folder.root, 'secret.csv');
    writeFileSync(outside, 'id,mail\n9,stolen@acme.example\n');
    symlinkSync(outside, folder.path('link.csv'));
    symlinkSync('users.csv', folder.path('inside.csv'));
    symlinkSync(folder.root, folder.path('up'));
    linkSync(outside, folder.path('hard.csv'));
    mkdirSync(folder.path('folder.csv'));
    execFileSync('/usr/bin/mkfifo', [folder.path('pipe.csv')]);
    for (const file of ['link', 'inside', 'up/secret', 'hard', 'folder', 'pipe']) {
      const failure = await refused({ file: `acme/${file}.csv` });
      expect([file, failure.kind]).toEqual([file, 'misconfigured']);
      expect(JSON.stringify(failure)).not.toContain(folder.root);
    }
  });
});

describe('A folder', () => {
  it('of another tenant is opened by no key but its own, and answers like one that is not there', async () => {
    writeFileSync(join(folder.folder('other', 'another-tenants-own-key'), 'users.csv'), 'id,mail\n7,x\n');
    writeFileSync(join(folder.folder('keyless', null), 'users.csv'), 'id,mail\n7,x\n');
    writeFileSync(join(folder.folder('careless', 'short'), 'users.csv'), 'id,mail\n7,x\n');
    const answers = [
      await refused({ file: 'other/users.csv' }),
      await refused({ file: 'other/nothing.csv' }),
      await refused({ file: 'nowhere/users.csv' }),
      await refused({ file: 'keyless/users.csv' }),
      await refused({ file: 'careless/users.csv' }, 'short'),
    ];
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ kind: 'credentials-rejected' });
    const theirs = folder.connect(
      { file: 'other/users.csv', quietSeconds: 0 },
      { key: 'another-tenants-own-key' },
    );
    expect(await usersOf(theirs)).toHaveLength(1);
  });

  it('asks for its new key as soon as it has one', async () => {
    const connector = folder.connect();
    expect(await usersOf(connector)).toHaveLength(2);
    folder.folder('acme', 'the-key-of-next-month');
    expect(await failing(usersOf(connector))).toMatchObject({ kind: 'credentials-rejected' });
    folder.folder('acme', FOLDER_KEY);
    expect(await usersOf(connector)).toHaveLength(2);
  });

  it('whose key is a link has none', async () => {
    folder.folder('linked', null);
    symlinkSync(join(folder.root, 'acme', '.rollcall-key'), join(folder.root, 'linked', '.rollcall-key'));
    expect(await refused({ file: 'linked/users.csv' })).toMatchObject({ kind: 'credentials-rejected' });
  });
});

describe('An install', () => {
  const settings = FileSettings.parse({ file: 'acme/users.csv', format: 'csv', columns });
  const credentials = FileCredentials.parse({ folderKey: FOLDER_KEY });
  const opening = (...input: Parameters<typeof openFile>) =>
    failing(Promise.resolve().then(() => openFile(...input)));

  it('that names no folder lets nobody make such a connection', async () => {
    const network = { baseUrl: null, ca: null, proxy: null };
    const open = async () => connectors.file.open({ settings, credentials, network });
    expect(await failing(open())).toMatchObject({
      kind: 'misconfigured',
      remedy: expect.stringContaining('ROLLCALL_FILE_ROOT'),
    });
  });

  it('asks for a key and for a folder', async () => {
    const keyless = await opening({ settings, credentials: { folderKey: null } }, folder.access);
    expect(keyless).toMatchObject({ kind: 'misconfigured', message: expect.stringContaining('folderKey') });
    const bare = await opening({ settings: { ...settings, file: 'users.csv' }, credentials }, folder.access);
    expect(bare).toMatchObject({ kind: 'misconfigured', message: expect.stringContaining('no folder') });
  });

  it('whose folder is not mounted says so, and nobody is concluded to have left', async () => {
    const connector = openFile({ settings, credentials }, { root: join(folder.root, 'gone'), keyed: true });
    expect(await failing(usersOf(connector))).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('ROLLCALL_FILE_ROOT'),
    });
  });

  it('lets whoever sits at the terminal read without a key, and no further than below their folder', async () => {
    const own = { root: folder.path('.'), keyed: false };
    const reading = (file: string) =>
      usersOf(openFile({ settings: { ...settings, file }, credentials: { folderKey: null } }, own));
    expect(await reading('users.csv')).toHaveLength(2);
    symlinkSync('/etc/hostname', folder.path('etc.csv'));
    expect(await failing(reading('etc.csv'))).toMatchObject({ kind: 'misconfigured' });
  });
});

describe('A file', () => {
  it('that is not there is read again later, and the one that may not be read needs somebody to act', async () => {
    expect(await refused({ file: 'acme/nothing.csv' })).toMatchObject({ kind: 'unavailable' });
    expect(await refused({ file: 'acme/users.csv/x.csv' })).toMatchObject({ kind: 'unavailable' });
    chmodSync(folder.path('users.csv'), 0o000);
    const isRoot = process.getuid?.() === 0; // whom no mode keeps out
    if (!isRoot) expect(await refused({})).toMatchObject({ kind: 'permission-missing' });
    rmSync(folder.path('users.csv'));
  });

  it('that was not written for longer than the connection allows is not read', async () => {
    folder.age('users.csv', 49);
    expect(await refused({ maxAgeHours: 48 })).toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining('49 hours ago'),
    });
    expect(await usersOf(folder.connect({ maxAgeHours: 50 }))).toHaveLength(2);
  });

  it.each([
    ['rows', '2\n'],
    ['sha256', `${createHash('sha256').update('id,mail\n1,a\n2,b\n').digest('hex')}  users.csv\n`],
  ] as const)('that has to be proven by its %s is read only as it was meant', async (proof, said) => {
    expect(await refused({ proof, file: 'acme/users.csv' })).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining(`users.csv.${proof}`),
    });
    writeFileSync(folder.path(`users.csv.${proof}`), said);
    expect(await usersOf(folder.connect({ proof }))).toHaveLength(2);
    folder.write('users.csv', 'id,mail\n1,a\n');
    expect(await refused({ proof })).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('not whole'),
    });
  });

  it('of memberships has to be proven too', async () => {
    writeFileSync(folder.path('users.csv.rows'), '2');
    folder.write('groups.csv', 'g,m\nStaff,1\n');
    const settings = {
      proof: 'rows',
      groups: { file: 'acme/groups.csv', columns: { group: 'g', member: 'm' } },
    } as const;
    expect((await failing(groupsOf(folder.connect(settings)))).message).toContain('groups.csv.rows');
    writeFileSync(folder.path('groups.csv.rows'), '1');
    expect(await groupsOf(folder.connect(settings))).toHaveLength(1);
  });
});

describe('The test of a connection', () => {
  const definition = fileDefinition(folder.access);
  async function stepsOf(settings: Settings, folderKey = FOLDER_KEY) {
    const connector = definition.open({
      settings: FileSettings.parse({ file: 'acme/users.csv', format: 'csv', columns, ...settings }),
      credentials: { folderKey },
      network: { baseUrl: null, ca: null, proxy: null },
    });
    try {
      const steps: CheckStep[] = [];
      for await (const step of definition.check(connector, never)) steps.push(step);
      return steps;
    } finally {
      await connector.close();
    }
  }

  it('shows which columns it found, which of them are used, and what cannot be read', async () => {
    folder.write('users.csv', 'id,mail,team,notes\n1,a,Staff,x\n,b,Staff,y\n');
    const steps = await stepsOf({ groups: { column: 'team' } });
    expect(steps.map(({ step, ok }) => `${step} ${ok}`)).toEqual([
      'reach true',
      'credential true',
      'users true',
      'groups true',
      'members true',
    ]);
    expect(steps[2]?.detail).toBe(
      'Columns found: id, team; not used: mail, notes. Users on the first page: 2, not understood: 1. line 3: id holds no usable id.',
    );
  });

  it.each([
    ['credential', {}, 'not the key at all'],
    ['reach', { file: 'acme/nothing.csv' }, FOLDER_KEY],
    ['users', { columns: { externalId: 'number' } }, FOLDER_KEY],
    ['users', { file: 'acme/empty.csv' }, FOLDER_KEY],
  ])('fails at %s for %j', async (step, settings, key) => {
    folder.write('empty.csv', 'id\n');
    const failed = (await stepsOf(settings, key)).find(({ ok }) => !ok);
    expect(failed).toMatchObject({ step, remedy: expect.stringMatching(/\w/) });
  });
});
