/**
 * What a directory server sends: bytes -> LDAP messages (RFC 4511 section 4). ldapts writes our requests, but its reader trusts
 * the lengths inside a message and never comes back from ones that contradict each other; here each is checked.
 */

/** Values by attribute, its name in lower case with its options (`member;range=0-1499`), as bytes: what they are, the map knows. */
export type Attributes = ReadonlyMap<string, readonly Buffer[]>;

export type Entry = { readonly dn: string; readonly attributes: Attributes };

export type Result = {
  readonly code: number;
  /** The server's own words: they may name people and are never shown as they are. */
  readonly text: string;
};

export type Message =
  | { readonly kind: 'entry'; readonly id: number; readonly entry: Entry }
  | { readonly kind: 'reference'; readonly id: number }
  /** What ends an exchange. `cookie`: of the paged results control, null where the answer carries none. */
  | {
      readonly kind: 'result';
      readonly id: number;
      readonly result: Result;
      readonly cookie: Buffer | null;
    };

/** The bytes are no LDAP: an HTTP server, a broken proxy, a defect. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

const MAX_MESSAGE_BYTES = 64 * 2 ** 20;
const PAGED_RESULTS = '1.2.840.113556.1.4.319';
const tags = { integer: 0x02, octets: 0x04, enumerated: 0x0a, sequence: 0x30, set: 0x31, controls: 0xa0 };

/** Cuts a stream into messages, however it arrives. */
export class MessageReader {
  #waiting: Buffer[] = [];
  #have = 0;
  #need = 2;

  get isBetweenMessages(): boolean {
    return this.#have === 0;
  }

  /** The messages that these bytes complete. Throws `Malformed`; the stream is of no use afterwards. */
  *read(chunk: Buffer): Generator<Message> {
    this.#waiting.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return;
    let bytes = this.#waiting.length === 1 ? chunk : Buffer.concat(this.#waiting, this.#have);
    for (;;) {
      const length = messageLength(bytes);
      if (length > MAX_MESSAGE_BYTES) throw new Malformed('a message is too long');
      if (bytes.length < length) {
        this.#waiting = bytes.length === 0 ? [] : [bytes];
        this.#have = bytes.length;
        this.#need = length;
        return;
      }
      yield readMessage(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
    }
  }
}

/** Of the whole message that begins here; as long as its head is incomplete, how much is needed to know. */
function messageLength(bytes: Buffer): number {
  if (bytes.length > 0 && bytes[0] !== tags.sequence)
    throw new Malformed('a message begins with no sequence');
  const first = bytes[1];
  if (first === undefined) return 2;
  if (first < 0x80) return 2 + first;
  const size = first & 0x7f;
  if (size === 0 || size > 4) throw new Malformed('a length has an unknown form');
  return bytes.length < 2 + size ? 2 + size : 2 + size + bytes.readUIntBE(2, size);
}

/** One value with its tag, inside `bytes`. */
type Element = { readonly tag: number; readonly content: Buffer };

class Elements {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(): Element {
    const tag = this.#byte();
    let length = this.#byte();
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 4 || this.#at + size > this.#bytes.length) throw new Malformed('a length');
      length = this.#bytes.readUIntBE(this.#at, size);
      this.#at += size;
    }
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Malformed('a length reaches beyond its message');
    const content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag, content };
  }

  expect(tag: number): Buffer {
    const element = this.next();
    if (element.tag !== tag) throw new Malformed('a part has another type');
    return element.content;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Malformed('a part is missing');
    this.#at += 1;
    return byte;
  }
}

function readMessage(bytes: Buffer): Message {
  const message = new Elements(new Elements(bytes).expect(tags.sequence));
  const id = readInteger(message.expect(tags.integer));
  const { tag, content } = message.next();
  const parts = new Elements(content);
  switch (tag) {
    case 0x64:
      return { kind: 'entry', id, entry: readEntry(parts) };
    case 0x73:
      return { kind: 'reference', id };
    case 0x61: // bind
    case 0x65: // end of a search
    case 0x78: {
      const code = readInteger(parts.expect(tags.enumerated));
      parts.expect(tags.octets);
      const text = parts.expect(tags.octets).toString('utf8');
      return { kind: 'result', id, result: { code, text }, cookie: cookieIn(message) };
    }
    default:
      throw new Malformed('an answer is of a kind that was not asked for');
  }
}

function readEntry(parts: Elements): Entry {
  const dn = parts.expect(tags.octets).toString('utf8');
  const list = new Elements(parts.expect(tags.sequence));
  const attributes = new Map<string, readonly Buffer[]>();
  while (!list.ended) {
    const attribute = new Elements(list.expect(tags.sequence));
    const name = attribute.expect(tags.octets).toString('utf8').toLowerCase();
    const set = new Elements(attribute.expect(tags.set));
    const values: Buffer[] = [];
    while (!set.ended) values.push(set.expect(tags.octets));
    attributes.set(name, values);
  }
  return { dn, attributes };
}

function cookieIn(message: Elements): Buffer | null {
  if (message.ended) return null;
  const controls = new Elements(message.expect(tags.controls));
  while (!controls.ended) {
    const control = new Elements(controls.expect(tags.sequence));
    if (control.expect(tags.octets).toString('latin1') !== PAGED_RESULTS) continue;
    let value = control.next();
    if (value.tag !== tags.octets) value = control.next(); // the criticality may stand before it
    const paged = new Elements(new Elements(value.content).expect(tags.sequence));
    paged.expect(tags.integer);
    return paged.expect(tags.octets);
  }
  return null;
}

function readInteger(bytes: Buffer): number {
  if (bytes.length < 1 || bytes.length > 4) throw new Malformed('a number has an unknown size');
  return bytes.readIntBE(0, bytes.length);
}
