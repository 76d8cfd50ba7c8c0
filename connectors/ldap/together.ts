/**
 * What is asked of several groups in one search. A directory has many small groups, and what groups name as their members, and which users
 * those are, can be asked of many at once; so a full pull takes fewer requests than twice the groups:
 *
 *   asked for ──▶ waiting ──those before it are done──▶ asked with all that wait ──▶ told
 *
 * Nothing is taken for an answer that does not hold for each group: a group goes on alone where there are too many users, where they
 * cannot be told apart, or where it may be for want of rights that nobody was found.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Filter } from 'ldapts';
import type { ExternalId } from '../../src/domain/ids.ts';
import { type NamedSearch, SIZE_LIMIT_EXCEEDED } from './directory.ts';
import { anyOf, equals } from './filters.ts';
import { CONDITIONS_AT_ONCE, type Group, type GroupTree, type Reading } from './groups.ts';
import { findsNobodyByDn, noSuchGroup, usersNamed, usersWhere } from './members.ts';
import { type NamesOfGroups, namesOf } from './names.ts';
import { textsIn } from './place.ts';
import { dnKey, isWithin, readExtendedDn } from './values.ts';
import type { Entry } from './wire.ts';

type Waiting<T> = {
  readonly group: Group;
  readonly signal: AbortSignal;
  readonly told: (answer: T) => void;
  readonly failed: (reason: unknown) => void;
};

/** Groups in one go. */
const AT_ONCE = 20;

export class Together<T extends object> {
  readonly #waiting: Waiting<T>[] = [];
  readonly #work: (groups: readonly Group[], signal: AbortSignal) => Promise<ReadonlyMap<ExternalId, T>>;
  readonly #ready: () => Promise<void>;
  #underWay: Promise<void> | null = null;

  /** `work` leaves out groups that are not there any more. `ready`: what is waited for, besides, before each go. */
  constructor(
    work: (groups: readonly Group[], signal: AbortSignal) => Promise<ReadonlyMap<ExternalId, T>>,
    ready: () => Promise<void> = async () => {},
  ) {
    this.#work = work;
    this.#ready = ready;
  }

  /** Throws what the work throws, and ConnectorError 'not-found' for a group that it leaves out. */
  ask(group: Group, signal: AbortSignal): Promise<T> {
    return new Promise((told, failed) => {
      this.#waiting.push({ group, signal, told, failed });
      this.#underWay ??= this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#ready();
      await turn(); // whoever asks at the same time
      await this.#askSome(this.#waiting.splice(0, AT_ONCE));
    }
    this.#underWay = null;
  }

  /** By the signal of the first: where that one leaves, the others are asked for without it. */
  async #askSome(some: readonly Waiting<T>[]): Promise<void> {
    const [first] = some;
    if (first === undefined) return;
    try {
      const groups = some.map(({ group }) => group);
      const answers = await this.#work(groups, first.signal);
      for (const { group, told, failed } of some) {
        const answer = answers.get(group.id);
        if (answer === undefined) failed(noSuchGroup());
        else told(answer);
      }
    } catch (error) {
      first.failed(error);
      const others = some.slice(1);
      if (first.signal.aborted) this.#waiting.unshift(...others);
      else for (const { failed } of others) failed(error);
    }
  }
}

/** Work of which only the end matters, whatever comes of it. */
export class UnderWay {
  readonly #all = new Set<Promise<unknown>>();

  add<T>(work: Promise<T>): Promise<T> {
    const done = work.finally(() => this.#all.delete(done));
    this.#all.add(done);
    return done;
  }

  async ended(): Promise<void> {
    await Promise.allSettled([...this.#all]);
  }
}

/** Members that are told at once, and the searches that find the others page by page. */
export type Found = {
  readonly ids: readonly ExternalId[];
  readonly entries: readonly Entry[];
  /** null: nobody else is in the group, and that has been made sure of. */
  readonly searches: readonly NamedSearch[] | null;
};

type Asked = { readonly reading: Reading; readonly tree: GroupTree; readonly names: NamesOfGroups };

/** Whom a group names, itself and through the groups in it; each under a key by which the user is known again. */
type Wanted = {
  readonly group: Group;
  readonly within: readonly Group[];
  readonly marks: ReadonlyMap<string, string>;
  readonly primaries: readonly string[];
  /** Who is named by id. */
  readonly ids: readonly ExternalId[];
};

/** `marks`: of those who are asked for together with other groups'; `searches` finds the others, if there are any. */
type Shared = Wanted & Pick<Found, 'searches'>;

/** Of servers where groups name their members. Without the groups that are not there any more. */
export async function findByName(
  asked: Asked,
  groups: readonly Group[],
  signal: AbortSignal,
): Promise<ReadonlyMap<ExternalId, Found>> {
  const { reading } = asked;
  const wanted = await wantedByName(asked, groups, signal);
  const found = new Map<ExternalId, Found>();
  const shared = fitting(reading, wanted);
  const told = await usersOf(reading, shared, signal);
  if (told !== null) {
    const doubtful = await inDoubt(reading, shared, told, signal);
    for (const { group, ids, searches } of shared) {
      const entries = told.members.get(group.id) ?? [];
      if (!doubtful.has(group.id)) found.set(group.id, { ids, entries, searches });
    }
  }
  for (const one of wanted) {
    const { group, ids } = one;
    if (!found.has(group.id)) found.set(group.id, { ids, entries: [], searches: searchesFor(reading, one) });
  }
  return found;
}

async function wantedByName(
  { reading, tree, names }: Asked,
  groups: readonly Group[],
  signal: AbortSignal,
): Promise<readonly Wanted[]> {
  const byDn = reading.schema.membership === 'member';
  const all = new Set(groups.flatMap((group) => tree.within(group)));
  const read = await names.of(reading, tree, [...all], signal);
  const isUser = (name: string) => !byDn || isWithin(name, reading.settings.baseDn);
  return groups
    .filter(({ id }) => read.has(id))
    .map((group) => {
      const within = tree.within(group);
      const named = within.flatMap(({ id }) => read.get(id) ?? []);
      const people = named.flatMap(({ others }) => others).filter(isUser);
      const marks = new Map(people.map((name) => [byDn ? dnKey(name) : name.toLowerCase(), name]));
      const ids = [...new Set(named.flatMap((one) => one.ids))];
      return { group, within, marks, primaries: within.flatMap(({ primary }) => primary ?? []), ids };
    });
}

function searchesFor(reading: Reading, { marks, primaries }: Wanted): readonly NamedSearch[] {
  return usersWhere(reading, conditionsOf(reading, [...marks.values()], primaries), atOnceIn(reading));
}

/** Conditions in one search. A name is of one user as a rule, so that a page of names finds a page of users. */
function atOnceIn({ schema }: Reading): number {
  return Math.max(schema.pageSize, CONDITIONS_AT_ONCE);
}

function conditionsOf(
  { schema }: Reading,
  marks: readonly string[],
  primaries: readonly string[],
): readonly Filter[] {
  const attribute = schema.membership === 'member' ? schema.dn : schema.memberName;
  return [
    ...marks.map((mark) => equals(attribute, mark)),
    ...primaries.map((number) => equals(schema.primaryGroup, number)),
  ];
}

/**
 * As many of them, the smallest first, as a few pages of users hold: all of those are in memory until each group has its own. One is not
 * kept so long. Of the others those names that fill no page of their own.
 */
function fitting(reading: Reading, wanted: readonly Wanted[]): readonly Shared[] {
  const sorted = wanted.toSorted((a, b) => a.marks.size - b.marks.size);
  let marks = (wanted.length > 1 ? PAGES_TOGETHER : 1) * reading.schema.pageSize;
  let primaries = CONDITIONS_AT_ONCE;
  const large = sorted.findIndex((one) => {
    marks -= one.marks.size;
    primaries -= one.primaries.length;
    return marks < 0 || primaries < 0;
  });
  if (large < 0) return sorted.map((one) => ({ ...one, searches: null }));
  const whole = sorted.slice(0, large).map((one) => ({ ...one, searches: null }));
  return wanted.length === 1
    ? whole
    : [...whole, ...sorted.slice(large).flatMap((one) => remainder(reading, one))];
}

function remainder(reading: Reading, wanted: Wanted): Shared[] {
  const marks = [...wanted.marks];
  const full = marks.length - (marks.length % reading.schema.pageSize);
  if (wanted.primaries.length > 0 || full === marks.length) return [];
  const names = marks.slice(0, full).map(([, name]) => name);
  const searches = usersWhere(reading, conditionsOf(reading, names, []), atOnceIn(reading));
  return [{ ...wanted, marks: new Map(marks.slice(full)), searches: full === 0 ? null : searches }];
}

const PAGES_TOGETHER = 10;

type Told = {
  readonly members: ReadonlyMap<ExternalId, readonly Entry[]>;
  /** Marks that nobody bears. */
  readonly unborne: ReadonlyMap<string, string>;
  readonly foundAnybody: boolean;
};

/** null where there are more of them than was to be expected, or somebody bears none of the marks as they are spelled. */
async function usersOf(
  reading: Reading,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<Told | null> {
  const marks = new Map(wanted.flatMap((one) => [...one.marks]));
  const primaries = new Set(wanted.flatMap((one) => one.primaries));
  const entries = await everybodyWhere(
    reading,
    conditionsOf(reading, [...marks.values()], [...primaries]),
    signal,
  );
  if (entries === null) return null;
  const byMark = new Map<string, Entry[]>();
  const byPrimary = new Map<string, Entry[]>();
  for (const entry of entries) {
    const keys = keysOf(reading, entry).filter((key) => marks.has(key));
    const numbers = textsIn(entry, reading.schema.primaryGroup).filter((number) => primaries.has(number));
    if (keys.length + numbers.length === 0) return null;
    for (const key of keys) listed(byMark, key).push(entry);
    for (const number of numbers) listed(byPrimary, number).push(entry);
  }
  const members = wanted.map(({ group, ...one }) => {
    const borne = [...one.marks.keys()].flatMap((key) => byMark.get(key) ?? []);
    const own = new Set([...borne, ...one.primaries.flatMap((number) => byPrimary.get(number) ?? [])]);
    return [group.id, entries.filter((entry) => own.has(entry))] as const;
  });
  return {
    members: new Map(members),
    unborne: new Map([...marks].filter(([key]) => !byMark.has(key))),
    foundAnybody: entries.length > 0,
  };
}

function listed(lists: Map<string, Entry[]>, key: string): Entry[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

function keysOf({ schema }: Reading, entry: Entry): readonly string[] {
  if (schema.membership === 'member') return [dnKey(readExtendedDn(entry.dn).dn)];
  return textsIn(entry, schema.memberName).map((name) => name.toLowerCase());
}

/**
 * A page of names finds a page of users; null where a search finds more, by the number of a primary group. Asked for without pages, so
 * that the place in them is nobody's to keep.
 */
async function everybodyWhere(
  reading: Reading,
  conditions: readonly Filter[],
  signal: AbortSignal,
): Promise<readonly Entry[] | null> {
  const { directory, schema } = reading;
  const attributes = [schema.id, schema.primaryGroup, schema.memberName];
  const found = new Map<string, Entry>();
  for (const search of usersWhere(reading, conditions, schema.pageSize)) {
    const page = { ...search, attributes, enough: schema.pageSize };
    const { entries, result } = await directory.search(page, signal, [SIZE_LIMIT_EXCEEDED]);
    if (result.code === SIZE_LIMIT_EXCEEDED) return null;
    for (const entry of entries) found.set(entry.dn, entry);
  }
  return [...found.values()];
}

/**
 * A name that nobody bears may be spelled otherwise than by its bearer, whom another name has found; and where a group names nobody, users
 * may name the group: then this account may not see its members. One search that has to find nobody.
 */
async function inDoubt(
  reading: Reading,
  wanted: readonly Shared[],
  { members, unborne, foundAnybody }: Told,
  signal: AbortSignal,
): Promise<ReadonlySet<ExternalId>> {
  const byDn = reading.schema.membership === 'member';
  const nobody = wanted.filter(
    ({ group, ids, searches }) =>
      members.get(group.id)?.length === 0 && ids.length === 0 && searches === null,
  );
  const dns = new Set(byDn ? nobody.flatMap(({ within }) => within.map(({ dn }) => dn)) : []);
  const conditions = [
    ...(foundAnybody ? conditionsOf(reading, [...unborne.values()], []) : []),
    ...[...dns].map((dn) => equals('memberOf', dn)),
  ];
  const suspects = wanted.filter(
    (one) => nobody.includes(one) || [...one.marks.keys()].some((key) => unborne.has(key)),
  );
  const withBase = byDn && !foundAnybody && unborne.size > 0;
  const isSomebodyThere = await areAny(reading, { conditions, withBase }, signal);
  return new Set(isSomebodyThere ? suspects.map(({ group }) => group.id) : []);
}

/**
 * `withBase`: the base itself is asked for by its DN as well, and has to be found, so that nobody is missing because the server finds none
 * by theirs.
 */
async function areAny(
  reading: Reading,
  { conditions, withBase }: { readonly conditions: readonly Filter[]; readonly withBase: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const { directory, schema, settings } = reading;
  const base = equals(schema.dn, settings.baseDn);
  const isBase = ({ dn }: Entry) => dnKey(readExtendedDn(dn).dn) === dnKey(settings.baseDn);
  let isTried = !withBase;
  for (const search of usersWhere(reading, conditions, atOnceIn(reading))) {
    const filter = isTried ? search.filter : anyOf([search.filter, base]);
    const enough = isTried ? 1 : 2;
    const { entries } = await directory.search({ ...search, filter, enough }, signal, [SIZE_LIMIT_EXCEEDED]);
    if (entries.some((entry) => isTried || !isBase(entry))) return true;
    if (!isTried && entries.length === 0) throw findsNobodyByDn(schema);
    isTried = true;
  }
  return false;
}

/**
 * Of servers where users name their groups, for groups that nobody names: whether there is more to it than that nobody is in them, because
 * they name users themselves, or have moved. Without those that are not there any more.
 */
export async function lookCloser(
  { reading, tree }: Pick<Asked, 'reading' | 'tree'>,
  groups: readonly Group[],
  signal: AbortSignal,
): Promise<ReadonlyMap<ExternalId, { readonly isStrange: boolean }>> {
  const within = new Set(groups.flatMap((group) => tree.within(group)));
  const read = new Map((await namesOf(reading, tree, [...within], signal)).map((one) => [one.group.id, one]));
  const named = new Map([...read].map(([id, { names }]) => [id, usersNamed(reading, names)]));
  const conditions = [...named.values()].flat();
  const isAnybodyThere = await areAny(reading, { conditions, withBase: false }, signal);
  return new Map(
    groups.flatMap((group) => {
      const own = read.get(group.id);
      if (own === undefined) return [];
      const hasMoved = dnKey(own.dn) !== dnKey(group.dn);
      const isNaming = tree.within(group).some(({ id }) => (named.get(id) ?? []).length > 0);
      return [[group.id, { isStrange: hasMoved || (isNaming && isAnybodyThere) }] as const];
    }),
  );
}
