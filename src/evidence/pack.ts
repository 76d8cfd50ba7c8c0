/**
 * Evidence for an access review: what was proposed, decided and applied for a tenant and those below it in a period, who has what at its
 * end, and the audit log of it; as files that can be checked without Rollcall's database.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import { v7 } from 'uuid';
import { z } from 'zod';
import type { TokenKeys } from '../authorization/tokenKeys.ts';
import type { Clock } from '../domain/clock.ts';
import { parseInput } from '../domain/input.ts';
import { TopTenant } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { EvidenceRows } from '../store/evidence.ts';
import type { Store } from '../store/store.ts';
import { getTenant } from '../tenancy/tenants.ts';
import { MANIFEST, type Manifest, type PackedFile, SIGNATURE, type Signature } from './manifest.ts';
import { PackFile } from './packFile.ts';
import { APPLIES, AUDIT, CHANGES, type Table, USERS } from './tables.ts';

export type EvidenceDeps = { readonly store: Store; readonly clock: Clock; readonly tokenKeys: TokenKeys };

const Moment = z.iso
  .datetime({ offset: true, error: 'is no moment with its time zone, such as 2026-01-01T00:00:00Z' })
  .transform((text) => new Date(text));

export const EvidenceRequest = z
  .strictObject({
    tenant: TopTenant.describe('Of this tenant and all below it; without it of your own.'),
    from: Moment.describe('Beginning of the period.'),
    to: Moment.describe(
      'Its end, which is not part of it any more; roles and states are those of this moment.',
    ),
  })
  .refine(({ from, to }) => from < to, { path: ['to'], message: 'is not after the beginning of the period' });

export type MadePack = {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly files: readonly Pick<PackedFile, 'name' | 'bytes' | 'lines'>[];
  /** SHA-256 of the manifest, hexadecimal; it stands in the audit log too. */
  readonly manifest: string;
  /** Of the key that signed it. */
  readonly thumbprint: string;
};

/** All that a pack shows, a caller has to be allowed to see. */
export const SHOWN_IN_PACKS = ['audit.read', 'changes.read', 'tenants.read', 'users.read'] as const;

/**
 * Writes the pack into `folder`, which is made where it is missing and has to be empty; that it was made stands in the tenant's audit log.
 * Throws `invalid-input`, `not-found` for the tenant.
 */
export async function exportEvidence(
  deps: EvidenceDeps,
  caller: Caller,
  input: z.input<typeof EvidenceRequest>,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<MadePack> {
  for (const action of SHOWN_IN_PACKS) authorise(caller, action);
  const { tenant: wanted, from, to } = parseInput(EvidenceRequest, input);
  const tenant = await getTenant(deps, caller, wanted ?? caller.tenant);
  await makeEmpty(folder);
  const place: Place = { folder, signal, made: [] };
  try {
    const madeAt = deps.clock.now();
    const { chains, files } = await deps.store.evidence.ofOneMoment(
      caller.tenant,
      tenant.id,
      async (rows) => {
        const spans = await rows.chains({ from, to });
        return { chains: spans, files: await writeFiles(place, rows, spans, { from, to }) };
      },
    );
    const manifest: Manifest = {
      format: 'rollcall-evidence',
      version: 1,
      id: v7(),
      tenant: { id: tenant.id, name: tenant.name },
      ...{ from: from.toISOString(), to: to.toISOString() },
      madeAt: madeAt.toISOString(),
      madeBy: caller.actor.name,
      files: [...files],
      chains: chains.map(({ path: _, ...chain }) => chain),
    };
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    const digest = createHash('sha256').update(text).digest('hex');
    const signature = await sign(deps, manifest, digest);
    const made = {
      id: manifest.id,
      from: manifest.from,
      to: manifest.to,
      manifest: digest,
      thumbprint: signature.thumbprint,
    };
    await deps.store.audit.append(caller.tenant, tenant.id, madeAt, {
      actor: caller.actor,
      action: 'evidence.exported',
      subject: { kind: 'tenant', id: tenant.id },
      details: made,
    });
    // Last: no pack that can be checked is missing in the audit log, whatever is killed when.
    await writeNew(place, MANIFEST, text);
    await writeNew(place, SIGNATURE, `${JSON.stringify(signature, null, 2)}\n`);
    return { ...made, files: files.map(({ name, bytes, lines }) => ({ name, bytes, lines })) };
  } catch (error) {
    await removeMade(place); // half of a pack is none
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? notEmpty(folder) : error; // another is being made there
  }
}

async function makeEmpty(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await readdir(folder)).length === 0) return;
  } catch (error) {
    throw new Problem(
      {
        code: 'invalid-input',
        message: `${folder} cannot be written to (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}).`,
        remedy: 'Name a folder that you may write to, or one that is not there yet.',
      },
      { cause: error },
    );
  }
  throw notEmpty(folder);
}

function notEmpty(folder: string): Problem {
  return new Problem({
    code: 'invalid-input',
    message: `${folder} is not empty.`,
    remedy: 'Name a folder that is empty, or one that is not there yet: nothing is overwritten.',
  });
}

/** `made`: names of the files that this export has made there. */
type Place = { readonly folder: string; readonly signal: AbortSignal; readonly made: string[] };

async function removeMade({ folder, made }: Place): Promise<void> {
  for (const name of made) await rm(join(folder, name), { force: true });
}

async function writeNew({ folder, made }: Place, name: string, text: string): Promise<void> {
  await writeFile(join(folder, name), text, { flag: 'wx', mode: 0o600 });
  made.push(name);
}

async function writeFiles(
  place: Place,
  rows: EvidenceRows,
  chains: Awaited<ReturnType<EvidenceRows['chains']>>,
  period: { readonly from: Date; readonly to: Date },
): Promise<readonly PackedFile[]> {
  const entries = async function* () {
    for (const chain of chains) if (chain.first !== null) yield* rows.audit(chain);
  };
  return [
    ...(await writeTable(place, entries(), AUDIT)),
    ...(await writeTable(place, rows.changes(period), CHANGES)),
    ...(await writeTable(place, rows.applies(period), APPLIES)),
    ...(await writeTable(place, rows.users(period.to), USERS)),
  ];
}

/** One stream of rows into all files that are made of it. */
async function writeTable<Row>(
  { folder, signal, made }: Place,
  batches: AsyncIterable<readonly Row[]>,
  table: Table<Row>,
): Promise<readonly PackedFile[]> {
  const open: Open<Row>[] = [];
  const done: PackedFile[] = [];
  try {
    for (const { name, head, lines } of table) {
      const file = await PackFile.create(folder, name);
      made.push(name);
      open.push({ file, lines });
      if (head !== null) await file.write(head);
    }
    for await (const batch of batches) {
      signal.throwIfAborted();
      for (const row of batch) await writeRow(row, open);
    }
  } finally {
    for (const { file } of open) done.push(await file.close());
  }
  return done;
}

type Open<Row> = { readonly file: PackFile; readonly lines: (row: Row) => readonly string[] };

async function writeRow<Row>(row: Row, files: readonly Open<Row>[]): Promise<void> {
  for (const { file, lines } of files) for (const line of lines(row)) await file.write(line);
}

async function sign(
  { tokenKeys, clock }: EvidenceDeps,
  { id }: Manifest,
  digest: string,
): Promise<Signature> {
  const iat = Math.floor(clock.now().getTime() / 1000);
  const jws = await tokenKeys.sign('evidence+jwt', { sub: id, iat, sha256: digest });
  const { kid } = decodeProtectedHeader(jws);
  const key = (await tokenKeys.published()).find((one) => one.kid === kid);
  if (key === undefined) throw new Error('the key that has signed is not published');
  const { kty, crv, x } = key;
  return {
    jws,
    key: { kty, crv, x, kid: key.kid },
    thumbprint: await calculateJwkThumbprint({ kty, crv, x }),
  };
}
