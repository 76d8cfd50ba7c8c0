/**
 * Reads a whole directory, a page at a time, for `rollcall pull`: no database, nothing kept but who is in which group, and that
 * in a temporary file of SQLite's own, so that memory does not grow with the directory.
 */
import { DatabaseSync } from 'node:sqlite';
import {
  type Connector,
  ConnectorError,
  type Cursor,
  type MemberRecord,
  type Page,
} from '../../connectors/contract.ts';
import type { DirectoryGroup, GroupRef } from '../domain/directory.ts';
import type { ExternalId } from '../domain/ids.ts';

export type ReadOptions = {
  readonly groups: boolean;
  readonly signal: AbortSignal;
  /** Takes lines of NDJSON: users, and records that could not be read. */
  readonly write: (lines: string) => Promise<void>;
};

/** `unreadable` counts users, groups and members. */
export type ReadCounts = {
  readonly pages: number;
  readonly groups: number;
  readonly users: number;
  readonly unreadable: number;
  /** Of the first of them, who and why. */
  readonly problems: readonly string[];
};

export const NOTHING_READ: ReadCounts = { pages: 0, groups: 0, users: 0, unreadable: 0, problems: [] };

/** So many are told besides what the file has. */
const MOST_TOLD = 3;

class Counts {
  pages = 0;
  groups = 0;
  users = 0;
  #unreadable = 0;
  readonly #problems: string[] = [];

  unreadable(
    what: string,
    record: { readonly externalId: ExternalId | null; readonly problem: string },
  ): void {
    this.#unreadable += 1;
    if (this.#problems.length < MOST_TOLD)
      this.#problems.push(`${what} ${record.externalId ?? 'without an id'}: ${record.problem}`);
  }

  unreadableOf(what: string, page: readonly MemberRecord[]): void {
    for (const record of page) if (record.kind === 'unreadable') this.unreadable(what, record);
  }

  shown(): ReadCounts {
    const { pages, groups, users } = this;
    return { pages, groups, users, unreadable: this.#unreadable, problems: [...this.#problems] };
  }
}

/**
 * Writes each user with the groups it is in, and gives the counts after each page. Throws ConnectorError when a page cannot be
 * read or the pages run in a circle: what was written until then is right, but not the whole directory.
 */
export async function* readDirectory(connector: Connector, options: ReadOptions): AsyncGenerator<ReadCounts> {
  const counts = new Counts();
  const memberships = openMemberships();
  try {
    if (options.groups) yield* readGroups(connector, memberships, counts, options.signal);
    for await (const page of pagesOf((cursor) => connector.fetchUsers(cursor, options.signal))) {
      const lines: string[] = [];
      for (const record of page) {
        if (record.kind === 'user') {
          counts.users += 1;
          const groups = options.groups ? { groups: memberships.of(record.user.externalId) } : {};
          lines.push(`${JSON.stringify({ ...record.user, ...groups })}\n`);
        } else {
          counts.unreadable('user', record);
          lines.push(`${JSON.stringify({ externalId: record.externalId, problem: record.problem })}\n`);
        }
      }
      await options.write(lines.join(''));
      counts.pages += 1;
      yield counts.shown();
    }
  } finally {
    memberships.close();
  }
}

async function* readGroups(
  connector: Connector,
  memberships: Memberships,
  counts: Counts,
  signal: AbortSignal,
): AsyncGenerator<ReadCounts> {
  const groups: DirectoryGroup[] = [];
  for await (const page of pagesOf((cursor) => connector.fetchGroups(cursor, signal))) {
    for (const record of page) {
      if (record.kind === 'group') groups.push(record.group);
      else counts.unreadable('group', record);
    }
    counts.pages += 1;
    yield counts.shown();
  }
  for (const group of groups) {
    const at = memberships.add(group);
    counts.groups += 1;
    for await (const page of pagesOf((cursor) => connector.fetchMembers(group.externalId, cursor, signal))) {
      const users = page.flatMap((record) => (record.kind === 'user' ? [record.externalId] : []));
      memberships.save(at, users);
      if (page.some((record) => record.kind === 'everyone')) memberships.everyoneIsIn(at);
      counts.unreadableOf('member', page);
      counts.pages += 1;
      yield counts.shown();
    }
  }
}

/** The pages of one list until it says that there is no further one. A link that was there before never ends. */
async function* pagesOf<T>(fetch: (cursor: Cursor | null) => Promise<Page<T>>): AsyncGenerator<readonly T[]> {
  const seen = new Set<Cursor>();
  let cursor: Cursor | null = null;
  do {
    const page: Page<T> = await fetch(cursor);
    yield page.records;
    cursor = page.next;
    if (cursor !== null && seen.has(cursor)) {
      throw new ConnectorError({
        kind: 'unexpected-response',
        message: 'The provider sent a page link that it had sent before.',
        remedy: 'Try again; if it stays so, report it to the provider with the time.',
      });
    }
    if (cursor !== null) seen.add(cursor);
  } while (cursor !== null);
}

type Memberships = {
  /** Gives the number that stands for the group. */
  add(group: DirectoryGroup): number;
  save(group: number, users: readonly ExternalId[]): void;
  everyoneIsIn(group: number): void;
  of(user: ExternalId): readonly GroupRef[];
  close(): void;
};

/** Who is in which group. An empty name is SQLite's private temporary database, on disk where it gets large, gone when closed. */
function openMemberships(): Memberships {
  const database = new DatabaseSync('');
  database.exec(
    'PRAGMA cache_size = -16384; CREATE TABLE member (user TEXT, grp INTEGER, PRIMARY KEY (user, grp)) WITHOUT ROWID',
  );
  const insert = database.prepare('INSERT OR IGNORE INTO member (user, grp) VALUES (?, ?)');
  const select = database.prepare('SELECT grp FROM member WHERE user = ? ORDER BY grp');
  const groups: GroupRef[] = [];
  const ofEveryone = new Set<number>();
  return {
    add: ({ externalId, name }) => groups.push({ externalId, name }) - 1,
    save: (group, users) => {
      database.exec('BEGIN');
      for (const user of users) insert.run(user, group);
      database.exec('COMMIT');
    },
    everyoneIsIn: (group) => ofEveryone.add(group),
    of: (user) => {
      const numbers = new Set([...ofEveryone, ...select.all(user).map((row) => Number(row['grp']))]);
      return [...numbers].sort((a, b) => a - b).flatMap((at) => groups[at] ?? []);
    },
    close: () => database.close(),
  };
}
