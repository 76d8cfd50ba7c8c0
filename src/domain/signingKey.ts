/**
 * The keys that sign tokens, one after the other. A key is published for a day before it signs, so that everybody who checks tokens has
 * it by then, and for as long after as what it signed is good: next -> current -> retired -> gone.
 */
import { z } from 'zod';

export const SigningKeyId = z.uuid().brand<'SigningKeyId'>();
export type SigningKeyId = z.infer<typeof SigningKeyId>;

/** An Ed25519 key as JSON Web Key (RFC 8037), without its private part. */
export type PublicJwk = { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string };

export type KeyTimes = {
  readonly signsFrom: Date;
  readonly signsUntil: Date;
  readonly publishedUntil: Date;
};

export type SigningKey = KeyTimes & { readonly id: SigningKeyId; readonly publicKey: PublicJwk };

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const SIGNS_FOR = 30 * DAY;
const PUBLISHED_BEFORE = DAY;
/** Longer than any token is good. */
const PUBLISHED_AFTER = 2 * HOUR;

/** Of a token; both in seconds. */
export const USUAL_TOKEN_LIFE = 300;
export const LONGEST_TOKEN_LIFE = 3_600;

/** That signs now; null: none does, and one has to be made. */
export function currentKey<Key extends KeyTimes>(keys: readonly Key[], now: Date): Key | null {
  const signing = keys.filter(({ signsFrom, signsUntil }) => signsFrom <= now && now < signsUntil);
  return signing.toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime())[0] ?? null;
}

/**
 * The times of the key that has to be made now; null: none. It signs after the last one; where nothing signs, it signs at once.
 */
export function dueKey(keys: readonly KeyTimes[], now: Date): KeyTimes | null {
  const last = Math.max(0, ...keys.map(({ signsUntil }) => signsUntil.getTime()));
  const signs = currentKey(keys, now) !== null;
  // An hour more than a day: whoever looks now and then is in time for a whole day of publishing.
  if (signs && last > now.getTime() + PUBLISHED_BEFORE + HOUR) return null;
  const from = signs ? last : now.getTime();
  return {
    signsFrom: new Date(from),
    signsUntil: new Date(from + SIGNS_FOR),
    publishedUntil: new Date(from + SIGNS_FOR + PUBLISHED_AFTER),
  };
}
