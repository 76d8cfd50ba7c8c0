/** Follows docs/walkthrough.md as a new operator would: every block, in order, in one shell, with nothing there before. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { aFolder, bin, environment } from '../cli/command.ts';
import { freePort } from '../support/freePort.ts';
import { documentAt } from './documents.ts';

const page = documentAt('docs/walkthrough.md').text;
const PORT = '7656';

type Step = { readonly block: string; readonly shown: readonly string[] };

/** Each block of commands with the lines that the page shows of what they say. */
function stepsOf(text: string): readonly Step[] {
  const steps: { block: string; shown: readonly string[] }[] = [];
  for (const [, kind, body = ''] of text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)) {
    const last = steps.at(-1);
    if (kind === 'sh') steps.push({ block: body, shown: [] });
    else if (kind === 'text' && last !== undefined)
      last.shown = [...last.shown, ...body.trimEnd().split('\n')];
    else throw new Error(`what a reader shall do with a block of ${kind || 'nothing'} is not known`);
  }
  return steps;
}

const STANDS_FOR: Readonly<Record<string, string>> = {
  '<id>': '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  '…': '.*',
};

/** The whole line: what stands for something else each time, and columns as wide as they came out. */
function patternOf(line: string): RegExp {
  const [, indent = '', rest = ''] = /^( *)(.*)$/.exec(line) ?? [];
  const parts = rest.split(/(<id>|…| {2,})/).map((part) => {
    if (part.startsWith('  ')) return ' {2,}';
    return STANDS_FOR[part] ?? part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  return new RegExp(`^${indent}${parts.join('')}$`);
}

/** The first line that the page shows and that does not come after those before it; null: all of them came. */
function firstMissing(shown: readonly string[], said: readonly string[]): string | null {
  let at = 0;
  for (const line of shown) {
    const pattern = patternOf(line);
    const found = said.findIndex((one, index) => index >= at && pattern.test(one));
    if (found < 0) return line;
    at = found + 1;
  }
  return null;
}

const mark = (at: number) => `----- block ${at} of the page -----`;

/** What `npx rollcall` comes to, without the second that npx takes to find it. What is to stay is started by npx itself. */
const npx = `npx() {
  if [[ "$1" != rollcall || "$2" == start ]]; then command npx "$@"; return; fi
  shift; npm_command=exec npm_lifecycle_event=npx node '${bin}' "$@"
}`;

/** With job control, as a shell has it that somebody types into: each job is a process group, which `kill %1` ends as a whole. */
function scriptOf(steps: readonly Step[]): string {
  const blocks = steps.map(({ block }, at) => `echo '${mark(at)}'\n${block}`);
  return `set -em -o pipefail\nexec 2>&1\n${npx}\n${blocks.join('')}echo '${mark(steps.length)}'\n`;
}

/** Whatever the shell has started, by process id: all of it is in the shell's session, but for the database. */
function startedBy(shell: number, data: string): readonly number[] {
  const session = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [state, , , session] = statusOf(pid);
      return Number(session) === shell && state !== 'Z';
    });
  const database = join(data, 'postgres', 'cluster', 'postmaster.pid');
  const postmaster = existsSync(database) ? [readFileSync(database, 'utf8').split('\n')[0]] : [];
  return [...session, ...postmaster].map(Number);
}

/** State, parent, process group and session; nothing where it has ended meanwhile. */
function statusOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return [];
  }
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended meanwhile
  }
}

/** Asks all of them to end, and ends those that have not after a quarter of a minute. */
async function stopAll(shell: number, data: string): Promise<void> {
  for (const pid of startedBy(shell, data)) tell(pid, 'SIGTERM');
  await allEnded(shell, data, 150);
  for (const pid of startedBy(shell, data)) tell(pid, 'SIGKILL');
}

/** Whether all have within so many tenths of a second. */
async function allEnded(shell: number, data: string, tenths: number): Promise<boolean> {
  for (let left = tenths; left > 0; left--) {
    if (startedBy(shell, data).length === 0) return true;
    await sleep(100);
  }
  return startedBy(shell, data).length === 0;
}

it('shows the lines of a real walk, each below the block that says them', () => {
  expect(
    firstMissing(['a  <id>', 'c …'], ['a    01a2027f-d1fa-7756-bfcd-fb2a710d1348', 'b', 'c d']),
  ).toBeNull();
  expect(firstMissing(['a  <id>'], ['a    01a2027f'])).toBe('a  <id>');
  expect(firstMissing(['a.'], ['ab'])).toBe('a.');
  expect(firstMissing(['c …', 'a'], ['a', 'b', 'c d'])).toBe('a');
  expect(firstMissing(['  a'], [' a', 'a', '  a b'])).toBe('  a');
});

/** In a shell of its own, at home in a folder that is thrown away; whatever it leaves running is ended with the test. */
async function carriedOut(content: string) {
  const home = aFolder();
  const data = join(home.path, 'rollcall-walkthrough', 'data');
  const script = join(home.path, 'script.sh');
  writeFileSync(script, content);
  const env = { ...environment(), HOME: home.path, npm_config_update_notifier: 'false' };
  const shell = spawn('bash', [script], { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const { pid = 0 } = shell;
  onTestFinished(async () => {
    await stopAll(pid, data);
    home.remove();
  });
  let said = '';
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(shell, 'exit');
  return { code, said, pid, data };
}

it.skipIf(!existsSync('/proc/self/stat'))(
  'says at its start that the port is taken, instead of going on with whoever answers there',
  { timeout: 120_000 },
  async () => {
    const other = createServer((_, response) => response.end('{"status":"ready"}')).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const start = stepsOf(page.replaceAll(PORT, String(port))).slice(0, 2);
    // Two jobs that do nothing stand for the directories: they have no part in this.
    const script = scriptOf(start).replaceAll(/^npm run --silent simulator .*$/gm, 'sleep 0 &');
    const { said } = await carriedOut(`${script}exit`);
    expect(said).toContain(`port ${port} of 127.0.0.1`);
    expect(said).toContain('ROLLCALL_PORT');
  },
);

it.skipIf(!existsSync('/proc/self/stat'))(
  'takes a new operator through every block, says what the page shows, and leaves nothing running',
  {
    timeout: 600_000,
  },
  async () => {
    const steps = stepsOf(page.replaceAll(PORT, String(await freePort())));
    expect(steps.length).toBeGreaterThan(10);
    const { code, said, pid, data } = await carriedOut(scriptOf(steps));
    expect(code, said).toBe(0);

    for (const [at, { block, shown }] of steps.entries()) {
      const [, own = ''] = said.split(`${mark(at)}\n`);
      const lines = own.split(mark(at + 1))[0]?.split('\n') ?? [];
      expect(firstMissing(shown, lines), `${block}\n${lines.join('\n')}`).toBeNull();
    }
    expect(await allEnded(pid, data, 300)).toBe(true);
  },
);
