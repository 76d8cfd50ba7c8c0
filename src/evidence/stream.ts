/** An evidence pack for somebody who is not at this machine: one file, from a folder that is there only as long as it is sent. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Caller } from '../domain/permission.ts';
import { type EvidenceDeps, type EvidenceRequest, exportEvidence } from './pack.ts';
import { tarOf } from './tar.ts';

export type SentPack = { readonly name: string; readonly stream: Readable };

/** Resolves when the pack is made. Throws as `exportEvidence` does; the folder is removed however the sending ends. */
export async function sendEvidence(
  deps: EvidenceDeps,
  caller: Caller,
  input: z.input<typeof EvidenceRequest>,
  signal: AbortSignal,
): Promise<SentPack> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-evidence-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const { id } = await exportEvidence(deps, caller, input, { folder, signal });
    const name = `rollcall-evidence-${id}`;
    const stream = Readable.from(sendAndRemove(folder, name, remove), { objectMode: false });
    stream.once('close', () => void remove()); // also where nobody has read a byte of it
    return { name: `${name}.tar`, stream };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function* sendAndRemove(folder: string, name: string, remove: () => Promise<void>) {
  try {
    yield* tarOf(folder, name);
  } finally {
    await remove();
  }
}
