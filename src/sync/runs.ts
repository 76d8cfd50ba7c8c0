/** Asking for runs, and looking at them. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { paused } from '../domain/connection.ts';
import { ConnectionId, ExternalId, RunId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions, toPage } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { RunView } from '../domain/run.ts';
import { suspended } from '../domain/tenant.ts';
import type { Store } from '../store/store.ts';
import { readingOf } from './sync.ts';

export type RunDeps = { readonly store: Store; readonly clock: Clock };

export const RunRequest = z.strictObject({
  connection: ConnectionId,
  full: z
    .boolean()
    .default(false)
    .describe('Read everybody, also where the provider can name those who changed.'),
  users: z
    .array(ExternalId)
    .min(1)
    .max(1_000)
    .nullable()
    .default(null)
    .describe(
      'Read only these, by their ids in the directory. Where the provider cannot be asked for one user, or after a change of the configuration, everybody is read.',
    ),
});
export const RunFilter = PageOptions.extend({
  connection: ConnectionId.optional().describe('Only of this connection.'),
});

/**
 * Queues a run; one that already waits for this connection is given again. Whoever calls has to see to it that a worker hears of it.
 * Throws `invalid-input`, `not-found`, `not-allowed-now` while the connection is paused, `tenant-suspended`.
 */
export async function requestRun(
  deps: RunDeps,
  caller: Caller,
  input: unknown,
): Promise<{ run: RunId; already: boolean }> {
  authorise(caller, 'runs.start');
  const { connection: id, full, users } = parseInput(RunRequest, input);
  const connection = await deps.store.connections.get(caller.tenant, id);
  if (connection === null) throw notFound('connection');
  if (connection.state === 'paused') throw paused(connection.id);
  if ((await deps.store.tenants.standing(connection.tenant)) !== 'active') throw suspended('no run starts');
  const work = { connection: connection.id, tenant: connection.tenant };
  const reading = { ...readingOf(connection), full, users: full ? null : users };
  return await deps.store.runs.queue(work, reading, caller.actor, deps.clock.now());
}

/** Newest first. */
export async function listRuns(deps: RunDeps, caller: Caller, input: unknown): Promise<Listed<RunView>> {
  authorise(caller, 'runs.read');
  const { connection, ...page } = parseInput(RunFilter, input);
  const rows = await deps.store.runs.list(caller.tenant, { connection }, { ...page, limit: page.limit + 1 });
  return toPage(rows, page.limit);
}

export async function getRun(deps: RunDeps, caller: Caller, id: string): Promise<RunView> {
  authorise(caller, 'runs.read');
  const run = parseId(RunId, id);
  const found = run === null ? null : await deps.store.runs.get(caller.tenant, run);
  if (found === null) throw notFound('run');
  return found;
}
