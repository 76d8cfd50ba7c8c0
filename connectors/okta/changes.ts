/**
 * Who may have changed, from two sources read one after the other as one feed: users by their `lastUpdated`, and Okta's System
 * Log, which alone tells of users deleted for good and of memberships.
 */
import { z } from 'zod';
import type { ExternalId } from '../../src/domain/ids.ts';
import { parseJson, type SessionResponse } from '../answer.ts';
import {
  type Changes,
  type ChangesPage,
  ConnectorError,
  type DeltaToken,
  type RenamedGroup,
} from '../contract.ts';
import {
  changedUsers,
  type ListPosition,
  logAt,
  oktaTimeMs,
  readList,
  toCursor,
  toListPosition,
} from './lists.ts';
import { aboutWhom, type Concerned, eventFilter } from './log.ts';
import type { Org } from './lookUp.ts';
import { toGroupRecord, toMemberRecord } from './map.ts';
import { odd, saysGone } from './refusals.ts';

const DAY_MS = 86_400_000;
/** Okta keeps the log for 90 days (developer documentation, "System Log query"): what is older is missing without a word. */
const LOG_KEPT_MS = 90 * DAY_MS;
const MARGIN_MS = 5 * DAY_MS;

/**
 * Taken off Okta's own time: the clocks of its servers need not agree, its `lastUpdated` may be kept to the second only, and a user
 * may be found by it a while after the change.
 */
const OVERLAP_MS = 10 * 60_000;

/** Of a page's groups. Of more that are new or renamed it is not asked what they are called. */
const MOST_NAMES = 50;

/** Both positions. `v`: what is asked of the log; a token made for other events cannot go on. */
const Position = z.object({
  v: z.literal(1),
  /** Milliseconds since 1970 by Okta's clock: users changed since then are named. */
  since: z.number().int().nonnegative(),
  log: z.string().regex(/^\/api\/v1\/logs\?\S+$/),
  app: z.string().nullable(),
});
type Position = z.infer<typeof Position>;

export function changesOf(org: Org): Changes {
  const { appScope } = org;
  const query = `sortOrder=ASCENDING&filter=${encodeURIComponent(eventFilter(appScope))}`;

  async function changed(position: Position, at: ListPosition, signal: AbortSignal): Promise<ChangesPage> {
    const answer = await org.get(at.path, signal);
    const { records, next } = readList(answer, at, org.origins);
    const since = at.since ?? startOf(answer);
    if (since - position.since > LOG_KEPT_MS - MARGIN_MS) throw expired('is older than what Okta keeps');
    const following = next ?? logAt(position.log);
    return {
      ...merged(records.map(listed)),
      renamed: [],
      next: toCursor({ ...following, since }),
      token: null,
    };
  }

  /** Polling the log never ends by itself: there is a next link behind an empty page too, from which the next reading goes on. */
  async function logged(at: ListPosition & { since: number }, signal: AbortSignal): Promise<ChangesPage> {
    const answer = await org.get(at.path, signal);
    const { records, next } = readList(answer, at, org.origins);
    if (next === null)
      throw odd(answer, 'A page of the System Log does not say where the next reading goes on.');
    const concerned = await named(org, merged(records.map((event) => aboutWhom(event, appScope))), signal);
    if (records.length > 0)
      return { ...concerned, next: toCursor({ ...next, since: at.since }), token: null };
    return {
      ...concerned,
      next: null,
      token: toToken({ v: 1, since: at.since, log: next.path, app: appScope }),
    };
  }

  return {
    tokenLifetimeMs: LOG_KEPT_MS - 2 * MARGIN_MS,
    async begin(signal) {
      const at = logAt(`/api/v1/logs?limit=1&${query}`);
      const answer = await org.get(at.path, signal);
      readList(answer, at, org.origins);
      const since = startOf(answer);
      const from = encodeURIComponent(new Date(since).toISOString());
      const log = `/api/v1/logs?since=${from}&limit=1000&${query}`;
      return toToken({ v: 1, since, log, app: appScope });
    },
    async fetch(token, cursor, signal) {
      const position = toPosition(token, appScope);
      const users = changedUsers(position.since);
      if (cursor === null) return changed(position, users, signal);
      if (!cursor.startsWith('log '))
        return changed(position, toListPosition(cursor, ['changed-users'], users), signal);
      const at = toListPosition(cursor, ['log'], logAt(position.log));
      if (at.since === null) throw expired('was made by nobody');
      return logged({ ...at, since: at.since }, signal);
    },
  };
}

/** A list of users holds whole users; of them only the ids are taken: the look-up says how they are now. */
function listed(record: unknown): Concerned {
  const read = toMemberRecord(record);
  const id = read.kind === 'everyone' ? null : read.externalId;
  const nobody = { users: [], groups: [], renamed: [], unreadable: 0 };
  return id === null ? { ...nobody, unreadable: 1 } : { ...nobody, users: [id] };
}

function merged(all: readonly Concerned[]): Concerned {
  const users = new Set<ExternalId>();
  const groups = new Set<ExternalId>();
  const renamed = new Set<ExternalId>();
  let unreadable = 0;
  for (const one of all) {
    for (const id of one.users) users.add(id);
    for (const id of one.groups) groups.add(id);
    for (const id of one.renamed) renamed.add(id);
    unreadable += one.unreadable;
  }
  return { users: [...users], groups: [...groups], renamed: [...renamed], unreadable };
}

type Named = Pick<ChangesPage, 'users' | 'groups' | 'renamed' | 'unreadable'>;

/** The group itself says what it is called now; one that is gone by now is among `groups`, where its members are. */
async function named(org: Org, concerned: Concerned, signal: AbortSignal): Promise<Named> {
  const renamed: RenamedGroup[] = [];
  const gone: ExternalId[] = [];
  for (const [at, externalId] of concerned.renamed.entries()) {
    const answer =
      at < MOST_NAMES ? await org.get(`/api/v1/groups/${encodeURIComponent(externalId)}`, signal) : null;
    if (answer !== null && saysGone(answer)) gone.push(externalId);
    else renamed.push({ externalId, name: answer === null ? null : nameIn(answer, externalId) });
  }
  return { ...concerned, groups: [...new Set([...concerned.groups, ...gone])], renamed };
}

function nameIn(answer: SessionResponse, id: ExternalId): string | null {
  if (answer.status !== 200) return null;
  const read = toGroupRecord(parseJson(answer));
  return read.kind === 'group' && read.group.externalId === id ? read.group.name : null;
}

/** Throws where Okta's time is not told: by a clock of ours, changes could be missed. */
function startOf(answer: SessionResponse): number {
  const now = oktaTimeMs(answer);
  if (now === null) throw odd(answer, "An answer does not tell Okta's time: it has no Date header.");
  return now - OVERLAP_MS;
}

function toToken(position: Position): DeltaToken {
  return JSON.stringify(position);
}

function toPosition(token: DeltaToken, appScope: string | null): Position {
  const read = Position.safeParse(parsed(token));
  if (!read.success) throw expired('was not made by this version');
  if (read.data.app !== appScope) throw expired('is about the assignments of another app');
  return read.data;
}

function parsed(token: DeltaToken): unknown {
  try {
    return JSON.parse(token);
  } catch {
    return null;
  }
}

function expired(why: string): ConnectorError {
  return new ConnectorError({
    kind: 'cursor-expired',
    message: `The saved place in the changes ${why}.`,
    remedy: 'Nobody has to act: a full run follows.',
  });
}
