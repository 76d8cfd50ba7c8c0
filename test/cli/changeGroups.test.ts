import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aCommandLine } from './commandLine.ts';

const { ok, run, file } = aCommandLine('external');
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 5, seed: 6 });
  const { credentials } = simulator;
  await ok('tenants', 'add', 'Harbor');
  await ok(
    ...['connections', 'add', 'Harbor Okta', '--tenant', 'Harbor', '--provider', 'okta'],
    ...['--url', simulator.origin, '--ca', file('ca.pem', simulator.ca)],
    ...['--credentials-file', file('credentials.json', JSON.stringify(credentials))],
  );
  await ok('sync', 'Harbor Okta');
}, 120_000);
afterAll(() => simulator.close());

const grouped = (...more: string[]) =>
  ok('changes', '--connection', 'Harbor Okta', '--group-by', 'cause', ...more);
const decide = (verdict: string, ...more: string[]) =>
  ok(verdict, '--connection', 'Harbor Okta', '--all', '--revision', '1', '--reason', 'r', ...more);

describe('rollcall changes --group-by', { timeout: 120_000 }, () => {
  it('shows the states of a group, and suggests only what does something to what is shown', async () => {
    const open = await grouped();
    expect(open.stdout).toMatch(/new in the directory .* open +--cause joined/);
    expect(open.stderr).toMatch(/approve --connection \S+ --all --cause joined --revision 1/);
    await decide('hold');
    const held = await grouped();
    expect(held.stdout).toMatch(/ held +--cause joined/);
    expect(held.stderr).not.toContain(' approve '); // what is held is looked at, not let go together
    await decide('approve', '--include-held');
    const approved = await grouped('--state', 'approved');
    expect(approved.stderr).toMatch(/changes --connection \S+ --cause joined --state approved$/m);
    expect(approved.stderr).not.toContain(' approve ');
  });

  it('leaves no half of a document where a list is refused', async () => {
    const refused = await run('changes', '--difference', 'none', '--json');
    expect(refused.code).toBe(2);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      error: { code: 'invalid-input', fields: [{ path: '--difference' }] },
    });
  });
});
