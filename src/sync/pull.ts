/**
 * Reads a whole directory into a run's snapshot, page by page: groups, their members, users, and then one by one those who were
 * linked and not listed. Each page is stored with the cursor that follows it, so that a run whose process died goes on where it
 * stopped. While a page is stored, the next is being fetched.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ConnectorError,
  type Cursor,
  type FailureKind,
  type Page,
  type UserRecord,
} from '../../connectors/contract.ts';
import type { CompiledMapping } from '../domain/mapping.ts';
import type { TakenRun } from '../domain/run.ts';
import { KnownContents } from '../store/directoryUsers.ts';
import type { GroupToRead, StagedMembers, StagedPage, StagedUser } from '../store/staging.ts';
import { Batches } from './batches.ts';
import { lookUpTouched, type PullDeps } from './lookUp.ts';
import { compileInTime } from './mappingTime.ts';
import { PartCount } from './partCount.ts';
import type { Progress } from './progress.ts';
import { Stager } from './staged.ts';

/** How the reading of users ended. Groups and members that cannot be read end the pull with the connector's error instead. */
export type Pulled = {
  readonly chainClosed: boolean;
  readonly looped: boolean;
  readonly failure: ConnectorError | null;
};

/** Throws `ConnectorError` when groups or members cannot be read, `RunTakenOver`, or the signal's reason. */
export async function pull(
  deps: PullDeps,
  run: TakenRun,
  signal: AbortSignal,
  progress: Progress,
): Promise<Pulled> {
  const mapping = compileInTime(run.mapping);
  const lastRead = deps.directoryUsers.known(run);
  lastRead.catch(() => {}); // awaited once there are users
  try {
    if (run.phase === 'groups') await pullGroups(deps, run, mapping, signal, progress);
    if (run.phase === 'groups' || run.phase === 'members') await pullMembers(deps, run, signal, progress);
  } catch (error) {
    throw error instanceof LoopingCursor ? error.asFailure() : error;
  }
  try {
    if (run.phase !== 'look-up') await pullUsers(deps, run, { mapping, lastRead }, signal, progress);
    await lookUpUnseen(deps, run, mapping, signal, progress);
    return { chainClosed: true, looped: false, failure: null };
  } catch (error) {
    if (error instanceof LoopingCursor)
      return { chainClosed: false, looped: true, failure: error.asFailure() };
    if (error instanceof ConnectorError && error.failure.kind !== 'cursor-expired') {
      return { chainClosed: false, looped: false, failure: error };
    }
    throw error;
  }
}

async function pullGroups(
  deps: PullDeps,
  run: TakenRun,
  mapping: CompiledMapping,
  signal: AbortSignal,
  progress: Progress,
) {
  const from = run.phase === 'groups' ? run.cursor : null;
  const hearsOfGroups = deps.connector.changes !== null && mapping.readsGroups;
  for await (const page of readPages((cursor) => deps.connector.fetchGroups(cursor, signal), from)) {
    const groups = page.records.flatMap((record) => (record.kind === 'group' ? [record.group] : []));
    const next =
      page.next === null
        ? { phase: 'members' as const, cursor: null }
        : { phase: 'groups' as const, cursor: page.next };
    const others = hearsOfGroups ? groups.filter((group) => !mapping.reads(group)) : [];
    await deps.staging.stageGroups(
      run,
      groups.filter(mapping.reads),
      others.map(({ externalId }) => externalId),
      page.records.length - groups.length,
      next,
    );
    progress.page('groups', 0);
  }
}

/**
 * Whoever has moved between a provider's lists while they were read is in none of them. So those who are missing are asked for by
 * id, of many some: who is still there stays, and why the others are away is known.
 */
async function lookUpUnseen(
  deps: PullDeps,
  run: TakenRun,
  mapping: CompiledMapping,
  signal: AbortSignal,
  progress: Progress,
) {
  if (deps.connector.lookUp === null) return;
  if (run.phase !== 'look-up') await deps.touched.stageUnseen(run, UNSEEN_AT_MOST);
  await lookUpTouched(deps, run, mapping, signal, progress);
}

/** All of many would cost as much as another listing: so many show whether the lists are whole. */
const UNSEEN_AT_MOST = 500;

/** Each group remembers how far its members were read, so that the groups need no cursor of their own. */
async function pullMembers(deps: PullDeps, run: TakenRun, signal: AbortSignal, progress: Progress) {
  const store = (lists: readonly (readonly StagedMembers[])[]) =>
    deps.staging.stageMembers(run, lists.flat());
  const staged = new Batches(store, () => 1);
  const waiting: StagedMembers[] = [];
  const flush = async (atLeast: number) => {
    const rows = waiting.reduce((sum, page) => sum + page.users.length, waiting.length);
    if (rows < atLeast) return;
    await staged.add(waiting.splice(0));
  };
  try {
    for (;;) {
      const groups = await deps.staging.groupsToRead(run, GROUPS_AT_ONCE);
      if (groups.length === 0) return;
      await sideBySide(GROUPS_SIDE_BY_SIDE, groups, async (group, isOver) => {
        for await (const page of membersOf(deps, group, signal)) {
          waiting.push(page);
          progress.page('members', 0);
          await flush(MEMBERS_AT_ONCE);
          if (isOver()) return;
        }
      });
      await flush(1);
      await staged.end(); // the next look is for groups that are still to be read
    }
  } finally {
    await flush(1); // what was read before the reading broke off need not be read again
    await staged.end();
  }
}

/** Members that are stored in one transaction: many small groups, or a few pages of a large one. */
const MEMBERS_AT_ONCE = 5_000;
const GROUPS_AT_ONCE = 500;
/** Requests under way at once; the connector's session paces them. A directory may have ten thousand groups of three. */
const GROUPS_SIDE_BY_SIDE = 4;

/** Ends when all work has: by the first error, if there is one, of which the others hear (`isOver`) after their next page. */
async function sideBySide<T>(
  width: number,
  items: readonly T[],
  work: (item: T, isOver: () => boolean) => Promise<void>,
): Promise<void> {
  const waiting = [...items].reverse();
  const errors: unknown[] = [];
  const isOver = () => errors.length > 0;
  const lane = async () => {
    for (let next = waiting.pop(); next !== undefined && !isOver(); next = waiting.pop()) {
      await work(next, isOver).catch((error: unknown) => errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  if (errors.length > 0) throw errors[0];
}

async function* membersOf(
  deps: PullDeps,
  group: GroupToRead,
  signal: AbortSignal,
): AsyncGenerator<StagedMembers> {
  const fetch = (cursor: Cursor | null) => deps.connector.fetchMembers(group.externalId, cursor, signal);
  try {
    for await (const page of readPages(fetch, group.cursor)) {
      const users = page.records.flatMap((record) => (record.kind === 'user' ? [record.externalId] : []));
      const unreadable = page.records.filter((record) => record.kind === 'unreadable').length;
      const everyone = page.records.some((record) => record.kind === 'everyone');
      yield { group: group.externalId, users, everyone, next: page.next, unreadable };
    }
  } catch (error) {
    // Gone since it was listed, or closed to this credential: who is in it is unknown, and the other groups are read.
    if (!(error instanceof ConnectorError) || !CLOSED_GROUP.has(error.failure.kind)) throw error;
    yield { group: group.externalId, users: [], everyone: false, next: null, unreadable: 1 };
  }
}

const CLOSED_GROUP: ReadonlySet<FailureKind> = new Set<FailureKind>(['not-found', 'permission-missing']);

/**
 * So many records are thought about before it is heard whether the database or the provider has answered: whole pages at once would let
 * both wait for this process.
 */
const AT_ONCE = 100;

async function pullUsers(
  deps: PullDeps,
  run: TakenRun,
  { mapping, lastRead }: { readonly mapping: CompiledMapping; readonly lastRead: Promise<KnownContents> },
  signal: AbortSignal,
  progress: Progress,
) {
  const groups = await deps.staging.readGroups(run);
  const stager = new Stager(run.mapping, mapping, groups);
  const known = await lastRead;
  const from = run.phase === 'users' ? run.cursor : null;
  const staged = new Batches<StagedPage>((ready) => deps.staging.stageUsers(run, ready), weightOf);
  const parts = new PartCount(from === null ? { domains: {}, orgUnits: {} } : run);
  try {
    const pages = readPages((cursor) => deps.connector.fetchUsers(cursor, signal), from);
    for await (const page of withGroups(deps, run, pages, groups.length > 0)) {
      signal.throwIfAborted(); // the next pages may have come before
      const groupsOf = (record: UserRecord) =>
        (record.kind === 'user' && page.groups.get(record.user.externalId)) || [];
      const users: StagedUser[] = [];
      for (let at = 0; at < page.records.length; at += AT_ONCE) {
        const some = page.records.slice(at, at + AT_ONCE);
        users.push(...some.flatMap((record) => stager.stage(record, groupsOf(record), known)));
        await nextTurn();
      }
      const nameless = page.records.length - users.length;
      // The end of the chain is a state of its own: a run that dies after its last page must not take it for the first one.
      parts.add(page.records);
      const next = { phase: 'users' as const, cursor: page.next ?? END_OF_CHAIN, ...parts.sizes };
      const anew = () =>
        page.records.flatMap((record) => stager.stage(record, groupsOf(record), KnownContents.none));
      await staged.add({ users, anew, nameless, next });
      progress.page('users', users.length);
    }
  } finally {
    await staged.end();
  }
}

/** By the memory that it takes: there may wait of others less than a thousand, of people who are as they were four times as many. */
function weightOf({ users }: StagedPage): number {
  const settled = users.filter((user) => 'settled' in user).length;
  return (users.length - settled + settled / 4) / 900;
}

type UserPage = Page<UserRecord> & { readonly groups: ReadonlyMap<string, readonly string[]> };

/**
 * Pages of users with the groups that they are in: those of one page are looked up while the next one is being fetched. `areGroups`: some
 * were read.
 */
async function* withGroups(
  { staging }: PullDeps,
  run: TakenRun,
  pages: AsyncGenerator<Page<UserRecord>>,
  areGroups: boolean,
): AsyncGenerator<UserPage> {
  const next = async (): Promise<UserPage | null> => {
    const { value: page, done } = await pages.next();
    if (done === true) return null;
    if (!areGroups) return { ...page, groups: NO_GROUPS };
    const ids = page.records.flatMap((record) => (record.kind === 'user' ? [record.user.externalId] : []));
    return { ...page, groups: await staging.groupsOf(run, ids) };
  };
  for (let coming = next(); ; ) {
    const page = await coming;
    if (page === null) return;
    coming = next();
    coming.catch(() => {}); // awaited in the next round; until then a rejection is nobody's fault
    yield page;
  }
}

const NO_GROUPS: UserPage['groups'] = new Map();

/** What a run's cursor says when all pages of users are stored. No provider's cursor looks like it. */
const END_OF_CHAIN = '\u0001end';

/** The pages from this cursor on. A cursor that comes back means that the provider leads us in a circle. */
async function* readPages<T>(
  fetch: (cursor: Cursor | null) => Promise<Page<T>>,
  from: Cursor | null,
): AsyncGenerator<Page<T>> {
  if (from === END_OF_CHAIN) return;
  const visited = new Set<Cursor | null>([from]);
  let pending = fetch(from);
  for (;;) {
    const page = await pending;
    if (page.next === null) {
      yield page;
      return;
    }
    const loops = visited.has(page.next);
    visited.add(page.next);
    if (!loops) {
      pending = fetch(page.next);
      pending.catch(() => {}); // awaited in the next round; until then a rejection is nobody's fault
    }
    yield page;
    if (loops) throw new LoopingCursor();
  }
}

class LoopingCursor extends Error {
  override readonly name = 'LoopingCursor';

  asFailure(): ConnectorError {
    const failure = {
      kind: 'unexpected-response',
      message: 'The provider sent a page link that it had sent before: reading on would never end.',
      remedy: 'Try again later; if it stays, report it to the provider.',
    } as const;
    return new ConnectorError(failure, { cause: this });
  }
}
