/**
 * Of servers where users name their groups: the members of several groups by one search, told apart by what each user found names. That
 * shows all of their groups, so it is done for no more groups than the number of requests wants (`Ledger`).
 *
 *   groups ──one search──▶ more than a page of users ──▶ the largest of them go alone, the others are asked for again
 *                       └▶ no more ──a second search, which has to find nobody──▶ told
 *
 * What is told is so never less than what each group's own searches would find.
 */
import type { ExternalId } from '../../src/domain/ids.ts';
import { type Directory, SIZE_LIMIT_EXCEEDED } from './directory.ts';
import { anyOf, both, not } from './filters.ts';
import { CONDITIONS_AT_ONCE, equalsId, type Group, type GroupTree, type Reading } from './groups.ts';
import { conditionsByBackLink, searchesByBackLink, usersWhere } from './members.ts';
import { controlsOf, extendedDn, textsIn } from './place.ts';
import type { Found } from './together.ts';
import { dnKey, readExtendedDn } from './values.ts';
import type { Entry } from './wire.ts';

/** The searches of a full pull, beside those that it may take. */
export class Ledger {
  readonly #directory: Directory;
  readonly #pageSize: number;
  #groups = 0;
  #userPages = 0;
  #members = 0;
  /** Groups to go before several are asked for together again, and how many it will be the next time that it does not pay. */
  #notBefore = 0;
  #pause = 1;

  constructor(directory: Directory, pageSize: number) {
    this.#directory = directory;
    this.#pageSize = pageSize;
  }

  readUsers(): void {
    this.#userPages += 1;
  }

  /** A page of a group's members; `isFirst`: the group has been asked for. */
  readMembers(count: number, isFirst: boolean): void {
    this.#members += count;
    if (isFirst) this.#groups += 1;
  }

  /** Whether so many were made that what comes at the end, after which nothing can be saved any more, would be too much. */
  get isShort(): boolean {
    const allowed = this.#userPages + this.#members / this.#pageSize + this.#groups + IN_ANY_CASE;
    return this.#directory.searches > allowed - IN_HAND;
  }

  /** Whether so many groups may be asked for together. Where most are large that only costs, so it is tried ever more rarely. */
  isWorth(groups: number): boolean {
    return this.isShort && groups >= WORTH_IT && this.#groups >= this.#notBefore;
  }

  tried(hasPaid: boolean): void {
    this.#pause = hasPaid ? 1 : 4 * this.#pause;
    this.#notBefore = hasPaid ? 0 : this.#groups + this.#pause;
  }
}

/** The root entry, a page of each listing, and what the feed of changes begins with. */
const IN_ANY_CASE = 5;
/** For the last groups: too few to be asked for together, and perhaps without anybody. */
const IN_HAND = 3;

/** Fewer take as many requests together as alone. */
const WORTH_IT = 3;

type Reader = { readonly reading: Reading; readonly tree: GroupTree };

/** Each for itself. */
export function eachByBackLink(
  { reading, tree }: Reader,
  groups: readonly Group[],
): ReadonlyMap<ExternalId, Found> {
  return new Map(
    groups.map((group) => [
      group.id,
      { ids: [], entries: [], searches: searchesByBackLink(reading, tree, group) },
    ]),
  );
}

/** Together as far as it pays. A group in which nobody is found has no searches left; why nobody is, is asked elsewhere. */
export async function findByBackLink(
  { reading, tree }: Reader,
  groups: readonly Group[],
  signal: AbortSignal,
): Promise<ReadonlyMap<ExternalId, Found>> {
  const found = new Map(eachByBackLink({ reading, tree }, groups));
  let rest = fitting(groups.map((group) => sought(reading, tree, group)));
  while (rest.length >= WORTH_IT) {
    const { named, isAll, isAnybody } = await askedFor(reading, rest, signal);
    if (isAll) {
      if (isAnybody && (await areOthers(reading, rest, named, signal))) return found;
      for (const { group } of rest) {
        const entries = named.get(group.id);
        found.set(group.id, { ids: [], entries: entries ?? [], searches: entries === undefined ? [] : null });
      }
      return found;
    }
    rest = withoutTheLargest(rest, named);
  }
  return found;
}

type Sought = {
  readonly group: Group;
  readonly conditions: ReturnType<typeof conditionsByBackLink>;
  /** What its users name: DNs of groups, and the numbers of primary groups. */
  readonly dns: readonly string[];
  readonly primaries: readonly string[];
};

function sought(reading: Reading, tree: GroupTree, group: Group): Sought {
  const within = tree.within(group);
  return {
    group,
    conditions: conditionsByBackLink(reading, tree, group),
    dns: within.map(({ dn }) => dnKey(dn)),
    primaries: within.flatMap(({ primary }) => primary ?? []),
  };
}

/** As many of them, the simplest first, as go into one search. */
function fitting(all: readonly Sought[]): readonly Sought[] {
  let left = CONDITIONS_AT_ONCE;
  return all
    .toSorted((a, b) => a.conditions.length - b.conditions.length)
    .filter(({ conditions }) => {
      left -= conditions.length;
      return left >= 0;
    });
}

type Named = ReadonlyMap<ExternalId, readonly Entry[]>;

type Asked = {
  readonly named: Named;
  /** Whether these are all of them, and few enough to be told. */
  readonly isAll: boolean;
  readonly isAnybody: boolean;
};

/** Names of groups come without their GUIDs and SIDs, which would double them. */
async function askedFor(reading: Reading, rest: readonly Sought[], signal: AbortSignal): Promise<Asked> {
  const { directory, schema, settings } = reading;
  const [search] = usersWhere(
    reading,
    rest.flatMap(({ conditions }) => conditions),
    CONDITIONS_AT_ONCE,
  );
  if (search === undefined) return { named: new Map(), isAll: false, isAnybody: false };
  const attributes = [schema.id, schema.primaryGroup, 'memberOf'];
  const controls = controlsOf(settings).filter((control) => control !== extendedDn);
  const page = { ...search, attributes, controls, enough: schema.pageSize };
  const { entries, result } = await directory.search(page, signal, [SIZE_LIMIT_EXCEEDED]);
  const named = namedBy(reading, rest, entries);
  const size = [...named.values()].reduce((sum, { length }) => sum + length, 0);
  const isAll = result.code !== SIZE_LIMIT_EXCEEDED && size <= schema.pageSize;
  return { named, isAll, isAnybody: entries.length > 0 };
}

function namedBy({ schema }: Reading, rest: readonly Sought[], entries: readonly Entry[]): Named {
  const byDn = new Map<string, ExternalId[]>();
  const byPrimary = new Map<string, ExternalId[]>();
  const note = (lists: Map<string, ExternalId[]>, key: string, id: ExternalId) =>
    lists.set(key, [...(lists.get(key) ?? []), id]);
  for (const { group, dns, primaries } of rest) {
    for (const dn of dns) note(byDn, dn, group.id);
    for (const number of primaries) note(byPrimary, number, group.id);
  }
  const named = new Map<ExternalId, Entry[]>();
  for (const entry of entries) {
    const ids = new Set([
      ...textsIn(entry, 'memberOf').flatMap((dn) => byDn.get(dnKey(readExtendedDn(dn).dn)) ?? []),
      ...textsIn(entry, schema.primaryGroup).flatMap((number) => byPrimary.get(number) ?? []),
    ]);
    for (const id of ids) {
      const own = named.get(id) ?? [];
      own.push(entry);
      named.set(id, own);
    }
  }
  return named;
}

/** Some page of users shows which are large: those that are named as often as all are on average, or more. */
function withoutTheLargest(rest: readonly Sought[], named: Named): readonly Sought[] {
  const often = ({ group }: Sought) => named.get(group.id)?.length ?? 0;
  const sum = rest.reduce((total, one) => total + often(one), 0);
  return sum === 0 ? [] : rest.filter((one) => often(one) * rest.length < sum);
}

/**
 * Whether somebody is in one of the groups who was not told: by a group of another spelling, by one that leads to it and that this account
 * may not see, or by one of more groups than the server shows at once.
 */
async function areOthers(
  reading: Reading,
  rest: readonly Sought[],
  named: Named,
  signal: AbortSignal,
): Promise<boolean> {
  const others = rest.map(({ group, conditions }) => {
    const told = (named.get(group.id) ?? []).flatMap((entry) => {
      const id = reading.reader.idOf(entry);
      return (id === null ? null : equalsId(reading.reader, id)) ?? [];
    });
    const all = anyOf(conditions);
    return told.length === 0 ? all : both(all, not(anyOf(told)));
  });
  const [search] = usersWhere(reading, others, CONDITIONS_AT_ONCE);
  if (search === undefined) return true;
  const { entries } = await reading.directory.search({ ...search, enough: 1 }, signal, [SIZE_LIMIT_EXCEEDED]);
  return entries.length > 0;
}
