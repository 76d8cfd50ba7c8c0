/** Who is in a group: the searches whose entries are its members, and a second look where they find nobody. */
import type { Filter } from 'ldapts';
import type { ExternalId } from '../../src/domain/ids.ts';
import { ConnectorError } from '../contract.ts';
import { type NamedSearch, SIZE_LIMIT_EXCEEDED } from './directory.ts';
import { anyOf, both, chunked, equals, filterOf, inChain } from './filters.ts';
import {
  CONDITIONS_AT_ONCE,
  equalsId,
  type Group,
  type GroupTree,
  type Reading,
  readGroup,
} from './groups.ts';
import { type Names, namesOf } from './names.ts';
import { controlsOf, groupBaseOf } from './place.ts';
import type { Schema } from './settings.ts';
import { dnKey, isWithin } from './values.ts';

/** What is remembered from page to page of one group's members. */
export type MembersMemory = { readonly group: Group; found: number };

/** Reads the group afresh where the tree does not have it. Throws ConnectorError 'not-found'. */
export async function groupNamed(
  reading: Reading,
  tree: GroupTree,
  id: ExternalId,
  signal: AbortSignal,
): Promise<Group> {
  const group = tree.get(id) ?? (await readGroupNow(reading, id, signal));
  if (group === null) throw noSuchGroup();
  return group;
}

async function readGroupNow(reading: Reading, id: ExternalId, signal: AbortSignal): Promise<Group | null> {
  const { directory, reader, schema, settings } = reading;
  const named = equalsId(reader, id);
  if (named === null) return null;
  const { entries } = await directory.search(
    {
      what: 'a group',
      base: groupBaseOf(settings),
      scope: 'sub',
      filter: both(filterOf(schema.groupFilter), named),
      attributes: [schema.id, 'objectSid', 'gidNumber'],
      controls: controlsOf(settings),
    },
    signal,
  );
  return entries[0] === undefined ? null : readGroup(reading, entries[0]);
}

/** Of a server that keeps with each user which groups name it. */
export function searchesByBackLink(reading: Reading, tree: GroupTree, group: Group): readonly NamedSearch[] {
  return usersWhere(reading, conditionsByBackLink(reading, tree, group), CONDITIONS_AT_ONCE);
}

export function conditionsByBackLink({ schema }: Reading, tree: GroupTree, group: Group): readonly Filter[] {
  const groups = tree.within(group);
  const links =
    schema.membership === 'in-chain'
      ? [inChain('memberOf', group.dn)]
      : groups.map(({ dn }) => equals('memberOf', dn));
  const primary = groups.flatMap((one) =>
    one.primary === null ? [] : [equals(schema.primaryGroup, one.primary)],
  );
  return [...links, ...primary];
}

/** The other way round: those whom the groups themselves name. Throws ConnectorError 'not-found' where the group is not there. */
async function searchesByName(
  reading: Reading,
  tree: GroupTree,
  group: Group,
  signal: AbortSignal,
): Promise<readonly NamedSearch[]> {
  const read = await namesOf(reading, tree, tree.within(group), signal);
  if (!read.some((one) => one.group.id === group.id)) throw noSuchGroup();
  const named = read.flatMap(({ names }) => usersNamed(reading, names));
  return usersWhere(reading, named, reading.schema.pageSize);
}

/** A condition for each who may be a user: a name of an entry in the base. */
export function usersNamed({ reader, schema, settings }: Reading, { others, ids }: Names): readonly Filter[] {
  const dns = [...new Set(others)].filter((dn) => isWithin(dn, settings.baseDn));
  return [...dns.map((dn) => equals(schema.dn, dn)), ...ids.flatMap((id) => equalsId(reader, id) ?? [])];
}

export function usersWhere(
  { schema, settings }: Reading,
  conditions: readonly Filter[],
  atOnce: number,
): NamedSearch[] {
  return chunked(conditions, atOnce).map((some) => ({
    what: "a group's members",
    base: settings.baseDn,
    scope: 'sub',
    filter: both(filterOf(schema.userFilter), anyOf(some)),
    attributes: [schema.id],
    controls: controlsOf(settings),
  }));
}

/**
 * Nobody was found: because nobody is in the group, because it is gone or was moved, or because this account may not read what
 * leads from group to user. That is told by going the other way round. Gives back the group where it has another DN by now.
 * Throws ConnectorError 'not-found', 'permission-missing' and 'misconfigured'.
 */
export async function explainNobody(
  reading: Reading,
  tree: GroupTree,
  group: Group,
  signal: AbortSignal,
): Promise<Group | null> {
  const { schema } = reading;
  const now = await readGroupNow(reading, group.id, signal);
  if (now === null) throw noSuchGroup();
  if (dnKey(now.dn) !== dnKey(group.dn)) return now;
  if (schema.membership === 'member-uid') return null;
  const byMembers = schema.membership === 'member';
  if (byMembers) await tryFindingByDn(reading, signal);
  const searches = byMembers
    ? searchesByBackLink(reading, tree, now)
    : await searchesByName(reading, tree, now, signal);
  for (const search of searches) {
    const { entries } = await reading.directory.search({ ...search, enough: 1 }, signal, [
      SIZE_LIMIT_EXCEEDED,
    ]);
    if (entries.length > 0) throw new ConnectorError(byMembers ? membersHidden : backLinksHidden);
  }
  return null;
}

/** A server that knows no attribute for an entry's own DN would find no member at all, and say so with success. */
async function tryFindingByDn({ directory, schema, settings }: Reading, signal: AbortSignal): Promise<void> {
  const base = settings.baseDn;
  const filter = equals(schema.dn, base);
  const search = { what: 'the base', base, scope: 'base', filter, attributes: ['1.1'] } as const;
  const { entries } = await directory.search(search, signal);
  if (entries.length === 0) throw findsNobodyByDn(schema);
}

export function findsNobodyByDn(schema: Schema): ConnectorError {
  return new ConnectorError({
    kind: 'misconfigured',
    message: `The server finds nobody by ${schema.dn}, so that it cannot be told who is in a group.`,
    remedy:
      "Let the account read the entry of baseDn itself. If it can, name the attribute that holds an entry's own DN (attributes.dn), or set membership to member-of where the server keeps memberOf.",
  });
}

export const backLinksHidden = {
  kind: 'permission-missing',
  message: 'The group names members, but asked by memberOf the server finds none of them.',
  remedy:
    'Grant the account read access to memberOf of users (Active Directory: "Read Group Membership" on the users\' OU), or set membership to member.',
} as const;
const membersHidden = {
  kind: 'permission-missing',
  message: 'Users name the group in memberOf, but the group shows no members.',
  remedy:
    'Grant the account read access to the members of groups (Active Directory: "Read Members" on the groups\' OU), or set membership to member-of.',
} as const;

export function noSuchGroup(): ConnectorError {
  return new ConnectorError({
    kind: 'not-found',
    message: 'The directory has no such group any more.',
    remedy: 'Nobody has to act, unless it should be there: then check groupBaseDn and groupFilter.',
  });
}
