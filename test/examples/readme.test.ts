/** What the example's page has loaded into Rollcall lets Ada see, write and pay, and Ben neither pay nor look above his division. */
import { expect, it, onTestFinished } from 'vitest';
import { aFolder, rollcall } from '../cli/command.ts';
import { documentAt } from '../docs/documents.ts';

const LOAD = 'config load examples/invoices/rollcall.yaml --yes';

it('is set up by the one file that its page names', { timeout: 180_000 }, async () => {
  expect(documentAt('examples/invoices/README.md').text).toContain(`npx rollcall ${LOAD}\n`);
  const folder = aFolder();
  onTestFinished(() => folder.remove());
  const run = (...args: string[]) => rollcall([...args, '--data', folder.path]);
  expect(await run(...LOAD.split(' '))).toMatchObject({ code: 0 });
  const permissionsOf = async (user: string) => {
    const { entries } = JSON.parse((await run('users', 'authorization', user, '--json')).stdout);
    return entries.map((entry: { name: string; permissions: string[] }) => [
      entry.name,
      entry.permissions.toSorted(),
    ]);
  };
  const all = ['invoices.pay', 'invoices.read', 'invoices.write'];
  expect(await permissionsOf('ada')).toContainEqual(['Harbor Foods', all]);
  expect(await permissionsOf('ben')).toEqual([['North', ['invoices.read', 'invoices.write']]]);
});
