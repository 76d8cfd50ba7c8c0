/** Access tokens that a simulator has issued. They are forgotten when it ends: whoever comes back needs a new one. */
import { randomBytes } from 'node:crypto';
import type { Caller } from './protocol.ts';

export type Tokens = {
  /** Remembers a token made by `shape`, which is given random characters to make it unique. */
  issue(
    caller: Caller,
    shape: (unique: string) => string,
  ): { readonly token: string; readonly expiresIn: number };
  find(token: string): Caller | 'expired' | 'unknown';
  /** All tokens issued so far stop working. */
  expireAll(): void;
  readonly issued: number;
};

export function tokenStore(lifetimeSeconds: number): Tokens {
  const known = new Map<string, { caller: Caller; until: number }>();
  let issued = 0;
  return {
    issue: (caller, shape) => {
      const token = shape(randomBytes(24).toString('base64url'));
      known.set(token, { caller, until: Date.now() + lifetimeSeconds * 1000 });
      issued += 1;
      return { token, expiresIn: lifetimeSeconds };
    },
    find: (token) => {
      const entry = known.get(token);
      if (!entry) return 'unknown';
      return entry.until > Date.now() ? entry.caller : 'expired';
    },
    expireAll: () => {
      for (const entry of known.values()) entry.until = 0;
    },
    get issued() {
      return issued;
    },
  };
}

/** A token in the form of a JWT whose signature nobody can check, as clients must not look into it. */
export function unsignedJwt(claims: Readonly<Record<string, unknown>>, unique: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ typ: 'JWT', alg: 'RS256', kid: 'simulator' })}.${part({ ...claims, uti: unique })}.${unique}`;
}
