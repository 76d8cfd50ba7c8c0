/** Secrets that whoever holds them is known by: made here, and stored as hashes alone. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Hash } from '../store/sessions.ts';

/** 256 bits that can stand in a cookie or an address. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

export function hashOf(secret: string): Hash {
  return new Uint8Array(createHash('sha256').update(secret).digest());
}

/** What pages of ours know of a session and other sites do not. Says nothing about the cookie that it follows from. */
export function csrfTokenOf(cookie: string): string {
  return createHmac('sha256', cookie).update('rollcall csrf token').digest('base64url');
}

export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(hashOf(one), hashOf(other));
}
