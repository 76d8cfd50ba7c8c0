/** Ids for many rows at once: the same UUIDv7 as everywhere, with the random bytes of all of them drawn in one go. */
import { randomBytes, randomInt } from 'node:crypto';
import { v7 } from 'uuid';

const BYTES = 16;

/** In rising order. At most 2^31 at once. */
export function manyIds(count: number): readonly string[] {
  const random = randomBytes(count * BYTES);
  const msecs = Date.now();
  const first = randomInt(2 ** 31); // of 32 bits, so that there is room to count on
  return Array.from({ length: count }, (_, at) => {
    return v7({ random: random.subarray(at * BYTES, (at + 1) * BYTES), msecs, seq: first + at });
  });
}
