/** A made-up domain: its entries, and the counters and back-links that a domain controller keeps of them. */
import { randomBytes } from 'node:crypto';

export type Value = string | Buffer;

export type DomainObject = {
  /** 16 bytes, in Microsoft's order. */
  readonly guid: Buffer;
  dn: string;
  /** By name in lower case; what is computed when asked for (memberOf) is not among them. */
  readonly attributes: Map<string, { readonly name: string; values: readonly Value[] }>;
  deleted: boolean;
};

export const ROOT = 'DC=harbor,DC=example';
export const DELETED_OBJECTS = `CN=Deleted Objects,${ROOT}`;
const SERVICE = `CN=NTDS Settings,CN=DC1,CN=Servers,CN=Configuration,${ROOT}`;

const same = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
const isBelow = (dn: string, base: string) => dn.toLowerCase().endsWith(`,${base.toLowerCase()}`);

type Links = {
  readonly usn: number;
  readonly byDn: ReadonlyMap<string, DomainObject>;
  readonly groups: ReadonlyMap<string, readonly string[]>;
};

/** Changes are counted as `uSNChanged` counts them: one number for the whole controller, growing with each. */
export class Domain {
  readonly objects = new Map<string, DomainObject>();
  invocation: Buffer;
  usn = 1000;
  readonly #bytes: (count: number) => Buffer;
  readonly #sid: Buffer;
  #rid = 1100;
  #known: Links | null = null;

  /** `bytes`: what ids are made of. */
  constructor(bytes: (count: number) => Buffer = randomBytes) {
    this.#bytes = bytes;
    this.#sid = bytes(12);
    this.invocation = bytes(16);
    this.add(ROOT, { objectClass: ['top', 'domainDNS'] });
    this.add(DELETED_OBJECTS, { objectClass: ['top', 'container'], isDeleted: 'TRUE' }).deleted = true;
    this.add(SERVICE, { objectClass: ['top', 'nTDSDSA'] });
  }

  get service(): string {
    return SERVICE;
  }

  at(dn: string): DomainObject | undefined {
    return this.#links().byDn.get(dn.toLowerCase());
  }

  /** The object itself and what is below it, in the order in which they were made. */
  within(base: string): DomainObject[] {
    return [...this.objects.values()].filter(({ dn }) => same(dn, base) || isBelow(dn, base));
  }

  add(dn: string, attributes: Readonly<Record<string, Value | readonly Value[]>>): DomainObject {
    const guid = this.#bytes(16);
    const object: DomainObject = { guid, dn, attributes: new Map(), deleted: false };
    this.objects.set(guid.toString('hex'), object);
    this.usn += 1;
    this.#put(object, 'uSNCreated', [String(this.usn)]);
    this.#put(object, 'uSNChanged', [String(this.usn)]);
    for (const [name, value] of Object.entries(attributes)) this.#put(object, name, listed(value));
    return object;
  }

  addUser(
    cn: string,
    unit: string,
    attributes: Readonly<Record<string, Value | readonly Value[]>> = {},
  ): DomainObject {
    const account = cn.toLowerCase().replaceAll(' ', '.');
    return this.add(`CN=${cn},${unit}`, {
      objectClass: ['top', 'person', 'organizationalPerson', 'user'],
      objectCategory: 'person',
      objectSid: this.#nextSid(),
      cn,
      sAMAccountName: account,
      userPrincipalName: `${account}@harbor.example`,
      mail: `${account}@harbor.example`,
      displayName: cn,
      userAccountControl: '512',
      accountExpires: '9223372036854775807',
      primaryGroupID: '513',
      ...attributes,
    });
  }

  addGroup(
    cn: string,
    unit: string,
    members: readonly Pick<DomainObject, 'dn'>[] = [],
    rid?: number,
  ): DomainObject {
    return this.add(`CN=${cn},${unit}`, {
      objectClass: ['top', 'group'],
      objectCategory: 'group',
      objectSid: this.#nextSid(rid),
      cn,
      member: members.map(({ dn }) => dn),
    });
  }

  set(object: DomainObject, attributes: Readonly<Record<string, Value | readonly Value[]>>): void {
    for (const [name, value] of Object.entries(attributes)) this.#put(object, name, listed(value));
    this.#touch(object);
  }

  /** Renames it or puts it elsewhere. What is below comes along unmarked; what names them all follows. */
  move(object: DomainObject, dn: string): void {
    const from = object.dn;
    for (const one of this.within(from)) {
      const old = one.dn;
      one.dn = same(old, from) ? dn : old.slice(0, -from.length) + dn;
      this.#follow(old, one.dn);
    }
    this.#touch(object);
  }

  /** As a deletion leaves it: below Deleted Objects, under a name with its GUID in it, with few of its attributes. */
  remove(object: DomainObject): void {
    for (const group of this.objects.values()) {
      const member = group.attributes.get('member');
      if (member !== undefined) member.values = member.values.filter((value) => value !== object.dn);
    }
    const [name = ''] = object.dn.split(',');
    const kept = ['objectclass', 'objectsid', 'samaccountname', 'usncreated', 'usnchanged'];
    for (const key of [...object.attributes.keys()]) if (!kept.includes(key)) object.attributes.delete(key);
    this.#put(object, 'lastKnownParent', [object.dn.slice(name.length + 1)]);
    this.#put(object, 'isDeleted', ['TRUE']);
    object.dn = `${name}\\0ADEL:${object.guid.toString('hex')},${DELETED_OBJECTS}`;
    object.deleted = true;
    this.#touch(object);
  }

  /** Back from the deleted, under the name and with the attributes that it had. */
  restore(object: DomainObject, { dn, attributes }: Pick<DomainObject, 'dn' | 'attributes'>): void {
    for (const [key, attribute] of attributes) object.attributes.set(key, attribute);
    for (const key of ['isdeleted', 'lastknownparent']) object.attributes.delete(key);
    object.dn = dn;
    object.deleted = false;
    this.#touch(object);
  }

  /** Groups of which it is a direct member; never its primary group. */
  memberOf({ dn }: DomainObject): readonly string[] {
    return this.#links().groups.get(dn) ?? [];
  }

  /** As if it had never been. */
  forget(objects: readonly DomainObject[]): void {
    for (const { guid } of objects) this.objects.delete(guid.toString('hex'));
    this.#known = null;
  }

  /** Made anew after each change. */
  #links(): Links {
    if (this.#known?.usn === this.usn) return this.#known;
    const byDn = new Map<string, DomainObject>();
    const groups = new Map<string, string[]>();
    for (const object of this.objects.values()) {
      byDn.set(object.dn.toLowerCase(), object);
      for (const member of object.attributes.get('member')?.values ?? []) {
        const named = groups.get(String(member)) ?? [];
        groups.set(String(member), named);
        named.push(object.dn);
      }
    }
    this.#known = { usn: this.usn, byDn, groups };
    return this.#known;
  }

  #follow(old: string, dn: string): void {
    for (const { attributes } of this.objects.values()) {
      for (const name of ['member', 'manager']) {
        const links = attributes.get(name);
        if (links !== undefined) links.values = links.values.map((value) => (value === old ? dn : value));
      }
    }
  }

  #touch(object: DomainObject): void {
    this.usn += 1;
    this.#put(object, 'uSNChanged', [String(this.usn)]);
  }

  #put({ attributes }: DomainObject, name: string, values: readonly Value[]): void {
    if (values.length === 0) attributes.delete(name.toLowerCase());
    else attributes.set(name.toLowerCase(), { name, values });
  }

  #nextSid(rid?: number): Buffer {
    this.#rid += 1;
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32LE(21, 0);
    const last = Buffer.alloc(4);
    last.writeUInt32LE(rid ?? this.#rid);
    return Buffer.concat([Buffer.from([1, 5, 0, 0, 0, 0, 0, 5]), numbers.subarray(0, 4), this.#sid, last]);
  }
}

function listed(value: Value | readonly Value[]): readonly Value[] {
  return typeof value === 'string' || Buffer.isBuffer(value) ? [value] : value;
}
