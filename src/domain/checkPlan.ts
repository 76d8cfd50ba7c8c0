/** The last look at every proposed change before it is stored: what must never be proposed, whatever the code above it does. */
import type { Cause, ProposedChange } from './change.ts';
import type { FoundAuthUser } from './matching.ts';
import type { Snapshot } from './snapshot.ts';

const AWAY: ReadonlySet<Cause> = new Set<Cause>(['left', 'scope-changed', 'out-of-scope']);

/** Throws when a change breaks rule 1 (deletion from absence of knowledge) or rule 5 (an account for a mere address). */
export function checkProposal(
  change: ProposedChange,
  known: {
    readonly snapshot: Snapshot;
    readonly seen: boolean;
    /** The provider was asked for this very user, and said that there is none, or none whom the connection reads. */
    readonly told: boolean;
    readonly candidates: readonly FoundAuthUser[];
  },
): void {
  if (change.kind === 'suspend' || change.kind === 'delete') {
    const told = known.seen && (change.cause === 'suspended' || change.cause === 'deprovisioned');
    const away = AWAY.has(change.cause);
    const absent = !known.seen && away && (known.told || known.snapshot.kind === 'complete');
    if (!told && !absent)
      throw new Error(`rule 1: ${change.kind} of ${change.externalId} without knowledge that it left`);
  }
  if (change.kind === 'link') {
    const linked = known.candidates.find((user) => user.id === change.authUser);
    if (linked === undefined || linked.links !== 0)
      throw new Error(`rule 5: ${change.externalId} would take over a linked auth user`);
  }
  if (change.kind === 'create' && change.authUser !== null)
    throw new Error(`rule 5: creating ${change.externalId} onto an auth user`);
}
