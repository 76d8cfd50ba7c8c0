/** Ids for many rows at once: the same UUIDv7 as everywhere, with the random bytes of all of them drawn in one go. */
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';

const BYTES = 16;

export function manyIds(count: number): readonly string[] {
  const random = randomBytes(count * BYTES);
  return Array.from({ length: count }, (_, at) =>
    v7({ random: random.subarray(at * BYTES, (at + 1) * BYTES) }),
  );
}
