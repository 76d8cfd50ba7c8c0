/** The same numbers from the same seed, on every machine: what makes a simulated directory repeatable. */

export type Random = {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [0, below). */
  int(below: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
  chance(probability: number): boolean;
};

/** The mulberry32 generator: 32 bits of state, fast, and good enough for making up people. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    next,
    int,
    pick: (list) => list[int(list.length)] ?? list[0],
    chance: (probability) => next() < probability,
  };
}

/** A well-mixed 32-bit number from two: reversible in `value` for a fixed `salt` (see `unscramble`). */
export function scramble(value: number, salt: number): number {
  let x = (value ^ salt) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The value that `scramble` was given. The constants are the modular inverses of those above. */
export function unscramble(scrambled: number, salt: number): number {
  let x = (scrambled ^ (scrambled >>> 16)) >>> 0;
  x = Math.imul(x, 0x43021123) >>> 0;
  x = (x ^ (x >>> 15) ^ (x >>> 30)) >>> 0;
  x = Math.imul(x, 0x1d69e2a5) >>> 0;
  return (x ^ (x >>> 16) ^ salt) >>> 0;
}

/** A salt from a word, so that users, groups and devices of one seed have unrelated ids. */
export function saltOf(seed: number, word: string): number {
  let salt = scramble(seed, 0x9e3779b9);
  for (const letter of word) salt = scramble(letter.codePointAt(0) ?? 0, salt);
  return salt;
}
