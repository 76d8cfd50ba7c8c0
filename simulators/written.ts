/** JSON of users, written once and kept until they change: a simulator must not be what a benchmark waits for. */
import type { Person } from './population/people.ts';

/** Bytes that all of a simulator's kept JSON may take together. What does not fit is written anew each time. */
export type Room = { bytesLeft: number };

export const roomFor = (megabytes: number): Room => ({ bytesLeft: megabytes * 1_000_000 });

type Kept = { readonly json: Buffer; readonly revision: number };

/** Gives what `write` gives, as bytes, and calls it again only for people who have changed since. */
export function keeping(room: Room, write: (person: Person) => string): (person: Person) => Buffer {
  const kept: (Kept | undefined)[] = [];
  return (person) => {
    const known = kept[person.serial];
    if (known?.revision === person.revision) return known.json;
    const json = Buffer.from(write(person));
    const needed = json.length - (known?.json.length ?? 0);
    if (known || room.bytesLeft >= needed) {
      room.bytesLeft -= needed;
      kept[person.serial] = { json, revision: person.revision };
    }
    return json;
  };
}

const comma = 0x2c;

/** `open`, the items with commas between them, `close`. */
export function joined(open: string, items: readonly Buffer[], close: string): Buffer {
  const start = Buffer.from(open);
  const end = Buffer.from(close);
  const inner = items.reduce((sum, item) => sum + item.length, Math.max(0, items.length - 1));
  const body = Buffer.allocUnsafe(start.length + inner + end.length);
  let at = start.copy(body);
  for (const [index, item] of items.entries()) {
    if (index > 0) {
      body[at] = comma;
      at += 1;
    }
    at += item.copy(body, at);
  }
  end.copy(body, at);
  return body;
}

export const bytes = (text: string): Buffer => Buffer.from(text);
