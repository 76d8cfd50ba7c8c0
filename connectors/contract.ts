/**
 * What a connector promises. A connector speaks to one provider and reads one page at a time; the sync engine decides the
 * order, stages each page with the cursor that follows it, and draws the conclusions. A connector keeps no state between calls
 * but its HTTP session, so that a run can go on from a saved cursor in another process.
 *
 * Order of a full pull: all pages of groups; for each group in scope all pages of its members; then all pages of users.
 */
import { z } from 'zod';
import type { DirectoryGroup, DirectoryUser, Provider } from '../src/domain/directory.ts';
import { connectorFailures } from '../src/domain/failure.ts';
import type { ExternalId } from '../src/domain/ids.ts';

/** Opaque to everyone but the connector that made it. It may be stored and used by another process later. */
export type Cursor = string;

/** `next: null` marks the end, and nothing else does: an empty page can still carry a cursor. */
export type Page<T> = { readonly records: readonly T[]; readonly next: Cursor | null };

/** One object of a list that was read but not understood. Its user is *unknown*: neither changed nor deleted. */
export type UnreadableRecord = {
  readonly kind: 'unreadable';
  /** null where not even the id could be read: nobody can then be called absent from this snapshot. */
  readonly externalId: ExternalId | null;
  /** What is wrong, by field, without any value of the record. */
  readonly problem: string;
};

export type UserRecord = { readonly kind: 'user'; readonly user: DirectoryUser } | UnreadableRecord;
export type GroupRecord = { readonly kind: 'group'; readonly group: DirectoryGroup } | UnreadableRecord;

/** `everyone`: the whole directory is in the group (Google's CUSTOMER member, Okta's built-in Everyone). */
export type MemberRecord =
  | { readonly kind: 'user'; readonly externalId: ExternalId }
  | { readonly kind: 'everyone' }
  | UnreadableRecord;

/** One step of `rollcall connections test`. `remedy` is there when the step failed: who has to do what, and where. */
export type CheckStep = {
  readonly step:
    | 'reach'
    | 'credential'
    | 'permission'
    | 'users'
    | 'groups'
    | 'members'
    | 'look-up'
    | 'changes';
  readonly ok: boolean;
  /** A full pull works without it; where the step failed, `detail` says what does not. */
  readonly optional?: true;
  /** What was found; for a permission, its exact name. */
  readonly detail: string;
  readonly remedy?: string;
};

/** What speaks for a listing being whole, besides its own closed chain of pages. */
export type Evidence = {
  /** How many users the provider itself says that `fetchUsers` will name; null where it keeps no such number. */
  readonly users: number | null;
  /**
   * Of what the credential may do, that which a full pull by these settings needs, in the provider's own words, sorted; null where
   * the provider does not tell. When one of them is gone, a listing may be short without a refusal, and the engine takes
   * it for partial: so nothing that is optional belongs here, and nothing that has no part in reading users and groups.
   */
  readonly permissions: readonly string[] | null;
};

/** What came of asking for one user by id. */
export type FoundUser =
  | {
      readonly kind: 'user';
      readonly user: DirectoryUser;
      /** Those of the groups asked about that the user is in, nested groups resolved, those of everybody included. */
      readonly groups: readonly ExternalId[];
    }
  /** The provider says that there is no such user any more: knowledge, not absence of it. */
  | { readonly kind: 'gone'; readonly externalId: ExternalId }
  /** The user is there, but the connection's settings leave it out. */
  | { readonly kind: 'out-of-scope'; readonly externalId: ExternalId }
  | UnreadableRecord;

/** Says from where on changes are wanted. Opaque, stored between runs. */
export type DeltaToken = string;

/**
 * Whom to look at again. A provider's change feed names people late, twice and out of order, and what it says of them may be
 * overtaken: only `lookUp` says how they are now.
 */
export type ChangesPage = {
  readonly users: readonly ExternalId[];
  /**
   * Groups in which somebody joined or left who is not named (a nested group, a rule), those that they are in included, at any depth;
   * and groups that are gone. Only a full pull tells who. A group whose members are among those of other groups and that is gone
   * without a word of these counts as `unreadable` besides.
   */
  readonly groups: readonly ExternalId[];
  /** Groups that are new or may be called otherwise than before: a mapping may name groups by their names. */
  readonly renamed: readonly RenamedGroup[];
  /** Entries that could not be read so far as to know whom they are about. Any makes a full pull necessary. */
  readonly unreadable: number;
  readonly next: Cursor | null;
  /** Where the next reading goes on: on the last page, and nowhere else. */
  readonly token: DeltaToken | null;
};

export type RenamedGroup = {
  readonly externalId: ExternalId;
  /** As `fetchGroups` would give it now; null where the feed does not tell. */
  readonly name: string | null;
};

export type Changes = {
  /** How long a token is good for, in milliseconds; an older one is not tried. null: it does not age. */
  readonly tokenLifetimeMs: number | null;
  /** A token for what happens from now on. Asked for before a full pull begins, so that nothing falls between the two. */
  begin(signal: AbortSignal): Promise<DeltaToken>;
  /** Throws 'cursor-expired' for a token or cursor that the provider does not honour any more: a full pull follows. */
  fetch(token: DeltaToken, cursor: Cursor | null, signal: AbortSignal): Promise<ChangesPage>;
};

/** What was asked of the provider since the connector was opened. */
export type Usage = {
  readonly requests: number;
  /** Of `requests`: tries after the first. */
  readonly retries: number;
  /** Answers that said "too many requests", in whatever way the provider says it. */
  readonly throttled: number;
  /** Spent waiting for the provider's limits and between tries. */
  readonly waitedMs: number;
  /** Bodies received, as they came over the wire. */
  readonly bytes: number;
};

/** Calls throw only `ConnectorError`, or the signal's reason when it was aborted. */
export type Connector = {
  readonly provider: Provider;
  /**
   * Who moves between a provider's lists while they are read (reactivated, deleted) is named all the same, perhaps twice: of
   * several records of one user in a chain of pages, the last is the latest.
   */
  fetchUsers(cursor: Cursor | null, signal: AbortSignal): Promise<Page<UserRecord>>;
  fetchGroups(cursor: Cursor | null, signal: AbortSignal): Promise<Page<GroupRecord>>;
  /**
   * Members of one group, nested groups resolved. Members that are no users (devices, contacts) are left out, unless the provider names
   * all alike: then they come by ids that no user has, and are nobody. Throws 'not-found'
   * for a group that is not there any more and 'permission-missing' for one that the credential may not see, on every page:
   * the members of that one group are unknown then, and no group's members are none.
   */
  fetchMembers(group: ExternalId, cursor: Cursor | null, signal: AbortSignal): Promise<Page<MemberRecord>>;
  /** Asked before a full pull, and before look-ups of a delta where permissions were told. Throws where it could not be learnt: without it, no snapshot is complete. */
  evidence(signal: AbortSignal): Promise<Evidence>;
  /**
   * How these users (100 at the most) are now: one answer for each, in any order. `groups`: the groups that matter; null for all.
   * null where the registry does not declare the ability.
   */
  readonly lookUp:
    | ((
        ids: readonly ExternalId[],
        groups: readonly ExternalId[] | null,
        signal: AbortSignal,
      ) => Promise<readonly FoundUser[]>)
    | null;
  /** null where the registry does not declare `delta`. */
  readonly changes: Changes | null;
  usage(): Usage;
  /** Gives back sockets and timers. The connector is not used afterwards. */
  close(): Promise<void>;
};

/**
 * Keeps a provider that is down from being asked. It may outlive a connector: what one run has learnt, the next one of the same
 * connection need not. Its states: breaker.ts.
 */
export type CircuitBreaker = {
  /** Throws ConnectorError 'unavailable', with `retryAfterMs`, while it is open. Asked before anything is prepared. */
  refuseWhileOpen(): void;
  /**
   * Asked right before sending; what comes of it is told with `answered`, `failed` or `abandoned`. Throws as `refuseWhileOpen`
   * does, also while another request is the probe. What a probe needs beforehand (a new token) is so the probe first, and its failure
   * counts; where it is answered (`abandoned`), the next request is.
   */
  admit(): 'ordinary' | 'probe';
  /** Whatever the answer was: the provider itself is there. Not for a token endpoint's, which says so only of the sign-in service. */
  answered(): void;
  /** The request has failed for good. */
  failed(pass: 'ordinary' | 'probe'): void;
  /** It ended in a way that says nothing about the provider. */
  abandoned(pass: 'ordinary' | 'probe'): void;
};

/** Who has to act on a failure, by kind. */
export const whoActs = connectorFailures;

export type FailureKind = keyof typeof whoActs;

export type ConnectorFailure = {
  readonly kind: FailureKind;
  /** One sentence in plain words, without secrets and without personal data. */
  readonly message: string;
  /** What to do about it, addressed to whoever `whoActs` names. */
  readonly remedy: string;
  /** HTTP status and the provider's request id, where there was an answer: what a provider's support asks for. */
  readonly status?: number;
  readonly requestId?: string;
  readonly retryAfterMs?: number;
};

/** The only error that leaves a connector. */
export class ConnectorError extends Error {
  override readonly name = 'ConnectorError';
  readonly failure: ConnectorFailure;

  constructor(failure: ConnectorFailure, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}

/** How a connection reaches its provider when it is not the plain internet: a proxy, an inspecting CA, a simulator. */
export const Network = z.object({
  /** Replaces every origin of the provider, those of its token endpoint too. https only: the vendors' libraries refuse http. */
  baseUrl: z
    .url({ protocol: /^https$/ })
    .nullable()
    .default(null),
  /** PEM certificates to trust besides the system's. */
  ca: z.string().nullable().default(null),
  /** `http://[user:password@]host:port` of a forward proxy; in one way of writing it, because it is compared. */
  proxy: z
    .url({ protocol: /^https?$/, normalize: true })
    .nullable()
    .default(null),
  /** Of the provider's rate limits, what this connection may use; the rest is its other programs'. A half where it is missing. */
  share: z.number().gt(0).max(1).optional(),
});
export type Network = z.infer<typeof Network>;

/** What a provider can do. Declared, never probed for; the API shows it. */
export type Abilities = {
  readonly groups: boolean;
  readonly nestedGroups: boolean;
  readonly orgUnits: boolean;
  /** Its lists also name users that it has deleted or deactivated for good. */
  readonly deletedUsers: boolean;
  /** `lookUp`: named users can be read alone. */
  readonly lookUp: boolean;
  /** `changes`: it tells who changed since the last reading. */
  readonly delta: boolean;
  /** It calls us when something changes. */
  readonly notifications: boolean;
};

/** Of an ID token, what has the external id of the directory user, and which scope has to be asked for so that it is there. */
export type IdClaim = { readonly claim: string; readonly scope: string };

/** One line of the registry: all that the rest of Rollcall knows about a provider. */
export type ConnectorDefinition<Settings = unknown, Credentials = unknown> = {
  readonly provider: Provider;
  /** What people call it. */
  readonly title: string;
  readonly abilities: Abilities;
  /** Not secret, shown by the API. */
  readonly settings: z.ZodType<Settings>;
  /** Secret: encrypted at rest, write-only in the API, never logged. */
  readonly credentials: z.ZodType<Credentials>;
  /**
   * The `iss` of the ID tokens that users of this directory get, whose subjects are then the external ids, unless `idClaimOf` names another
   * claim; null where the settings do not say. Left out where the provider signs nobody in.
   */
  issuerOf?(settings: Settings): string | null;
  /** Where ID tokens have the external id besides the subject; null: not an issuer of the provider. Left out where the subject is it. */
  idClaimOf?(issuer: string): IdClaim | null;
  /** When the credentials end, where they say so themselves; null: these do not. Left out where none of the provider's do. */
  credentialExpiresAt?(credentials: Credentials): Date | null;
  /** Opens no connection yet: the first fetch does. `breaker`: the connection's, where there is one; else the connector's own. */
  open(options: {
    settings: Settings;
    credentials: Credentials;
    network: Network;
    breaker?: CircuitBreaker | undefined;
  }): Connector;
  /** Tries what a pull needs, step by step; later steps are left out when an earlier one makes them pointless. */
  check(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep>;
};
