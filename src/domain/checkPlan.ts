/** The last look at every proposed change before it is stored: what must never be proposed, whatever the code above it does. */
import type { Cause, ChangeKind, ProposedChange } from './change.ts';
import type { FoundAuthUser } from './matching.ts';
import type { Snapshot } from './snapshot.ts';

type Known = {
  readonly snapshot: Snapshot;
  readonly seen: boolean;
  /** The provider was asked for this very user, and said that there is none, or none whom the connection reads. */
  readonly told: boolean;
  readonly candidates: readonly FoundAuthUser[];
  /** They left, were suspended for it, and have been away since for as long as leavers are kept. */
  readonly graceOver?: boolean;
  /** Which tenant they belong in hangs on a group that could not be read. */
  readonly placeUnknown: boolean;
};

/** What takes access away, by its cause: each says how it has to be known. Any other cause is a reason for neither. */
const knowledge: {
  readonly [cause in Cause]?: {
    readonly kinds: readonly ChangeKind[];
    readonly from: (known: Known) => boolean;
  };
} = {
  suspended: { kinds: ['suspend'], from: ({ seen }) => seen },
  deprovisioned: { kinds: ['suspend', 'delete'], from: ({ seen }) => seen },
  left: { kinds: ['suspend', 'delete'], from: isAway },
  'scope-changed': { kinds: ['suspend', 'delete'], from: isAway },
  'out-of-scope': { kinds: ['suspend', 'delete'], from: ({ seen, told }) => !seen && told },
  'grace-over': { kinds: ['delete'], from: ({ graceOver }) => graceOver === true },
};

function isAway({ seen, told, snapshot }: Known): boolean {
  return !seen && (told || snapshot.kind === 'complete');
}

/**
 * Throws when a change breaks rule 1 (deletion from absence of knowledge) or rule 5 (an account for a mere address), or lets somebody in
 * although it is not known where.
 */
export function checkProposal(change: ProposedChange, known: Known): void {
  if (change.kind === 'suspend' || change.kind === 'delete') {
    const needed = knowledge[change.cause];
    if (!needed?.kinds.includes(change.kind) || !needed.from(known))
      throw new Error(`rule 1: ${change.kind} of ${change.externalId} without knowledge that it left`);
  }
  if (known.placeUnknown && (change.kind === 'create' || change.kind === 'link'))
    throw new Error(
      `${change.kind} of ${change.externalId} without knowledge of the tenant that they belong in`,
    );
  if (change.kind === 'link') {
    const linked = known.candidates.find((user) => user.id === change.authUser);
    if (linked === undefined || linked.links !== 0)
      throw new Error(`rule 5: ${change.externalId} would take over a linked auth user`);
  }
  if (change.kind === 'create' && change.authUser !== null)
    throw new Error(`rule 5: creating ${change.externalId} onto an auth user`);
}
