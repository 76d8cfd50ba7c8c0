/** Entries -> our words. README.md has the same as a table for people. */
import { isUtf8 } from 'node:buffer';
import { type CustomValue, type DirectoryState, TEXT_ATTRIBUTES } from '../../src/domain/directory.ts';
import { ExternalId, isStorable } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import type { GroupRecord, UnreadableRecord, UserRecord } from '../contract.ts';
import { type Field, type LdapSettings, type Schema, schemaOf } from './settings.ts';
import { fileTimeMs, guidBytes, guidText, orgUnitOf, parseDn, readExtendedDn, sidText } from './values.ts';
import type { Attributes, Entry } from './wire.ts';

/** ADS_UF_ACCOUNTDISABLE. A locked account (0x10, lockoutTime) is not among those that are suspended: its person is still there. */
const DISABLED_BIT = 0x2;

type Marker = { readonly attribute: string; readonly values: readonly string[] };

/** OpenLDAP's ppolicy ("locked for good"), 389 Directory Server and FreeIPA, eDirectory: there is no common one. */
const DISABLED_BY: readonly Marker[] = [
  { attribute: 'pwdAccountLockedTime', values: ['000001010000z'] },
  { attribute: 'nsAccountLock', values: ['true'] },
  { attribute: 'loginDisabled', values: ['true'] },
];

/** What is wrong with an entry, by attribute, without any value of it. */
class Unreadable extends Error {}

/** Each from attributes of its own; the address comes with the others, and the unit from the DN. */
const FIELDS_OF_TEXT = TEXT_ATTRIBUTES.filter((name) => name !== 'email' && name !== 'orgUnit');

/** Reads entries as the settings say. `clock`: milliseconds since 1970, by which accounts expire. */
export class EntryReader {
  readonly schema: Schema;
  readonly #isActiveDirectory: boolean;
  readonly #extra: readonly (readonly [name: string, key: string])[];
  readonly #markers: readonly Marker[];
  readonly #clock: () => number;
  readonly #id: string;
  readonly #fields: Readonly<Record<Field, readonly string[]>>;

  constructor(settings: LdapSettings, clock: () => number) {
    this.schema = schemaOf(settings);
    this.#isActiveDirectory = settings.schema === 'active-directory';
    this.#clock = clock;
    this.#id = this.schema.id.toLowerCase();
    this.#extra = settings.extraAttributes.map((name) => [name, name.toLowerCase()]);
    const own = settings.disabled === undefined ? [] : [settings.disabled];
    this.#markers = [...(this.#isActiveDirectory ? [] : DISABLED_BY), ...own].map(
      ({ attribute, values }) => ({
        attribute: attribute.toLowerCase(),
        values: values.map((value) => value.toLowerCase()),
      }),
    );
    const { fields } = this.schema;
    this.#fields = Object.fromEntries(
      Object.entries(fields).map(([field, names]) => [field, names.map((name) => name.toLowerCase())]),
    ) as unknown as Record<Field, readonly string[]>;
    this.userAttributes = [
      ...new Set([
        this.schema.id,
        ...Object.values(fields).flat(),
        ...(this.#isActiveDirectory ? ['userAccountControl', 'accountExpires'] : []),
        ...[...(this.#isActiveDirectory ? [] : DISABLED_BY), ...own].map(({ attribute }) => attribute),
        ...settings.extraAttributes,
      ]),
    ];
    this.groupAttributes = [this.schema.id, this.schema.groupName, 'mail'];
  }

  /** What to ask for. */
  readonly userAttributes: readonly string[];
  readonly groupAttributes: readonly string[];

  /** null where it is missing or cannot be an id. */
  idOf({ attributes }: Entry): ExternalId | null {
    const [bytes] = attributes.get(this.#id) ?? [];
    if (bytes === undefined) return null;
    if (this.schema.idFormat === 'guid') return ExternalId.safeParse(guidText(bytes)).data ?? null;
    return isUtf8(bytes) ? (ExternalId.safeParse(bytes.toString('utf8')).data ?? null) : null;
  }

  /** As a filter has to name it; null for an id that no entry can have. */
  idAsValue(id: ExternalId): Buffer | string | null {
    return this.schema.idFormat === 'guid' ? guidBytes(id) : id;
  }

  user(entry: Entry): UserRecord {
    return this.#read(entry, (externalId) => ({ kind: 'user', user: this.#user(entry, externalId) }));
  }

  group(entry: Entry): GroupRecord {
    return this.#read(entry, (externalId) => {
      const { attributes } = entry;
      const name = this.#text(entry, [this.schema.groupName.toLowerCase()]) ?? '';
      const email = attributes.has('mail') ? this.#text(entry, ['mail']) : null;
      return { kind: 'group', group: { externalId, name, email } };
    });
  }

  #read<R>(entry: Entry, read: (id: ExternalId) => R): R | UnreadableRecord {
    const externalId = this.idOf(entry);
    if (externalId === null) {
      return { kind: 'unreadable', externalId, problem: `${this.schema.id}: missing, or no id of that kind` };
    }
    try {
      return read(externalId);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return { kind: 'unreadable', externalId, problem: error.message };
    }
  }

  #user(entry: Entry, externalId: ExternalId) {
    const { attributes } = entry;
    for (const name of attributes.keys()) {
      if (name.includes(';range=')) throw new Unreadable(`${name}: more values than come at once`);
    }
    const texts = Object.fromEntries(
      FIELDS_OF_TEXT.map((field) => [field, this.#text(entry, this.#fields[field])]),
    ) as Record<(typeof FIELDS_OF_TEXT)[number], string | null>;
    const addresses = this.#addresses(entry);
    const manager = this.#text(entry, this.#fields.manager);
    const read = manager === null ? null : readExtendedDn(manager);
    return {
      externalId,
      state: this.#state(attributes),
      ...texts,
      ...addresses,
      orgUnit: cleanText(orgUnitOf(readExtendedDn(entry.dn).dn)),
      userType: 'member' as const,
      manager: read === null ? null : (read.guid ?? cleanText(read.dn)),
      custom: this.#custom(attributes),
    };
  }

  #state(attributes: Attributes): DirectoryState {
    if (this.#isActiveDirectory) {
      const control = textOf(attributes, 'useraccountcontrol');
      if (control === null || !/^-?\d{1,10}$/.test(control)) {
        throw new Unreadable('userAccountControl: missing or no number');
      }
      if ((Number(control) & DISABLED_BIT) !== 0) return 'suspended';
      const expires = fileTimeMs(textOf(attributes, 'accountexpires') ?? '0');
      if (expires !== null && expires <= this.#clock()) return 'suspended';
    }
    return this.#markers.some((marker) => isMarked(attributes, marker)) ? 'suspended' : 'active';
  }

  /** The main address, and whatever else reaches this person. Exchange marks the main one by upper case: `SMTP:` (proxyAddresses). */
  #addresses(entry: Entry) {
    const listed = this.#fields.aliases.flatMap((name) => textsOf(entry.attributes, name));
    const main =
      this.#text(entry, this.#fields.email) ?? listed.find((one) => one.startsWith('SMTP:'))?.slice(5);
    const email = cleanText(main);
    const others = listed.flatMap((one) => {
      const [, scheme, address = one] = /^([A-Za-z0-9]+):(.*)$/.exec(one) ?? [];
      return scheme === undefined || scheme.toLowerCase() === 'smtp' ? (cleanText(address) ?? []) : [];
    });
    const aliases = others.filter((address) => address.toLowerCase() !== email?.toLowerCase());
    return { email, aliases: [...new Set(aliases)].sort() };
  }

  /**
   * LDAP's values have no order. Of several, the one in the entry's own name counts, else the first by alphabet: the same with
   * every run.
   */
  #text(entry: Entry, names: readonly string[]): string | null {
    for (const name of names) {
      const values = textsOf(entry.attributes, name);
      const one = values.length > 1 ? preferred(entry, name, values) : values[0];
      const text = cleanText(one);
      if (text !== null) return text;
    }
    return null;
  }

  #custom(attributes: Attributes): Record<string, CustomValue> {
    const custom: Record<string, CustomValue> = {};
    for (const [name, key] of this.#extra) {
      const values = (attributes.get(key) ?? []).flatMap((bytes) => customText(key, bytes) ?? []);
      const [first] = values;
      if (first !== undefined && isStorable(name)) custom[name] = values.length === 1 ? first : values.sort();
    }
    return custom;
  }
}

function preferred(entry: Entry, name: string, values: readonly string[]): string | undefined {
  const [own] = parseDn(readExtendedDn(entry.dn).dn) ?? [];
  const named =
    own?.type === name ? values.find((value) => value.toLowerCase() === own.value.toLowerCase()) : undefined;
  return named ?? [...values].sort()[0];
}

function textsOf(attributes: Attributes, name: string): string[] {
  return (attributes.get(name) ?? []).map((bytes) => {
    if (!isUtf8(bytes)) throw new Unreadable(`${name}: not text`);
    return bytes.toString('utf8');
  });
}

function textOf(attributes: Attributes, name: string): string | null {
  return textsOf(attributes, name)[0] ?? null;
}

function isMarked(attributes: Attributes, { attribute, values }: Marker): boolean {
  const present = textsOf(attributes, attribute);
  if (values.length === 0) return present.length > 0;
  return present.some((value) => values.includes(value.toLowerCase()));
}

/** Bytes that are no text are kept as base64; a SID and a GUID in the form in which people know them. */
function customText(name: string, bytes: Buffer): string | null {
  if (name === 'objectsid') return sidText(bytes);
  if (name === 'objectguid') return guidText(bytes);
  return isUtf8(bytes) && !bytes.includes(0) ? cleanText(bytes.toString('utf8')) : bytes.toString('base64');
}
