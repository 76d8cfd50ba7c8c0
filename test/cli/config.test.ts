import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import { type Options, start } from './command.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let folder: string;
beforeAll(async () => {
  database = await freshDatabase();
  folder = mkdtempSync(join(tmpdir(), 'rollcall-config-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

const rollcall = (args: readonly string[], options: Options = {}) => {
  const env = { DATABASE_URL: database.url, ROLLCALL_DATA: folder, ...options.env };
  return start(['config', ...args], { ...options, env }).ended;
};

it('shows, loads, exports, and then finds nothing to do', async () => {
  const file = join(folder, 'rollcall.yaml');
  const configuration = `tenants: [{path: Harbor}]
connections: [{tenant: Harbor, name: Okta, provider: okta, settings: {orgUrl: https://harbor.okta.example},
  credentials: {kind: api-token, token: {file: token.txt}}}]
users: [{tenant: Harbor, userName: kiosk}]
`;
  writeFileSync(file, configuration);

  const withoutSecret = await rollcall(['diff', file]);
  expect(withoutSecret).toMatchObject({ code: 2, stderr: expect.stringContaining('line 3, column 16') });
  writeFileSync(join(folder, 'token.txt'), '00secretOktaToken\n'); // beside the file, not where the command is typed

  const shown = await rollcall(['diff', file, '--detailed-exitcode']);
  expect(shown.code).toBe(2);
  expect(shown.stdout).toContain('+ Harbor: Okta');
  expect(shown.stdout).toContain('To create: 3, to change: 0.');
  expect(shown.stdout + shown.stderr).not.toContain('00secretOktaToken');

  expect(await rollcall(['load', file])).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  const loaded = await rollcall(['load', file, '--yes', '--json']);
  expect(loaded.code).toBe(0);
  expect(JSON.parse(loaded.stdout)).toMatchObject({
    loaded: { tenants: { created: 1 }, users: { created: 1 } },
  });

  const out = join(folder, 'out.yaml');
  expect(await rollcall(['export', '--out', out])).toMatchObject({ code: 0, stdout: `Wrote ${out}.\n` });
  const exported = readFileSync(out, 'utf8');
  expect((await rollcall(['export'])).stdout).toBe(exported);
  expect(exported).not.toContain('credentials');
  expect(await rollcall(['diff', out, '--detailed-exitcode'])).toMatchObject({
    code: 0,
    stdout: 'Everything is as the file says.\n',
  });
  expect((await rollcall(['diff', '-', '--json'], { input: exported })).stdout).toContain(
    '"differences": []',
  );
}, 120_000);
