/**
 * Ids in the shape of each provider. An id hides its serial number reversibly, so that a look-up among a million people needs
 * no index in memory; the remaining characters are a check that a made-up id does not pass.
 */
import { saltOf, scramble, unscramble } from './random.ts';

export type Ids = {
  of(serial: number): string;
  /** null for anything that `of` did not make. */
  serialOf(id: string): number | null;
};

const hex16 = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, '0'));
const hex = (n: number): string => `${hex16[n >>> 16]}${hex16[n & 0xffff]}`;

function checked(of: (serial: number) => string, read: (id: string) => number): Ids {
  return {
    of,
    serialOf: (id) => {
      const serial = read(id);
      return Number.isInteger(serial) && of(serial) === id ? serial : null;
    },
  };
}

/** `0b2f6c1e-93d1-4a00-8c1b-0a6d5e4f3b21`: object ids of Microsoft Entra ID, in the form of a version 4 UUID. */
export function guids(seed: number, kind: string): Ids {
  const salt = saltOf(seed, kind);
  const of = (serial: number): string => {
    const first = scramble(serial, salt);
    const second = scramble(first, 0x51ab);
    const third = scramble(second, salt);
    const node = hex16[second & 0xffff] ?? '';
    const version = (hex16[(second >>> 16) & 0x0fff] ?? '').slice(1);
    const variant = (hex16[third & 0x3fff] ?? '').slice(1);
    return `${hex(first)}-${node}-4${version}-8${variant}-${hex16[third >>> 16]}${hex(first ^ third)}`;
  };
  return checked(of, (id) => unscramble(Number.parseInt(id.slice(0, 8), 16), salt));
}

const letters = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

function base62(value: number, width: number): string {
  let text = '';
  for (let rest = value; text.length < width; rest = Math.floor(rest / 62)) text = letters[rest % 62] + text;
  return text;
}

/** `00u1a2B3…`, 20 characters: Okta's ids, where the prefix names the kind of object. */
export function oktaIds(seed: number, prefix: string): Ids {
  const salt = saltOf(seed, prefix);
  const of = (serial: number): string => {
    const first = scramble(serial, salt);
    const second = scramble(first, 0x51ab);
    return `${prefix}${base62(first, 6)}${base62(second, 6)}${base62(scramble(second, salt), 5)}`;
  };
  const read = (id: string): number => {
    let value = 0;
    for (const letter of id.slice(prefix.length, prefix.length + 6))
      value = value * 62 + letters.indexOf(letter);
    return unscramble(value, salt);
  };
  return checked(of, read);
}

/** 21 digits, more than a JavaScript number can hold exactly: user ids of Google Workspace. */
export function numericIds(seed: number, kind: string): Ids {
  const salt = saltOf(seed, kind);
  const digits = (n: number): string => String(n).padStart(10, '0');
  const of = (serial: number): string => {
    const first = scramble(serial, salt);
    return `1${digits(first)}${digits(scramble(first, salt ^ 0x51ab))}`;
  };
  return checked(of, (id) => unscramble(Number(id.slice(1, 11)), salt));
}
