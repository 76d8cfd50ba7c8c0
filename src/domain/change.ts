/** A change: one proposed difference for one directory user. What kinds and states there are, and what is allowed in which. */

import type { Fields, FieldValue } from './authUser.ts';
import type { Json } from './canonical.ts';
import { fingerprintOf } from './canonical.ts';
import type { AuthUserId, ChangeId, ExternalId, TenantId } from './ids.ts';

export const CHANGE_KINDS = [
  'create',
  'link',
  'reactivate',
  'update',
  'unlink',
  'suspend',
  'delete',
  'conflict',
] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** The pending sets that an administrator reviews. */
export const CHANGE_SETS = ['new', 'changed', 'deleted', 'conflict'] as const;
export type ChangeSetName = (typeof CHANGE_SETS)[number];

export const setOf = {
  create: 'new',
  link: 'new',
  reactivate: 'new',
  update: 'changed',
  unlink: 'changed',
  suspend: 'deleted',
  delete: 'deleted',
  conflict: 'conflict',
} as const satisfies Record<ChangeKind, ChangeSetName>;

/** Why a change exists, in the words that a person is shown. The cause explains and steers nothing. */
export const causes = {
  joined: 'new in the directory',
  'matched-by-email': 'an auth user with the same verified address exists and has no directory yet',
  'matched-by-rule': 'an auth user whom a matching rule of the connection names has no directory yet',
  returned: 'active in the directory again',
  edited: 'edited in the directory',
  'group-membership': 'group membership changed',
  'mapping-changed': 'the mapping of the connection changed',
  'local-edit': 'edited here, against the directory',
  suspended: 'suspended in the directory',
  deprovisioned: 'deleted or deactivated in the directory',
  left: 'no longer in the directory',
  'out-of-scope': 'left out by the settings of the connection',
  'scope-changed':
    'no longer among those whom the connection reads, which was reconfigured since its last complete run',
  'address-taken': 'the address belongs to another auth user',
  'address-shared': 'several directory users come with the same address',
  'address-unverified':
    'an auth user has the same address, but the tenant that they are in has not verified its domain',
  placed: 'the mapping puts them in another tenant now',
  'tenant-missing': 'the tenant that the mapping puts them in does not exist, or is to be deleted',
  'tenant-unknown': 'groups that decide in which tenant they belong could not be read',
  'match-unsure': 'an auth user may be the same person, and no rule is certain of it',
  'several-candidates': 'several auth users may be the same person',
  'grace-over': 'suspended since they left, for as long as the connection keeps leavers',
  undo: 'takes back what was applied',
} as const satisfies Record<string, string>;
export type Cause = keyof typeof causes;

/**
 * open -> approved | rejected | held; held -> approved | rejected; approved -> applied | moved | failed (by an apply).
 * `moved`: the auth user had changed since; the next plan proposes afresh. `superseded`: no longer true, or with other content now.
 */
export const CHANGE_STATES = [
  'open',
  'approved',
  'rejected',
  'held',
  'moved',
  'applied',
  'failed',
  'superseded',
] as const;
export type ChangeState = (typeof CHANGE_STATES)[number];

export const allowedIn = {
  approve: ['open', 'held', 'rejected', 'failed'],
  reject: ['open', 'held', 'approved', 'failed'],
  hold: ['open', 'approved', 'failed'],
  apply: ['approved'],
} as const satisfies Record<string, readonly ChangeState[]>;
export type ChangeAction = keyof typeof allowedIn;

/**
 * Which of the allowed states a decision on a whole set takes in. What was refused is only approved by name, and what is held only
 * where it is asked for: otherwise "approve all" would let through the very thing that a guard has stopped.
 */
export function statesDecidedAsSet(
  verdict: 'approve' | 'reject' | 'hold',
  includeHeld: boolean,
): readonly ChangeState[] {
  const states: readonly ChangeState[] = allowedIn[verdict];
  if (verdict !== 'approve') return states;
  return states.filter((state) => state !== 'rejected' && (includeHeld || state !== 'held'));
}

/** What may be done with a change now. A conflict cannot be approved: it has no content that could be applied. */
export function actionsFor(change: {
  readonly kind: ChangeKind;
  readonly state: ChangeState;
}): readonly ChangeAction[] {
  const actions = Object.keys(allowedIn) as ChangeAction[];
  return actions.filter((action) => {
    if (change.kind === 'conflict' && (action === 'approve' || action === 'apply')) return false;
    return (allowedIn[action] as readonly ChangeState[]).includes(change.state);
  });
}

/** Why something cannot be decided about a change now, for whoever tried, with what can be done about it. */
export function explainNotAllowed(
  verdict: 'approve' | 'reject' | 'hold',
  change: {
    readonly kind: ChangeKind;
    readonly state: ChangeState;
    readonly cause: Cause;
    readonly note: ChangeNote | null;
  },
): string {
  const { kind, state, note } = change;
  switch (state) {
    case 'superseded':
      return note === null ? 'it is no longer true' : explainNote(note);
    case 'applied':
      return 'it was applied already; what it did can be undone';
    case 'moved':
      return 'the user had changed when it was to be applied: the next run proposes afresh';
    case 'approved':
    case 'rejected':
    case 'held':
    case 'open':
    case 'failed':
      if (verdict === 'approve' && kind === 'conflict')
        return `nobody can approve a conflict. ${remedyFor(change) ?? ''}`.trim();
      return `it is ${state} already`;
  }
}

/** What settles a conflict, by its cause. The next run then proposes something that can be decided. */
export const settledBy = {
  'address-taken':
    'Where both may be the same person, and are a pair, say first whether they are. Otherwise apply the change that frees the address first, such as the deletion of somebody else who left; if there is none, correct the address in the directory or of the auth user who has it. Then sync again.',
  'address-shared':
    'Correct the addresses in the directory, so that only one of those people comes with this one. Then sync again.',
  'address-unverified':
    'Verify the domain for the tenant that the auth user is in (rollcall tenants domain), say that they are the same person (rollcall pairs, then rollcall same), or correct one of the two addresses. Then sync again.',
  'tenant-missing':
    'Make the tenant, or keep it where it is to be deleted (rollcall tenants keep), or change the rule of the mapping. Then sync again.',
  'tenant-unknown':
    'Let the connection read the groups that its mapping names (rollcall connections test says which it cannot). Then sync again.',
  'match-unsure':
    'Say whether they are the same person (rollcall pairs, then rollcall same or rollcall different). Then sync again.',
  'several-candidates':
    'Say which of them is the same person (rollcall pairs, then rollcall same), or correct what they share with this one. Then sync again.',
} as const satisfies Partial<Record<Cause, string>>;

/** What to do about a change that nobody can approve; null: it can be decided, or is over. */
export function remedyFor(change: {
  readonly kind: ChangeKind;
  readonly state: ChangeState;
  readonly cause: Cause;
}): string | null {
  if (change.kind !== 'conflict' || change.state === 'superseded') return null;
  const remedies: Partial<Record<Cause, string>> = settledBy;
  return remedies[change.cause] ?? null;
}

/** Why a change is gone, or waits again although somebody had decided on it. */
export type ChangeNote =
  /** Something else is proposed for the same directory user: this change. */
  | { readonly because: 'replaced'; readonly by: ChangeId }
  /** The auth user is by now as the directory wants it. */
  | { readonly because: 'agrees' }
  /** The directory has nobody of this id any more, and nothing is left to take from anybody. */
  | { readonly because: 'away' }
  /** Somebody said of the pair that both are one person: whoever comes goes on with this auth user. */
  | {
      readonly because: 'same-person';
      readonly by: string;
      readonly reason: string;
      readonly pair: string;
      readonly user: AuthUserId;
    }
  /** A refusal, or the holding back, stood until then. */
  | {
      readonly because: 'time-up';
      readonly was: 'rejected' | 'held';
      readonly by: string;
      readonly reason: string;
      readonly until: string;
    }
  /** It was approved, and not applied until then: for longer the policy does not let an approval wait. */
  | { readonly because: 'expired'; readonly by: string; readonly reason: string; readonly until: string };

export function explainNote(note: ChangeNote): string {
  switch (note.because) {
    case 'replaced':
      return `no longer true: another change is proposed for this user, ${note.by}`;
    case 'agrees':
      return 'no longer true: the directory and the auth user agree by now, or this user is left alone';
    case 'away':
      return 'no longer true: the user is not in the directory any more, and nothing is left to be done about them';
    case 'same-person':
      return `settled: ${note.by} said that both are the same person (${note.reason}; pair ${note.pair}), who goes on with the auth user ${note.user}: what still differs the next run proposes`;
    case 'time-up':
      return `waits again: ${note.by} had ${note.was} it until ${note.until} (${note.reason})`;
    case 'expired':
      return `waits again: ${note.by} had approved it (${note.reason}), and it was not applied until ${note.until}`;
  }
}

/** The field `tenant` is the place below the connection's tenant: names joined by slashes, null for that tenant itself. */
export type FieldChange = {
  readonly field: string;
  readonly before: FieldValue;
  readonly after: FieldValue;
  /** Whoever gives it a value first: from now on the directory changes it no more. Missing where the directory owns the field. */
  readonly owner?: 'first';
};

/** A matching rule that names an auth user, and how far it is believed. */
export type Evidence = {
  readonly by: 'email' | 'employeeId' | 'userName' | 'expression';
  readonly confidence: 'certain' | 'likely';
};

/** An auth user that might be meant by a directory user, and what speaks for or against it. */
export type Candidate = {
  readonly authUser: AuthUserId;
  readonly because: string;
  /** The matching rules that name it, in their order; missing where another change stands against it. */
  readonly evidence?: readonly Evidence[];
};

/** A change as the plan proposes it; the store adds id, state and revision. */
export type ProposedChange = {
  readonly externalId: ExternalId;
  readonly tenant: TenantId;
  readonly authUser: AuthUserId | null;
  readonly kind: ChangeKind;
  readonly cause: Cause;
  /** State, fields with a value and roles; null where there is nothing before (or after). */
  readonly before: Json | null;
  readonly after: Json | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly candidates: readonly Candidate[];
  /** Version of the auth user that this was computed from; null where there is none. */
  readonly baseVersion: number | null;
  /**
   * The tenants on the way to where it puts the auth user, from below the connection's own on, as the plan found them: it leads into
   * these, whatever others are called by then. Those that are missing behind them are made. Empty where it puts nobody anywhere.
   */
  readonly foundTenants: readonly TenantId[];
  /** Hash of the desired state it leads to, hexadecimal; see `AS_AGREED`. */
  readonly desiredHash: string;
};

/**
 * The hash of a change that no directory asks for: what was last agreed on with the directory stays agreed on, so that nothing is
 * proposed for it until the directory says something else.
 */
export const AS_AGREED = '';

/** Whether this is where the auth user belongs, and no field of theirs. */
export function isPlace({ field }: { readonly field: string }): boolean {
  return field === 'tenant';
}

/** What a reviewer is shown field by field. For a new user, everything that comes with them. */
export function shownFields(change: {
  readonly before: unknown;
  readonly after: unknown;
  readonly fields: readonly FieldChange[];
}): readonly FieldChange[] {
  if (change.before !== null || change.after === null) return change.fields;
  const { fields, tenant } = change.after as { readonly fields: Fields; readonly tenant?: string };
  const all = tenant === undefined ? fields : { ...fields, tenant };
  return Object.entries(all).map(([field, after]) => ({ field, before: null, after }));
}

/**
 * What a decision is bound to, beside the tenants that were found (`leadsThere`, in carryOut.ts): the exact content that was shown. The
 * version is not part of it, nor is the cause.
 */
export function fingerprintOfChange(change: ProposedChange): string {
  return fingerprintOf({
    kind: change.kind,
    externalId: change.externalId,
    tenant: change.tenant,
    authUser: change.authUser,
    before: change.before,
    after: change.after,
    rolesGained: change.rolesGained,
    rolesLost: change.rolesLost,
    candidates: change.candidates.map((candidate) => candidate.authUser),
  });
}
