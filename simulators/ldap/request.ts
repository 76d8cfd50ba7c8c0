/** What a client asks of a directory server: bytes -> requests (RFC 4511), as far as a reader of directories asks anything. */
import { BerReader } from 'ldapts';

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | {
      readonly kind: 'equals' | 'at-least' | 'at-most';
      readonly attribute: string;
      readonly value: Buffer;
      /** The same as text in lower case. */
      readonly text: string;
    }
  | { readonly kind: 'present'; readonly attribute: string }
  | { readonly kind: 'rule'; readonly rule: string; readonly attribute: string; readonly value: Buffer };

export type SearchRequest = {
  readonly kind: 'search';
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly sizeLimit: number;
  readonly filter: Condition;
  readonly attributes: readonly string[];
};

export type Request = { readonly id: number; readonly controls: ReadonlyMap<string, Buffer> } & (
  | { readonly kind: 'bind'; readonly dn: string; readonly password: string }
  | SearchRequest
  | { readonly kind: 'start-tls' | 'unbind' | 'other' }
);

const START_TLS = '1.3.6.1.4.1.1466.20037';

/** The requests that have come whole, and what is left of the bytes. */
export function requestsIn(bytes: Buffer): { readonly requests: readonly Request[]; readonly rest: Buffer } {
  const requests: Request[] = [];
  let rest = bytes;
  for (;;) {
    const reader = new BerReader(rest);
    if (reader.readSequence() === null || reader.remain < reader.length) return { requests, rest };
    const end = reader.offset + reader.length;
    requests.push(readRequest(new BerReader(rest.subarray(reader.offset, end))));
    rest = rest.subarray(end);
  }
}

function readRequest(reader: BerReader): Request {
  const id = reader.readInt() ?? 0;
  const tag = reader.peek();
  if (tag === 0x42) return { id, kind: 'unbind', controls: new Map() };
  reader.readSequence();
  const end = reader.offset + reader.length;
  const body = readBody(reader, tag, end);
  reader.offset = end;
  return { id, ...body, controls: readControls(reader) } as Request;
}

function readBody(reader: BerReader, tag: number | null, end: number) {
  if (tag === 0x60) {
    reader.readInt();
    const dn = reader.readString() ?? '';
    return { kind: 'bind', dn, password: reader.readString(0x80) ?? '' };
  }
  if (tag === 0x77) return { kind: reader.readString(0x80) === START_TLS ? 'start-tls' : 'other' };
  if (tag !== 0x63) return { kind: 'other' };
  const base = reader.readString() ?? '';
  const scope = (['base', 'one', 'sub'] as const)[reader.readEnumeration() ?? 0];
  reader.readEnumeration();
  const sizeLimit = reader.readInt() ?? 0;
  reader.readInt();
  reader.readBoolean();
  const filter = readCondition(reader);
  reader.readSequence();
  const attributes: string[] = [];
  while (reader.offset < end) attributes.push(reader.readString() ?? '');
  return { kind: 'search', base, scope, sizeLimit, filter, attributes };
}

function readControls(reader: BerReader): ReadonlyMap<string, Buffer> {
  const controls = new Map<string, Buffer>();
  if (reader.peek() !== 0xa0) return controls;
  reader.readSequence();
  const end = reader.offset + reader.length;
  while (reader.offset < end) {
    reader.readSequence();
    const last = reader.offset + reader.length;
    const type = reader.readString() ?? '';
    if (reader.offset < last && reader.peek() === 0x01) reader.readBoolean();
    controls.set(
      type,
      reader.offset < last ? (reader.readString(0x04, true) ?? Buffer.alloc(0)) : Buffer.alloc(0),
    );
  }
  return controls;
}

const COMPARISONS = { 163: 'equals', 165: 'at-least', 166: 'at-most' } as const;

function readCondition(reader: BerReader): Condition {
  const tag = reader.peek();
  if (tag === 0x87) return { kind: 'present', attribute: lower(reader.readString(0x87)) };
  reader.readSequence();
  const end = reader.offset + reader.length;
  if (tag === 0xa0 || tag === 0xa1) {
    const of: Condition[] = [];
    while (reader.offset < end) of.push(readCondition(reader));
    return { kind: tag === 0xa0 ? 'and' : 'or', of };
  }
  if (tag === 0xa2) return { kind: 'not', of: readCondition(reader) };
  if (tag === 0xa9) {
    const rule = reader.readString(0x81) ?? '';
    const attribute = lower(reader.readString(0x82));
    const value = reader.readString(0x83, true) ?? Buffer.alloc(0);
    reader.offset = end;
    return { kind: 'rule', rule, attribute, value };
  }
  const kind = COMPARISONS[tag as keyof typeof COMPARISONS];
  if (kind === undefined) throw new TypeError(`a filter of kind ${tag} is not understood here`);
  const attribute = lower(reader.readString());
  const value = reader.readString(0x04, true) ?? Buffer.alloc(0);
  return { kind, attribute, value, text: lower(value.toString('utf8')) };
}

function lower(text: string | null): string {
  return (text ?? '').toLowerCase();
}

/** Page size and cookie of the paged results control (RFC 2696). */
export function pagingIn(value: Buffer): { readonly size: number; readonly cookie: Buffer } {
  const reader = new BerReader(value);
  reader.readSequence();
  return { size: reader.readInt() ?? 0, cookie: reader.readString(0x04, true) ?? Buffer.alloc(0) };
}
