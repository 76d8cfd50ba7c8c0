/** A folder of plain files as one stream, in the format of tar (POSIX.1-1988 ustar): what every system unpacks. */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const BLOCK = 512;
/** More does not fit the eleven octal digits. */
const LARGEST = 8 ** 11 - 1;

/** Open, so that it can be read when the folder is gone. */
export type TarFile = { readonly name: string; readonly file: FileHandle };

/** In the order of their names. To be closed. */
export async function openFiles(folder: string): Promise<readonly TarFile[]> {
  const files: TarFile[] = [];
  try {
    for (const name of (await readdir(folder)).toSorted())
      files.push({ name, file: await open(join(folder, name), 'r') });
    return files;
  } catch (error) {
    await closeFiles(files);
    throw error;
  }
}

/** Again is no error. */
export async function closeFiles(files: readonly TarFile[]): Promise<void> {
  for (const { file } of files) await file.close();
}

/** `prefix`: the folder that it unpacks into. Names have to be short and plain, as those of a pack are. */
export async function* tarOf(files: readonly TarFile[], prefix: string): AsyncGenerator<Buffer> {
  for (const { name, file } of files) {
    const { size } = await file.stat();
    if (size > LARGEST) throw new Error(`${name} is too large for a tar file`);
    yield header(`${prefix}/${name}`, size);
    yield* file.createReadStream({ start: 0, autoClose: false }) as AsyncIterable<Buffer>;
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(0o600, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136); // no time: it says nothing that the manifest does not
  block.write(' '.repeat(8), 148); // its own place counts as blanks
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
