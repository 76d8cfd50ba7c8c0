/** An evidence pack for somebody who is not at this machine: one file, from a folder that is there only as long as the pack is made. */
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Caller } from '../domain/permission.ts';
import { type EvidenceDeps, type EvidenceRequest, exportEvidence } from './pack.ts';
import { closeFiles, openFiles, type TarFile, tarOf } from './tar.ts';

export type SentPack = { readonly name: string; readonly stream: Readable };

const PREFIX = 'rollcall-evidence-';
const LEFTOVER = new RegExp(`^${PREFIX}[A-Za-z0-9]{6}$`); // what mkdtemp makes of it

/** Whoever makes a pack writes all the time. */
const DEAD_AFTER_MS = 6 * 3_600_000;

/** Resolves when the pack is made. Throws as `exportEvidence` does. The folder is removed before anything is sent. */
export async function sendEvidence(
  deps: EvidenceDeps,
  caller: Caller,
  input: z.input<typeof EvidenceRequest>,
  signal: AbortSignal,
): Promise<SentPack> {
  await removeLeftovers();
  const folder = await mkdtemp(join(tmpdir(), PREFIX));
  try {
    const { id } = await exportEvidence(deps, caller, input, { folder, signal });
    const files = await openFiles(folder);
    const name = `${PREFIX}${id}`;
    const stream = Readable.from(sendAndClose(files, name), { objectMode: false });
    stream.once('close', () => void closeFiles(files)); // also where nobody has read a byte of it
    return { name: `${name}.tar`, stream };
  } finally {
    await rm(folder, { recursive: true, force: true }); // what is open can be read on
  }
}

async function* sendAndClose(files: readonly TarFile[], name: string) {
  try {
    yield* tarOf(files, name);
  } finally {
    await closeFiles(files);
  }
}

/**
 * Removes what processes have left that were killed while they made a pack: it is full of personal data. Only of this system user, and only
 * where nothing was written for hours: another process may be at it. What cannot be removed is tried again the next time.
 */
export async function removeLeftovers(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((one) => LEFTOVER.test(one))) {
    const folder = join(tmpdir(), name);
    try {
      if (await isLeft(folder)) await rm(folder, { recursive: true, force: true });
    } catch {
      // Another process was faster, or may do what this one may not.
    }
  }
}

async function isLeft(folder: string): Promise<boolean> {
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) return false;
  const files = await Promise.all((await readdir(folder)).map((name) => lstat(join(folder, name))));
  const lastWritten = Math.max(...[found, ...files].map(({ mtimeMs }) => mtimeMs));
  return Date.now() - lastWritten > DEAD_AFTER_MS;
}
