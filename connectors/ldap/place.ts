/** Which part of the directory is read, and what the server says about itself. */
import { type BerWriter, Control, BerWriter as Writer } from 'ldapts';
import { type Directory, readEntry } from './directory.ts';
import type { LdapSettings } from './settings.ts';
import { guidText, isWithin } from './values.ts';
import type { Entry } from './wire.ts';

/** The root entry (rootDSE), as far as it is of use here. Everything but `contexts` is Active Directory's. */
export type Facts = {
  readonly contexts: readonly string[];
  readonly defaultContext: string | null;
  /** The server's own settings object: which domain controller this is. */
  readonly serviceDn: string | null;
  readonly highestUsn: string | null;
  readonly currentTime: string | null;
};

export async function readFacts(directory: Directory, signal: AbortSignal): Promise<Facts> {
  const attributes = [
    'namingContexts',
    'defaultNamingContext',
    'dsServiceName',
    'highestCommittedUSN',
    'currentTime',
  ];
  const entry = await readEntry(directory, { dn: '', attributes, what: 'the root entry' }, signal);
  const texts = (name: string) => textsIn(entry, name);
  return {
    contexts: texts('namingContexts'),
    defaultContext: texts('defaultNamingContext')[0] ?? null,
    serviceDn: texts('dsServiceName')[0] ?? null,
    highestUsn: texts('highestCommittedUSN')[0] ?? null,
    currentTime: texts('currentTime')[0] ?? null,
  };
}

/** Of a domain controller: a new one when it was restored from a backup, so that its counts began anew. null where it is not told. */
export async function readInvocation(
  directory: Directory,
  serviceDn: string,
  signal: AbortSignal,
): Promise<string | null> {
  const attributes = ['invocationId'];
  const what = "the domain controller's settings";
  const entry = await readEntry(directory, { dn: serviceDn, attributes, what }, signal);
  const bytes = entry?.attributes.get('invocationid')?.[0];
  return bytes === undefined ? null : guidText(bytes);
}

export function textsIn(entry: Entry | null, name: string): string[] {
  return (entry?.attributes.get(name.toLowerCase()) ?? []).map((bytes) => bytes.toString('utf8'));
}

/** The whole of what the server holds around a base: where nested groups and users who were moved can be. */
export function rootAround(base: string, { contexts }: Facts): string {
  const around = contexts.filter((context) => isWithin(base, context));
  return around.sort((one, other) => other.length - one.length)[0] ?? base;
}

export function groupBaseOf({ baseDn, groupBaseDn }: LdapSettings): string {
  return groupBaseDn ?? baseDn;
}

/** LDAP_SERVER_EXTENDED_DN_OID with flag 1: DNs come with their GUID as text (MS-ADTS 3.1.1.3.4.1.5). */
class ExtendedDnControl extends Control {
  constructor() {
    super('1.2.840.113556.1.4.529');
  }

  override writeControl(writer: BerWriter): void {
    const value = new Writer();
    value.startSequence();
    value.writeInt(1);
    value.endSequence();
    writer.writeBuffer(value.buffer, 0x04);
  }
}

/** LDAP_SERVER_DOMAIN_SCOPE_OID: no referrals to other domains are made up (MS-ADTS 3.1.1.3.4.1.4). */
export const withinDomain = new Control('1.2.840.113556.1.4.1339');
/** LDAP_SERVER_SHOW_DELETED_OID (MS-ADTS 3.1.1.3.4.1.14). */
export const showDeleted = new Control('1.2.840.113556.1.4.417', { critical: true });
export const extendedDn = new ExtendedDnControl();

/** What a listing in Active Directory asks for besides; servers of another kind pass over it. */
export function controlsOf({ schema }: LdapSettings): readonly Control[] {
  return schema === 'active-directory' ? [withinDomain, extendedDn] : [];
}
