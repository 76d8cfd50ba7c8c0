/** A folder of files as an operator would set one up, and connectors that read from it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import type {
  Connector,
  Cursor,
  GroupRecord,
  MemberRecord,
  Page,
  UserRecord,
} from '../../connectors/contract.ts';
import { openFile } from '../../connectors/file/index.ts';
import type { FileAccess } from '../../connectors/file/place.ts';
import { FileSettings } from '../../connectors/file/settings.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { ExternalId } from '../../src/domain/ids.ts';

export const FOLDER_KEY = 'correct-horse-battery-staple';
export const never = new AbortController().signal;

export type Settings = Partial<z.input<typeof FileSettings>>;

export class FileFolder {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'rollcall-files-')));
  readonly access: FileAccess = { root: this.root, keyed: true };
  readonly #opened: Connector[] = [];

  constructor() {
    this.folder('acme', FOLDER_KEY);
  }

  folder(name: string, key: string | null): string {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    if (key !== null) writeFileSync(join(path, '.rollcall-key'), `${key}\n`);
    return path;
  }

  path(name: string): string {
    return join(this.root, 'acme', name);
  }

  /** Written an hour ago, so that nobody waits for it to be quiet. */
  write(name: string, content: string | Uint8Array, hoursAgo = 1): void {
    writeFileSync(this.path(name), content);
    this.age(name, hoursAgo);
  }

  age(name: string, hours: number): void {
    const then = new Date(Date.now() - hours * 3_600_000);
    utimesSync(this.path(name), then, then);
  }

  connect(
    settings: Settings = {},
    { key = FOLDER_KEY, tuning = {} }: { key?: string; tuning?: SessionTuning } = {},
  ) {
    const parsed = FileSettings.parse({
      file: 'acme/users.csv',
      format: 'csv',
      columns: { externalId: 'id', email: 'mail' },
      ...settings,
    });
    const connector = openFile({ settings: parsed, credentials: { folderKey: key } }, this.access, tuning);
    this.#opened.push(connector);
    return connector;
  }

  async closeConnectors(): Promise<void> {
    for (const connector of this.#opened.splice(0)) await connector.close();
  }

  async remove(): Promise<void> {
    await this.closeConnectors();
    rmSync(this.root, { recursive: true });
  }
}

async function allOf<T>(fetch: (cursor: Cursor | null) => Promise<Page<T>>): Promise<readonly T[]> {
  const records: T[] = [];
  let cursor: Cursor | null = null;
  do {
    const page: Page<T> = await fetch(cursor);
    records.push(...page.records);
    cursor = page.next;
  } while (cursor !== null);
  return records;
}

export const usersOf = (connector: Connector): Promise<readonly UserRecord[]> =>
  allOf((cursor) => connector.fetchUsers(cursor, never));

export const groupsOf = (connector: Connector): Promise<readonly GroupRecord[]> =>
  allOf((cursor) => connector.fetchGroups(cursor, never));

export const membersOf = (connector: Connector, group: string): Promise<readonly MemberRecord[]> =>
  allOf((cursor) => connector.fetchMembers(ExternalId.parse(group), cursor, never));

/** What is said of each entry: its e-mail, or its problem. */
export function inShort(records: readonly UserRecord[]): readonly string[] {
  return records.map((record) =>
    record.kind === 'user'
      ? `${record.user.externalId} ${record.user.email}`
      : `${record.externalId ?? 'nobody'}: ${record.problem}`,
  );
}
