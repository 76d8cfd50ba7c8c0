/**
 * What only the whole file tells: how many people are in it, who stands in it twice, which groups there are and who is in them.
 * Read once for each state of the files, and kept in a private temporary database of SQLite, on disk where it gets large, so that
 * memory does not grow with the file. Another process makes it anew: it holds nothing that the files do not say.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { DirectoryGroup } from '../../src/domain/directory.ts';
import type { ExternalId } from '../../src/domain/ids.ts';
import type { Entry } from './entry.ts';
import { groupsIn, idOrNull, nameIn } from './map.ts';
import type { FileSettings, MembershipColumns } from './settings.ts';

export class Survey {
  readonly #database: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;
  readonly #missing: Set<string>;
  #readable = 0;
  #people = 0;
  #strayMemberships = 0;

  /** `columns`: those whose absence from every entry is to be found. */
  constructor(columns: readonly string[]) {
    this.#missing = new Set(columns);
    this.#database = new DatabaseSync('');
    this.#database.exec(`PRAGMA cache_size = -16384;
      CREATE TABLE person (id TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID;
      CREATE TABLE twice (id TEXT PRIMARY KEY, first INTEGER, second INTEGER) WITHOUT ROWID;
      CREATE TABLE grp (id TEXT PRIMARY KEY, name TEXT, unread INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
      CREATE TABLE member (grp TEXT, person TEXT, PRIMARY KEY (grp, person)) WITHOUT ROWID;`);
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, this.#database.prepare(sql)]);
    this.#sql = Object.fromEntries(prepared);
  }

  addPeople(entries: readonly Entry[], settings: FileSettings): void {
    this.#inOne(() => {
      for (const entry of entries) this.#addEntry(entry, settings);
    });
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
    if (this.#sql.addPerson.run(id, at).changes === 1) this.#people += 1;
    else this.#sql.addTwice.run(at, id);
  }

  /** Whose groups cannot all be read may be in any of them. */
  #addGroupsOf(id: ExternalId | null, { groups, unread }: ReturnType<typeof groupsIn>): void {
    if (unread) this.#strayMemberships += 1;
    for (const group of groups) {
      this.#sql.addGroup.run(group, group);
      if (id === null) this.#sql.addUnread.run(group);
      else this.#sql.addMember.run(group, id);
    }
  }

  addMemberships(entries: readonly Entry[], columns: MembershipColumns): void {
    this.#inOne(() => {
      for (const entry of entries) this.#addMembership(entry, columns);
    });
  }

  #addMembership(entry: Entry, { group, name, member }: MembershipColumns): void {
    const id = entry.kind === 'entry' ? idOrNull(entry, group) : null;
    if (id === null) {
      this.#strayMemberships += 1;
      return;
    }
    this.#sql.addGroup.run(id, (name === undefined ? null : nameIn(entry, name)) ?? id);
    const person = idOrNull(entry, member);
    if (person === null) this.#sql.addUnread.run(id);
    else this.#sql.addMember.run(id, person);
  }

  /** One transaction for many rows, which spares the disk. */
  #inOne(work: () => void): void {
    this.#database.exec('BEGIN');
    work();
    this.#database.exec('COMMIT');
  }

  /** Different people who are named. */
  get people(): number {
    return this.#people;
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
  twice(id: ExternalId): { readonly first: number; readonly second: number } | null {
    const row = this.#sql.twice.get(id);
    return row === undefined ? null : { first: Number(row['first']), second: Number(row['second']) };
  }

  /** In the order of their ids; `after`: the id that the last page ended with. */
  groups(after: string, most: number): readonly DirectoryGroup[] {
    return this.#sql.groups.all(after, most).map((row) => ({
      externalId: String(row['id']) as ExternalId,
      name: String(row['name']),
      email: null,
    }));
  }

  /** How many of the group's memberships have no readable person; null where there is no such group. */
  unreadIn(group: ExternalId): number | null {
    const row = this.#sql.group.get(group);
    return row === undefined ? null : Number(row['unread']);
  }

  members(group: ExternalId, after: string, most: number): readonly ExternalId[] {
    return this.#sql.members.all(group, after, most).map((row) => String(row['person']) as ExternalId);
  }

  close(): void {
    this.#database.close();
  }
}

const SQL = {
  addPerson: 'INSERT OR IGNORE INTO person (id, at) VALUES (?, ?)',
  addTwice:
    'INSERT INTO twice (id, first, second) SELECT id, at, ? FROM person WHERE id = ? ON CONFLICT (id) DO UPDATE SET second = excluded.second',
  addGroup: 'INSERT INTO grp (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name',
  addUnread: 'UPDATE grp SET unread = unread + 1 WHERE id = ?',
  addMember: 'INSERT OR IGNORE INTO member (grp, person) VALUES (?, ?)',
  twice: 'SELECT first, second FROM twice WHERE id = ?',
  groups: 'SELECT id, name FROM grp WHERE id > ? ORDER BY id LIMIT ?',
  group: 'SELECT unread FROM grp WHERE id = ?',
  members: 'SELECT person FROM member WHERE grp = ? AND person > ? ORDER BY person LIMIT ?',
} as const;
