/** Files: people, groups and memberships out of CSV and JSON, for directories that nothing else can reach. */
import type {
  Connector,
  ConnectorDefinition,
  ConnectorError,
  Cursor,
  GroupRecord,
  MemberRecord,
  UserRecord,
} from '../contract.ts';
import type { SessionTuning } from '../session.ts';
import { checkFile } from './check.ts';
import type { Entry } from './entry.ts';
import { Files } from './files.ts';
import { type Unit, unreadable, userReader } from './map.ts';
import { type FileAccess, fileError, openPlace } from './place.ts';
import type { Position } from './reading.ts';
import { FileCredentials, FileSettings } from './settings.ts';
import type { Survey } from './survey.ts';

const PAGE = 1_000;

type Options = { readonly settings: FileSettings; readonly credentials: FileCredentials };

/** `tuning` is for tests, which cannot wait for a file to be quiet. Throws ConnectorError 'misconfigured'. */
export function openFile(
  { settings, credentials }: Options,
  access: FileAccess,
  tuning: SessionTuning = {},
): Connector {
  return connectorOf(settings, filesOf({ settings, credentials }, access, tuning));
}

function filesOf({ settings, credentials }: Options, access: FileAccess, tuning: SessionTuning): Files {
  const { file, groups } = settings;
  const paths = groups !== null && 'file' in groups ? [file, groups.file] : [file];
  return new Files(settings, openPlace(access, paths, credentials.folderKey), tuning);
}

function connectorOf(settings: FileSettings, files: Files): Connector {
  return {
    provider: 'file',
    async fetchUsers(cursor, signal) {
      const from = cursor === null ? null : positionIn(cursor);
      const { entries, next, unit, survey, fingerprint } = await files.page(from, PAGE, signal);
      const read = userReader(settings, unit);
      return {
        records: entries.map((entry) => namedOnce(entry, read(entry), unit, survey)),
        next: next === null ? null : `${next.offset}.${next.at}.${fingerprint}`,
      };
    },
    async fetchGroups(cursor, signal) {
      const { survey, fingerprint, from } = await goneOn(files, cursor, signal);
      const groups = survey.groups(from, PAGE);
      const records: GroupRecord[] = groups.map((group) => ({ kind: 'group', group }));
      const isLast = groups.length < PAGE;
      if (isLast && survey.strayMemberships > 0) records.push(STRAY);
      return { records, next: isLast ? null : `${from + PAGE}.${fingerprint}` };
    },
    /** Somebody whom the file names twice as a member is named twice. */
    async fetchMembers(group, cursor, signal) {
      const { survey, fingerprint, from } = await goneOn(files, cursor, signal);
      const found = survey.membersOf(group, from, PAGE);
      if (found === null) throw fileError('not-found', 'No entry names this group.', 'Nobody has to act.');
      const records: MemberRecord[] = found.members.map((externalId) => ({ kind: 'user', externalId }));
      if (found.isLast && found.unread + survey.strayMemberships > 0) records.push(STRAY);
      return { records, next: found.isLast ? null : `${from + PAGE}.${fingerprint}` };
    },
    evidence: async (signal) => {
      const { survey } = await files.surveyed(signal);
      return { users: survey.people, permissions: null };
    },
    /** A file that does not name somebody says nothing about them by itself: it may be cut off. */
    lookUp: null,
    changes: null,
    usage: () => files.usage,
    close: async () => {}, // no file stays open between two pages
  };
}

/** A membership of which the group or the person cannot be read. */
const STRAY = {
  kind: 'unreadable',
  externalId: null,
  problem: 'a membership does not say of which group, or whose it is',
} as const;

/** Which of two entries with one id is right, nobody can know. */
function namedOnce(entry: Entry, record: UserRecord, unit: Unit, survey: Survey): UserRecord {
  const id = record.kind === 'user' ? record.user.externalId : record.externalId;
  const twice = id === null ? null : survey.twice(id);
  if (twice === null) return record;
  return unreadable(entry, unit, id, `${unit} ${twice.first} and ${unit} ${twice.last} have the same id`);
}

const USERS_CURSOR = /^(\d{1,16})\.(\d{1,16})\.([\w-]+)$/;

function positionIn(cursor: Cursor): { position: Position; fingerprint: string } {
  const [, offset, at, fingerprint] = USERS_CURSOR.exec(cursor) ?? [];
  if (fingerprint === undefined) throw notOurs();
  return { position: { offset: Number(offset), at: Number(at) }, fingerprint };
}

const PLACE_CURSOR = /^(\d{1,16})\.([\w-]+)$/;

async function goneOn(files: Files, cursor: Cursor | null, signal: AbortSignal) {
  if (cursor === null) return { ...(await files.surveyed(signal)), from: 0 };
  const [, from, fingerprint] = PLACE_CURSOR.exec(cursor) ?? [];
  if (fingerprint === undefined) throw notOurs();
  return { survey: await files.expectSame(fingerprint, signal), fingerprint, from: Number(from) };
}

function notOurs(): ConnectorError {
  return fileError(
    'cursor-expired',
    'The saved place is not one in this file.',
    'Nobody has to act: the file is read from its beginning.',
  );
}

/** `access`: what this install lets its connections read. */
export function fileDefinition(access: FileAccess): ConnectorDefinition<FileSettings, FileCredentials> {
  const opened = new WeakMap<Connector, { readonly settings: FileSettings; readonly files: Files }>();
  return {
    provider: 'file',
    title: 'File',
    abilities: {
      groups: true,
      nestedGroups: false,
      orgUnits: false,
      deletedUsers: false,
      lookUp: false,
      delta: false,
      notifications: false,
    },
    settings: FileSettings,
    credentials: FileCredentials,
    open: ({ settings, credentials }) => {
      const files = filesOf({ settings, credentials }, access, {});
      const connector = connectorOf(settings, files);
      opened.set(connector, { settings, files });
      return connector;
    },
    check: (connector, signal) => checkFile(connector, opened.get(connector) ?? null, signal),
  };
}
