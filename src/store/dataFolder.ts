/** What a data folder says about itself: the folder, and where its PostgreSQL lies when that cannot lie within it. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeFolder } from './makeFolder.ts';

/** For what root's PostgreSQL, which works as another user, could not reach. */
export const SYSTEM_FOLDER = '/var/lib/rollcall';

const MARKER = 'postgres-elsewhere';

type Elsewhere = {
  /** Tests only: in the place of the system's folder. */
  readonly below?: string;
  /** The key is not in the data folder but comes from the environment. */
  readonly keyElsewhere?: boolean;
};

/**
 * The folder below the system's that belongs to this data folder. Its random name stands in the data folder before anything is made
 * under it: whoever throws the data folder away and makes another at the same path has a new, empty install, and one that is killed
 * half way goes on under the same name. Before there were such names, it was called by the data folder's path.
 */
export function folderElsewhere(dataFolder: string, options: Elsewhere = {}): string {
  const { below = SYSTEM_FOLDER } = options;
  const known = nameIn(dataFolder);
  if (known !== null) return join(below, known);
  const before = nameBefore(dataFolder, options);
  makeFolder(dataFolder, 0o755);
  try {
    writeOnce(join(dataFolder, MARKER), before ?? randomBytes(8).toString('hex'));
  } catch (error) {
    if (before === null) throw error;
    return join(below, before); // the data folder may be read-only by now; its database is there all the same
  }
  const written = nameIn(dataFolder);
  if (written === null) throw new Error(`${join(dataFolder, MARKER)} does not hold the name of a folder`);
  return join(below, written);
}

/** Where that is by now; null: the PostgreSQL of this data folder is not elsewhere, or nowhere yet. Changes nothing. */
export function knownElsewhere(dataFolder: string, options: Elsewhere = {}): string | null {
  const name = nameIn(dataFolder) ?? nameBefore(dataFolder, options);
  return name === null ? null : join(options.below ?? SYSTEM_FOLDER, name);
}

function nameIn(dataFolder: string): string | null {
  try {
    const name = readFileSync(join(dataFolder, MARKER), 'utf8').trim();
    return /^[0-9a-f]{12,64}$/.test(name) ? name : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A database at the old name is this install's only if there is an install: otherwise it is that of one that was thrown away. */
function nameBefore(dataFolder: string, { below = SYSTEM_FOLDER, keyElsewhere }: Elsewhere): string | null {
  const name = createHash('sha256').update(resolve(dataFolder)).digest('hex').slice(0, 12);
  const isInstall = existsSync(keyElsewhere === true ? dataFolder : join(dataFolder, 'secret.key'));
  return isInstall && existsSync(join(below, name, 'ready')) ? name : null;
}

/** Whole, and only if it is not there: of two processes that start at once, both go on with what the first one wrote. */
export function writeOnce(file: string, content: string, mode = 0o644): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${content}\n`, { mode });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
