/** Which entries a search finds in a domain, and what of each is shown: filters, rights, ranges, extended names. */
import { BerWriter } from 'ldapts';
import { DELETED_OBJECTS, type Domain, type DomainObject, ROOT, type Value } from './domain.ts';
import type { Condition, Request } from './request.ts';

/** Of the account that reads. */
export type Rights = {
  /** Attributes that it may not read, in lower case: neither shown nor found by. */
  hidden: Set<string>;
  /** Whose id it may not read. */
  nameless: Set<DomainObject>;
  /** Whether it may look among the deleted. */
  deletedObjects: boolean;
  /** MaxValRange. */
  maxValues: number;
};

type From = { readonly domain: Domain; readonly rights: Rights };
/** An entry or reference, to be written as an answer to the request of that number. */
export type Encoded = (id: number) => Buffer;
type Search = Extract<Request, { kind: 'search' }>;

const EXTENDED_DN = '1.2.840.113556.1.4.529';
const SHOW_DELETED = '1.2.840.113556.1.4.417';
const DOMAIN_SCOPE = '1.2.840.113556.1.4.1339';
const BIT_AND = '1.2.840.113556.1.4.803';
const IN_CHAIN = '1.2.840.113556.1.4.1941';

/** Result code 0, or 32 where the base is not there for this account. */
export function found(from: From, search: Search): 0 | 32 {
  return search.base === '' || baseOf(from, search) !== undefined ? 0 : 32;
}

function baseOf({ domain, rights }: From, { base, controls }: Search): DomainObject | undefined {
  const guid = /^<GUID=([0-9a-f-]+)>$/i.exec(base)?.[1];
  const dn = /^<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,(.+)>$/i.test(base) ? DELETED_OBJECTS : base;
  const object =
    guid === undefined ? domain.at(dn) : domain.objects.get(guid.replaceAll('-', '').toLowerCase());
  if (object?.deleted === true && !(controls.has(SHOW_DELETED) && rights.deletedObjects)) return undefined;
  return object;
}

/** For each entry how it is written as the answer to a request; a reference to other domains behind them unless they were asked to stay out. */
export function searched(from: From, search: Search): Encoded[] {
  if (search.base === '') return [encoded('', rootAttributes(from.domain), search.attributes)];
  const base = baseOf(from, search);
  if (base === undefined) return [];
  const withDeleted = search.controls.has(SHOW_DELETED) && from.rights.deletedObjects;
  const objects = search.scope === 'base' ? [base] : from.domain.within(base.dn);
  const entries = objects
    .filter(({ deleted }) => !deleted || withDeleted)
    .filter((object) => holds(from, object, search.filter))
    .map((object) => shown(from, object, search));
  const refers = search.scope === 'sub' && base.dn === ROOT && !search.controls.has(DOMAIN_SCOPE);
  return refers ? [...entries, reference] : entries;
}

function rootAttributes({ service, usn }: Domain): [string, readonly Value[]][] {
  const now = new Date().toISOString().replace(/[-:T]/g, '').replace(/\..*/, '.0Z');
  return [
    ['namingContexts', [ROOT]],
    ['defaultNamingContext', [ROOT]],
    ['dsServiceName', [service]],
    ['highestCommittedUSN', [String(usn)]],
    ['currentTime', [now]],
  ];
}

function valuesOf({ domain, rights }: From, object: DomainObject, attribute: string): readonly Value[] {
  if (rights.hidden.has(attribute)) return [];
  switch (attribute) {
    case 'objectguid':
      return rights.nameless.has(object) ? [] : [object.guid];
    case 'distinguishedname':
      return [object.dn];
    case 'memberof':
      return domain.memberOf(object);
    case 'invocationid':
      return object.dn === domain.service ? [domain.invocation] : [];
    default:
      return object.attributes.get(attribute)?.values ?? [];
  }
}

function holds(from: From, object: DomainObject, condition: Condition): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.of.every((one) => holds(from, object, one));
    case 'or':
      return condition.of.some((one) => holds(from, object, one));
    case 'not':
      return !holds(from, object, condition.of);
    case 'present':
      return condition.attribute === 'objectclass' || valuesOf(from, object, condition.attribute).length > 0;
    case 'equals':
      return valuesOf(from, object, condition.attribute).some((value) => isSame(value, condition));
    case 'at-least':
    case 'at-most': {
      const limit = BigInt(condition.value.toString());
      const numbers = valuesOf(from, object, condition.attribute).map((value) => BigInt(value.toString()));
      return numbers.some((value) => (condition.kind === 'at-least' ? value >= limit : value <= limit));
    }
    case 'rule':
      return holdsByRule(from, object, condition);
  }
}

function holdsByRule(
  from: From,
  object: DomainObject,
  { rule, attribute, value }: Extract<Condition, { kind: 'rule' }>,
): boolean {
  if (rule === BIT_AND) {
    const mask = Number(value.toString());
    return valuesOf(from, object, attribute).some((one) => (Number(one.toString()) & mask) === mask);
  }
  if (rule !== IN_CHAIN) return false;
  const reached = new Set<DomainObject>([object]);
  for (const one of reached) {
    for (const dn of valuesOf(from, one, attribute)) {
      const next = from.domain.at(String(dn));
      if (next !== undefined) reached.add(next); // grows as it is walked
    }
  }
  reached.delete(object);
  return [...reached].some(({ dn }) => dn.toLowerCase() === value.toString().toLowerCase());
}

function isSame(stored: Value, { value, text }: { readonly value: Buffer; readonly text: string }): boolean {
  if (typeof stored !== 'string') return stored.equals(value);
  return stored.length === text.length && stored.toLowerCase() === text;
}

function shown(from: From, object: DomainObject, { attributes, controls }: Search): Encoded {
  const extended = controls.has(EXTENDED_DN);
  const listed = attributes.flatMap((asked): [string, readonly Value[]][] => {
    const [name = '', range] = asked.split(';range=');
    const stored = valuesOf(from, object, name.toLowerCase());
    const links =
      extended && ['manager', 'member', 'memberof', 'distinguishedname'].includes(name.toLowerCase());
    const values = links ? stored.map((dn) => extendedDn(from, String(dn))) : stored;
    return ranged(from.rights, name, range, values);
  });
  return encoded(extended ? extendedDn(from, object.dn) : object.dn, listed, attributes);
}

/** MS-ADTS 3.1.1.3.1.3.3. */
function ranged(
  { maxValues }: Rights,
  name: string,
  range: string | undefined,
  values: readonly Value[],
): [string, readonly Value[]][] {
  if (range === undefined && values.length <= maxValues) return [[name, values]];
  const start = Number(range?.split('-')[0] ?? 0);
  const end = Math.min(start + maxValues, values.length);
  if (start >= values.length) return [];
  const last = end === values.length ? '*' : String(end - 1);
  return [
    [name, []],
    [`${name};range=${start}-${last}`, values.slice(start, end)],
  ];
}

function extendedDn({ domain }: From, dn: string): string {
  const object = domain.at(dn);
  if (object === undefined) return dn;
  const first = Buffer.from(object.guid.subarray(0, 8));
  first.subarray(0, 4).reverse();
  first.subarray(4, 6).reverse();
  first.subarray(6, 8).reverse();
  const hex = first.toString('hex') + object.guid.toString('hex', 8);
  const guid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return `<GUID=${guid}>;${dn}`;
}

function encoded(
  dn: string,
  attributes: readonly (readonly [string, readonly Value[]])[],
  asked: readonly string[],
): Encoded {
  const names = asked.map((name) => name.toLowerCase().split(';')[0]);
  const listed = attributes.filter(
    ([name, values]) =>
      names.includes(name.toLowerCase().split(';')[0]) && (values.length > 0 || hasRange(name, attributes)),
  );
  return (id) => {
    const writer = new BerWriter();
    writer.startSequence();
    writer.writeInt(id);
    writer.startSequence(0x64);
    writer.writeString(dn);
    writer.startSequence();
    for (const [name, values] of listed) {
      writer.startSequence();
      writer.writeString(name);
      writer.startSequence(0x31);
      for (const value of values) writer.writeBuffer(Buffer.from(value as Buffer), 0x04);
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
    writer.endSequence();
    writer.endSequence();
    return writer.buffer;
  };
}

/** Beside a slice the attribute itself comes too, empty. */
function hasRange(name: string, attributes: readonly (readonly [string, unknown])[]): boolean {
  return attributes.some(([other]) => other.startsWith(`${name};range=`));
}

const reference: Encoded = (id) => {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(0x73);
  writer.writeString('ldap://ForestDnsZones.harbor.example/DC=ForestDnsZones,DC=harbor,DC=example');
  writer.endSequence();
  writer.endSequence();
  return writer.buffer;
};
