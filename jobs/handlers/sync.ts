/** One sync run: what the job carries is handed to the use case, and what it says is told to the worker. */
import { ConnectorError, type ConnectorFailure } from '../../connectors/contract.ts';
import type { ConnectionId, RunId } from '../../src/domain/ids.ts';
import { SyncJob } from '../queue.ts';

export type SyncRequest = {
  readonly connection: ConnectionId;
  /** The recorded run that was asked for. Without one, the run that this connection left unfinished, or a new one. */
  readonly run?: RunId;
  readonly trigger: 'schedule' | 'demand';
  /** From 1. After the first, an earlier attempt has recorded why it failed: the run is taken up again. */
  readonly attempt: number;
  /** Aborted when the worker has to end: stop after the page in hand; another worker goes on from there. */
  readonly signal: AbortSignal;
};

/** `busy`: another process is running this connection just now. `failed` has been recorded with the run. */
export type SyncOutcome = {
  readonly result: 'finished' | 'failed' | 'busy';
  readonly failure: ConnectorFailure | null;
};

/** A run that has ended already must be answered with its result: a job may be delivered more than once. */
export type SyncConnection = (request: SyncRequest) => Promise<SyncOutcome>;

/** `later`: somebody waits for this very run. A scheduled one is dropped instead, because the run in progress covers it. */
export async function handleSync(
  syncConnection: SyncConnection,
  data: unknown,
  attempt: number,
  signal: AbortSignal,
): Promise<'done' | 'dropped' | 'later'> {
  const job = SyncJob.parse(data);
  const which = job.trigger === 'demand' ? { run: job.run } : {};
  const request = { connection: job.connection, trigger: job.trigger, ...which, attempt, signal };
  const outcome = await syncConnection(request);
  switch (outcome.result) {
    case 'busy':
      return job.trigger === 'demand' ? 'later' : 'dropped';
    case 'failed':
      if (outcome.failure === null) return 'done'; // nothing that another attempt could mend
      throw new ConnectorError(outcome.failure);
    case 'finished':
      return 'done';
  }
}
