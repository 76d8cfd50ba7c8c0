/** Credentials at rest: AES-256-GCM under the install's key, each value with its own nonce and bound to the row it belongs to. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../domain/problem.ts';
import { writeOnce } from './dataFolder.ts';
import { makeFolder } from './makeFolder.ts';

const FORMAT = 1;
const NONCE = 12;
const TAG = 16;

export type SecretBox = {
  /** `owner` is the id of the row: a ciphertext moved to another row does not open. */
  seal(owner: string, secret: unknown): Uint8Array<ArrayBuffer>;
  /** Throws `wrong-secret-key` when the key is not the one that sealed. */
  open(owner: string, sealed: Uint8Array): unknown;
};

/** @param key 32 bytes in base64 */
export function secretBox(key: string): SecretBox {
  const bytes = Buffer.from(key, 'base64');
  return {
    seal: (owner, secret) => {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(Buffer.from(owner));
      const text = Buffer.concat([cipher.update(JSON.stringify(secret), 'utf8'), cipher.final()]);
      return new Uint8Array(Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), text]));
    },
    open: (owner, sealed) => {
      const all = Buffer.from(sealed);
      try {
        if (all[0] !== FORMAT) throw new Error('unknown format');
        const decipher = createDecipheriv('aes-256-gcm', bytes, all.subarray(1, 1 + NONCE), {
          authTagLength: TAG,
        }).setAAD(Buffer.from(owner));
        decipher.setAuthTag(all.subarray(1 + NONCE, 1 + NONCE + TAG));
        const text = Buffer.concat([
          decipher.update(all.subarray(1 + NONCE + TAG)),
          decipher.final(),
        ]).toString('utf8');
        return JSON.parse(text);
      } catch (error) {
        throw new Problem(
          {
            code: 'wrong-secret-key',
            message: 'The stored credentials cannot be decrypted with the present secret key.',
            remedy:
              'Set ROLLCALL_SECRET_KEY (or the file secret.key in the data folder) to the key they were stored with, or enter the credentials again.',
          },
          { cause: error },
        );
      }
    },
  };
}

/** The key of an install without ROLLCALL_SECRET_KEY: made once, kept in the data folder, readable by its owner alone. */
export function keyFromFolder(dataFolder: string): string {
  makeFolder(dataFolder);
  const file = join(dataFolder, 'secret.key');
  if (!existsSync(file)) writeOnce(file, randomBytes(32).toString('base64'), 0o600);
  return readFileSync(file, 'utf8').trim();
}
