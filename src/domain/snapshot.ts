/** What a run pulled, and whether anything may be concluded from what it did not contain. */
/** Why a snapshot is only part of the directory. */
export const partialReasons = {
  'page-failed': 'a page of users could not be read',
  'looping-cursor': 'the provider sent a page link that it had sent before',
  'empty-directory': 'the directory had users and now lists none',
  'nameless-record': 'a record could not be read, not even its id, so that nobody can be called absent',
  'rows-missing': 'fewer users are stored than were read',
  'fewer-than-counted': 'the provider counts notably more users than it listed',
  'listing-incomplete': 'users whom the provider did not list are there when it is asked for them',
  'permission-lost':
    'the credential may do less than at the last complete run, so that part of the directory may be hidden',
  'evidence-missing':
    'the provider did not say what the credential may do, or how many users there are, so that part of the directory may be hidden',
} as const satisfies Record<string, string>;
export type PartialReason = keyof typeof partialReasons;

/** What ends a partial snapshot that the next run does not mend by itself. */
export const partialRemedies: Readonly<Partial<Record<PartialReason, string>>> = {
  'permission-lost':
    'Have the permission granted again. If the change was meant, enter the credentials again (rollcall connections update): the permissions that they have then are the ones to compare with.',
  'evidence-missing':
    'The next run asks again. If it stays although the connection works (rollcall connections test), and the provider does not tell its permissions any more, enter the credentials again (rollcall connections update).',
};

/** What a provider says of itself; see `Evidence` in connectors/contract.ts. */
export type ProviderEvidence = {
  readonly users: number | null;
  readonly permissions: readonly string[] | null;
};

declare const concluded: unique symbol;

/** Absence is evidence only when everything was read: `concludeSnapshot` alone says so, and nothing else can make this value. */
export type CompleteSnapshot = {
  readonly kind: 'complete';
  readonly users: number;
  readonly [concluded]: true;
};

/** Each user in it was asked for by id. */
export type NamedSnapshot = { readonly kind: 'named' };

export type Snapshot =
  | CompleteSnapshot
  | { readonly kind: 'partial'; readonly reason: PartialReason }
  /** Only named users were read, each as the provider has them now. Says nothing of anybody else. */
  | NamedSnapshot;

export type PullEvidence = {
  /** The provider said that there is no further page. */
  readonly chainClosed: boolean;
  readonly looped: boolean;
  /** Users read, the unreadable ones with a known id included. */
  readonly users: number;
  /** Of `users`: those whom the listing did not name, and who were there when asked for. */
  readonly foundLater: number;
  /** Linked auth users whom the listing did not name, and who were not asked for either; counted only where `foundLater` is not 0. */
  readonly notAskedFor: number;
  /** Rows that are really stored for this run. */
  readonly stored: number;
  readonly namelessRecords: number;
  /** Auth users that this connection has linked and that are not deleted. */
  readonly hasLinkedUsers: boolean;
  /** Users in the last complete snapshot; 0 where there was none. */
  readonly usersBefore: number;
  /** null: it was asked, and did not answer. */
  readonly told: ProviderEvidence | null;
  /** What the credential could do at the last complete run by the same configuration that told; null where none did. */
  readonly permissionsBefore: readonly string[] | null;
};

/** A provider counts by an index that runs behind its list: people come and go meanwhile. */
function tolerated(counted: number): number {
  return Math.max(5, Math.ceil(counted / 100));
}

/** The only judge of whether a snapshot is complete. */
export function concludeSnapshot(evidence: PullEvidence): Snapshot {
  if (evidence.looped) return { kind: 'partial', reason: 'looping-cursor' };
  if (!evidence.chainClosed) return { kind: 'partial', reason: 'page-failed' };
  if (evidence.stored !== evidence.users) return { kind: 'partial', reason: 'rows-missing' };
  const doubt = doubtOf(evidence);
  if (doubt !== null) return { kind: 'partial', reason: doubt };
  if (evidence.namelessRecords > 0) return { kind: 'partial', reason: 'nameless-record' };
  const hadUsers = evidence.hasLinkedUsers || evidence.usersBefore > 0;
  if (evidence.users === evidence.foundLater && hadUsers)
    return { kind: 'partial', reason: 'empty-directory' };
  // Where some were asked for and were there, whoever was not asked for may be there too.
  if (evidence.foundLater > (evidence.notAskedFor > 0 ? 0 : tolerated(evidence.users)))
    return { kind: 'partial', reason: 'listing-incomplete' };
  return complete(evidence.users);
}

/** Why what the provider says of itself speaks against the listing being whole; null where it does not. */
function doubtOf({ told, permissionsBefore, users }: PullEvidence): PartialReason | null {
  if (told === null) return 'evidence-missing';
  const { permissions, users: counted } = told;
  const fewer = counted !== null && users < counted - tolerated(counted) ? 'fewer-than-counted' : null;
  return doubtOfPermissions(permissions, permissionsBefore) ?? fewer;
}

/** Why a credential may see less than `before`; null where it may do what it could, or nothing was ever told. */
export function doubtOfPermissions(
  now: readonly string[] | null,
  before: readonly string[] | null,
): 'evidence-missing' | 'permission-lost' | null {
  if (before === null) return null;
  if (now === null) return 'evidence-missing';
  return before.every((permission) => now.includes(permission)) ? null : 'permission-lost';
}

/** What was concluded of a run, from its record. `reason` is there exactly for a partial snapshot. */
export function concludedBefore(run: {
  readonly snapshot: string | null;
  readonly reason: string | null;
  readonly users: number;
}): Snapshot {
  if (run.snapshot === 'complete') return complete(run.users);
  if (run.snapshot === 'named') return { kind: 'named' };
  return { kind: 'partial', reason: (run.reason ?? 'page-failed') as PartialReason };
}

function complete(users: number): CompleteSnapshot {
  return { kind: 'complete', users } as CompleteSnapshot; // the mark is for the compiler alone
}
