/** A group, which group is in which, and what every search about groups goes by. */
import type { ExternalId } from '../../src/domain/ids.ts';
import type { Directory, NamedSearch } from './directory.ts';
import { anyOf, both, equals, filterOf } from './filters.ts';
import type { EntryReader } from './map.ts';
import { controlsOf, type Facts, groupBaseOf, rootAround } from './place.ts';
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

/** null where the id cannot be read: `fetchGroups` reports it. */
export function readGroup({ reader, settings }: Reading, entry: Entry): Group | null {
  const id = reader.idOf(entry);
  if (id === null) return null;
  return { id, dn: readExtendedDn(entry.dn).dn, primary: primaryNumber(settings, entry) };
}

/** The attribute in which a group has the number that its users carry. */
export function primaryIn({ schema }: LdapSettings): string {
  return schema === 'active-directory' ? 'objectSid' : 'gidNumber';
}

function primaryNumber(settings: LdapSettings, entry: Entry): string | null {
  if (!settings.primaryGroups) return null;
  const [bytes] = entry.attributes.get(primaryIn(settings).toLowerCase()) ?? [];
  if (bytes === undefined) return null;
  if (settings.schema !== 'active-directory') return bytes.toString('utf8');
  // S-1-5-21: a group of a domain. Those that are built in are nobody's primary group.
  return sidText(bytes)?.startsWith('S-1-5-21-') === true ? String(ridOf(bytes)) : null;
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

export function equalsId(reader: EntryReader, id: ExternalId) {
  const value = reader.idAsValue(id);
  return value === null ? null : equals(reader.schema.id, value);
}
