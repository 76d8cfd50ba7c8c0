/** The client's page, followed by an application that has installed what `npm pack` puts into its file. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { documentAt } from '../docs/documents.ts';

/** What the compiler says of the files, and '' if nothing. */
function compiled(args: readonly string[], cwd: string): string {
  try {
    return execFileSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...args], {
      cwd,
      encoding: 'utf8',
    });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

it('shows an example that type-checks strictly in an application that has installed the built client', {
  timeout: 120_000,
}, () => {
  const application = mkdtempSync(join(tmpdir(), 'rollcall-client-'));
  onTestFinished(() => rmSync(application, { recursive: true, force: true }));
  const installed = join(application, 'node_modules');
  const client = join(installed, 'rollcall-client');
  mkdirSync(join(installed, '@types'), { recursive: true });
  expect(compiled(['-p', 'clients/typescript', '--outDir', join(client, 'dist')], process.cwd())).toBe('');
  cpSync('clients/typescript/package.json', join(client, 'package.json'));
  for (const name of ['jose', '@types/node', 'undici-types'])
    symlinkSync(resolve('node_modules', name), join(installed, name));

  const example = /^```ts\n([\s\S]*?)^```$/m.exec(documentAt('clients/typescript/README.md').text)?.[1] ?? '';
  expect(example).toContain("from 'rollcall-client'");
  writeFileSync(join(application, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(application, 'example.ts'), example);
  const strictly = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--noEmit'];
  expect(compiled([...strictly, 'example.ts'], application)).toBe('');
  writeFileSync(join(application, 'wrong.ts'), example.replace('if (user === null)', 'if (false)'));
  expect(compiled([...strictly, 'wrong.ts'], application)).toContain("'user' is possibly 'null'");
});
