/** JSON: one object a line (NDJSON), or one array of objects, which is cut into its elements without being read as a whole. */
import type { Buffer } from 'node:buffer';
import { type Cut, END, type Entry, MORE, notAsDescribed, textOf } from './entry.ts';

const LF = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const BRACKET = { open: 0x5b, close: 0x5d } as const;
const BRACE = { open: 0x7b, close: 0x7d } as const;

export const ndjsonCut: Cut = (data, from, at, isLast) => {
  const lf = data.indexOf(LF, from);
  if (lf === -1 && !isLast) return MORE;
  const to = lf === -1 ? data.length : lf;
  const text = textOf(data, from, to, `Line ${at}`).trim();
  const entry = text === '' ? null : toEntry(parsed(text), at);
  return { kind: 'piece', entry, next: lf === -1 ? to : lf + 1, at: at + 1 };
};

/** Between elements stands one comma. `at` 0: the bracket that opens the array is still to come. */
export const arrayCut: Cut = (data, from, at, isLast) => {
  const position = skipBlanks(data, from);
  if (position === data.length) return isLast ? cutOff() : MORE;
  if (at === 0) return openingOf(data, position);
  if (data[position] === BRACKET.close) return behindArray(data, position + 1, isLast);
  if (at === 1) return elementOf(data, position, at, isLast);
  if (data[position] !== COMMA) throw notAsDescribed(`no comma stands behind entry ${at - 1}`);
  return elementOf(data, skipBlanks(data, position + 1), at, isLast);
};

function elementOf(data: Buffer, from: number, at: number, isLast: boolean): ReturnType<Cut> {
  const end = elementEnd(data, from);
  if (end === null) return isLast ? cutOff() : MORE;
  const value = parsed(textOf(data, from, end, `Entry ${at}`));
  if (value === undefined) throw notAsDescribed(`entry ${at} is not JSON`);
  return { kind: 'piece', entry: toEntry(value, at), next: end, at: at + 1 };
}

function openingOf(data: Buffer, position: number): ReturnType<Cut> {
  if (data[position] !== BRACKET.open) throw notAsDescribed('it does not begin with an array');
  return { kind: 'piece', entry: null, next: position + 1, at: 1 };
}

function behindArray(data: Buffer, from: number, isLast: boolean): ReturnType<Cut> {
  if (skipBlanks(data, from) < data.length) throw notAsDescribed('something follows the array');
  return isLast ? END : MORE;
}

function cutOff(): never {
  throw notAsDescribed('the array does not end, as if the file were cut off');
}

function skipBlanks(data: Buffer, from: number): number {
  for (let position = from; ; position += 1) {
    const byte = data[position];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return position;
  }
}

/** Behind the element; null where it does not end within the data. Whether it is JSON is for the parser to say. */
function elementEnd(data: Buffer, from: number): number | null {
  let depth = 0;
  for (let position = from; position < data.length; position += 1) {
    const byte = data[position];
    if (byte === QUOTE) {
      const close = closingQuote(data, position);
      if (close === null) return null;
      position = close;
      continue;
    }
    if (depth === 0 && (byte === COMMA || byte === BRACKET.close)) return position;
    const change = depthChange(byte);
    depth += change;
    if (change < 0 && depth <= 0) return position + 1;
  }
  return null;
}

function depthChange(byte: number | undefined): number {
  if (byte === BRACE.open || byte === BRACKET.open) return 1;
  return byte === BRACE.close || byte === BRACKET.close ? -1 : 0;
}

function closingQuote(data: Buffer, from: number): number | null {
  for (let position = data.indexOf(QUOTE, from + 1); position !== -1; ) {
    let backslashes = 0;
    while (data[position - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return position;
    position = data.indexOf(QUOTE, position + 1);
  }
  return null;
}

/** undefined: no JSON. The parser's own message could repeat what stands there. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toEntry(value: unknown, at: number): Entry {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return { kind: 'entry', at, value: (column) => valueAt(value, column) };
  const problem = value === undefined ? 'is not JSON' : 'is not an object';
  return { kind: 'broken', at, problem, value: () => undefined };
}

/** `name.given` is also found as `given` within `name`. */
function valueAt(object: object, column: string): unknown {
  if (Object.hasOwn(object, column)) return Reflect.get(object, column);
  let value: unknown = object;
  for (const part of column.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}
