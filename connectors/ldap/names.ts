/** What groups name as their members, whoever that is, and what of it is kept. */
import { ExternalId } from '../../src/domain/ids.ts';
import { ConnectorError } from '../contract.ts';
import { readEntry } from './directory.ts';
import { anyOf, chunked } from './filters.ts';
import { DNS_AT_ONCE, equalsId, type Group, type GroupTree, type Reading } from './groups.ts';
import { controlsOf, groupBaseOf, rootAround, textsIn } from './place.ts';
import type { Schema } from './settings.ts';
import { guidBytes, guidText, isWithin, readExtendedDn } from './values.ts';
import type { Entry } from './wire.ts';

export type Names = {
  readonly groups: readonly Group[];
  /** DNs as a rule; user names where groups go by those. Whether a user is behind them is for the server to say. */
  readonly others: readonly string[];
  /**
   * Of a list that Active Directory gave in slices, who is in the base, by id: each DN came with it. To ask besides who of them is no
   * user would take more requests than a full pull may; nobody else has the id of a computer or a contact.
   */
  readonly ids: readonly ExternalId[];
};

/** What each group itself names, and its own DN now. Groups that are not there any more are left out. */
export async function namesOf(
  reading: Reading,
  tree: GroupTree,
  groups: readonly Group[],
  signal: AbortSignal,
) {
  const { directory, reader, schema, settings, facts } = reading;
  const byId = new Map<string, Group>(groups.map((group) => [group.id, group]));
  const found: { readonly group: Group; readonly dn: string; readonly names: Names }[] = [];
  for (const some of chunked(groups, DNS_AT_ONCE)) {
    const search = {
      what: "groups' members",
      base: rootAround(groupBaseOf(settings), facts),
      scope: 'sub',
      filter: anyOf(some.flatMap(({ id }) => equalsId(reader, id) ?? [])),
      attributes: [schema.id, ...schema.groupMember],
      controls: controlsOf(settings),
    } as const;
    for await (const entry of directory.all(search, schema.pageSize, signal)) {
      const group = byId.get(reader.idOf(entry) ?? '');
      if (group === undefined) continue;
      const { dn } = readExtendedDn(entry.dn);
      found.push({ group, dn, names: await namesIn(reading, tree, entry, signal) });
    }
  }
  return found;
}

async function namesIn(reading: Reading, tree: GroupTree, entry: Entry, signal: AbortSignal): Promise<Names> {
  const { schema } = reading;
  const names: Sorted = { groups: [], others: [], ids: [] };
  for (const attribute of schema.groupMember) {
    const byId = sliceIn(entry, attribute) !== null && hasIdsOfNames(schema);
    for await (const slice of slicesOf(reading, entry, attribute, signal)) {
      for (const value of slice) sort(reading, tree, { value, byId }, names);
    }
  }
  return names;
}

type Sorted = { readonly groups: Group[]; readonly others: string[]; readonly ids: ExternalId[] };

function sort(
  { schema, settings }: Reading,
  tree: GroupTree,
  { value, byId }: { readonly value: string; readonly byId: boolean },
  names: Sorted,
): void {
  const { guid, dn: named } = readExtendedDn(value);
  const dn = withoutUid(named);
  const group = schema.membership === 'member-uid' ? null : tree.at(guid === null ? dn : value);
  if (group !== null) names.groups.push(group);
  else if (!byId || guid === null) names.others.push(dn);
  else if (isWithin(dn, settings.baseDn)) names.ids.push(ExternalId.parse(guid));
}

/** The extended DN control tells GUIDs, and no other attribute that an administrator may have chosen to know users by. */
function hasIdsOfNames({ idFormat, id }: Schema): boolean {
  return idFormat === 'guid' && id.toLowerCase() === 'objectguid';
}

/** uniqueMember may carry a bit string behind the DN (RFC 4517 section 3.3.21). */
function withoutUid(value: string): string {
  return value.replace(/#'[01]*'B$/, '');
}

/** All values of an attribute, however many slices they come in. */
export async function allValues(
  reading: Reading,
  entry: Entry,
  name: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const slices = [];
  for await (const slice of slicesOf(reading, entry, name, signal)) slices.push(slice);
  return slices.flat();
}

/**
 * Active Directory gives 1,500 values at once (MaxValRange) and names the slice in the attribute's name (`member;range=0-1499`, `*` at the
 * end of the last one; MS-ADTS 3.1.1.3.1.3.3). Where the next one begins, the answer says.
 */
async function* slicesOf(
  { directory, settings }: Reading,
  entry: Entry,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  yield textsIn(entry, name);
  let slice = sliceIn(entry, name);
  for (let from = 0; slice !== null; ) {
    if (slice.from !== from || (slice.to !== null && slice.to < from)) throw odd('begins elsewhere');
    yield slice.values;
    if (slice.to === null) break;
    from = slice.to + 1;
    const { dn } = readExtendedDn(entry.dn);
    const attributes = [`${name};range=${from}-*`];
    const asked = { dn, attributes, what: `further values of ${name}`, controls: controlsOf(settings) };
    const more = await readEntry(directory, asked, signal);
    slice = more === null ? null : sliceIn(more, name);
    if (slice === null) throw odd('is missing');
  }
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

type Kept = Pick<Names, 'groups' | 'others'> & { readonly ids: Buffer };

/** What is kept is needed again: by the groups that these are in, and after the tree was read. */
export class NamesOfGroups {
  readonly #kept = new Map<ExternalId, Kept>();
  #names = 0;
  #ids = 0;

  /** Without those that are not there any more. */
  async of(
    reading: Reading,
    tree: GroupTree,
    groups: readonly Group[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<ExternalId, Names>> {
    const found = new Map(
      groups.flatMap(({ id }) => {
        const kept = this.#kept.get(id);
        return kept === undefined ? [] : [[id, { ...kept, ids: unpacked(kept.ids) }] as const];
      }),
    );
    const others = groups.filter(({ id }) => !found.has(id));
    for (const { group, names } of await namesOf(reading, tree, others, signal)) {
      found.set(group.id, names);
      this.#keep(group.id, names);
    }
    return found;
  }

  #keep(id: ExternalId, { groups, others, ids }: Names): void {
    const names = groups.length + others.length;
    if (names > KEPT.each || this.#names + names > KEPT.all || this.#ids + ids.length > KEPT.ids) return;
    this.#kept.set(id, { groups, others, ids: packed(ids) });
    this.#names += names;
    this.#ids += ids.length;
  }
}

/** Names: DNs, of some hundred bytes each. Ids: 16 bytes each. */
const KEPT = { each: 500, all: 100_000, ids: 1_000_000 } as const;

function packed(ids: readonly ExternalId[]): Buffer {
  const bytes = Buffer.alloc(16 * ids.length);
  for (const [at, id] of ids.entries()) guidBytes(id)?.copy(bytes, 16 * at);
  return bytes;
}

function unpacked(ids: Buffer): readonly ExternalId[] {
  return Array.from({ length: ids.length / 16 }, (_, at) =>
    ExternalId.parse(guidText(ids.subarray(16 * at, 16 * at + 16))),
  );
}
