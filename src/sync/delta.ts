/**
 * Reads only what changed: the provider's feed names people, and each is then asked for as they are now. Names may come late, twice
 * and out of order, and whoever was removed may be back: only the look-up counts.
 */
import {
  type Changes,
  type ChangesPage,
  ConnectorError,
  type FailureKind,
} from '../../connectors/contract.ts';
import type { Clock } from '../domain/clock.ts';
import type { ExternalId } from '../domain/ids.ts';
import type { CompiledMapping } from '../domain/mapping.ts';
import type { TakenRun, Told } from '../domain/run.ts';
import { doubtOfPermissions } from '../domain/snapshot.ts';
import { lookUpTouched, type PullDeps, UnknownGroup } from './lookUp.ts';
import { compileInTime } from './mappingTime.ts';
import type { Progress } from './progress.ts';

/**
 * How long deltas follow each other before everybody is read again: what a feed may have missed shows then. Short of a day, so that
 * a schedule of once a day reads everybody each time.
 */
export const FULL_EVERY_MS = 23 * 3_600_000;
/** Of those who have to be looked at again although no feed names them. */
const AGAIN_AT_MOST = 500;

/** A feed of more pages than that has no end, or is longer than the lists. */
const PAGES_AT_MOST = 1_000;
/** To see what deltas missed is worth so many requests beside those of a full run. */
const COMPARED_PAGES_AT_MOST = 20;
/** To look up so many, or one in so many of those who are linked where that is more, costs no more than to read everybody. */
const LOOK_UPS = { always: 500, oneIn: 20 } as const;

/** The feed does not tell all that has happened: everybody has to be read. */
export class NeedsFullRun extends Error {
  override readonly name = 'NeedsFullRun';
  readonly because: string;

  constructor(because: string) {
    super(`a delta does not do: ${because}`);
    this.because = because;
  }
}

/** The same run, from now on a delta; null where it has to read everybody. */
export async function beginDelta(
  { touched, connector }: PullDeps,
  run: TakenRun,
  { clock, fullEveryMs = FULL_EVERY_MS }: { readonly clock: Clock; readonly fullEveryMs?: number },
): Promise<TakenRun | null> {
  if (connector.changes === null || connector.lookUp === null) return null;
  const { tokenLifetimeMs } = connector.changes;
  return await touched.begin(run, {
    at: clock.now(),
    lifetimeMs: tokenLifetimeMs,
    fullEveryMs,
    againAtMost: AGAIN_AT_MOST,
  });
}

/** The same run, from now on about those whom somebody named and nobody else; null where it has to read everybody. */
export async function beginTargeted(
  { touched, connector }: PullDeps,
  run: TakenRun,
): Promise<TakenRun | null> {
  return connector.lookUp === null ? null : await touched.beginTargeted(run);
}

/** Throws `NeedsFullRun`, `RunTakenOver`, the signal's reason, or `ConnectorError` where a full run would fare no better. */
export async function pullChanges(
  deps: PullDeps,
  run: TakenRun,
  signal: AbortSignal,
  progress: Progress,
): Promise<void> {
  const { changes, lookUp } = deps.connector;
  if (lookUp === null) throw new NeedsFullRun('the provider cannot be asked for one user');
  const mapping = compileInTime(run.mapping);
  try {
    if (run.phase === 'changes') {
      if (changes === null || run.deltaFrom === null) throw new NeedsFullRun('the provider names no changes');
      await readFeed(deps, changes, { ...run, deltaFrom: run.deltaFrom }, mapping, signal, progress);
      await refuseTooMany(deps, run);
    }
    await refuseFewerPermissions(deps, run, signal);
    do await lookUpTouched(deps, run, mapping, signal, progress);
    while (await addsRivals(deps, run));
  } catch (error) {
    if (error instanceof UnknownGroup) throw new NeedsFullRun('somebody is in a group that was not read yet');
    if (error instanceof ConnectorError && CURED_BY_FULL.has(error.failure.kind))
      throw new NeedsFullRun(error.failure.kind);
    throw error;
  }
}

/** What a feed may be refused for while the listing is open. Of the others, a full run would learn no more. */
const CURED_BY_FULL: ReadonlySet<FailureKind> = new Set<FailureKind>([
  'cursor-expired',
  'not-found',
  'permission-missing',
  'unexpected-response',
  'foreign-link',
]);

/**
 * Whom the feed names by now from where the last delta stopped, for a full run that has read everybody. null: it does not say, or it
 * would cost too much to ask. Throws the signal's reason.
 */
export async function toldSince(
  { touched, connector }: PullDeps,
  run: TakenRun,
  signal: AbortSignal,
): Promise<Told | null> {
  const { deltaFrom } = run;
  const { changes } = connector;
  if (deltaFrom === null || changes === null) return null;
  const mapping = compileInTime(run.mapping);
  const users = new Set<ExternalId>();
  let ofGroups = false;
  try {
    let cursor: string | null = null;
    for (let pages = 0; pages < COMPARED_PAGES_AT_MOST; pages++) {
      const page = await changes.fetch(deltaFrom, cursor, signal);
      if (page.unreadable > 0) return null;
      for (const user of page.users) users.add(user);
      ofGroups ||= (await newsOfGroups(touched, run, mapping, page)) !== null;
      cursor = page.next;
      if (cursor === null) return { users, ofGroups };
    }
    return null;
  } catch (error) {
    if (error instanceof ConnectorError && !signal.aborted) return null;
    throw error;
  }
}

async function readFeed(
  { touched }: PullDeps,
  changes: Changes,
  run: TakenRun & { readonly deltaFrom: string },
  mapping: CompiledMapping,
  signal: AbortSignal,
  progress: Progress,
): Promise<void> {
  const visited = new Set([run.cursor]);
  for (let cursor = run.cursor; ; ) {
    if (visited.size > PAGES_AT_MOST) throw new NeedsFullRun('the feed does not end');
    const page = await changes.fetch(run.deltaFrom, cursor, signal);
    if (page.unreadable > 0) throw new NeedsFullRun('some of what changed could not be read');
    const news = await newsOfGroups(touched, run, mapping, page);
    if (news !== null) throw new NeedsFullRun(news);
    cursor = page.next;
    if (cursor === null) {
      if (page.token === null) throw new NeedsFullRun('the feed does not say where it goes on');
      await touched.stage(run, page.users, { phase: 'look-up', cursor: null }, page.token);
      progress.page('changes', 0);
      return;
    }
    if (visited.has(cursor)) throw new NeedsFullRun('the feed leads in a circle');
    visited.add(cursor);
    await touched.stage(run, page.users, { phase: 'changes', cursor }, null);
    progress.page('changes', 0);
  }
}

/**
 * Why what a page says of groups makes everybody be read again; null where it is all about groups that the mapping does not read. Which
 * those are is known from the last complete run, by their ids; what else is named, or may now have a name that the mapping wants,
 * may be one that it reads.
 */
async function newsOfGroups(
  touched: PullDeps['touched'],
  run: TakenRun,
  mapping: CompiledMapping,
  { groups, renamed }: ChangesPage,
): Promise<string | null> {
  if (!mapping.readsGroups || groups.length + renamed.length === 0) return null;
  if (mapping.readsEveryGroup) return 'a group changed';
  const known = await touched.knownGroups(run, [...groups, ...renamed.map(({ externalId }) => externalId)]);
  const isNews = ({ externalId, name }: ChangesPage['renamed'][number]): boolean => {
    const before = known.get(externalId);
    if (name === null) return true;
    return mapping.reads({ externalId, name }) ? before !== name : typeof before === 'string';
  };
  if (renamed.some(isNews)) return 'a group is new or called otherwise';
  const leftOut = new Set(
    renamed.map(({ externalId }) => externalId).filter((id) => typeof known.get(id) !== 'string'),
  );
  if (groups.some((id) => known.get(id) !== null && !leftOut.has(id)))
    return 'the members of a group changed';
  await touched.leaveOut(run, [...leftOut]);
  return null;
}

/** Whether somebody has to be looked at because of the address of whoever was looked up. */
async function addsRivals({ touched }: PullDeps, run: TakenRun): Promise<boolean> {
  const found = await touched.stageRivals(run, AGAIN_AT_MOST);
  if (found > AGAIN_AT_MOST) throw new NeedsFullRun('too many come to the same addresses');
  return found > 0;
}

/** Who and what a credential is not shown any more looks like gone. Only a full run can tell why, and then takes nothing for gone. */
async function refuseFewerPermissions({ touched, connector }: PullDeps, run: TakenRun, signal: AbortSignal) {
  const [anybody] = await touched.next(run, null, 1);
  const before = anybody === undefined ? null : await touched.permissionsBefore(run);
  if (before === null) return;
  const { permissions } = await connector.evidence(signal);
  const doubt = doubtOfPermissions(permissions, before);
  if (doubt !== null) throw new NeedsFullRun(`of what the credential may do: ${doubt}`);
}

async function refuseTooMany({ touched }: PullDeps, run: TakenRun): Promise<void> {
  const counted = await touched.count(run, LOOK_UPS.always);
  if (counted.touched > Math.max(LOOK_UPS.always, counted.linked / LOOK_UPS.oneIn))
    throw new NeedsFullRun('so much changed that to read everybody costs less');
}
