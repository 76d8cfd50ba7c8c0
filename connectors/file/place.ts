/**
 * Which files may be read, and whether one is still the same. Whoever enters a path may be the administrator of one tenant among
 * many: the operator opens one folder (ROLLCALL_FILE_ROOT), each folder in it has a key of its own, and no link leads out.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ConnectorError, type FailureKind } from '../contract.ts';
import { topOf } from './settings.ts';

export type FileAccess = {
  /** null: this install lets no connection read files. */
  readonly root: string | null;
  /** Whether a folder is opened by its key alone; not for somebody who reads with their own rights. */
  readonly keyed: boolean;
};

export type OpenedFile = {
  /** As the settings have it. */
  readonly path: string;
  readonly handle: FileHandle;
  readonly size: number;
  /** Milliseconds since 1970 on the clock of the file system. */
  readonly changedAtMs: number;
  /** Of this very file in its present state: whatever is written, replaced or renamed has another. */
  readonly fingerprint: string;
  /** Whether the path still leads to this file, and nobody has written to it since it was opened. */
  isUnchanged(): Promise<boolean>;
};

const KEY_FILE = '.rollcall-key';
const SHORTEST_KEY = 16;
const LARGEST_KEY_FILE = 1_000;

/** `cause` may hold a path of the server, so it is left out. */
export function fileError(kind: FailureKind, message: string, remedy: string): ConnectorError {
  return new ConnectorError({ kind, message, remedy });
}

/** Throws 'misconfigured' where nothing could ever be read. Opens nothing. */
export function openPlace({ root, keyed }: FileAccess, paths: readonly string[], folderKey: string | null) {
  if (root === null) {
    throw fileError(
      'misconfigured',
      'This install lets no connection read files.',
      'Whoever runs this Rollcall names a folder for such files in ROLLCALL_FILE_ROOT; connectors/file/README.md says how.',
    );
  }
  const [first = ''] = paths;
  if (keyed && (!first.includes('/') || folderKey === null)) {
    throw folderKey === null
      ? fileError('misconfigured', 'credentials.folderKey is missing.', KEY_REMEDY)
      : fileError(
          'misconfigured',
          'settings.file names no folder.',
          'Write the path from the folder on that was given to you, such as acme/users.csv.',
        );
  }
  const base = async () => {
    const real = await realpath(root).catch(() => null);
    if (real !== null) return real;
    throw fileError(
      'unavailable',
      'The folder in ROLLCALL_FILE_ROOT is not there.',
      'Whoever runs this Rollcall makes the folder, or mounts the share that it is on.',
    );
  };
  return {
    /** The caller closes its handle. */
    open: async (path: string): Promise<OpenedFile> => {
      const real = await base();
      if (keyed) await refuseWrongKey(real, topOf(path), folderKey ?? '');
      return await openWithin(real, path);
    },
  };
}

export type Place = ReturnType<typeof openPlace>;

const KEY_REMEDY =
  'Whoever runs this Rollcall puts a key of at least 16 characters into the file .rollcall-key of that folder and hands it to you as credentials.folderKey. If it was right before, look whether the share is mounted.';

/** A folder that is not there, one without a key and a wrong key are answered alike: the names of other folders stay hidden. */
async function refuseWrongKey(base: string, folder: string, given: string): Promise<void> {
  const key = await readKey(base, folder);
  const fits = key !== null && key.length >= SHORTEST_KEY && timingSafeEqual(digestOf(key), digestOf(given));
  if (fits) return;
  throw fileError(
    'credentials-rejected',
    'The folder key does not open the folder that settings.file begins with.',
    KEY_REMEDY,
  );
}

async function readKey(base: string, folder: string): Promise<string | null> {
  try {
    const opened = await openWithin(base, `${folder}/${KEY_FILE}`);
    try {
      const { bytesRead, buffer } = await opened.handle.read({ buffer: Buffer.alloc(LARGEST_KEY_FILE) });
      return opened.size > LARGEST_KEY_FILE ? null : buffer.toString('utf8', 0, bytesRead).trim();
    } finally {
      await opened.handle.close();
    }
  } catch (error) {
    if (error instanceof ConnectorError) return null;
    throw error;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Without O_NOFOLLOW and O_NONBLOCK where the system has none (Windows); the look afterwards finds what they would refuse. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

async function openWithin(base: string, path: string): Promise<OpenedFile> {
  const whole = join(base, ...path.split('/'));
  let handle: FileHandle | null = null;
  try {
    if ((await realpath(whole)) !== whole) throw linked(path);
    handle = await open(whole, FLAGS);
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw fileError('misconfigured', `${path} is not a file.`, 'Name a file.');
    if (stats.nlink !== 1n) throw linked(path);
    const fingerprint = fingerprintOf(stats);
    // Somebody may have put a link there between the first look and the opening.
    if ((await realpath(whole)) !== whole || fingerprintOf(await look(whole)) !== fingerprint)
      throw moving(path);
    const opened = handle;
    return {
      path,
      handle: opened,
      size: Number(stats.size),
      changedAtMs: Number(stats.mtimeMs),
      fingerprint,
      isUnchanged: async () => {
        const [behind, named] = [await opened.stat({ bigint: true }).catch(() => null), await look(whole)];
        return fingerprintOf(behind) === fingerprint && fingerprintOf(named) === fingerprint;
      },
    };
  } catch (error) {
    await handle?.close();
    throw error instanceof ConnectorError ? error : failureOf(error, path);
  }
}

async function look(path: string): Promise<BigIntStats | null> {
  return await lstat(path, { bigint: true }).catch(() => null);
}

/** The time of the last change of its inode too: a copy can keep size and time of writing. */
function fingerprintOf(stats: BigIntStats | null): string {
  return stats === null ? 'gone' : [stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join('-');
}

function linked(path: string): ConnectorError {
  return fileError(
    'misconfigured',
    `${path} is a link, lies behind one, or has a second name.`,
    'Put the file itself there: links are not followed, because they could lead to files of others.',
  );
}

export function moving(path: string): ConnectorError {
  return fileError(
    'unavailable',
    `${path} is being written or was replaced while it was read.`,
    'Nobody has to act: it is read again. If it stays, write to another name and rename the file when it is whole.',
  );
}

/** What an error of the file system means. Any other error is given back as it is. */
export function failureOf(error: unknown, path: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  switch (code) {
    case undefined:
      return error;
    case 'ENOENT':
    case 'ENOTDIR':
      return fileError(
        'unavailable',
        `There is no file ${path}.`,
        'If it is being replaced, nobody has to act. Otherwise put it there, or correct the path in the settings.',
      );
    case 'EACCES':
    case 'EPERM':
      return fileError(
        'permission-missing',
        `${path} may not be read.`,
        'Give the user that runs Rollcall the right to read the file and to enter its folders.',
      );
    case 'ELOOP':
    case 'EMLINK':
      return linked(path);
    default:
      return fileError(
        'unavailable',
        `${path} cannot be read (${code}).`,
        'Nobody has to act if it passes. Otherwise look after the disk or share that it is on.',
      );
  }
}
