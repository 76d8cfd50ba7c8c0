/** Reads the entries of one file from any position on, a piece of it in memory at a time. */
import { Buffer } from 'node:buffer';
import { csvCut, type Fields, readFields } from './csv.ts';
import { type Cut, type Entry, notAsDescribed } from './entry.ts';
import { arrayCut, ndjsonCut } from './json.ts';
import { fileError, type OpenedFile } from './place.ts';
import type { FileSettings } from './settings.ts';

export type Layout = Pick<FileSettings, 'format' | 'delimiter'>;

/** Where an entry begins: the byte, and the number of the entry or line. */
export type Position = { readonly offset: number; readonly at: number };

export type Table = {
  /** Names in the header; null for JSON, in which every entry has its own. */
  readonly columns: Fields | null;
  readonly start: Position;
  /** What people call the places in it: `line 17`, `entry 17`. */
  readonly unit: 'line' | 'entry';
  readonly cut: Cut;
};

/** `next`: where the following entry begins; null: the file has been read to its end. */
export type Batch = { readonly entries: readonly Entry[]; readonly next: Position | null };

/** What was read, to be told as usage. */
export type Meter = { bytes: number };

const CHUNK_BYTES = 64 * 1024;
/** The longest first line. */
const HEAD_BYTES = 256 * 1024;
/** The largest entry: what is larger is an open quote or no such file. */
const LARGEST_ENTRY_BYTES = 4 * 1024 * 1024;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];

/** How the file is laid out. null: it is empty. Throws ConnectorError 'misconfigured'. */
export async function openTable(file: OpenedFile, layout: Layout, meter: Meter): Promise<Table | null> {
  const head = await readAt(file, 0, HEAD_BYTES, meter);
  if (UTF16.some((mark) => head.subarray(0, 2).equals(mark))) {
    throw fileError(
      'misconfigured',
      `${file.path} is UTF-16.`,
      'Have it written in UTF-8 ("CSV UTF-8" in Excel); other encodings are not guessed.',
    );
  }
  const offset = head.subarray(0, 3).equals(BOM) ? 3 : 0;
  switch (layout.format) {
    case 'csv':
      return csvTable(file, head, offset, layout.delimiter);
    case 'ndjson':
      return { columns: null, start: { offset, at: 1 }, unit: 'line', cut: ndjsonCut };
    case 'json':
      return { columns: null, start: { offset, at: 0 }, unit: 'entry', cut: arrayCut };
  }
}

function csvTable(file: OpenedFile, head: Buffer, offset: number, delimiter: string): Table | null {
  let from = offset;
  for (let at = 1; ; ) {
    if (from >= file.size) return null;
    const isLast = head.length >= file.size;
    const record = readFields(head, from, { delimiter, at, isLast });
    if (record === null) throw notAsDescribed('its first line does not end');
    at += record.lines;
    from = record.next;
    const columns = record.fields.map((name) => name.trim());
    if (columns.every((name) => name === '')) continue; // blank lines before the header
    return { columns, start: { offset: from, at }, unit: 'line', cut: csvCut(delimiter, columns) };
  }
}

async function readAt(file: OpenedFile, offset: number, bytes: number, meter: Meter): Promise<Buffer> {
  const wanted = Math.min(bytes, Math.max(0, file.size - offset));
  const buffer = Buffer.allocUnsafe(wanted);
  let read = 0;
  while (read < wanted) {
    const { bytesRead } = await file.handle.read(buffer, read, wanted - read, offset + read);
    if (bytesRead === 0) break; // shorter than it was: the caller looks whether it is still the same
    read += bytesRead;
  }
  meter.bytes += read;
  return buffer.subarray(0, read);
}

/** `from` on, to the end of the file. Throws ConnectorError 'misconfigured', and the signal's reason. */
export async function* readEntries(
  file: OpenedFile,
  { cut }: Table,
  from: Position,
  { meter, signal, most = Number.POSITIVE_INFINITY }: { meter: Meter; signal: AbortSignal; most?: number },
): AsyncGenerator<Batch> {
  let rest: Buffer = Buffer.alloc(0);
  let { offset, at } = from;
  let left = most;
  for (;;) {
    signal.throwIfAborted();
    const chunk = await readAt(file, offset + rest.length, CHUNK_BYTES, meter);
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const isLast = chunk.length === 0 || offset + data.length >= file.size;
    const taken = takeFrom(data, { cut, at, isLast, most: left });
    offset += taken.used;
    at = taken.at;
    left -= taken.entries.length;
    yield { entries: taken.entries, next: taken.isEnd ? null : { offset, at } };
    if (taken.isEnd || left <= 0) return;
    rest = data.subarray(taken.used);
    if (rest.length > LARGEST_ENTRY_BYTES) {
      throw notAsDescribed('an entry takes more than 4 MB, as if a quotation mark were never closed');
    }
  }
}

type Taken = { entries: Entry[]; used: number; at: number; isEnd: boolean };
type Taking = { readonly cut: Cut; readonly at: number; readonly isLast: boolean; readonly most: number };

function takeFrom(data: Buffer, { cut, at, isLast, most }: Taking): Taken {
  const taken: Taken = { entries: [], used: 0, at, isEnd: false };
  while (taken.entries.length < most) {
    // The end of a JSON array is its bracket; of lines, the end of the data.
    if (taken.used === data.length && isLast && cut !== arrayCut) return { ...taken, isEnd: true };
    const piece = cut(data, taken.used, taken.at, isLast);
    if (piece.kind === 'end') return { ...taken, isEnd: true };
    if (piece.kind === 'more') return taken;
    if (piece.entry !== null) taken.entries.push(piece.entry);
    taken.used = piece.next;
    taken.at = piece.at;
  }
  return taken;
}
