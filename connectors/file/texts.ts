/** Many texts and numbers in little room: a file of a million people is known whole without a million objects. */
import { Buffer } from 'node:buffer';

/** Numbers from 0 to 4,294,967,295 in the order in which they were added. */
export class Numbers {
  #values = new Uint32Array(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Uint32Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  at(place: number): number {
    return this.#values[place] ?? 0;
  }
}

/** Behind a text in the bytes of all; a slot of 0 is free. */
const FREE = 0;
/** Takes a text of 256 characters in any script. */
const LONGEST_BYTES = 1024;

/**
 * Each text once, known by its number: 0, 1, 2 … in the order in which they came. The texts lie in one piece of memory, in
 * UTF-8; a hash table of numbers finds them again.
 */
export class Texts {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  readonly #ends = new Numbers();
  /** Number of the text plus one. At most half of the slots are taken. */
  #slots = new Uint32Array(2048);
  readonly #scratch = Buffer.allocUnsafe(LONGEST_BYTES);

  get count(): number {
    return this.#ends.count;
  }

  /** Its number, whether it was there before or not. At most 256 characters. */
  add(text: string): number {
    const length = this.#scratch.write(text);
    const slot = this.#slotOf(length);
    const taken = this.#slots[slot] ?? FREE;
    if (taken !== FREE) return taken - 1;
    const start = this.#startOf(this.count);
    this.#makeRoom(start + length);
    this.#scratch.copy(this.#bytes, start, 0, length);
    this.#ends.add(start + length);
    this.#slots[slot] = this.count;
    if (this.count * 2 > this.#slots.length) this.#spread();
    return this.count - 1;
  }

  /** null: it was never added. */
  numberOf(text: string): number | null {
    const taken = this.#slots[this.#slotOf(this.#scratch.write(text))] ?? FREE;
    return taken === FREE ? null : taken - 1;
  }

  textAt(number: number): string {
    return this.#bytes.toString('utf8', this.#startOf(number), this.#ends.at(number));
  }

  #startOf(number: number): number {
    return number === 0 ? 0 : this.#ends.at(number - 1);
  }

  #makeRoom(wanted: number): void {
    if (wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }

  /** Of the text in the scratch: where it is, or the free slot where it would be. */
  #slotOf(length: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(this.#scratch, 0, length) & mask;
    for (;;) {
      const taken = this.#slots[slot] ?? FREE;
      if (taken === FREE) return slot;
      const [start, end] = [this.#startOf(taken - 1), this.#ends.at(taken - 1)];
      if (end - start === length && this.#scratch.compare(this.#bytes, start, end, 0, length) === 0)
        return slot;
      slot = (slot + 1) & mask;
    }
  }

  #spread(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let number = 0; number < this.count; number += 1) {
      let slot = hashOf(this.#bytes, this.#startOf(number), this.#ends.at(number)) & mask;
      while (slots[slot] !== FREE) slot = (slot + 1) & mask;
      slots[slot] = number + 1;
    }
    this.#slots = slots;
  }
}

/** FNV-1a with a last stir, because consecutive numbers must not lie side by side. */
function hashOf(bytes: Buffer, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
