#!/usr/bin/env node
// The command `rollcall`. Runs src/main.ts with a Node that can run TypeScript: this one, or the one that came with
// `npm install` (the package `node`), and with the memory settings of memory.json: left to itself, Node lets garbage pile up to
// half a gigabyte before it looks, and glibc keeps what each thread has freed for that thread alone, and pages of a provider's answers as
// long as it likes. What the environment says wins. Written so that an old Node can read it and say what is wrong.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST = [24, 12];
const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const packaged = fileURLToPath(
  new URL(`../node_modules/node/bin/node${process.platform === 'win32' ? '.exe' : ''}`, import.meta.url),
);

const { nodeOptions, environment } = JSON.parse(readFileSync(new URL('memory.json', import.meta.url), 'utf8'));
const given = process.env.NODE_OPTIONS ?? '';

// Compiled code is kept within node_modules, not in a folder that others may write to; where that is read-only, nothing is kept.
const compileCache = fileURLToPath(new URL('../node_modules/.cache/rollcall', import.meta.url));

/** What somebody has to type to start this command as it was started now; src/cli/asTyped.ts shows it. */
function command() {
  const { npm_lifecycle_event: script, npm_command: npm } = process.env;
  if (npm === 'run-script' && script === 'rollcall') return 'npm run rollcall --';
  if (script !== undefined) return 'npx rollcall';
  const typed = process.argv[1] ?? '';
  if (basename(typed) === 'rollcall') return 'rollcall';
  const path = relative(process.cwd(), typed);
  return `node ${path.startsWith('..') ? typed : path}`;
}

function isRecent(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/** Ends like the child ended, so that whoever waits for this process cannot tell the two apart. */
function runWith(node) {
  const env = {
    NODE_COMPILE_CACHE: compileCache,
    ...environment,
    ...process.env,
    NODE_OPTIONS: `${nodeOptions} ${given}`.trim(),
    ROLLCALL_COMMAND: command(),
  };
  // Nothing is said over the channel. It closes with this process, however that ends, and then the child ends too.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio, env });
  // A terminal sends Ctrl-C to both; then the child hears it twice, and takes the two for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`rollcall: ${node} cannot be run: ${error.message}\nRemedy: run \`npm ci\` again.\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

if (isRecent(process.versions.node) && !given.includes(nodeOptions)) {
  runWith(process.execPath);
} else if (isRecent(process.versions.node)) {
  const { enableCompileCache } = await import('node:module');
  enableCompileCache(compileCache);
  process.env.ROLLCALL_COMMAND = command();
  await import('../src/main.ts');
} else if (existsSync(packaged)) {
  runWith(packaged);
} else {
  process.stderr.write(
    `rollcall: Node ${OLDEST.join('.')} or newer is needed, this is ${process.versions.node}.\n` +
      'Remedy: run `npm ci` in the folder of Rollcall, which brings its own Node, or install a newer Node.\n',
  );
  process.exitCode = 1;
}
