import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { aCommandLine } from './commandLine.ts';

const { ok, run, file, folder } = aCommandLine('external');

const cases = (expected: string) =>
  `cases:\n  - {name: an edit, change: {after: {jobTitle: Smith}}, expect: ${expected}}\n`;
const rules = (decide: string) =>
  `timeZone: Europe/Rome\nrules:\n  - {name: all, when: "true", decide: ${decide}}\n`;

beforeAll(async () => {
  await ok('tenants', 'add', 'Harbor');
  const credentials = file('credentials.json', '{"kind": "api-token", "token": "00secret"}');
  await ok(
    ...['connections', 'add', 'Harbor Okta', '--tenant', 'Harbor', '--provider', 'okta'],
    ...['--url', 'https://harbor.okta.example', '--credentials-file', credentials],
  );
}, 120_000);

describe('rollcall policy', { timeout: 120_000 }, () => {
  it('tests rules by cases, without an install, and ends with 1 where one comes out otherwise', async () => {
    const policy = file('draft.yaml', rules('approve'));
    const passed = await run('policy', 'test', file('good.yaml', cases('approve')), '--policy', policy);
    expect(passed).toMatchObject({ code: 0, stdout: 'ok  an edit\n1 case as expected, 0 not.\n' });
    const failed = await run('policy', 'test', file('bad.yaml', cases('hold')), '--policy', policy, '--json');
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({
      ...{ passed: 0, failed: 1 },
      cases: [{ passed: false, differences: ['verdict: expected hold, got approve'] }],
    });
    const wrong = await run(
      'policy',
      'test',
      file('good.yaml', cases('approve')),
      '--policy',
      file('wrong.yaml', rules('aprove')),
    );
    expect(wrong).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/rules\.0\.decide, line 3, column \d+: has to be/),
    });
  });

  it('says where in the file an expression is wrong, once', async () => {
    const told = async (...when: readonly string[]) => {
      const rule = ['rules:', '  - name: titles', ...when, '    decide: approve', ''];
      const { stderr } = await run('policy', 'set', file('own.yaml', rule.join('\n')), '--tenant', 'Harbor');
      return /rules\.0\.when, (.*?): no such key/.exec(stderr)?.[1];
    };
    expect(await told('    when: change.kin == "update"')).toBe('line 3, column 18');
    expect(await told(`    when: 'user.department == "Ä😀" && change.kin == "a"'`)).toBe('line 3, column 47');
    expect(await told('    when: |', '      true &&', '      change.kin == "a"')).toBe(
      'line 3, column 11, in line 2, column 8 of the expression',
    );
    expect(await told('    when: "change.kin == \\"a\\""')).toBe(
      'line 3, column 11, in line 1, column 8 of the expression',
    );
  });

  it('takes rules over for a tenant and for a connection, shows them, and says which decide nothing', async () => {
    await ok(
      'policy',
      'set',
      file('tenant.yaml', rules('{hold: {reason: somebody looks}}')),
      '--tenant',
      'Harbor',
    );
    const own = file(
      'own.yaml',
      'rules:\n  - {name: titles, when: \'change.risk == "low"\', decide: approve}\n',
    );
    const set = await ok('policy', 'set', own, '--connection', 'Harbor Okta');
    expect(set.stderr).toContain('“titles” decides nothing: a tenant above decides at least as strictly');
    const shown = await ok('policy', 'show', '--connection', 'Harbor Okta');
    expect(shown.stdout).toMatch(
      /Rules of Harbor\n {2}1\. all: somebody looks\n.*\nRules of Harbor Okta\n {2}1\. titles: approved\n/,
    );
    const out = join(folder, 'out.yaml');
    const { stdout } = await ok('policy', 'show', '--tenant', 'Harbor', '--out', out, '--json');
    expect(statSync(out).mode & 0o777).toBe(0o600); // conditions may name people
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, timeZone: 'Europe/Rome' });
    expect(readFileSync(out, 'utf8')).toContain('reason: somebody looks');
    await ok('policy', 'set', out, '--tenant', 'Harbor');
    expect(JSON.parse((await ok('policy', 'show', '--tenant', 'Harbor', '--json')).stdout).version).toBe(1);
    expect((await ok('connections', 'show', 'Harbor Okta', '--json')).stdout).toContain(
      '"deletedPercent": 10',
    );
  });

  it('takes the shipped example for a tenant; of a connection set and replay refuse alike what only a tenant has', async () => {
    const example = join(import.meta.dirname, '..', '..', 'examples', 'policy.yaml');
    await ok('tenants', 'add', 'Example');
    await ok('policy', 'set', example, '--tenant', 'Example');
    await ok('policy', 'replay', example, '--tenant', 'Example');
    const freezes = file('freezes.yaml', 'freezes: []\n');
    const tenantOnly = expect.stringMatching(
      /(timeZone|freezes), line \d+, column 1: belongs to a tenant's policy: set it with --tenant/,
    );
    for (const command of [
      ['set', example],
      ['replay', example],
      ['set', freezes],
      ['test', file('good.yaml', cases('approve')), '--policy', example],
    ])
      expect(await run('policy', ...command, '--connection', 'Harbor Okta')).toMatchObject({
        ...{ code: 2, stderr: tenantOnly },
      });
    const guards = file('guards.yaml', 'guards: {deletedPercent: 5}\n');
    expect((await run('policy', 'set', guards, '--tenant', 'Example')).stderr).toContain(
      "guards, line 1, column 1: belongs to a connection's policy: set it with --connection",
    );
    const empty = file('empty.yaml', '# nothing\n');
    expect(await run('policy', 'set', empty, '--tenant', 'Example')).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('`rules: []` takes all rules away') },
    });
  });

  it('takes freeze periods with their time zone, and says which are over', async () => {
    const freeze = (from: string, until: string) =>
      file('freeze.yaml', `freezes: [{ name: Year end, from: ${from}, until: ${until} }]`);
    const day = freeze('2020-12-20', '2021-01-04');
    expect(await run('policy', 'set', day, '--tenant', 'Harbor')).toMatchObject({
      ...{
        code: 2,
        stderr: expect.stringContaining('with its time zone, such as 2026-12-20T00:00:00+01:00'),
      },
    });
    const over = freeze('2020-12-20T00:00:00+01:00', '2021-01-04T00:00:00+01:00');
    const { stdout, stderr } = await ok('policy', 'set', over, '--tenant', 'Harbor');
    expect(stdout).toBe('The policy is stored.\n');
    expect(stderr).toContain('“Year end” is over since 2021-01-04T00:00:00+01:00: it keeps nothing back');
    expect((await ok('policy', 'show', '--tenant', 'Harbor')).stdout).toContain('which is over');
  });

  it('replays a draft, and says what it needs', async () => {
    const draft = file('draft.yaml', rules('approve').replace(/^timeZone.*\n/, ''));
    const { stdout } = await ok('policy', 'replay', draft, '--connection', 'Harbor Okta', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      changes: 0,
      differences: [],
      rules: [{ rule: 'all', changes: 0 }],
    });
    expect(await run('policy', 'replay', draft)).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('Give --connection or --tenant.') },
    });
    expect(await run('policy', 'replay', draft, '--tenant', 'Harbor', '--to', 'hold')).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('Add --list.') },
    });
  });
});
