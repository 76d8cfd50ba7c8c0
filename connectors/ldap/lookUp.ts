/** How named users are now: found within the base, elsewhere in the directory, among the deleted, or nowhere. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { ConnectorError, type FoundUser } from '../contract.ts';
import { SIZE_LIMIT_EXCEEDED } from './directory.ts';
import { anyOf, both, filterOf } from './filters.ts';
import { equalsId, type Group, type GroupTree, groupsThatName, type Reading } from './groups.ts';
import { backLinksHidden } from './members.ts';
import { allValues } from './names.ts';
import { controlsOf, groupBaseOf, rootAround, showDeleted, textsIn } from './place.ts';
import { readExtendedDn } from './values.ts';
import type { Entry } from './wire.ts';

type Asked = { readonly ids: readonly ExternalId[]; readonly groups: readonly ExternalId[] | null };

/** `readTree` is asked only where groups matter. */
export async function lookUpUsers(
  reading: Reading,
  { ids, groups }: Asked,
  readTree: () => Promise<GroupTree>,
  signal: AbortSignal,
): Promise<readonly FoundUser[]> {
  const { reader } = reading;
  const inScope = await entriesOf(reading, ids, 'users', signal);
  const missing = ids.filter((id) => !inScope.has(id));
  const found = await groupsOf(reading, [...inScope.values()], groups, readTree, signal);
  const there = [...inScope.values()].map((entry): FoundUser => {
    const record = reader.user(entry);
    return record.kind === 'user' ? { ...record, groups: found.get(entry) ?? [] } : record;
  });
  return [...there, ...(await whereElse(reading, missing, inScope.size > 0, signal))];
}

/** By id. `users`: as `fetchUsers` would name them; `anything`: whatever and wherever it is, the deleted of Active Directory too. */
async function entriesOf(
  { directory, reader, schema, settings, facts }: Reading,
  ids: readonly ExternalId[],
  which: 'users' | 'anything' | 'deleted',
  signal: AbortSignal,
): Promise<ReadonlyMap<ExternalId, Entry>> {
  const named = ids.flatMap((id) => equalsId(reader, id) ?? []);
  if (named.length === 0) return new Map();
  const users = which === 'users';
  const search = {
    what: 'named users',
    base: users ? settings.baseDn : rootAround(settings.baseDn, facts),
    scope: 'sub',
    filter: users ? both(filterOf(schema.userFilter), anyOf(named)) : anyOf(named),
    attributes: users
      ? [...reader.userAttributes, 'memberOf', schema.primaryGroup, schema.memberName]
      : [schema.id, 'isDeleted'],
    controls: which === 'deleted' ? [showDeleted] : controlsOf(settings),
  } as const;
  const found = new Map<ExternalId, Entry>();
  for await (const entry of directory.all(search, schema.pageSize, signal)) {
    const id = reader.idOf(entry);
    if (id !== null) found.set(id, entry);
  }
  return found;
}

/**
 * Whoever is not in scope. That nobody is found is knowledge only where the account demonstrably sees users at this very moment:
 * one who has lost its rights is shown an empty directory, with success.
 */
async function whereElse(
  reading: Reading,
  ids: readonly ExternalId[],
  seesUsers: boolean,
  signal: AbortSignal,
): Promise<readonly FoundUser[]> {
  if (ids.length === 0) return [];
  const elsewhere = await entriesOf(reading, ids, 'anything', signal);
  const absent = ids.filter((id) => !elsewhere.has(id));
  const moved = [...elsewhere.keys()].map((externalId): FoundUser => ({ kind: 'out-of-scope', externalId }));
  if (absent.length === 0) return moved;
  const deleted = await deletedAmong(reading, absent, signal);
  const sees = seesUsers || (await seesAnyUser(reading, signal));
  return [
    ...moved,
    ...absent.map((externalId): FoundUser => {
      if (deleted.has(externalId) || sees) return { kind: 'gone', externalId };
      const problem =
        'not found, but this account sees no user at all below the base: its rights may be gone';
      return { kind: 'unreadable', externalId, problem };
    }),
  ];
}

/** Those whom the container of deleted objects still names; few accounts may look into it. */
async function deletedAmong(
  reading: Reading,
  ids: readonly ExternalId[],
  signal: AbortSignal,
): Promise<ReadonlySet<ExternalId>> {
  if (reading.settings.schema !== 'active-directory') return new Set();
  const found = await entriesOf(reading, ids, 'deleted', signal);
  return new Set([...found].filter(([, entry]) => isDeleted(entry)).map(([id]) => id));
}

export function isDeleted(entry: Entry): boolean {
  return textsIn(entry, 'isDeleted')[0]?.toUpperCase() === 'TRUE';
}

async function seesAnyUser({ directory, schema, settings }: Reading, signal: AbortSignal): Promise<boolean> {
  const search = {
    what: 'the list of users',
    base: settings.baseDn,
    scope: 'sub',
    filter: filterOf(schema.userFilter),
    attributes: [schema.id],
    controls: controlsOf(settings),
    enough: 1,
  } as const;
  const { entries } = await directory.search(search, signal, [SIZE_LIMIT_EXCEEDED]);
  return entries.length > 0;
}

async function groupsOf(
  reading: Reading,
  users: readonly Entry[],
  wanted: readonly ExternalId[] | null,
  readTree: () => Promise<GroupTree>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Entry, readonly ExternalId[]>> {
  const found = new Map<Entry, readonly ExternalId[]>();
  if (users.length === 0 || wanted?.length === 0) return found;
  const tree = await readTree();
  const listed = new Set(wanted ?? (await listedGroups(reading, signal)));
  const hasBackLinks = reading.schema.membership === 'member-of' || reading.schema.membership === 'in-chain';
  if (hasBackLinks) await tryBackLinks(reading, users, signal);
  for (const user of users) {
    const named = hasBackLinks
      ? (await allValues(reading, user, 'memberOf', signal)).map((dn) => tree.at(dn))
      : await groupsNaming(reading, tree, user, signal);
    const primary = textsIn(user, reading.schema.primaryGroup).map((number) => tree.primaryOf(number));
    const direct = [...named, ...primary].filter((group) => group !== null);
    const ids = tree.around(direct).map(({ id }) => id);
    found.set(
      user,
      ids.filter((id) => listed.has(id)),
    );
  }
  return found;
}

/** What `fetchGroups` would name. */
async function listedGroups(reading: Reading, signal: AbortSignal): Promise<readonly ExternalId[]> {
  const { directory, reader, schema, settings } = reading;
  const ids: ExternalId[] = [];
  const search = {
    what: 'the list of groups',
    base: groupBaseOf(settings),
    scope: 'sub',
    filter: filterOf(schema.groupFilter),
    attributes: [schema.id],
    controls: controlsOf(settings),
  } as const;
  for await (const entry of directory.all(search, schema.pageSize, signal)) {
    const id = reader.idOf(entry);
    if (id !== null) ids.push(id);
  }
  return ids;
}

/** Where the server keeps no back-links: the groups that name this user. One search for each user looked up, of whom there are few. */
async function groupsNaming(
  reading: Reading,
  tree: GroupTree,
  user: Entry,
  signal: AbortSignal,
): Promise<readonly (Group | null)[]> {
  const { directory, reader, schema } = reading;
  const names =
    schema.membership === 'member-uid' ? textsIn(user, schema.memberName) : [readExtendedDn(user.dn).dn];
  if (names.length === 0) return [];
  const search = groupsThatName(reading, names);
  const groups: (Group | null)[] = [];
  for await (const entry of directory.all(search, schema.pageSize, signal)) {
    const id = reader.idOf(entry);
    groups.push(id === null ? null : tree.get(id));
  }
  return groups;
}

/** An account that may not read memberOf would see users in no group at all: where some are, a group names one of them. */
async function tryBackLinks(reading: Reading, users: readonly Entry[], signal: AbortSignal): Promise<void> {
  const without = users.filter(({ attributes }) =>
    [...attributes.keys()].every((name) => !/^memberof(?:;|$)/.test(name)),
  );
  if (without.length === 0) return;
  const search = groupsThatName(
    reading,
    without.map(({ dn }) => readExtendedDn(dn).dn),
  );
  const { entries } = await reading.directory.search({ ...search, enough: 1 }, signal, [SIZE_LIMIT_EXCEEDED]);
  if (entries.length > 0) throw new ConnectorError(backLinksHidden);
}
