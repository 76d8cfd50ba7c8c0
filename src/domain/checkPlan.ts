/** The last look at every proposed change before it is stored: what must never be proposed, whatever the code above it does. */
import type { ProposedChange } from './change.ts';
import type { FoundAuthUser } from './matching.ts';
import type { Snapshot } from './snapshot.ts';

/** Throws when a change breaks rule 1 (deletion from absence of knowledge) or rule 5 (an account for a mere address). */
export function checkProposal(
  change: ProposedChange,
  known: {
    readonly snapshot: Snapshot;
    readonly seen: boolean;
    readonly candidates: readonly FoundAuthUser[];
  },
): void {
  if (change.kind === 'suspend' || change.kind === 'delete') {
    const told = known.seen && (change.cause === 'suspended' || change.cause === 'deprovisioned');
    const away = change.cause === 'left' || change.cause === 'scope-changed';
    const absent = !known.seen && away && known.snapshot.kind === 'complete';
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
