/**
 * Which group is in which, read once: groups are few beside users, and with their tree in memory no group's members need more
 * searches the deeper it is nested. Groups outside the base count too where they lead from one within it to users.
 */
import { chunked, filterOf } from './filters.ts';
import {
  DNS_AT_ONCE,
  type Group,
  GroupTree,
  groupsThatName,
  primaryIn,
  type Reading,
  readGroup,
} from './groups.ts';
import { allValues, type NamesOfGroups } from './names.ts';
import { controlsOf, groupBaseOf, rootAround } from './place.ts';
import type { Entry } from './wire.ts';

/** `names`: keeps what groups were found to name, as far as it goes. */
export async function readTree(
  reading: Reading,
  names: NamesOfGroups,
  signal: AbortSignal,
): Promise<GroupTree> {
  const { membership } = reading.schema;
  const tree = new GroupTree();
  if (membership === 'member-of' || membership === 'in-chain') await nestByBackLinks(reading, tree, signal);
  else for await (const entry of groupsFrom(reading, [], signal)) added(reading, tree, entry);
  if (membership === 'member') await nestByMembers(reading, tree, names, signal);
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

/** Without back-links: which groups name groups, asked for a hundred at a time, and then of those few the members. */
async function nestByMembers(
  reading: Reading,
  tree: GroupTree,
  names: NamesOfGroups,
  signal: AbortSignal,
): Promise<void> {
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
  for (const some of chunked([...parents.values()], DNS_AT_ONCE)) {
    const named = await names.of(reading, tree, some, signal);
    for (const parent of some) {
      for (const child of named.get(parent.id)?.groups ?? []) tree.nest(parent, child);
    }
  }
}
