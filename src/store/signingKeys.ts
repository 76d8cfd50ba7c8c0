/** The keys that sign tokens. They are the root's, so that row-level security shows them to nobody below. */
import { z } from 'zod';
import { type KeyTimes, type PublicJwk, type SigningKey, SigningKeyId } from '../domain/signingKey.ts';
import type { Database } from './database.ts';
import type { SigningKey as KeyRow } from './generated/client.ts';
import type { SecretBox } from './secrets.ts';

/** With its private part. */
export type NewSigningKey = SigningKey & { readonly privateKey: PrivateJwk };

export type SigningKeyStore = {
  /** Those that are still published, also what signs only later. */
  published(now: Date): Promise<readonly SigningKey[]>;
  /** Decrypts. Throws `wrong-secret-key`. */
  open(id: SigningKeyId): Promise<PrivateJwk | null>;
  /**
   * Stores the key that `make` gives for the keys there are, and forgets those that nobody has to know any more. One process at a time:
   * whoever comes second sees what the first has made. Gives whether there is a new one.
   */
  renew(now: Date, make: (keys: readonly KeyTimes[]) => NewSigningKey | null): Promise<boolean>;
};

/** As JSON Web Key (RFC 8037). */
const PrivateJwk = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
});
export type PrivateJwk = z.infer<typeof PrivateJwk>;

const PublicJwkShape = PrivateJwk.omit({ d: true });

export function signingKeyStore(database: Database, box: SecretBox): SigningKeyStore {
  const { root } = database;
  return {
    published: (now) =>
      database.ordinary(root, async (tx) => {
        const where = { publishedUntil: { gt: now } };
        return (await tx.signingKey.findMany({ where, orderBy: { signsFrom: 'asc' } })).map(toKey);
      }),
    open: (id) =>
      database.ordinary(root, async (tx) => {
        const row = await tx.signingKey.findUnique({ where: { id } });
        return row === null ? null : PrivateJwk.parse(box.open(row.id, row.privateKey));
      }),
    renew: (now, make) =>
      database.ordinary(root, async (tx) => {
        await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('rollcall.signing-keys'))`;
        await tx.signingKey.deleteMany({ where: { publishedUntil: { lte: now } } });
        const made = make((await tx.signingKey.findMany()).map(toKey));
        if (made === null) return false;
        const { privateKey, publicKey, ...times } = made;
        const sealed = box.seal(made.id, privateKey);
        const row = {
          ...times,
          tenantId: root,
          publicKey: { ...publicKey },
          privateKey: sealed,
          createdAt: now,
        };
        await tx.signingKey.create({ data: row });
        return true;
      }),
  };
}

function toKey({ id, publicKey, signsFrom, signsUntil, publishedUntil }: KeyRow): SigningKey {
  const known: PublicJwk = PublicJwkShape.parse(publicKey);
  return { id: SigningKeyId.parse(id), publicKey: known, signsFrom, signsUntil, publishedUntil };
}
