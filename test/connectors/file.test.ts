import { appendFileSync, renameSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { ConnectorError, UserRecord } from '../../connectors/contract.ts';
import { failing } from './aSession.ts';
import { FileFolder, groupsOf, inShort, membersOf, never, usersOf } from './fileFolder.ts';

const folder = new FileFolder();
afterEach(() => folder.closeConnectors());
afterAll(() => folder.remove());

const many = (rows: number) =>
  ['id,mail', ...Array.from({ length: rows }, (_, row) => `${row + 1},p${row + 1}@acme.example`)].join('\n');

const read = async (content: string | Uint8Array, settings = {}) => {
  folder.write('users.csv', content);
  return await usersOf(folder.connect(settings));
};
const refused = async (content: string | Uint8Array, settings = {}): Promise<ConnectorError['failure']> => {
  folder.write('users.csv', content);
  const connector = folder.connect(settings);
  return await failing(usersOf(connector));
};
const users = (records: readonly UserRecord[]) =>
  records.flatMap((record) => (record.kind === 'user' ? [record.user] : []));

describe('CSV', () => {
  it('is read with BOM, CRLF, quotes, quoted delimiters, doubled quotes and line breaks within fields', async () => {
    const content =
      '\uFEFF"id";mail;"name"\r\n1;a@acme.example;"Ada ""the first""\r\nLovelace; Countess"\r\n"2";"b@acme.example";Bob\r\n';
    const records = await read(content, {
      delimiter: ';',
      columns: { externalId: 'id', email: 'mail', displayName: 'name' },
    });
    expect(users(records)).toMatchObject([
      { externalId: '1', email: 'a@acme.example', displayName: 'Ada "the first" Lovelace; Countess' },
      { externalId: '2', email: 'b@acme.example', displayName: 'Bob', state: 'active', jobTitle: null },
    ]);
  });

  it('makes a display name of given and family name where there is none, as other directories have one', async () => {
    const content = 'id,name,first,last\n1,Countess,Ada,Obi\n2,,Ben,Obi\n3,,,Chu\n4,,,';
    const columns = { externalId: 'id', givenName: 'first', familyName: 'last' };
    const names = (records: readonly UserRecord[]) => users(records).map(({ displayName }) => displayName);
    const named = await read(content, { columns: { ...columns, displayName: 'name' } });
    expect(names(named)).toEqual(['Countess', 'Ben Obi', 'Chu', null]);
    expect(names(await read(content, { columns }))).toEqual(['Ada Obi', 'Ben Obi', 'Chu', null]);
  });

  it.each([
    ['without a line break at its end', 'id,mail\n1,a@acme.example'],
    ['with a quoted last field and no line break', 'id,mail\n1,"a@acme.example"'],
    ['with blank lines', '\n\nid,mail\n\n1,a@acme.example\n\n\n'],
    ['with columns that nobody asked for, in any order', 'x,mail,y,id\n,a@acme.example,,1\n'],
  ])('is read %s', async (_, content) => {
    expect(inShort(await read(content))).toEqual(['1 a@acme.example']);
  });

  it('is read the same wherever its pieces are cut', async () => {
    // Longer than what is read at once, with quotes and breaks at every place of a piece's edge.
    const name = `"${'ä'.repeat(120)} ""x""\ny"`;
    const rows = Array.from({ length: 2500 }, (_, row) => `${row},p${row}@acme.example,${name}`);
    const records = await read(`id,mail,name\n${rows.join('\r\n')}`, {
      columns: { externalId: 'id', email: 'mail', displayName: 'name' },
    });
    expect(records).toHaveLength(2500);
    expect(new Set(users(records).map(({ displayName }) => displayName))).toEqual(
      new Set([`${'ä'.repeat(120)} "x" y`]),
    );
    expect(users(records).map(({ externalId }) => Number(externalId))).toEqual(rows.map((_, row) => row));
  });

  it('names a row of another length by its line, and by its id where that stands before everything', async () => {
    const content = 'id,mail\n1,a@acme.example\n2\n"3\n",c@acme.example,x\n4,d@acme.example\n';
    expect(inShort(await read(content))).toEqual([
      '1 a@acme.example',
      '2: line 3: has 1 fields in place of 2',
      '3: line 4: has 3 fields in place of 2',
      '4 d@acme.example',
    ]);
    expect(inShort(await read('mail,id\na@acme.example\n'))).toEqual([
      'nobody: line 2: has 1 fields in place of 2',
    ]);
  });

  it('calls everybody who stands in it twice unreadable, each time, with both lines', async () => {
    const content = 'id,mail\n1,a@acme.example\n2,b@acme.example\n 1 ,c@acme.example\n,d@acme.example\n';
    expect(inShort(await read(content))).toEqual([
      '1: line 2: line 2 and line 4 have the same id',
      '2 b@acme.example',
      '1: line 4: line 2 and line 4 have the same id',
      'nobody: line 5: id holds no usable id',
    ]);
  });

  it.each([
    ['without an entry', 'id,mail\n'],
    ['with nothing at all', ''],
    ['with nothing but a mark and blanks', '\uFEFF\n \n'],
  ])('%s has one page with nobody on it', async (_, content) => {
    folder.write('users.csv', content);
    expect(await folder.connect().fetchUsers(null, never)).toEqual({ records: [], next: null });
  });

  it.each([
    [
      'a quote that is never closed',
      'id,mail\n1,"a@acme.example\n2,b@acme.example\n',
      /line 2.*never closed/,
    ],
    ['text behind a closing quote', 'id,mail\n1,"a@acme.example"x\n', /line 2.*follows a closing/],
    ['text behind a closing quote and CR', 'id,mail\n1,"a@acme.example"\rx\n', /line 2.*follows a closing/],
    ['Latin-1', Buffer.from('id,mail\n1,j\xfcrgen@acme.example\n', 'latin1'), /Line 2 is not UTF-8/],
    ['UTF-16', Buffer.from('\uFEFFid,mail\n', 'utf16le'), /UTF-16/],
    ['a missing column', 'id,address\n1,a@acme.example\n', /its 2 columns do not include mail/],
    ['another delimiter', 'id;mail\n1;a@acme.example\n', /its 1 columns do not include id, mail/],
    ['a column that is there twice', 'id,mail,mail\n1,a,b\n', /more than one column mail/],
  ])('with %s is refused as a whole, without repeating it', async (_, content, message) => {
    const failure = await refused(content);
    expect(failure).toMatchObject({ kind: 'misconfigured', message: expect.stringMatching(message) });
    expect(JSON.stringify(failure)).not.toContain('acme.example');
  });

  it('shows of a missing header none of the values that stand in its place', async () => {
    const failure = await refused('1,ada@acme.example\n2,bob@acme.example\n');
    expect(JSON.stringify(failure)).not.toMatch(/ada|@/);
  });
});

describe('JSON', () => {
  const settings = {
    columns: { externalId: 'nr', email: 'contact.mail', custom: { tags: 'tags', size: 'size' } },
  };
  const people = [
    { nr: 7, contact: { mail: 'a@acme.example' }, tags: ['x', ' y '], size: 1.5 },
    { nr: '8', contact: { mail: 'b \\"] } {@acme.example' }, tags: [], size: null },
  ];
  const expected = [
    { externalId: '7', email: 'a@acme.example', custom: { tags: ['x', 'y'], size: 1.5 } },
    { externalId: '8', email: 'b \\"] } {@acme.example', custom: {} },
  ];

  it.each([
    ['an array', 'json', JSON.stringify(people)],
    ['an array over several lines', 'json', `\uFEFF\n${JSON.stringify(people, null, 2)}\n`],
    ['one object a line', 'ndjson', people.map((one) => `${JSON.stringify(one)}\n`).join('\n')],
    [
      'one object a line, the last without a break',
      'ndjson',
      people.map((one) => JSON.stringify(one)).join('\r\n'),
    ],
  ])('is read as %s', async (_, format, content) => {
    expect(users(await read(content, { ...settings, format }))).toMatchObject(expected);
  });

  it('is read the same wherever its pieces are cut', async () => {
    const entries = Array.from({ length: 3000 }, (_, nr) => ({
      nr,
      contact: { mail: `"${'ü'.repeat(90)}[{` },
      tags: [],
      size: 1,
    }));
    const records = await read(JSON.stringify(entries), { ...settings, format: 'json' });
    expect(users(records).map(({ externalId }) => Number(externalId))).toEqual(entries.map(({ nr }) => nr));
  });

  it('has one page with nobody on it where the array is empty', async () => {
    folder.write('users.csv', ' [ ] ');
    expect(await folder.connect({ format: 'json' }).fetchUsers(null, never)).toEqual({
      records: [],
      next: null,
    });
  });

  it.each([
    ['no array', '{"nr":1}', /does not begin with an array/],
    ['nothing', '', /cut off/],
    ['no end', '[{"nr":1}', /cut off/],
    ['an end within an entry', '[{"nr":1},{"nr"', /cut off/],
    ['something behind it', '[{"nr":1}] x', /follows the array/],
    ['no comma between entries', '[{"nr":1}{"nr":2}]', /no comma stands behind entry 1/],
    ['a comma too many', '[{"nr":1},]', /entry 2 is not JSON/],
    ['an entry that is no JSON', '[{"nr":1},{nr:2}]', /entry 2 is not JSON/],
  ])('with %s is refused as a whole', async (_, content, message) => {
    const failure = await refused(content, { format: 'json', columns: { externalId: 'nr' } });
    expect(failure).toMatchObject({ kind: 'misconfigured', message: expect.stringMatching(message) });
  });

  it('names an entry that cannot be read, and lets the others through', async () => {
    const content =
      '{"id":1,"mail":"a"}\nnonsense\n[1]\n{"id":{},"mail":"x"}\n{"id":12345678901234567890,"mail":""}\n{"id":5,"mail":["x"]}\n{"id":6,"mail":"f"}\n';
    expect(inShort(await read(content, { format: 'ndjson' }))).toEqual([
      '1 a',
      'nobody: line 2: is not JSON',
      'nobody: line 3: is not an object',
      'nobody: line 4: id holds a list or an object in place of a text',
      'nobody: line 5: id holds a number of more digits than JSON keeps: write it as a text',
      '5: line 6: mail holds a list or an object in place of a text',
      '6 f',
    ]);
  });

  it('is refused where no entry has a column that the settings name: nobody loses all their addresses', async () => {
    const failure = await refused('[{"id":1},{"id":2}]', { format: 'json' });
    expect(failure.message).toMatch(/no entry has mail/);
  });
});

describe('States', () => {
  const columns = { externalId: 'id', state: 'status' };
  const states = { active: ['A', ''], suspended: ['On leave'], deprovisioned: ['L', 'X'] };

  it('are read by the spellings that the settings list, and never guessed', async () => {
    const content = 'id,status\n1,a\n2,\n3, ON LEAVE\n4,x\n5,retired\n';
    const records = await read(content, { columns, states });
    expect(users(records).map(({ state }) => state)).toEqual([
      'active',
      'active',
      'suspended',
      'deprovisioned',
    ]);
    expect(records.at(-1)).toEqual({
      kind: 'unreadable',
      externalId: '5',
      problem: 'line 6: status holds no spelling of a state that the settings list',
    });
  });

  it('may not share a spelling', () => {
    expect(() => folder.connect({ columns, states: { active: ['1'], suspended: [' 1'] } })).toThrow(
      /one spelling that stands for two states/,
    );
  });
});

it('every attribute has a column of its own where the settings say so', async () => {
  const content =
    'nr,login,a,type,boss,badge\n1,ada,x@acme.example| y@acme.example |x@acme.example,Guest,9,Blue\n2,bob,,,,\n3,cy,,alien,,\n';
  const records = await read(content, {
    columns: {
      externalId: 'nr',
      userName: 'login',
      aliases: 'a',
      userType: 'type',
      manager: 'boss',
      custom: { badgeColor: 'badge' },
    },
    separator: '|',
  });
  expect(users(records)).toMatchObject([
    {
      userName: 'ada',
      aliases: ['x@acme.example', 'y@acme.example'],
      userType: 'guest',
      manager: '9',
      custom: { badgeColor: 'Blue' },
    },
    { userName: 'bob', aliases: [], userType: 'member', manager: null, custom: {} },
  ]);
  expect(inShort(records)[2]).toBe('3: line 4: type holds neither member nor guest');
});

describe('Groups', () => {
  const named = (records: Awaited<ReturnType<typeof groupsOf>>) =>
    records.map((record) =>
      record.kind === 'group' ? `${record.group.externalId} ${record.group.name}` : record.problem,
    );
  const members = async (connector: ReturnType<typeof folder.connect>, group: string) =>
    (await membersOf(connector, group)).map((record) =>
      record.kind === 'everyone' ? '*' : record.externalId,
    );

  it('come out of a column of the people', async () => {
    folder.write('users.csv', 'id,mail,teams\n1,a,Sales; Staff\n2,b,Staff;Staff\n3,c,\n');
    const connector = folder.connect({ groups: { column: 'teams' } });
    expect(named(await groupsOf(connector))).toEqual(['Sales Sales', 'Staff Staff']);
    expect(await members(connector, 'Staff')).toEqual(['1', '2']);
    expect(await members(connector, 'Sales')).toEqual(['1']);
    expect(await failing(membersOf(connector, 'Legal'))).toMatchObject({ kind: 'not-found' });
  });

  it('come out of a file of memberships, with names of their own', async () => {
    folder.write('users.csv', many(3));
    folder.write('groups.csv', 'gid,title,who\ng1,Staff,1\ng1,Staff,2\ng2,Sales,3\n');
    const connector = folder.connect({
      groups: { file: 'acme/groups.csv', columns: { group: 'gid', name: 'title', member: 'who' } },
    });
    expect(named(await groupsOf(connector))).toEqual(['g1 Staff', 'g2 Sales']);
    expect(await members(connector, 'g1')).toEqual(['1', '2']);
  });

  it('whose memberships cannot all be read are in doubt: one of them, or where its group is unknown all', async () => {
    folder.write('users.csv', many(3));
    folder.write('groups.csv', 'gid,who\ng1,1\ng2,\n');
    const settings = { groups: { file: 'acme/groups.csv', columns: { group: 'gid', member: 'who' } } };
    const one = folder.connect(settings);
    expect(await members(one, 'g1')).toEqual(['1']);
    expect(await members(one, 'g2')).toEqual([null]);
    folder.write('groups.csv', 'gid,who\ng1,1\ng2,2\n,3\ng2\n');
    const all = folder.connect(settings);
    expect(await members(all, 'g1')).toEqual(['1', null]);
    expect(await members(all, 'g2')).toEqual(['2', null]);
    expect(named(await groupsOf(all)).at(-1)).toMatch(/does not say/);
  });

  it('of 50,000 people are read page by page, each member once', async () => {
    const rows = Array.from({ length: 50_000 }, (_, row) => `${row},m,Staff`);
    folder.write('users.csv', ['id,mail,teams', ...rows].join('\n'));
    const connector = folder.connect({ groups: { column: 'teams' } });
    expect(new Set(await members(connector, 'Staff')).size).toBe(50_000);
  });
});

describe('A file that changes', () => {
  it('between two pages makes the cursor expire, in this process and in another', async () => {
    folder.write('users.csv', many(1500));
    const connector = folder.connect();
    const { next } = await connector.fetchUsers(null, never);
    folder.write('new.csv', many(1500));
    renameSync(folder.path('new.csv'), folder.path('users.csv'));
    expect(await failing(connector.fetchUsers(next, never))).toMatchObject({ kind: 'cursor-expired' });
    expect(await failing(folder.connect().fetchUsers(next, never))).toMatchObject({ kind: 'cursor-expired' });
    expect(await usersOf(connector)).toHaveLength(1500);
  });

  it('between the groups and the people makes the reading begin anew', async () => {
    folder.write('users.csv', 'id,mail,teams\n1,a,Staff\n');
    const connector = folder.connect({ groups: { column: 'teams' } });
    expect(await groupsOf(connector)).toHaveLength(1);
    folder.write('users.csv', 'id,mail,teams\n1,a,Staff\n2,b,Sales\n');
    expect(await failing(connector.fetchUsers(null, never))).toMatchObject({ kind: 'cursor-expired' });
    expect(await groupsOf(connector)).toHaveLength(2);
    expect(await usersOf(connector)).toHaveLength(2);
  });

  it('within its last seconds is waited for, and not read while it goes on changing', async () => {
    const waited: number[] = [];
    const during: (() => void)[] = [];
    const tuning = {
      sleep: async (ms: number) => {
        waited.push(ms);
        during.shift()?.();
      },
    };
    folder.write('users.csv', many(3), 0);
    expect(await usersOf(folder.connect({}, { tuning }))).toHaveLength(3);
    expect(waited).toHaveLength(1);
    expect(waited[0]).toBeGreaterThan(9_000);
    folder.write('users.csv', many(3), 0);
    during.push(() => appendFileSync(folder.path('users.csv'), '\n4,d'));
    expect(await failing(usersOf(folder.connect({}, { tuning })))).toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/being written/),
    });
  });

  it('goes on from a saved cursor in another process while it stays as it is', async () => {
    folder.write('users.csv', many(2500));
    const first = await folder.connect().fetchUsers(null, never);
    const second = await folder.connect().fetchUsers(first.next, never);
    const third = await folder.connect().fetchUsers(second.next, never);
    const ids = [first, second, third].flatMap((page) =>
      users(page.records).map((user) => Number(user.externalId)),
    );
    expect(ids).toEqual(Array.from({ length: 2500 }, (_, row) => row + 1));
    expect(third.next).toBeNull();
  });

  it.each(['', 'x', '1.2', '["a"]', `["a","${'b'.repeat(300)}"]`])(
    'takes the cursor %j for none of its own',
    async (cursor) => {
      folder.write('users.csv', 'id,mail\n1,a\n');
      const connector = folder.connect();
      expect(await failing(connector.fetchUsers(cursor, never))).toMatchObject({ kind: 'cursor-expired' });
      expect(await failing(connector.fetchGroups(cursor, never))).toMatchObject({ kind: 'cursor-expired' });
    },
  );
});

it('says how many different people the file names, and what it took to read it', async () => {
  folder.write('users.csv', 'id,mail\n1,a\n2,b\n1,c\n,d\n');
  const connector = folder.connect();
  expect(await connector.evidence(never)).toEqual({ users: 2, permissions: null });
  expect(connector.usage()).toMatchObject({ retries: 0, throttled: 0, waitedMs: 0 });
  expect(connector.usage().bytes).toBeGreaterThan(20);
});

it('ends with the reason of the abort', async () => {
  folder.write('users.csv', many(10));
  const reason = new Error('the run was cancelled');
  await expect(folder.connect().fetchUsers(null, AbortSignal.abort(reason))).rejects.toBe(reason);
  folder.write('users.csv', many(10), 0);
  const stopping = new AbortController();
  const waiting = folder.connect().fetchUsers(null, stopping.signal);
  setImmediate(() => stopping.abort(reason));
  await expect(waiting).rejects.toBe(reason);
});
