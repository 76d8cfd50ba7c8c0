/** Connections with how they fare. */
import { CronExpressionParser } from 'cron-parser';
import type { Clock } from '../domain/clock.ts';
import type { Connection, ListedConnection, UnreadableConnection } from '../domain/connection.ts';
import { type Due, type Health, healthOf, type RunHistory } from '../domain/health.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import type { GuardOverride } from '../store/guardOverrides.ts';
import type { Store } from '../store/store.ts';

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
  const histories =
    readable.length === 0
      ? new Map<ConnectionId, RunHistory>()
      : await store.runs.histories(scope, readable, now);
  const overrides = await store.guardOverrides.active(scope, readable, now);
  return connections.map((one) => {
    if (one.state === 'unreadable') return { ...one, health: null };
    const history = histories.get(one.id) ?? NO_RUNS;
    const own = overrides.filter(({ connection }) => connection === one.id);
    return { ...one, health: healthOf(history, dueOf(one), now), overrides: own };
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

/** By the parser that the scheduler uses too. */
function dueOf({ state, schedule, timeZone, createdAt }: Connection): Due | null {
  if (state !== 'active' || schedule === null) return null;
  return {
    from: createdAt,
    after: (at) => {
      try {
        return CronExpressionParser.parse(schedule, { currentDate: at, tz: timeZone }).next().toDate();
      } catch {
        return null; // 31 February: the scheduler finds no time for it either, and says so in the log
      }
    },
  };
}
