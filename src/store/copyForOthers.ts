/** A folder of programs, copied to where a user who cannot enter the original can run them. */
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes `target` a copy of `folder`, unless it is there. The copy appears whole or not at all: two processes that start at once, or
 * one that is killed half way, leave a good one. Links between the files stay relative, or they would lead back to the original.
 */
export function copyForOthers(folder: string, target: string): void {
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  const draft = `${target}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  cpSync(folder, draft, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error; // else another process was faster, with the same files
  }
}
