/** Whether a run that its process left behind is gone on with. */
import type { RunFailure } from '../domain/run.ts';
import type { SyncRun } from './generated/client.ts';

/** Pages that were read further apart than this are no picture of one directory: whoever moved between them may be in none. */
const RESUMABLE_MS = 60 * 60_000;

const TOO_OLD: RunFailure = {
  kind: 'too-old',
  message: 'The run was interrupted for so long that it was begun anew.',
  remedy: 'Nothing: the next run reads the whole directory.',
};

const CONFIGURATION_CHANGED: RunFailure = {
  kind: 'configuration-changed',
  message: 'The connection was reconfigured before this run was finished.',
  remedy: 'Nothing: the next run reads by the new configuration.',
};

const FULL_ASKED_FOR: RunFailure = {
  kind: 'full-asked-for',
  message: 'The run read only what changed, and a full one was asked for before it was finished.',
  remedy: 'Nothing: the next run reads the whole directory.',
};

/** null: it goes on from its last page. */
export function whyNotResumed(
  left: SyncRun,
  reading: { readonly readingFingerprint: string; readonly full: boolean },
  at: Date,
): RunFailure | null {
  if (at.getTime() - (left.startedAt?.getTime() ?? 0) > RESUMABLE_MS) return TOO_OLD;
  if (left.readingFingerprint !== reading.readingFingerprint) return CONFIGURATION_CHANGED;
  return reading.full && left.kind === 'delta' ? FULL_ASKED_FOR : null;
}
