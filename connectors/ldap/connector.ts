/** One page of users, groups or members at a time; named users; who has changed. */
import type { ExternalId } from '../../src/domain/ids.ts';
import type { Connector, Cursor, GroupRecord, MemberRecord, Page, UserRecord } from '../contract.ts';
import type { SessionTuning } from '../session.ts';
import { Shared } from '../sharing.ts';
import { eachByBackLink, findByBackLink, Ledger } from './backLinks.ts';
import { DomainChanges } from './changes.ts';
import { Directory, type ListingPage, type NamedSearch } from './directory.ts';
import { filterOf } from './filters.ts';
import type { Group, GroupTree, Reading } from './groups.ts';
import { lookUpUsers } from './lookUp.ts';
import { EntryReader } from './map.ts';
import { explainNobody, groupNamed, type MembersMemory, noSuchGroup } from './members.ts';
import { NamesOfGroups } from './names.ts';
import { controlsOf, groupBaseOf, readFacts } from './place.ts';
import { DirectoryServer, type ServerOptions } from './server.ts';
import { type LdapSettings, type Schema, schemaOf } from './settings.ts';
import { type Found, findByName, lookCloser, Together, UnderWay } from './together.ts';
import { ToldMembers } from './told.ts';
import { readTree } from './tree.ts';
import type { Entry } from './wire.ts';

/** With the one that asks as many as a run reads side by side. */
const ALONG = 3;

/** What it learns of the server and of its groups is kept for as long as it is open: one run. */
export class LdapConnector implements Connector {
  readonly provider = 'ldap';
  readonly settings: LdapSettings;
  readonly directory: Directory;
  readonly changes: DomainChanges | null;
  readonly #schema: Schema;
  readonly #reader: EntryReader;
  readonly #names = new NamesOfGroups();
  readonly #told = new ToldMembers();
  /** Of groups that came along, until they are asked for. */
  readonly #ahead = new Map<ExternalId, Found>();
  /** Groups that were listed and whose members nobody has asked for so far. */
  readonly #unasked = new Set<ExternalId>();
  readonly #byName = new Together((groups, signal) => this.#foundByName(groups, signal));
  readonly #ledger: Ledger;
  readonly #underWay = new UnderWay();
  /** Where requests have to be saved, the groups that are being read are waited for: those that are wanted next come then too. */
  readonly #byBackLink = new Together(
    (groups, signal) => this.#foundByBackLink(groups, signal),
    async () => (this.#ledger.isShort ? this.#underWay.ended() : undefined),
  );
  readonly #empty = new Together(async (groups, signal) =>
    lookCloser(await this.#read(signal), groups, signal),
  );
  readonly #readings = new Shared<'reading', Reading>();
  readonly #trees = new Shared<'tree', GroupTree>();
  #reading: Reading | null = null;
  #tree: GroupTree | null = null;

  constructor(options: ServerOptions, tuning: SessionTuning) {
    const { settings } = options;
    this.settings = settings;
    this.directory = new Directory(new DirectoryServer(options, tuning));
    this.#schema = schemaOf(settings);
    this.#ledger = new Ledger(this.directory, this.#schema.pageSize);
    this.#reader = new EntryReader(settings, tuning.clock ?? Date.now);
    // OpenLDAP does not tell whom it has deleted: nothing that it says of changes would be all of them.
    const isActiveDirectory = settings.schema === 'active-directory';
    this.changes = isActiveDirectory
      ? new DomainChanges(
          (signal) => this.reading(signal),
          (signal) => this.tree(signal),
        )
      : null;
  }

  async fetchUsers(cursor: Cursor | null, signal: AbortSignal): Promise<Page<UserRecord>> {
    const { entries, next } = await this.#listed('users', cursor, () => this.#userSearch(), signal);
    this.#ledger.readUsers();
    return { records: entries.map((entry) => this.#reader.user(entry)), next };
  }

  /** The first page, and how often the server said that another one holds more; those are not asked. */
  async firstUsers(signal: AbortSignal): Promise<{ records: readonly UserRecord[]; references: number }> {
    const { entries, references } = await this.#listed('users', null, () => this.#userSearch(), signal);
    return { records: entries.map((entry) => this.#reader.user(entry)), references };
  }

  async fetchGroups(cursor: Cursor | null, signal: AbortSignal): Promise<Page<GroupRecord>> {
    const { settings } = this;
    const search = (): NamedSearch => ({
      what: 'the list of groups',
      base: groupBaseOf(settings),
      scope: 'sub',
      filter: filterOf(this.#schema.groupFilter),
      attributes: this.#reader.groupAttributes,
      controls: controlsOf(settings),
    });
    const { entries, next } = await this.#listed('groups', cursor, search, signal);
    for (const entry of entries) {
      const id = this.#reader.idOf(entry);
      if (id !== null) this.#unasked.add(id);
    }
    return { records: entries.map((entry) => this.#reader.group(entry)), next };
  }

  async fetchMembers(
    id: ExternalId,
    cursor: Cursor | null,
    signal: AbortSignal,
  ): Promise<Page<MemberRecord>> {
    const kind = `members-of-${id}`;
    if (cursor !== null) {
      const told = await this.#told.proceed(cursor, signal);
      const page = told ?? (await this.#nextMembers(kind, cursor, signal));
      this.#ledger.readMembers(page.records.length, false);
      return page;
    }
    this.#unasked.delete(id);
    const { reading, tree } = await this.#read(signal);
    const group = await groupNamed(reading, tree, id, signal);
    const found = await (this.#isByBackLink ? this.#byBackLink : this.#byName).ask(group, signal);
    const page = await this.#underWay.add(this.#firstPage(kind, group, found, signal));
    this.#ledger.readMembers(page.records.length, true);
    return page;
  }

  #firstPage(
    kind: string,
    group: Group,
    { ids, entries, searches }: Found,
    signal: AbortSignal,
  ): Promise<Page<MemberRecord>> {
    const known = new Set<string | null>(ids);
    const others = entries.filter((entry) => !known.has(this.#reader.idOf(entry)));
    const told = [
      ...ids.map((externalId) => ({ kind: 'user' as const, externalId })),
      ...others.map((entry) => this.#member(entry)),
    ];
    const { pageSize } = this.#schema;
    const begin = async (either: AbortSignal) => {
      const memory: MembersMemory = { group, found: told.length };
      const page = await this.directory.begin(kind, searches ?? [], pageSize, either, memory);
      return this.#members(page, either);
    };
    return this.#told.begin(kind, told, searches === null ? null : begin, signal);
  }

  async #nextMembers(kind: string, cursor: Cursor, signal: AbortSignal): Promise<Page<MemberRecord>> {
    const page = await this.directory.proceed(kind, cursor, this.#schema.pageSize, signal);
    return this.#members(page, signal);
  }

  /** It has another DN than in the tree. */
  async #movedGroup(group: Group, signal: AbortSignal): Promise<Page<MemberRecord>> {
    this.#tree = null;
    const asked = await this.#read(signal);
    const found = this.#isByBackLink
      ? eachByBackLink(asked, [group])
      : await findByName({ ...asked, names: this.#names }, [group], signal);
    const own = found.get(group.id);
    if (own === undefined) throw noSuchGroup();
    return this.#firstPage(`members-of-${group.id}`, group, own, signal);
  }

  /**
   * Where requests have to be saved, the next groups come along: large ones share the request for what they name, and pages for those of
   * whom there are too few to fill one.
   */
  async #foundByName(groups: readonly Group[], signal: AbortSignal): Promise<ReadonlyMap<ExternalId, Found>> {
    const asked = { ...(await this.#read(signal)), names: this.#names };
    const found = new Map<ExternalId, Found>();
    for (const { id } of groups) {
      const ahead = this.#ahead.get(id);
      if (this.#ahead.delete(id) && ahead !== undefined) found.set(id, ahead);
    }
    const rest = groups.filter(({ id }) => !found.has(id));
    if (rest.length === 0) return found;
    const along = this.#comingAlong(asked.tree, rest);
    for (const [id, one] of await findByName(asked, [...rest, ...along], signal)) {
      const isAsked = rest.some((group) => group.id === id);
      (isAsked ? found : this.#ahead).set(id, one);
    }
    return found;
  }

  /** The next ones in the order of their ids, in which a run reads groups. None while it has passed over others that came along. */
  #comingAlong(tree: GroupTree, groups: readonly Group[]): readonly Group[] {
    if (!this.#ledger.isShort || this.#ahead.size > 0) return [];
    const last: string =
      groups
        .map(({ id }) => id)
        .toSorted()
        .at(-1) ?? '';
    const next: ExternalId[] = [];
    for (const id of this.#unasked) {
      if (id <= last) continue;
      next.push(id);
      next.sort();
      next.splice(ALONG);
    }
    return next.flatMap((id) => tree.get(id) ?? []);
  }

  /** Each for itself, unless requests have to be saved. */
  async #foundByBackLink(groups: readonly Group[], signal: AbortSignal) {
    const asked = await this.#read(signal);
    if (!this.#ledger.isWorth(groups.length)) return eachByBackLink(asked, groups);
    const found = await findByBackLink(asked, groups, signal);
    this.#ledger.tried(
      [...found.values()].some(({ searches }) => searches === null || searches.length === 0),
    );
    return found;
  }

  get #isByBackLink(): boolean {
    const { membership } = this.#schema;
    return membership === 'member-of' || membership === 'in-chain';
  }

  async #read(signal: AbortSignal): Promise<{ reading: Reading; tree: GroupTree }> {
    return { reading: await this.reading(signal), tree: await this.tree(signal) };
  }

  async #members(page: ListingPage, signal: AbortSignal): Promise<Page<MemberRecord>> {
    const memory = page.memory as MembersMemory;
    memory.found += page.entries.length;
    if (page.next === null && memory.found === 0) {
      const moved = await this.#explainNobody(memory.group, signal);
      if (moved !== null) return this.#movedGroup(moved, signal);
    }
    return { records: page.entries.map((entry) => this.#member(entry)), next: page.next };
  }

  async #explainNobody(group: Group, signal: AbortSignal): Promise<Group | null> {
    if (this.#isByBackLink && !(await this.#empty.ask(group, signal)).isStrange) return null;
    const { reading, tree } = await this.#read(signal);
    return await explainNobody(reading, tree, group, signal);
  }

  #member(entry: Entry): MemberRecord {
    const externalId = this.#reader.idOf(entry);
    if (externalId !== null) return { kind: 'user', externalId };
    return {
      kind: 'unreadable',
      externalId,
      problem: `${this.#schema.id}: missing, or no id of that kind`,
    };
  }

  /** No directory server says how many entries a search will find, or what the account may read. */
  async evidence(): Promise<{ users: null; permissions: null }> {
    return { users: null, permissions: null };
  }

  /** A value, not a method: whoever finds that it is there may call it without the connector. */
  readonly lookUp: NonNullable<Connector['lookUp']> = async (ids, groups, signal) => {
    const reading = await this.reading(signal);
    return lookUpUsers(reading, { ids: [...new Set(ids)], groups }, () => this.tree(signal), signal);
  };

  usage() {
    return this.directory.usage();
  }

  close(): Promise<void> {
    return this.directory.close();
  }

  #userSearch(): NamedSearch {
    return {
      what: 'the list of users',
      base: this.settings.baseDn,
      scope: 'sub',
      filter: filterOf(this.#schema.userFilter),
      attributes: this.#reader.userAttributes,
      controls: controlsOf(this.settings),
    };
  }

  async reading(signal: AbortSignal): Promise<Reading> {
    this.#reading ??= await this.#readings.of('reading', signal, (one) => this.#readFacts(one));
    return this.#reading;
  }

  async #readFacts(signal: AbortSignal): Promise<Reading> {
    const { directory, settings } = this;
    const facts = await readFacts(directory, signal);
    return { directory, settings, reader: this.#reader, schema: this.#schema, facts };
  }

  /** Which group is in which. What cannot be read is tried again by the next who asks. */
  async tree(signal: AbortSignal): Promise<GroupTree> {
    this.#tree ??= await this.#trees.of('tree', signal, (one) => this.#readTree(one));
    return this.#tree;
  }

  async #readTree(signal: AbortSignal): Promise<GroupTree> {
    return readTree(await this.reading(signal), this.#names, signal);
  }

  #listed(kind: string, cursor: Cursor | null, search: () => NamedSearch, signal: AbortSignal) {
    const { pageSize } = this.#schema;
    return cursor === null
      ? this.directory.begin(kind, [search()], pageSize, signal)
      : this.directory.proceed(kind, cursor, pageSize, signal);
  }
}
