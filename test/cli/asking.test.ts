import { execFileSync, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { bin, environment } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const withTerminal = 'script';

/** util-linux's `script` gives a command a terminal; other systems' differ or have none, and these tests are skipped there. */
function hasScript(): boolean {
  try {
    return execFileSync(withTerminal, ['--version'], { encoding: 'utf8' }).includes('util-linux');
  } catch {
    return false;
  }
}

describe.skipIf(!hasScript())('on a terminal', () => {
  const { data, ok, json, reach } = aCommandLine();
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await startSimulator('okta', { users: 12, seed: 4, plain: true, groups: 2 });
    await ok('tenants', 'add', 'Harbor');
    const okta = ['--provider', 'okta', ...reach(simulator)];
    await ok('connections', 'add', 'Okta', '--tenant', 'Harbor', ...okta);
    await ok('sync', 'Okta');
  });
  afterAll(() => simulator.close());

  /** Types each answer when its question stands there. */
  async function typed(args: string, answers: readonly (readonly [question: string, answer: string])[]) {
    const command = `'${process.execPath}' '${bin}' ${args} --data '${data}'`;
    const child = spawn(withTerminal, ['-qec', command, '/dev/null'], {
      env: { ...environment(), TERM: 'xterm' },
    });
    const open = [...answers];
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
      const [next] = open;
      if (next === undefined || !shown.includes(next[0])) return;
      open.shift();
      child.stdin.write(next[1]);
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    return { code, shown };
  }

  it('colours the sets', async () => {
    const { code, shown } = await typed('changes', []);
    expect(code).toBe(0);
    expect(shown).toContain('\u001B[32m12 new\u001B[39m');
  });

  it('decides nothing unless the answer is yes, nor at Ctrl-C', async () => {
    const no = await typed('approve --connection Okta --all', [['Type yes', 'no\n']]);
    expect(no).toMatchObject({ code: 3, shown: expect.stringContaining('Nothing was decided') });
    const interrupted = await typed('approve --connection Okta --all', [['Type yes', '\u0003']]);
    expect(interrupted.code).toBe(130);
    expect((await json('changes', '--state', 'approved')).items).toEqual([]);
  });

  it('shows the set, asks, and decides on the revision that it showed', async () => {
    const asked = [
      ['Type yes', 'yes\n'],
      ['Reason', 'New starters\n'],
    ] as const;
    const { code, shown } = await typed('approve --connection Okta --all', asked);
    expect(code).toBe(0);
    expect(shown).toMatch(/approve all 12 changes of revision 1\?/);
    expect(shown).toContain('Approved 12 changes.');
  });
});
