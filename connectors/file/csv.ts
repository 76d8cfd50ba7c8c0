/** CSV as RFC 4180 has it: quotes double inside quotes, and a quoted field may hold line breaks. */
import type { Buffer } from 'node:buffer';
import { type Cut, type Entry, MORE, notAsDescribed, type Piece, textOf } from './entry.ts';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;

/** The raw fields of one record; what they are called is the header's business. */
export type Fields = readonly string[];

/** `columns`: the header, by which fields are found. The header itself is read with `readFields`. */
export function csvCut(delimiter: string, columns: Fields): Cut {
  const places = new Map(columns.map((column, place) => [column, place]));
  return (data, from, at, isLast) => {
    const record = readFields(data, from, { delimiter, at, isLast });
    if (record === null) return MORE;
    const { fields, next, lines } = record;
    const blank = fields.length === 1 && fields[0] === '';
    const entry = blank ? null : toEntry(fields, columns.length, places, at);
    return { kind: 'piece', entry, next, at: at + lines } satisfies Piece;
  };
}

/** In a row of another length only the first field is sure to stand where it belongs. */
function toEntry(fields: Fields, expected: number, places: ReadonlyMap<string, number>, at: number): Entry {
  const valueAt = (place: number | undefined) => (place === undefined ? undefined : fields[place]);
  if (fields.length === expected)
    return { kind: 'entry', at, value: (column) => valueAt(places.get(column)) };
  const value = (column: string) => (places.get(column) === 0 ? fields[0] : undefined);
  return { kind: 'broken', at, problem: `has ${fields.length} fields in place of ${expected}`, value };
}

type Reading = { readonly delimiter: string; readonly at: number; readonly isLast: boolean };
type ReadRecord = { readonly fields: Fields; readonly next: number; readonly lines: number };

/** null: the record goes on behind these bytes. `lines`: how many lines of the file it takes. */
export function readFields(data: Buffer, from: number, reading: Reading): ReadRecord | null {
  const end = recordEnd(data, from, reading);
  if (end === null) return null;
  const next = end.to === data.length ? end.to : end.to + 1;
  const to = end.to > from && data[end.to - 1] === CR ? end.to - 1 : end.to;
  const text = textOf(data, from, to, `Line ${reading.at}`);
  if (!end.quoted) return { fields: text.split(reading.delimiter), next, lines: 1 };
  let lines = 1;
  for (let lf = data.indexOf(LF, from); lf !== -1 && lf < end.to; lf = data.indexOf(LF, lf + 1)) lines += 1;
  return { fields: splitQuoted(text, reading.delimiter), next, lines };
}

type End = { readonly to: number; readonly quoted: boolean };

/** `to`: the position of the line feed that ends the record, or the end of the data. */
function recordEnd(data: Buffer, from: number, reading: Reading): End | null {
  const lf = data.indexOf(LF, from);
  const to = lf === -1 ? data.length : lf;
  const quote = data.subarray(from, to).indexOf(QUOTE);
  if (quote !== -1) return quotedEnd(data, from, reading);
  return lf === -1 && !reading.isLast ? null : { to, quoted: false };
}

/** Goes from field to field, because only a quote at the beginning of a field opens one. */
function quotedEnd(data: Buffer, from: number, reading: Reading): End | null {
  const separator = reading.delimiter.charCodeAt(0);
  for (let position = from; ; ) {
    const isQuoted = data[position] === QUOTE;
    const end = isQuoted ? behindQuotes(data, position, reading) : behindPlain(data, position, separator);
    if (end === null || (end >= data.length && !reading.isLast)) return null;
    if (end >= data.length || data[end] === LF) return { to: end, quoted: true };
    if (data[end] !== separator)
      throw notAsDescribed(`in line ${reading.at} something follows a closing quotation mark`);
    position = end + 1;
  }
}

function behindPlain(data: Buffer, from: number, separator: number): number {
  let end = from;
  while (end < data.length && data[end] !== separator && data[end] !== LF) end += 1;
  return end;
}

function behindQuotes(data: Buffer, from: number, { at, isLast }: Reading): number | null {
  let close = data.indexOf(QUOTE, from + 1);
  while (close !== -1 && data[close + 1] === QUOTE) close = data.indexOf(QUOTE, close + 2);
  if (close !== -1) return behindReturn(data, close + 1);
  if (!isLast) return null;
  throw notAsDescribed(
    `the quotation mark that line ${at} opens is never closed, as if the file were cut off`,
  );
}

/** CR counts with the LF that follows it, and at the end of the file. Alone it is left to be found where it does not belong. */
function behindReturn(data: Buffer, from: number): number {
  return data[from] === CR && (data[from + 1] === LF || from + 1 === data.length) ? from + 1 : from;
}

/** The text is a whole record, so that every quote that opens a field closes too. */
function splitQuoted(text: string, delimiter: string): Fields {
  const fields: string[] = [];
  let position = 0;
  for (;;) {
    let end: number;
    if (text[position] === '"') {
      let close = text.indexOf('"', position + 1);
      while (text[close + 1] === '"') close = text.indexOf('"', close + 2);
      fields.push(text.slice(position + 1, close).replaceAll('""', '"'));
      end = close + 1;
    } else {
      const found = text.indexOf(delimiter, position);
      end = found === -1 ? text.length : found;
      fields.push(text.slice(position, end));
    }
    if (end >= text.length) return fields;
    position = end + 1;
  }
}
