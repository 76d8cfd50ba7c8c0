/** The manifest of an evidence pack: what is in it, of which period, and how its chains of audit entries go on. */
import { z } from 'zod';

/** The files of a pack beside those that the manifest lists. */
export const MANIFEST = 'manifest.json';
export const SIGNATURE = 'signature.json';

/** So many lines of a file have a hash of their own, so that it can be said where a file is not what it was. */
export const LINES_IN_BLOCK = 1_000;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(0);

const PackedFile = z.object({
  /** No path: a pack is one folder. */
  name: z.string().regex(/^[a-z-]+\.(jsonl|csv)$/),
  bytes: count,
  lines: count,
  sha256,
  /** Of each thousand lines. */
  blocks: z.array(sha256),
});
export type PackedFile = z.infer<typeof PackedFile>;

const PackedChain = z.object({
  tenant: z.uuid(),
  name: z.string().nullable(),
  first: count.nullable(),
  last: count.nullable(),
  before: sha256.nullable(),
  after: sha256.nullable(),
  head: z.object({ number: count, hash: sha256 }),
});
export type PackedChain = z.infer<typeof PackedChain>;

export const Manifest = z.object({
  format: z.literal('rollcall-evidence'),
  version: z.literal(1),
  id: z.uuid(),
  tenant: z.object({ id: z.uuid(), name: z.string() }),
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  madeAt: z.iso.datetime(),
  madeBy: z.string(),
  files: z.array(PackedFile),
  chains: z.array(PackedChain),
});
export type Manifest = z.infer<typeof Manifest>;

/** `jws`: over the SHA-256 of the manifest, in the compact form (RFC 7515). `key`: the public one, as JSON Web Key. */
export const Signature = z.object({
  jws: z.string(),
  key: z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() }),
  /** Of the key (RFC 7638): to be compared with what the export said, or the audit log. */
  thumbprint: z.string(),
});
export type Signature = z.infer<typeof Signature>;
