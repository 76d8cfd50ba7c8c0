/**
 * What only the whole file tells: how many people are in it, who stands in it twice, which groups there are and who is in them.
 * Made once for each state of the files; another process makes it anew: it holds nothing that the files do not say.
 */
import type { DirectoryGroup } from '../../src/domain/directory.ts';
import type { ExternalId } from '../../src/domain/ids.ts';
import type { Entry } from './entry.ts';
import { groupsIn, idOrNull, nameIn } from './map.ts';
import type { FileSettings, MembershipColumns } from './settings.ts';
import { Numbers, Texts } from './texts.ts';

type Members = { readonly starts: Uint32Array; readonly people: Uint32Array };

export class Survey {
  readonly #missing: Set<string>;
  #readable = 0;
  /** Ids of people, and behind them those of members whom the file of people does not name. */
  readonly #ids = new Texts();
  /** Where each of the people stands first. */
  readonly #places = new Numbers();
  /** Where those who stand there again do so the last time. */
  readonly #again = new Map<number, number>();
  readonly #groups = new Texts();
  readonly #names = new Map<number, string>();
  readonly #unread = new Map<number, number>();
  readonly #memberships = { groups: new Numbers(), people: new Numbers() };
  #strayMemberships = 0;
  #sorted: Members | null = null;

  /** `columns`: those whose absence from every entry is to be found. */
  constructor(columns: readonly string[]) {
    this.#missing = new Set(columns);
  }

  /** All of them before the first `addMemberships`. */
  addPeople(entries: readonly Entry[], settings: FileSettings): void {
    for (const entry of entries) this.#addEntry(entry, settings);
  }

  #addEntry(entry: Entry, { columns, groups }: FileSettings): void {
    if (entry.kind === 'entry') this.#readable += 1;
    for (const column of this.#missing) if (entry.value(column) !== undefined) this.#missing.delete(column);
    const id = idOrNull(entry, columns.externalId);
    if (id !== null) this.#addPerson(id, entry.at);
    if (groups !== null && 'column' in groups && entry.kind === 'entry')
      this.#addGroupsOf(id, groupsIn(entry, groups.column, groups.separator));
  }

  #addPerson(id: ExternalId, at: number): void {
    const person = this.#ids.add(id);
    if (person === this.#places.count) this.#places.add(at);
    else this.#again.set(person, at);
  }

  /** Whose groups cannot all be read may be in any of them. */
  #addGroupsOf(id: ExternalId | null, { groups, unread }: ReturnType<typeof groupsIn>): void {
    if (unread) this.#strayMemberships += 1;
    for (const group of groups) this.#addMembership(this.#groups.add(group), id);
  }

  addMemberships(entries: readonly Entry[], { group, name, member }: MembershipColumns): void {
    for (const entry of entries) {
      const id = entry.kind === 'entry' ? idOrNull(entry, group) : null;
      if (id === null) {
        this.#strayMemberships += 1;
        continue;
      }
      const number = this.#groups.add(id);
      const called = name === undefined ? null : nameIn(entry, name);
      if (called !== null) this.#names.set(number, called);
      this.#addMembership(number, idOrNull(entry, member));
    }
  }

  #addMembership(group: number, person: ExternalId | null): void {
    if (person === null) {
      this.#unread.set(group, (this.#unread.get(group) ?? 0) + 1);
      return;
    }
    this.#memberships.groups.add(group);
    this.#memberships.people.add(this.#ids.add(person));
  }

  /** Different people who are named. */
  get people(): number {
    return this.#places.count;
  }

  /** Memberships of which not even the group could be read: they may be in any group. */
  get strayMemberships(): number {
    return this.#strayMemberships;
  }

  /** Columns that no entry has; none where no entry can be read. */
  get missingColumns(): readonly string[] {
    return this.#readable === 0 ? [] : [...this.#missing];
  }

  /** The first and the last place of somebody who stands in the file more than once; null for everybody else. */
  twice(id: ExternalId): { readonly first: number; readonly last: number } | null {
    const person = this.#again.size === 0 ? null : this.#ids.numberOf(id);
    const last = person === null ? undefined : this.#again.get(person);
    return person === null || last === undefined ? null : { first: this.#places.at(person), last };
  }

  /** In the order in which the file names them first. */
  groups(from: number, most: number): readonly DirectoryGroup[] {
    const groups: DirectoryGroup[] = [];
    for (let number = from; number < Math.min(this.#groups.count, from + most); number += 1) {
      const id = this.#groups.textAt(number) as ExternalId;
      groups.push({ externalId: id, name: this.#names.get(number) ?? id, email: null });
    }
    return groups;
  }

  /** null: there is no such group. `unread`: memberships without a readable person. */
  membersOf(group: ExternalId, from: number, most: number) {
    const number = this.#groups.numberOf(group);
    if (number === null) return null;
    this.#sorted ??= this.#sort();
    const { starts, people } = this.#sorted;
    const [start = 0, end = 0] = [starts[number], starts[number + 1]];
    const page = people.subarray(start + from, Math.min(end, start + from + most));
    return {
      members: Array.from(page, (person) => this.#ids.textAt(person) as ExternalId),
      isLast: start + from + most >= end,
      unread: this.#unread.get(number) ?? 0,
    };
  }

  /** Memberships by group, in the order of the file: counted first, then each put into its place. */
  #sort(): Members {
    const { groups, people } = this.#memberships;
    const starts = new Uint32Array(this.#groups.count + 1);
    for (let at = 0; at < groups.count; at += 1)
      starts[groups.at(at) + 1] = (starts[groups.at(at) + 1] ?? 0) + 1;
    for (let group = 1; group < starts.length; group += 1)
      starts[group] = (starts[group] ?? 0) + (starts[group - 1] ?? 0);
    const free = starts.slice();
    const sorted = new Uint32Array(people.count);
    for (let at = 0; at < groups.count; at += 1) {
      const group = groups.at(at);
      sorted[free[group] ?? 0] = people.at(at);
      free[group] = (free[group] ?? 0) + 1;
    }
    return { starts, people: sorted };
  }
}
