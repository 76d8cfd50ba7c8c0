import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const FOLDERS = ['src', 'connectors', 'jobs', 'simulators'];

it('keeps the arrows pointing one way, and really read every file', () => {
  // By its path: npx would look for it elsewhere when it is missing, instead of saying so.
  const program = join('node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
  const answer = execFileSync(process.execPath, [program, ...FOLDERS, '--output-type', 'json'], {
    encoding: 'utf8',
    maxBuffer: 1e9,
  });
  const { summary, modules } = JSON.parse(answer) as {
    readonly summary: { readonly violations: readonly unknown[] };
    readonly modules: readonly { readonly source: string }[];
  };
  const read = new Set(modules.map(({ source }) => source));
  const there = globSync(FOLDERS.map((folder) => `${folder}/**/*.ts`)).map((path) =>
    path.replaceAll('\\', '/'),
  );
  expect(summary.violations).toEqual([]);
  expect(there.filter((path) => !read.has(path))).toEqual([]);
  expect(there.length).toBeGreaterThan(100);
});

type Locked = { readonly version?: string; readonly optionalDependencies?: Readonly<Record<string, string>> };

it('locks the packages of every platform, which `npm ci` insists on', () => {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(packages, path, name)),
  );
  expect(missing).toEqual([]);
});

/** As Node looks for a package: beside the one that wants it, then further up. */
function isLocked(packages: Readonly<Record<string, Locked>>, path: string, name: string): boolean {
  const place = path === '' ? `node_modules/${name}` : `${path}/node_modules/${name}`;
  if (packages[place] !== undefined) return true;
  return (
    path !== '' && isLocked(packages, path.slice(0, Math.max(path.lastIndexOf('/node_modules/'), 0)), name)
  );
}
