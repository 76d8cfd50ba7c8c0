/** What the conformance suite asks of whoever brings a connector: a source that can be told to misbehave, and what it cannot show. */
import type { Abilities, Connector, FailureKind } from '../contract.ts';
import type { SessionTuning } from '../session.ts';

/** Named faults by what a source needs to show them. The names are the simulators' own. */
export const FAULTS = {
  /** Refuses in the words of HTTP, or in its own where they mean the same (an LDAP result code). */
  statuses: ['status-401', 'status-403', 'status-404', 'status-500', 'status-503'],
  throttling: [
    'throttled-seconds',
    'throttled-date',
    'throttled-silent',
    'throttled-absurd',
    'throttled-403',
  ],
  /** Answers "fine" with something that is no page. */
  'broken-pages': ['list-key-missing', 'list-key-null', 'html-page', 'cut-off'],
  'empty-pages': ['empty-first-page', 'empty-middle-page'],
  'unreadable-records': ['unreadable-record', 'unreadable-id'],
  /** Is reached over a network that can fail. */
  network: ['hang', 'connection-reset'],
  /** Says itself where the next page is: it can lead elsewhere. */
  links: ['foreign-link'],
  /** Can name a page as its own next one. */
  loops: ['looping-link'],
  /** Can call a token for changes too old. */
  'expiring-changes': ['changes-expired'],
  /** Can name somebody in its changes twice and out of order. */
  'repeated-changes': ['changes-repeated'],
  /** Can refuse the credential as such. */
  credentials: ['token-refused'],
} as const satisfies Record<string, readonly string[]>;

export type FaultName = (typeof FAULTS)[keyof typeof FAULTS][number];

/**
 * What sections of the suite need besides a list of users. A source names what it has no notion of, whole or fault by fault,
 * and those sections are left out.
 */
export type Showable =
  | keyof typeof FAULTS
  | FaultName
  /** Counts its requests by kind: users, groups, members, one user, one group, token, other. */
  | 'request-counts'
  /** Access tokens that can be made to expire (`expireTokens`). */
  | 'expiring-tokens'
  /** A cursor that another instance can go on from. Without it, it has to be refused as 'cursor-expired' there. */
  | 'lasting-cursors'
  /** `unreadable-record` also strikes users that are looked up. */
  | 'unreadable-look-ups'
  /** People can be made to come, change, leave and return (`hire`, `rename`, `leave`, `restore`). */
  | 'moves'
  /** Groups can be made to gain and lose members (`changeGroup`). */
  | 'moving-members'
  /** Its changes name who was deleted. Without it, they have to make a full pull necessary when somebody was. */
  | 'deletions-in-changes';

/** Kinds of requests: the three lists, one user or group, changes, and whatever else there is. */
export type RequestKind = 'users' | 'groups' | 'members' | 'user' | 'group' | 'changes' | 'other';

/** The source's control, as far as this suite uses it. `simulators/control.ts` has a client that fits. */
export type Control = {
  state(): Promise<{
    readonly users: { readonly listed: number; readonly deleted: number };
    readonly groups: number;
    /** By kind of request; empty where the source counts none. */
    readonly requests: Readonly<Record<string, number>>;
  }>;
  /** `on`: users unless given. `nth`: from which request on. `times`: how often; null: until cleared. */
  fault(order: {
    name: FaultName;
    on?: RequestKind;
    nth?: number;
    times?: number | null;
    origin?: string;
  }): Promise<unknown>;
  clearFaults(): Promise<unknown>;
  resetCounters(): Promise<unknown>;
  expireTokens(): Promise<unknown>;
  /** People of the source's own choice, by their external ids. `disable`: they stay in the list, suspended. */
  hire(count: number): Promise<Touched>;
  rename(count: number): Promise<Touched>;
  leave(who: number | readonly string[], how: 'disable' | 'delete'): Promise<Touched>;
  /** Those who were deleted are back as they were. */
  restore(ids: readonly string[]): Promise<Touched>;
  /** `group`: its external id. */
  changeGroup(
    group: string,
    change: { readonly add?: number; readonly remove?: number },
  ): Promise<{ readonly added: readonly string[]; readonly removed: readonly string[] }>;
};

export type Touched = { readonly ids: readonly string[] };

/** `pages`: how many pages the users have to fill at least, at the page size that the connector asks for. */
export type Scenario = { readonly pages: number };

export type Simulated = {
  /** A new instance, with right credentials, each time. A source without a session has no use for the tuning. */
  connect(tuning: SessionTuning): Connector;
  /** A verb may be missing where `cannot` leaves out all that needs it. */
  readonly control: Pick<Control, 'state'> & Partial<Control>;
  /** What must not be found in any error: secrets, keys, tokens. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
};

export type Shown = {
  /** The registry's; sections for abilities that it does not declare are left out. */
  readonly abilities: Abilities;
  readonly cannot: readonly Showable[];
  /** What an answer that is no page is called: 'unexpected-response', unless it is for the administrator to put right. */
  readonly brokenPagesAre?: FailureKind;
};

/** Tells whether the source can show it. */
export type Can = (what: Showable) => boolean;

export function canOf({ cannot }: Shown): Can {
  const left: ReadonlySet<Showable> = new Set(cannot);
  const groupOf = (what: Showable) =>
    Object.entries(FAULTS).find(([, names]) => (names as readonly string[]).includes(what))?.[0];
  return (what) => !left.has(what) && !left.has(groupOf(what) as Showable);
}
