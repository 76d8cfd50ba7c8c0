/** Connections with how they fare. */
import type { Clock } from '../domain/clock.ts';
import type { Connection, ListedConnection, UnreadableConnection } from '../domain/connection.ts';
import { type Due, type Health, healthOf, type RunHistory } from '../domain/health.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import type { GuardOverride } from '../store/guardOverrides.ts';
import type { Store } from '../store/store.ts';
import { nextStart, startTimesOf } from '../sync/startTimes.ts';

export type ReadableWithHealth = Connection & {
  readonly health: Health;
  /** Guards that let more through for a time. */
  readonly overrides: readonly GuardOverride[];
};
/** Of one that cannot be read nothing starts, so that there is no health to speak of. */
export type WithHealth = ReadableWithHealth | (UnreadableConnection & { readonly health: null });

type Deps = { readonly store: Store; readonly clock: Clock };

/** In the same order. `scope` is the caller's tenant. */
export async function withHealth(
  { store, clock }: Deps,
  scope: TenantId,
  connections: readonly ListedConnection[],
): Promise<WithHealth[]> {
  const readable = connections.filter((one) => one.state !== 'unreadable').map(({ id }) => id);
  const now = clock.now();
  const timesOf = startTimesOf();
  const histories =
    readable.length === 0
      ? new Map<ConnectionId, RunHistory>()
      : await store.runs.histories(scope, readable, now);
  const overrides = await store.guardOverrides.active(scope, readable, now);
  return connections.map((one) => {
    if (one.state === 'unreadable') return { ...one, health: null };
    const history = histories.get(one.id) ?? NO_RUNS;
    const own = overrides.filter(({ connection }) => connection === one.id);
    return { ...one, health: healthOf(history, dueOf(one, timesOf), now), overrides: own };
  });
}

export function oneWithHealth(
  deps: Deps,
  scope: TenantId,
  connection: Connection,
): Promise<ReadableWithHealth>;
export function oneWithHealth(deps: Deps, scope: TenantId, connection: ListedConnection): Promise<WithHealth>;
export async function oneWithHealth(
  deps: Deps,
  scope: TenantId,
  connection: ListedConnection,
): Promise<WithHealth> {
  const [shown] = await withHealth(deps, scope, [connection]);
  if (shown === undefined) throw new Error('one connection has one health');
  return shown;
}

const NO_RUNS: RunHistory = { finished: null, failed: 0, first: [], last: null, missedByDeltas: 0 };

/** By what the scheduler goes by too. What never comes (31 February) is never due: the log says so. */
function dueOf(
  { id, state, schedule, timeZone, createdAt }: Connection,
  timesOf: ReturnType<typeof startTimesOf>,
): Due | null {
  const times = state !== 'active' || schedule === null ? null : timesOf(id, schedule, timeZone);
  if (times === null) return null;
  return {
    from: createdAt,
    after: (at) => {
      const next = nextStart(times, at.getTime());
      return next === null ? null : new Date(next);
    },
  };
}
