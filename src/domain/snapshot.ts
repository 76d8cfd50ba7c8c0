/** What a run pulled, and whether anything may be concluded from what it did not contain. */
import type { CompleteSnapshot } from './plan.ts';

/** Why a snapshot is only part of the directory. */
export const partialReasons = {
  'page-failed': 'a page of users could not be read',
  'looping-cursor': 'the provider sent a page link that it had sent before',
  'empty-directory': 'the directory had users and now lists none',
  'nameless-record': 'a record could not be read, not even its id, so that nobody can be called absent',
  'rows-missing': 'fewer users are stored than were read',
} as const satisfies Record<string, string>;
export type PartialReason = keyof typeof partialReasons;

export type Snapshot = CompleteSnapshot | { readonly kind: 'partial'; readonly reason: PartialReason };

export type PullEvidence = {
  /** The provider said that there is no further page. */
  readonly chainClosed: boolean;
  readonly looped: boolean;
  /** Users read, the unreadable ones with a known id included. */
  readonly users: number;
  /** Rows that are really stored for this run. */
  readonly stored: number;
  readonly namelessRecords: number;
  /** Auth users that this connection has linked and that are not deleted. */
  readonly linkedUsers: number;
  /** Users in the last complete snapshot; 0 where there was none. */
  readonly usersBefore: number;
};

/** The only place that calls a snapshot complete. */
export function concludeSnapshot(evidence: PullEvidence): Snapshot {
  if (evidence.looped) return { kind: 'partial', reason: 'looping-cursor' };
  if (!evidence.chainClosed) return { kind: 'partial', reason: 'page-failed' };
  if (evidence.stored !== evidence.users) return { kind: 'partial', reason: 'rows-missing' };
  if (evidence.namelessRecords > 0) return { kind: 'partial', reason: 'nameless-record' };
  const hadUsers = evidence.linkedUsers > 0 || evidence.usersBefore > 0;
  if (evidence.users === 0 && hadUsers) return { kind: 'partial', reason: 'empty-directory' };
  return { kind: 'complete', users: evidence.users };
}
