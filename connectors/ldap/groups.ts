/**
 * Which group is in which, read once: groups are few beside users, and with their tree in memory no group's members need more
 * searches the deeper it is nested. Groups outside the base count too where they lead from one within it to users.
 */
import type { ExternalId } from '../../src/domain/ids.ts';
import { ConnectorError } from '../contract.ts';
import { type Directory, type NamedSearch, readEntry } from './directory.ts';
import { anyOf, both, chunked, equals, filterOf } from './filters.ts';
import type { EntryReader } from './map.ts';
import { controlsOf, type Facts, groupBaseOf, rootAround, textsIn } from './place.ts';
import type { LdapSettings, Schema } from './settings.ts';
import { dnKey, readExtendedDn, ridOf, sidText } from './values.ts';
import type { Entry } from './wire.ts';

export type Group = {
  readonly id: ExternalId;
  readonly dn: string;
  /** What users who have it as their primary group carry. */
  readonly primary: string | null;
};

export type Reading = {
  readonly directory: Directory;
  readonly reader: EntryReader;
  readonly schema: Schema;
  readonly settings: LdapSettings;
  readonly facts: Facts;
};

/** By how many DNs at once is asked: a filter of some ten kilobytes. */
export const DNS_AT_ONCE = 100;
/** The same with the numbers of as many primary groups. */
export const CONDITIONS_AT_ONCE = 2 * DNS_AT_ONCE;

export class GroupTree {
  readonly #byId = new Map<string, Group>();
  readonly #byDn = new Map<string, Group>();
  readonly #byPrimary = new Map<string, Group>();
  readonly #children = new Map<ExternalId, Set<Group>>();
  readonly #parents = new Map<ExternalId, Set<Group>>();

  get(id: ExternalId): Group | null {
    return this.#byId.get(id) ?? null;
  }

  /** By a DN, plain or as the extended DN control gives it. */
  at(text: string): Group | null {
    const { guid, dn } = readExtendedDn(text);
    return this.#byId.get(guid ?? '') ?? this.#byDn.get(dnKey(dn)) ?? null;
  }

  primaryOf(number: string): Group | null {
    return this.#byPrimary.get(number) ?? null;
  }

  get groups(): readonly Group[] {
    return [...this.#byId.values()];
  }

  add(group: Group): void {
    this.#byId.set(group.id, group);
    this.#byDn.set(dnKey(group.dn), group);
    if (group.primary !== null) this.#byPrimary.set(group.primary, group);
  }

  nest(parent: Group, child: Group): void {
    linked(this.#children, parent.id).add(child);
    linked(this.#parents, child.id).add(parent);
  }

  /** The group and all that are in it, at any depth; circles end. */
  within(group: Group): readonly Group[] {
    return reached([group], this.#children);
  }

  /** The groups and all that they are in. */
  around(groups: readonly Group[]): readonly Group[] {
    return reached(groups, this.#parents);
  }
}

function linked(links: Map<ExternalId, Set<Group>>, id: ExternalId): Set<Group> {
  const known = links.get(id) ?? new Set();
  links.set(id, known);
  return known;
}

function reached(
  from: readonly Group[],
  links: ReadonlyMap<ExternalId, ReadonlySet<Group>>,
): readonly Group[] {
  const seen = new Set(from);
  for (const group of seen) for (const next of links.get(group.id) ?? []) seen.add(next); // grows as it is walked
  return [...seen];
}

export async function readTree(reading: Reading, signal: AbortSignal): Promise<GroupTree> {
  const { membership } = reading.schema;
  const tree = new GroupTree();
  if (membership === 'member-of' || membership === 'in-chain') await nestByBackLinks(reading, tree, signal);
  else for await (const entry of groupsFrom(reading, [], signal)) added(reading, tree, entry);
  if (membership === 'member') await nestByMembers(reading, tree, signal);
  return tree;
}

function added(reading: Reading, tree: GroupTree, entry: Entry): Group | null {
  const group = readGroup(reading, entry);
  if (group !== null) tree.add(group);
  return group;
}

async function nestByBackLinks(reading: Reading, tree: GroupTree, signal: AbortSignal): Promise<void> {
  const above: { readonly child: Group; readonly dns: readonly string[] }[] = [];
  for await (const entry of groupsFrom(reading, ['memberOf'], signal)) {
    const child = added(reading, tree, entry);
    const dns = await allValues(reading, entry, 'memberOf', signal);
    if (child !== null && dns.length > 0) above.push({ child, dns });
  }
  for (const { child, dns } of above) {
    for (const parent of dns.flatMap((dn) => tree.at(dn) ?? [])) tree.nest(parent, child);
  }
}

function groupsFrom(reading: Reading, attributes: readonly string[], signal: AbortSignal) {
  const { directory, schema, settings, facts } = reading;
  const search = {
    what: 'the list of groups',
    base: rootAround(groupBaseOf(settings), facts),
    scope: 'sub',
    filter: filterOf(schema.anyGroup),
    attributes: [schema.id, primaryIn(settings), ...attributes],
    controls: controlsOf(settings),
  } as const;
  return directory.all(search, schema.pageSize, signal);
}

function primaryIn({ schema }: LdapSettings): string {
  return schema === 'active-directory' ? 'objectSid' : 'gidNumber';
}

/** null where the id cannot be read: `fetchGroups` reports it. */
export function readGroup({ reader, settings }: Reading, entry: Entry): Group | null {
  const id = reader.idOf(entry);
  if (id === null) return null;
  return { id, dn: readExtendedDn(entry.dn).dn, primary: primaryNumber(settings, entry) };
}

function primaryNumber(settings: LdapSettings, entry: Entry): string | null {
  if (!settings.primaryGroups) return null;
  const [bytes] = entry.attributes.get(primaryIn(settings).toLowerCase()) ?? [];
  if (bytes === undefined) return null;
  if (settings.schema !== 'active-directory') return bytes.toString('utf8');
  // S-1-5-21: a group of a domain. Those that are built in are nobody's primary group.
  return sidText(bytes)?.startsWith('S-1-5-21-') === true ? String(ridOf(bytes)) : null;
}

/** Without back-links: which groups name groups, asked for a hundred at a time, and then of those few the members. */
async function nestByMembers(reading: Reading, tree: GroupTree, signal: AbortSignal): Promise<void> {
  const { directory, schema } = reading;
  const parents = new Map<string, Group>();
  for (const children of chunked(tree.groups, DNS_AT_ONCE)) {
    const search = groupsThatName(
      reading,
      children.map(({ dn }) => dn),
    );
    for await (const entry of directory.all(search, schema.pageSize, signal)) {
      const parent = tree.at(entry.dn);
      if (parent !== null) parents.set(parent.id, parent);
    }
  }
  const nested = await membersOf(reading, [...parents.values()], signal);
  for (const { group, values } of nested) {
    for (const child of values.flatMap((value) => tree.at(value) ?? [])) tree.nest(group, child);
  }
}

/** Groups, of all that the server holds around the base, that name one of these: DNs, or user names where groups go by those. */
export function groupsThatName({ schema, settings, facts }: Reading, names: readonly string[]): NamedSearch {
  const named = names.flatMap((name) => schema.groupMember.map((member) => equals(member, name)));
  return {
    what: 'the groups that name somebody',
    base: rootAround(groupBaseOf(settings), facts),
    scope: 'sub',
    filter: both(filterOf(schema.anyGroup), anyOf(named)),
    attributes: [schema.id],
    controls: controlsOf(settings),
  };
}

/** What each group itself names as its members, DNs as a rule, and its own DN now. Groups that are not there any more are left out. */
export async function membersOf(reading: Reading, groups: readonly Group[], signal: AbortSignal) {
  const { directory, reader, schema, settings, facts } = reading;
  const byId = new Map<string, Group>(groups.map((group) => [group.id, group]));
  const found: { readonly group: Group; readonly dn: string; readonly values: readonly string[] }[] = [];
  for (const some of chunked(groups, DNS_AT_ONCE)) {
    const search = {
      what: "groups' members",
      base: rootAround(groupBaseOf(settings), facts),
      scope: 'sub',
      filter: anyOf(some.flatMap(({ id }) => equalsId(reader, id) ?? [])),
      attributes: [schema.id, ...schema.groupMember],
    } as const;
    for await (const entry of directory.all(search, schema.pageSize, signal)) {
      const group = byId.get(reader.idOf(entry) ?? '');
      if (group === undefined) continue;
      const { dn } = readExtendedDn(entry.dn);
      found.push({ group, dn, values: await namedIn(reading, entry, signal) });
    }
  }
  return found;
}

async function namedIn(reading: Reading, entry: Entry, signal: AbortSignal): Promise<readonly string[]> {
  const { groupMember } = reading.schema;
  const lists = [];
  for (const name of groupMember) lists.push(await allValues(reading, entry, name, signal));
  return lists.flat().map((value) => withoutUid(readExtendedDn(value).dn));
}

export function equalsId(reader: EntryReader, id: ExternalId) {
  const value = reader.idAsValue(id);
  return value === null ? null : equals(reader.schema.id, value);
}

/** uniqueMember may carry a bit string behind the DN (RFC 4517 section 3.3.21). */
function withoutUid(value: string): string {
  return value.replace(/#'[01]*'B$/, '');
}

/**
 * All values of an attribute. Active Directory gives 1,500 of them at once and names the slice in the attribute's name
 * (`member;range=0-1499`, `*` at the end of the last one; MS-ADTS 3.1.1.3.1.3.3). Where the next one begins, the answer says.
 */
export async function allValues(
  { directory }: Pick<Reading, 'directory'>,
  entry: Entry,
  name: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const values = textsIn(entry, name);
  let slice = sliceIn(entry, name);
  for (let from = 0; slice !== null; ) {
    if (slice.from !== from || (slice.to !== null && slice.to < from)) throw odd('begins elsewhere');
    for (const value of slice.values) values.push(value);
    if (slice.to === null) break;
    from = slice.to + 1;
    const { dn } = readExtendedDn(entry.dn);
    const attributes = [`${name};range=${from}-*`];
    const more = await readEntry(directory, { dn, attributes, what: `further values of ${name}` }, signal);
    slice = more === null ? null : sliceIn(more, name);
    if (slice === null) throw odd('is missing');
  }
  return values;
}

function sliceIn(entry: Entry, name: string) {
  const prefix = `${name.toLowerCase()};range=`;
  for (const key of entry.attributes.keys()) {
    const [, from, to] = key.startsWith(prefix) ? (/range=(\d+)-(\d+|\*)$/.exec(key) ?? []) : [];
    if (from === undefined) continue;
    const values = textsIn(entry, key);
    return { from: Number(from), to: to === '*' ? null : Number(to), values };
  }
  return null;
}

function odd(how: string): ConnectorError {
  return new ConnectorError({
    kind: 'unavailable',
    message: `The next slice of a long list of values ${how}: it may have changed while it was read.`,
    remedy: 'Nobody has to act, unless every run says so: then report this as a defect.',
  });
}
