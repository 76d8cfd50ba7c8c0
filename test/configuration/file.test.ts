import { describe, expect, it } from 'vitest';
import { LARGEST_FILE, parseFile } from '../../src/configuration/file.ts';
import { writeFile } from '../../src/configuration/text.ts';
import { Problem } from '../../src/domain/problem.ts';

function refusalOf(text: string): Problem {
  try {
    parseFile(text);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('the file was taken');
}

/** In microseconds of this process. */
function costOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user;
}

describe('a file that is wrong is refused with the place', () => {
  it.each([
    ['an unknown section', 'rolls: []', 'rolls', 'line 1, column 1: is not known here'],
    [
      'an unknown field',
      'roles:\n  - name: a\n    typ: hidden',
      'roles.0.typ',
      'line 3, column 5: is not known here',
    ],
    ['a missing field', 'roles:\n  - type: hidden', 'roles.0.name', 'line 2, column 5: is missing'],
    [
      'a word where a list of fields should be',
      'users:\n  - {tenant: A, userName: b, roles: [dispatcher]}',
      'users.0.roles.0',
      'line 2, column 38: is not a list of fields: write it as { role: … }',
    ],
    [
      'a missing choice',
      'connections:\n  - {tenant: A, name: B}',
      'connections.0.provider',
      'line 2, column 5: is missing: add it, as one of entra',
    ],
    ['a wrong choice', 'roles:\n  - {name: a, type: secret}', 'roles.0.type', 'is none of '],
    [
      'a text as a whole',
      'nothing but words',
      '',
      'line 1, column 1: is not a list of fields: write it as { roles: … }',
    ],
    ['a list as a whole', '- name: a', '', 'line 1, column 1: is not a list of fields'],
    ['a word where a list should be', 'roles: none', 'roles', 'line 1, column 8: is not a list: '],
    ['a wrong type', 'roles:\n  - {name: a, type: secret}', 'roles.0.type', 'line 2, column 21'],
    [
      'an empty name in a path',
      'tenants:\n  - path: A//B',
      'tenants.0.path',
      'line 2, column 11: is not the path of a tenant (a name is empty)',
    ],
    [
      'something else than a domain',
      'tenants:\n  - {path: A, domains: [http://a]}',
      'tenants.0.domains.0',
      'line 2, column 25: is not a domain',
    ],
    [
      'a state that only a command gives',
      'tenants:\n  - {path: A, state: deleted}',
      'tenants.0.state',
      'line 2, column 22',
    ],
    [
      'a wrong schedule',
      'connections:\n  - {tenant: A, name: B, provider: okta, schedule: hourly}',
      'connections.0.schedule',
      'line 2, column 52: is not a cron expression',
    ],
    ['a user without a name', 'users:\n  - tenant: A', 'users.0', 'line 2, column 5: has no userName'],
    [
      'half a name of a directory’s user',
      'users:\n  - {tenant: A, connection: B}',
      'users.0',
      'line 2, column 5: is named by half',
    ],
    [
      'a field that is the directory’s',
      'users:\n  - {tenant: A, connection: B, externalId: c, email: a@b.example}',
      'users.0.email',
      'line 2, column 54: belongs to the directory',
    ],
    [
      'no address',
      'users:\n  - {tenant: A, userName: b, email: nobody}',
      'users.0.email',
      'line 2, column 37: is not an e-mail address',
    ],
    [
      'a number that would become another',
      'users:\n  - {tenant: A, userName: b, attributes: {id: 12345678901234567890}}',
      'users.0.attributes',
      'line 2, column 42: holds a number of more than 15 digits',
    ],
  ])('%s', (_, text, path, message) => {
    const { code, fields, remedy, message: whole } = refusalOf(text);
    expect(whole).not.toMatch(/Invalid|cannot be loaded: it,/);
    expect(code).toBe('invalid-input');
    expect(fields.find((field) => field.path === path)?.message).toContain(message);
    expect(remedy).toContain('nothing was changed');
  });

  it.each([
    ['roles', 'roles:\n  - name: a\n  - name: a'],
    ['productPlans', 'productPlans:\n  - name: a\n  - name: a'],
    ['tenants', 'tenants:\n  - path: a/b\n  - path: [a, b]'],
    [
      'connections',
      'connections:\n  - {tenant: a, name: b, provider: okta}\n  - {tenant: a, name: b, provider: entra}',
    ],
    ['users', 'users:\n  - {tenant: a, userName: b}\n  - {tenant: a, userName: b}'],
  ])('two of a kind in %s', (section, text) => {
    const [field, ...others] = parseFile(text).twice;
    expect(others).toEqual([]);
    expect(field?.position).toEqual([section, 1]);
    expect(field?.message).toContain(`names the same as ${section}.0 (line 2, column`);
  });

  it('text that is no YAML, a tag that nobody knows, a key that is there twice', () => {
    expect(refusalOf('roles:\n  - [').message).toMatch(/line \d, column \d/);
    expect(refusalOf('roles: !!binary "aGk="').message).toContain('line 1, column 8');
    expect(refusalOf('roles: []\nroles: []').message).toContain('line 2, column 1');
  });

  it('all at once, the first fifty of them', () => {
    const wrong = Array.from({ length: 60 }, () => '  - {nme: a}').join('\n');
    const { fields, message } = refusalOf(`roles:\n${wrong}`);
    expect(fields).toHaveLength(50);
    expect(message).toContain('and 119 more');
  });
});

describe('a secret', () => {
  it.each([
    ['of a connection', 'credentials: {token: hunter2}'],
    ['of a connection as a whole', 'credentials: hunter2'],
    ['under a key that no reference has', 'credentials: {token: {value: hunter2}}'],
    ['of a proxy', 'network: {baseUrl: null, ca: null, proxy: "http://me:hunter2@proxy.example:3128"}'],
  ])('%s is refused in the file, and not repeated', (_, line) => {
    const refusal = refusalOf(`connections:\n  - tenant: A\n    name: B\n    provider: okta\n    ${line}`);
    expect(refusal.fields.map(({ message }) => message).join()).toMatch(
      /line 5.*secret|line 5.*\{env: NAME\}/,
    );
    expect(JSON.stringify([refusal.message, refusal.fields, refusal.remedy])).not.toContain('hunter2');
  });
});

describe('a file made to do harm', () => {
  it('costs what its length is, however many keys one map has, also where none is known and where all are there twice', () => {
    const names = Array.from({ length: 200_000 }, (_, at) => at.toString(36));
    const list = costOf(() => refusalOf(`[${names.join(',')}]`));
    const map = costOf(() => expect(refusalOf(`{${names.join(',')}}`).message).toContain('199999 more'));
    const twice = `{${[...names, ...names].join(',')}}`;
    const doubled = costOf(() =>
      expect(refusalOf(twice).message).toContain('is there twice in the same map'),
    );
    // By comparing each key with all others it was several thousand times as much.
    expect(map).toBeLessThan(20 * list);
    expect(doubled).toBeLessThan(40 * list);
  }, 120_000);

  it('refers to no more than it may, and to nothing that is not there', () => {
    const alias = '*a,';
    expect(refusalOf(`[&a x,${alias.repeat(101)}&b y]`).message).toContain('anchors more than 100 times');
    const many = `[&a [${'x,'.repeat(2_000)}x],${alias.repeat(60)}x]`;
    expect(refusalOf(many).message).toContain('by anchors to more than 100000 entries');
    expect(refusalOf('roles: *a').message).toContain(
      'line 1, column 8: refers to an anchor that is not given',
    );
    expect(refusalOf('&a [*a]').message).toContain('line 1, column 5: refers to an anchor that is not given');
  });

  it('has no list of what is wrong that is as long as itself', () => {
    const { message } = refusalOf(']'.repeat(20_000));
    expect(message.length).toBeLessThan(10_000);
    expect(Error.stackTraceLimit).toBeGreaterThan(0);
  });

  it('swells by aliases no further than bounds allow', () => {
    const levels = Array.from({ length: 9 }, (_, at) => {
      const below = at === 0 ? '"ha"' : `*a${at - 1}`;
      return `  a${at}: &a${at} [${Array.from({ length: 9 }, () => below).join(', ')}]`;
    });
    expect(refusalOf(`roles:\n${levels.join('\n')}`).message).toContain(
      'anchors to more than 100000 entries',
    );
  });

  it('is not followed into depths', () => {
    expect(refusalOf(`roles: ${'['.repeat(200_000)}`).code).toBe('invalid-input');
    expect(refusalOf(`roles: ${'['.repeat(2_000)}${']'.repeat(2_000)}`).code).toBe('invalid-input');
  });

  it('is not read when it is too long', () => {
    expect(refusalOf(' '.repeat(LARGEST_FILE + 1)).message).toContain('longer than 32 MiB');
  });

  it('sets no prototype', () => {
    const attributes = 'attributes: {__proto__: {isAdmin: true}}';
    const { content } = parseFile(`users:\n  - {tenant: A, userName: b, ${attributes}}`);
    const [user] = content.users as readonly { attributes?: object }[];
    expect('isAdmin' in (user?.attributes ?? {})).toBe(false);
    expect('isAdmin' in {}).toBe(false);
  });
});

it('an anchor says a mapping once for two connections', () => {
  const { content } = parseFile(`connections:
  - {tenant: A, name: one, provider: okta, mapping: &all {everyone: [member]}}
  - {tenant: A, name: two, provider: okta, mapping: *all}`);
  expect(content.connections.map(({ mapping }) => mapping?.everyone)).toEqual([['member'], ['member']]);
});

it('JSON is YAML', () => {
  expect(parseFile('{"roles": [{"name": "a"}]}').content.roles).toEqual([{ name: 'a' }]);
  expect(parseFile('').content.roles).toEqual([]);
});

it.each([
  'yes',
  '0042',
  '1e3',
  'null',
  '~',
  '# no comment',
  'a: b',
  '- a',
  ' ',
  '"quoted"',
  "it's",
  'ünï',
  '2026-01-01',
  '*a',
  '@x',
  '',
  'true',
  '0x1F',
])('the text %j comes out as the text that it is', (description) => {
  const role = { id: '', name: 'a', description, type: 'ordinary', permissions: [], version: 1 } as const;
  const { text } = writeFile({
    roles: [{ ...role, createdAt: new Date(0) } as never],
    productPlans: [],
    tenants: [],
    connections: [],
    users: [],
    pathOf: new Map(),
  });
  expect(parseFile(text).content.roles[0]?.description).toBe(description);
});
