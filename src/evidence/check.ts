/**
 * Whether an evidence pack is what was exported: by its signature, the hashes of its files and the chains of its audit entries. It needs
 * nothing but the folder. Whose key has signed it, only a comparison with what the export said, or with the audit log, can tell.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import type { z } from 'zod';
import { type AuditEntry, chainHash } from '../domain/audit.ts';
import { Problem } from '../domain/problem.ts';
import {
  LINES_IN_BLOCK,
  MANIFEST,
  Manifest,
  type PackedChain,
  type PackedFile,
  SIGNATURE,
  Signature,
} from './manifest.ts';

export type Difference = {
  readonly file: string;
  /** The first line that is not what it was, or may not be; null: it is not about a line. */
  readonly line: number | null;
  readonly because: string;
};

export type CheckedPack = {
  readonly ok: boolean;
  /** The first one; null: there is none. */
  readonly difference: Difference | null;
  /** null: the manifest or the signature cannot be read. */
  readonly manifest: Manifest | null;
  /** Of the key that has signed it. */
  readonly thumbprint: string | null;
};

/** Found while reading: the check ends with it. */
class Differs extends Error {
  override readonly name = 'Differs';
  readonly difference: Difference;
  constructor(file: string, line: number | null, because: string) {
    super(because);
    this.difference = { file, line, because };
  }
}

/**
 * `thumbprint`: of the key that has to have signed it, where it is known.
 * Throws `invalid-input` where the folder cannot be read.
 */
export async function checkEvidence(folder: string, thumbprint: string | null): Promise<CheckedPack> {
  const there = await filesIn(folder);
  const read: { manifest: Manifest | null; thumbprint: string | null } = { manifest: null, thumbprint: null };
  try {
    const text = await readText(folder, MANIFEST);
    const manifest = parseFile(MANIFEST, text, Manifest);
    read.manifest = manifest;
    read.thumbprint = await checkSignature(folder, text, manifest.id);
    if (thumbprint !== null && read.thumbprint !== thumbprint)
      throw new Differs(SIGNATURE, null, `it was signed with the key ${read.thumbprint}, not with that one`);
    const known = new Set([MANIFEST, SIGNATURE, ...manifest.files.map(({ name }) => name)]);
    for (const name of there)
      if (!known.has(name)) throw new Differs(name, null, 'the manifest knows no such file');
    for (const file of manifest.files) await checkFile(folder, file, manifest.chains);
    return { ok: true, difference: null, ...read };
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
    return { ok: false, difference: error.difference, ...read };
  }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    throw new Problem(
      {
        code: 'invalid-input',
        message: `${folder} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}).`,
        remedy: 'Name the folder that an evidence pack was exported into.',
      },
      { cause: error },
    );
  }
}

async function readText(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    throw whyMissing(name, error);
  }
}

function whyMissing(name: string, error: unknown): Differs {
  const { code = 'unknown reason' } = error as NodeJS.ErrnoException;
  return new Differs(
    name,
    null,
    code === 'ENOENT' ? 'the file is missing' : `the file cannot be read (${code})`,
  );
}

function parseFile<Schema extends z.ZodType>(name: string, text: string, schema: Schema): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Differs(name, null, 'it is not what an export writes');
  }
}

/** Gives the thumbprint of the key. */
async function checkSignature(folder: string, manifest: string, id: string): Promise<string> {
  const { jws, key } = parseFile(SIGNATURE, await readText(folder, SIGNATURE), Signature);
  const signed = await signedIn(jws, key);
  if (signed === null) throw new Differs(SIGNATURE, null, 'the signature is not one of this key');
  const digest = createHash('sha256').update(manifest).digest('hex');
  if (signed['sha256'] !== digest || signed['sub'] !== id)
    throw new Differs(MANIFEST, null, 'it is not the one that was signed');
  const { kty, crv, x } = key;
  return await calculateJwkThumbprint({ kty, crv, x });
}

async function signedIn(
  jws: string,
  key: Signature['key'],
): Promise<Readonly<Record<string, unknown>> | null> {
  try {
    const { payload, protectedHeader } = await compactVerify(jws, await importJWK(key, 'EdDSA'), {
      algorithms: ['EdDSA'],
    });
    return protectedHeader.typ === 'evidence+jwt' ? JSON.parse(new TextDecoder().decode(payload)) : null;
  } catch {
    return null;
  }
}

async function checkFile(folder: string, file: PackedFile, chains: readonly PackedChain[]): Promise<void> {
  const follow = file.name === 'audit.jsonl' ? new FollowedChains(file.name, chains) : null;
  const hash = createHash('sha256');
  let [bytes, lines, inBlock] = [0, 0, 0];
  let block = createHash('sha256');
  const endBlock = () => {
    if (block.digest('hex') !== file.blocks[Math.floor((lines - 1) / LINES_IN_BLOCK)])
      throw new Differs(
        file.name,
        lines - inBlock + 1,
        `lines ${lines - inBlock + 1} to ${lines} are not what they were`,
      );
    [block, inBlock] = [createHash('sha256'), 0];
  };
  try {
    for await (const line of linesIn(join(folder, file.name))) {
      hash.update(line);
      block.update(line);
      [bytes, lines, inBlock] = [bytes + line.length, lines + 1, inBlock + 1];
      follow?.next(lines, line);
      if (inBlock === LINES_IN_BLOCK) endBlock();
    }
  } catch (error) {
    if (error instanceof Differs) throw error;
    throw whyMissing(file.name, error);
  }
  if (inBlock > 0) endBlock();
  if (lines < file.lines) throw new Differs(file.name, lines + 1, 'the end of the file was cut off');
  if (bytes !== file.bytes || lines !== file.lines || hash.digest('hex') !== file.sha256)
    throw new Differs(file.name, null, 'the file is not what it was');
  follow?.end();
}

/** With their ends. Of a CSV, a line may have line breaks between quotation marks. */
async function* linesIn(path: string): AsyncGenerator<Buffer> {
  await stat(path);
  const isCsv = path.endsWith('.csv');
  let begun: Buffer[] = [];
  let quoted = false;
  for await (const piece of endedLines(path)) {
    begun.push(piece);
    if (isCsv) quoted = quoted !== hasOddQuotes(piece);
    if (quoted) continue;
    yield Buffer.concat(begun);
    begun = [];
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}

/** Up to each line feed. */
async function* endedLines(path: string): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(NEW_LINE); at !== -1; at = chunk.indexOf(NEW_LINE, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, at + 1)]);
      begun = [];
      from = at + 1;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) yield Buffer.concat(begun);
}

const NEW_LINE = 0x0a;
const QUOTE = 0x22;

function hasOddQuotes(piece: Buffer): boolean {
  let odd = false;
  for (let at = piece.indexOf(QUOTE); at !== -1; at = piece.indexOf(QUOTE, at + 1)) odd = !odd;
  return odd;
}

type Line = AuditEntry & {
  readonly tenant: string;
  readonly number: number;
  readonly at: string;
  readonly hash: string;
};

/** Follows the chains through the lines, each from the hash before its first entry on. */
class FollowedChains {
  readonly #file: string;
  readonly #left: PackedChain[];
  #hash: string | null = null;
  #number = 0;
  #line = 0;

  constructor(file: string, chains: readonly PackedChain[]) {
    this.#file = file;
    this.#left = chains.filter(({ first }) => first !== null);
  }

  next(line: number, text: Buffer): void {
    this.#line = line;
    const entry = this.#parse(text);
    const [chain] = this.#left;
    if (chain === undefined || entry.tenant !== chain.tenant)
      throw this.#differs('the entry belongs to no chain of the manifest');
    const expected = this.#number === 0 ? chain.first : this.#number + 1;
    if (entry.number !== expected)
      throw this.#differs(
        `entry ${expected ?? '?'} of the chain should be here, and entry ${entry.number} is`,
      );
    const { number, at, hash } = entry;
    if (chainHash(this.#hash ?? chain.before ?? '', number, at, entry) !== hash)
      throw this.#differs(`entry ${number} was altered`);
    [this.#hash, this.#number] = [hash, number];
    if (number === chain.last) this.#endOf(chain);
  }

  #endOf({ after }: PackedChain): void {
    if (this.#hash !== after) throw this.#differs('the chain does not end as the manifest says');
    this.#left.shift();
    [this.#hash, this.#number] = [null, 0];
  }

  end(): void {
    const [chain] = this.#left;
    if (chain !== undefined)
      throw this.#differs(`entries of the chain of tenant ${chain.tenant} are missing`);
  }

  #parse(text: Buffer): Line {
    try {
      const line: unknown = JSON.parse(text.toString('utf8'));
      if (typeof line === 'object' && line !== null) return line as Line;
    } catch {}
    throw this.#differs('the line is no entry');
  }

  #differs(because: string): Differs {
    return new Differs(this.#file, this.#line, because);
  }
}
