/** One file of a pack while it is written: what goes in is hashed on its way. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { LINES_IN_BLOCK, type PackedFile } from './manifest.ts';

const BUFFER = 1 << 18;

/** Holds a quarter of a megabyte at the most. To be closed: that gives what the manifest says of it. */
export class PackFile {
  readonly #name: string;
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #block = createHash('sha256');
  #inBlock = 0;
  readonly #blocks: string[] = [];
  #waiting: string[] = [];
  #length = 0;
  #bytes = 0;
  #lines = 0;

  private constructor(name: string, file: FileHandle) {
    this.#name = name;
    this.#file = file;
  }

  /** Throws what the system says; `EEXIST` where there is such a file. */
  static async create(folder: string, name: string): Promise<PackFile> {
    return new PackFile(name, await open(join(folder, name), 'wx', 0o600));
  }

  /** `text` ends its line. A line may have line breaks within. */
  async write(text: string): Promise<void> {
    this.#waiting.push(text);
    this.#length += text.length;
    this.#lines += 1;
    this.#block.update(text);
    this.#inBlock += 1;
    if (this.#inBlock === LINES_IN_BLOCK) this.#endBlock();
    if (this.#length >= BUFFER) await this.#flush();
  }

  async close(): Promise<PackedFile> {
    try {
      if (this.#inBlock > 0) this.#endBlock();
      await this.#flush();
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
    const [name, bytes, lines, blocks] = [this.#name, this.#bytes, this.#lines, this.#blocks];
    return { name, bytes, lines, sha256: this.#hash.digest('hex'), blocks };
  }

  #endBlock(): void {
    this.#blocks.push(this.#block.digest('hex'));
    this.#block = createHash('sha256');
    this.#inBlock = 0;
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#waiting.join(''), 'utf8');
    this.#waiting = [];
    this.#length = 0;
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    await this.#file.appendFile(bytes);
  }
}
