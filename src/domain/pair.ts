/**
 * Pairs: a directory user who comes, and an auth user who may be the same person. A new immutable id proves nobody to be somebody else:
 * a directory that is set up again, or a person who is hired again, comes with new ones. Nor does a shared number or address prove that
 * two are one: so a person chooses, and nothing of a pair is ever linked by itself.
 */
import type { Evidence } from './change.ts';
import type { AuthUserId, ChangeId, ConnectionId, ExternalId, TenantId } from './ids.ts';

export const PAIR_KINDS = {
  rename: 'leaves the directory while somebody comes who may be the same person with another id',
  're-hire': 'was suspended or deleted, and somebody comes who may be the same person again',
  match: 'has no directory yet, and somebody comes who may be the same person',
} as const;
export type PairKind = keyof typeof PAIR_KINDS;

/** open -> same | different, by a person; different -> same. superseded: no longer true, or with other content now. */
export const PAIR_STATES = ['open', 'same', 'different', 'superseded'] as const;
export type PairState = (typeof PAIR_STATES)[number];

/** What speaks for the two being one. */
export const SHARED = {
  address: 'the same address, or one of those that reach whoever comes',
  'employee-number': 'the same employee number',
  'user-name': 'the same user name',
  'name-and-manager': 'the same name and manager',
  expression: 'what an expression of the matching rules asks for',
} as const;
export type Shared = keyof typeof SHARED;

export const sharedBy = {
  email: 'address',
  employeeId: 'employee-number',
  userName: 'user-name',
  expression: 'expression',
} as const satisfies Record<Evidence['by'], Shared>;

export type Pair = {
  readonly id: string;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly kind: PairKind;
  readonly state: PairState;
  readonly shares: readonly Shared[];
  /** Who comes, and the change that waits for them; null: none does any more. */
  readonly joiner: {
    readonly externalId: ExternalId;
    readonly name: string;
    readonly change: ChangeId | null;
  };
  /** Who may be the same; the id that the directory has, or had, for them, and the change by which they leave. */
  readonly authUser: {
    readonly id: AuthUserId;
    readonly name: string;
    readonly state: string;
    readonly formerExternalId: ExternalId | null;
    readonly change: ChangeId | null;
  };
  /** Hexadecimal: what a verdict is bound to. null: nothing can be chosen any more. */
  readonly fingerprint: string | null;
  /** Of the change set when the plan found it. */
  readonly revision: number;
  readonly by: string | null;
  readonly reason: string | null;
  readonly decidedAt: string | null;
  readonly createdAt: string;
};

export type PairVerdict = 'same' | 'different';

/** In which states of a pair a verdict on it is taken. */
export const verdictAllowedIn = {
  same: ['open', 'different'],
  different: ['open'],
} as const satisfies Record<PairVerdict, readonly PairState[]>;
