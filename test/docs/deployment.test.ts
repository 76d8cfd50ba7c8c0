import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { environmentVariables } from '../../src/config.ts';

const compose = readFileSync('compose.yaml', 'utf8');
const dockerfile = readFileSync('Dockerfile', 'utf8');
const example = readFileSync('.env.example', 'utf8');

const wanted = new Map(
  [...compose.matchAll(/\$\{(\w+)(?::[-?]([^}]*))?\}/g)].map(([, name = '', fallback = '']) => [
    name,
    fallback,
  ]),
);
const offered = new Map(
  [...example.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
);

it('.env.example has exactly the variables that compose.yaml asks for', () => {
  expect([...offered.keys()].sort()).toEqual([...wanted.keys()].sort());
});

it('.env.example holds no secret, and offers what compose.yaml would take without it', () => {
  for (const [name, value] of offered) {
    const isSecret = compose.includes(`\${${name}:?`);
    expect([name, value]).toEqual([name, isSecret ? '' : wanted.get(name)]);
  }
});

it('compose.yaml sets no variable that means nothing to Rollcall', () => {
  const shared = /^x-rollcall:[\s\S]*?^ {2}environment:\n((?: {4}.*\n)+)/m.exec(compose)?.[1] ?? '';
  const set = [...shared.matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name);
  expect(set).toContain('DATABASE_URL');
  expect(set.filter((name) => !environmentVariables.includes(name ?? ''))).toEqual([]);
});

it('compose.yaml publishes the API on this machine alone unless it is told otherwise', () => {
  expect(wanted.get('ROLLCALL_PUBLISH')).toMatch(/^127\.0\.0\.1:/);
});

it('the Dockerfile copies what is there and what .dockerignore lets through', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths = '']) =>
    paths.split(' '),
  );
  const let_through = [...readFileSync('.dockerignore', 'utf8').matchAll(/^!(\S+)$/gm)].map(
    ([, path]) => path,
  );
  expect(copied.length).toBeGreaterThan(5);
  expect(copied.filter((path) => !existsSync(path))).toEqual([]);
  expect(copied.filter((path) => !let_through.includes(path.split('/')[0]))).toEqual([]);
});

it('the Dockerfile copies every folder that the program is made of', () => {
  const { imports } = folderOfEveryImport();
  for (const folder of imports) expect(dockerfile).toMatch(new RegExp(`^COPY ${folder} \\./${folder}$`, 'm'));
});

/** Folders that src/main.ts reaches without the demo, as far as the arrows allow it to reach any. */
function folderOfEveryImport() {
  const text = ['src/main.ts', 'src/install.ts', 'src/daemon.ts', 'src/checkUp.ts']
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const outside = [...text.matchAll(/'\.\.\/([\w-]+)\//g)].map(([, folder = '']) => folder);
  return { imports: new Set(['src', 'bin', ...outside]) };
}

it('the Dockerfile gives Node the memory that bin/rollcall.js gives it', () => {
  const { nodeOptions, environment } = JSON.parse(readFileSync('bin/memory.json', 'utf8'));
  expect(/NODE_OPTIONS="([^"]*)"/.exec(dockerfile)?.[1]).toBe(nodeOptions);
  for (const [name, value] of Object.entries(environment)) expect(dockerfile).toContain(`${name}=${value} `);
});
