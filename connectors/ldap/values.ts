/** The directory's own kinds of values: distinguished names, GUIDs, SIDs, times. */

/** Microsoft's order (MS-DTYP section 2.3.4): the first three groups have their lowest byte first. null for anything but 16 bytes. */
export function guidText(bytes: Buffer): string | null {
  if (bytes.length !== 16) return null;
  const hex = (from: number, to: number) => bytes.toString('hex', from, to);
  const first = Buffer.from(bytes.subarray(0, 8));
  first.subarray(0, 4).reverse();
  first.subarray(4, 6).reverse();
  first.subarray(6, 8).reverse();
  const swapped = first.toString('hex');
  return `${swapped.slice(0, 8)}-${swapped.slice(8, 12)}-${swapped.slice(12)}-${hex(8, 10)}-${hex(10, 16)}`;
}

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The reverse; null for what is no GUID. */
export function guidBytes(text: string): Buffer | null {
  if (!GUID.test(text)) return null;
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** A security identifier as text (MS-DTYP section 2.4.2.1), such as S-1-5-21-…-513; null where it is cut off. */
export function sidText(bytes: Buffer): string | null {
  const count = bytes[1];
  if (count === undefined || bytes.length !== 8 + 4 * count) return null;
  const authority = bytes.readUIntBE(2, 6);
  const parts = Array.from({ length: count }, (_, at) => bytes.readUInt32LE(8 + 4 * at));
  return ['S', bytes[0], authority, ...parts].join('-');
}

/** The last part of a SID, which `primaryGroupID` holds. */
export function ridOf(sid: Buffer): number | null {
  return sidText(sid) === null || sid.length < 12 ? null : sid.readUInt32LE(sid.length - 4);
}

const EPOCH_1601_MS = 11_644_473_600_000n;
const NEVER: ReadonlySet<bigint> = new Set([0n, 0x7fff_ffff_ffff_ffffn]);

/** Milliseconds since 1970 of a count of 100 ns since 1601. null: never, by either of the two values for it, or no number at all. */
export function fileTimeMs(text: string): number | null {
  if (!/^-?\d{1,19}$/.test(text)) return null;
  const ticks = BigInt(text);
  return NEVER.has(ticks) ? null : Number(ticks / 10_000n - EPOCH_1601_MS);
}

export function fileTimeOf(ms: number): string {
  return String((BigInt(Math.trunc(ms)) + EPOCH_1601_MS) * 10_000n);
}

/** Milliseconds since 1970 of a GeneralizedTime in UTC (`20260105080000.0Z`); null for anything else. */
export function generalizedTimeMs(text: string): number | null {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,]\d+)?Z$/.exec(text) ?? [];
  if (second === undefined) return null;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

export type Rdn = { readonly type: string; readonly value: string };

/** The parts of a DN, its own name first (RFC 4514). Types are in lower case, values without escapes. null for what is no DN. */
export function parseDn(dn: string): readonly Rdn[] | null {
  if (dn === '') return [];
  const rdns: Rdn[] = [];
  for (const part of splitUnescaped(dn)) {
    const at = part.indexOf('=');
    if (at < 1) return null;
    const type = part.slice(0, at).trim().toLowerCase();
    rdns.push({ type, value: unescaped(part.slice(at + 1)) });
  }
  return rdns;
}

function splitUnescaped(dn: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < dn.length; at++) {
    if (dn[at] === '\\') at += 1;
    else if (dn[at] === ',' || dn[at] === ';') {
      parts.push(dn.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(dn.slice(from));
  return parts;
}

function unescaped(value: string): string {
  const trimmed = value.replace(/^ +/, '').replace(/(?<!\\) +$/, '');
  return trimmed.replace(/(?:\\[0-9a-f]{2})+|\\./gi, (sequence) =>
    /^\\[0-9a-f]{2}/i.test(sequence)
      ? Buffer.from(sequence.replaceAll('\\', ''), 'hex').toString('utf8')
      : sequence.slice(1),
  );
}

/** One spelling for DNs that name the same entry: servers differ in case and blanks. What is no DN stays as it is, in lower case. */
export function dnKey(dn: string): string {
  const rdns = parseDn(dn);
  if (rdns === null) return dn.toLowerCase();
  return rdns.map(({ type, value }) => `${type}=${value.toLowerCase().replace(/[,\\]/g, '\\$&')}`).join(',');
}

/** Whether `dn` is this base or below it. */
export function isWithin(dn: string, base: string): boolean {
  const [inner, outer] = [dnKey(dn), dnKey(base)];
  return outer === '' || inner === outer || inner.endsWith(`,${outer}`);
}

/**
 * The units above an entry as a path, the outermost first: `CN=Kim,OU=Sales,OU=Staff,DC=corp,DC=example` is in `/Staff/Sales`.
 * The name of the directory itself (its DCs, else O and C) is no part of it. A slash in a name is written `\/`.
 */
export function orgUnitOf(dn: string): string | null {
  const rdns = parseDn(dn);
  if (rdns === null) return null;
  const parents = rdns.slice(1);
  const root = parents.at(-1)?.type === 'dc' ? ['dc'] : ['o', 'c'];
  while (parents.length > 0 && root.includes(parents.at(-1)?.type ?? '')) parents.pop();
  return `/${parents
    .map(({ value }) => value.replaceAll('/', '\\/'))
    .reverse()
    .join('/')}`;
}

/** A DN as the extended DN control gives it, `<GUID=…>;<SID=…>;CN=…` (MS-ADTS 3.1.1.3.4.1.5), or a plain one. */
export function readExtendedDn(text: string): { readonly guid: string | null; readonly dn: string } {
  const read = /^<GUID=([0-9a-f-]{32,36})>;(?:<SID=[^>]+>;)?/i.exec(text);
  if (read === null) return { guid: null, dn: text };
  const [prefix, guid = ''] = read;
  const dashed = guid.includes('-') ? guid.toLowerCase() : guidText(Buffer.from(guid, 'hex'));
  return { guid: dashed, dn: text.slice(prefix.length) };
}
