/**
 * What a difference means. The store finds the rows that differ; for each, this says which change it is, if any. It looks at one
 * user at a time and knows nothing of paging, SQL or the set as a whole (that is what guards are for).
 */
import { keepFirst } from './attributes.ts';
import {
  type DesiredAuthUser,
  describeUser,
  desiredHashOf,
  type Fields,
  type FieldValue,
  type StoredAuthUser,
} from './authUser.ts';
import {
  AS_AGREED,
  type Candidate,
  type Cause,
  type ChangeKind,
  type FieldChange,
  isPlace,
  type ProposedChange,
} from './change.ts';
import type { ExternalId, TenantId } from './ids.ts';
import { type FoundAuthUser, type MatchContext, match } from './matching.ts';
import type { Place, Placed, Places } from './place.ts';
import type { CompleteSnapshot, NamedSnapshot } from './snapshot.ts';

/** A directory user that was seen, beside the auth user that it is linked to. */
export type Seen = {
  readonly externalId: ExternalId;
  readonly desired: DesiredAuthUser;
  readonly desiredHash: string;
  /** `agreedVersion`: the one that directory and auth user last agreed at; below nought where their tenant is called otherwise since. */
  readonly linked: (StoredAuthUser & { readonly agreedVersion: number }) | null;
  /** Auth users of the tenant, or of those below that people are put in, with the same address; only asked for where `linked` is null. */
  readonly sameAddress: readonly FoundAuthUser[];
  /** Those without a link who share something else that a matching rule compares; may name some of the same again. */
  readonly alike?: readonly FoundAuthUser[];
};

/** A linked auth user whose directory user is away. */
export type Absent = {
  readonly externalId: ExternalId;
  readonly linked: StoredAuthUser;
  /**
   * What the provider said when it was asked for this very user; `excluded`: they were read, and the mapping's scope does not hold for
   * them. null: a complete snapshot did not contain them.
   */
  readonly told: 'gone' | 'out-of-scope' | 'excluded' | null;
};

export type PlanContext = {
  /** Of the connection. */
  readonly tenant: TenantId;
  /** The tenants below it. */
  readonly places: Places;
  readonly verifiedDomains: MatchContext['verifiedDomains'];
  readonly matching: MatchContext['matching'];
  /** What decides who is in a snapshot is not as it was for the last complete one: that is then the cause of who is absent. */
  readonly readingChanged: boolean;
  /** The mapping is not the one of the last complete snapshot: that is then the cause of what differs. */
  readonly mappingChanged: boolean;
  /** Whoever leaves is suspended first, and deleted when they have been away for long enough; see src/domain/leavers.ts. */
  readonly keepsLeavers: boolean;
};

/** The change for a directory user that was seen, or null where nothing is to be done. */
export function planSeen(seen: Seen, context: PlanContext): ProposedChange | null {
  return seen.linked === null ? planUnlinked(seen, context) : planLinked(seen, seen.linked, context);
}

/**
 * The change for a user who is away: the provider said so when it was asked for them, or a complete snapshot, which is the proof
 * then, did not contain them. Of any other snapshot nothing follows.
 */
export function planAbsent(
  absent: Absent,
  context: PlanContext,
  proof: CompleteSnapshot | NamedSnapshot,
): ProposedChange | null {
  if (absent.linked.state === 'deleted') return null;
  if (absent.told === null && proof.kind !== 'complete') return null;
  return departure(causeOfAbsence(absent, context), absent, hashOfAbsence(absent), context);
}

/** null: they are suspended already, and wait for their deletion. */
function departure(
  cause: Cause,
  { externalId, linked }: Pick<Absent, 'externalId' | 'linked'>,
  desiredHash: string,
  context: PlanContext,
): ProposedChange | null {
  if (!context.keepsLeavers) return removal('delete', cause, externalId, linked, desiredHash, context);
  if (linked.state !== 'active') return null;
  return removal('suspend', cause, externalId, linked, desiredHash, context);
}

/** The deletion of somebody who has left, and has been suspended for as long as the connection keeps leavers. */
export function planGraceOver(
  leaver: Pick<Absent, 'externalId' | 'linked'>,
  context: PlanContext,
): ProposedChange {
  return removal('delete', 'grace-over', leaver.externalId, leaver.linked, AS_AGREED, context);
}

function causeOfAbsence({ told }: Absent, { readingChanged, mappingChanged }: PlanContext): Cause {
  if (told === 'gone') return 'left';
  if (told === 'excluded') return mappingChanged ? 'scope-changed' : 'out-of-scope';
  if (readingChanged) return 'scope-changed';
  return told === 'out-of-scope' ? 'out-of-scope' : 'left';
}

/** Stands in for the hash of a desired state where the directory has no such user any more. */
const ABSENT_HASH = '00'.repeat(32);
/** The same of somebody whom the mapping's scope leaves out: once they have left as well, that is something else. */
const EXCLUDED_HASH = '01'.repeat(32);

export function hashOfAbsence({ told }: Pick<Absent, 'told'>): string {
  return told === 'excluded' ? EXCLUDED_HASH : ABSENT_HASH;
}

function planUnlinked(seen: Seen, context: PlanContext): ProposedChange | null {
  // Somebody who may not come in needs no account: it is made when they become active.
  if (seen.desired.state !== 'active') return null;
  const matched = match(seen.desired.fields, foundFor(seen), { ...context, placeOf: context.places.of });
  switch (matched.kind) {
    case 'none':
      return settled(arrival('create', 'joined', seen, null, [], context), seen, null, context);
    case 'certain': {
      const { authUser, cause } = matched;
      const kept = keepingFirst(seen, authUser);
      return settled(arrival('link', cause, kept, authUser, [], context), kept, authUser, context);
    }
    case 'uncertain':
      // By this hash a verdict on a pair is found again, whether or not their place is to be had.
      return {
        ...arrival('conflict', matched.cause, seen, null, matched.candidates, context),
        desiredHash: seen.desiredHash,
      };
  }
}

/** Each once. */
export function foundFor({ sameAddress, alike = [] }: Pick<Seen, 'sameAddress' | 'alike'>) {
  return [...new Map([...sameAddress, ...alike].map((user) => [user.id, user])).values()];
}

function planLinked(
  seen: Seen,
  linked: NonNullable<Seen['linked']>,
  context: PlanContext,
): ProposedChange | null {
  const { desired } = seen;
  switch (desired.state) {
    case 'deleted':
      if (linked.state === 'deleted') return null;
      return departure('deprovisioned', { externalId: seen.externalId, linked }, seen.desiredHash, context);
    case 'suspended':
      if (linked.state !== 'active') return null;
      return removal('suspend', 'suspended', seen.externalId, linked, seen.desiredHash, context);
    case 'active': {
      const kept = keepingFirst(seen, linked);
      const kind = linked.state === 'active' ? 'update' : 'reactivate';
      const change = arrival(kind, 'returned', kept, linked, [], context);
      const now = kind === 'reactivate' ? change : updating(change, linked, context);
      return settled(now, kept, linked, context);
    }
  }
}

/** A field whose owner is whoever was first keeps the value that it has. The hash stays that of what the directory holds. */
function keepingFirst(seen: Seen, { fields }: StoredAuthUser): Seen {
  const { desired } = seen;
  if (desired.firstValues === undefined) return seen;
  const kept = keepFirst(desired.fields, desired.firstValues, fields);
  return { ...seen, desired: { ...desired, fields: kept } };
}

/** null: nothing differs. */
function updating(
  change: ProposedChange,
  linked: NonNullable<Seen['linked']>,
  context: PlanContext,
): ProposedChange | null {
  if (change.fields.length === 0 && change.rolesGained.length === 0 && change.rolesLost.length === 0)
    return null;
  return { ...change, cause: causeOfUpdate(change, linked, context) };
}

/**
 * Where the tenant that somebody belongs in is missing, and may not be made, they wait for a person: whoever has no auth user yet with
 * all that is theirs; everybody else with the move alone, and stays where they are meanwhile. Where it is not known, only whoever is new
 * waits: there is no place that they have, and the connection's own tenant may be wider than theirs.
 */
function settled(
  change: ProposedChange | null,
  seen: Seen,
  stored: StoredAuthUser | null,
  context: PlanContext,
): ProposedChange | null {
  const { placed, placeUnknown } = seen.desired;
  if (change?.kind === 'update' || change?.kind === 'reactivate') return change;
  if (placeUnknown) return change && { ...change, kind: 'conflict', cause: 'tenant-unknown' };
  if (placed === undefined || canBePlaced(placed, context.places)) return change;
  const wanted = change ?? arrival('conflict', 'tenant-missing', seen, stored, [], context);
  return {
    ...wanted,
    kind: 'conflict',
    cause: 'tenant-missing',
    after: describeUser(seen.desired, placed.path),
    fields: stored === null ? [] : [...wanted.fields, moveTo(placed.path, stored, context)],
    desiredHash: seen.desiredHash,
  };
}

function canBePlaced({ path, mayBeMade }: Placed, places: Places): boolean {
  const found = places.find(path);
  return found !== 'closed' && (found !== 'missing' || mayBeMade);
}

function moveTo(place: Place, stored: StoredAuthUser, { places }: PlanContext): FieldChange {
  return { field: 'tenant', before: places.of(stored.tenant) ?? null, after: place };
}

function causeOfUpdate(
  change: ProposedChange,
  linked: NonNullable<Seen['linked']>,
  context: PlanContext,
): Cause {
  if (context.mappingChanged) return 'mapping-changed';
  if (linked.agreedVersion >= 0 && linked.version !== linked.agreedVersion) return 'local-edit';
  if (change.rolesGained.length + change.rolesLost.length === 0 && change.fields.every(isPlace))
    return 'placed';
  return change.fields.every(isPlace) ? 'group-membership' : 'edited';
}

/** A change after which the auth user is active with the fields and roles that the directory wants. */
function arrival(
  kind: ChangeKind,
  cause: Cause,
  seen: Seen,
  stored: StoredAuthUser | null,
  candidates: readonly Candidate[],
  context: PlanContext,
): ProposedChange {
  const roles = stored?.roles ?? [];
  // Where nothing was there before, what comes after says it all: `shownFields` spells it out for whoever looks.
  const { fields: wanted, firstValues } = seen.desired;
  const fields = stored === null ? [] : differingFields(stored.fields, wanted, firstValues);
  // What the directory does not own stays as it is, and is part of neither side.
  const owned = stored === null ? null : pick(stored.fields, seen.desired.fields);
  const { place, move, foundTenants, desiredHash } = placing(seen, stored, context);
  return {
    externalId: seen.externalId,
    tenant: context.tenant,
    authUser: stored?.id ?? null,
    kind,
    cause,
    before:
      stored === null || owned === null
        ? null
        : describeUser(
            { state: stored.state, fields: owned, roles },
            context.places.of(stored.tenant) ?? null,
          ),
    after: describeUser(seen.desired, place),
    fields: [...fields, ...move],
    rolesGained: seen.desired.roles.filter((role) => !roles.includes(role)),
    rolesLost: roles.filter((role) => !seen.desired.roles.includes(role)),
    candidates,
    baseVersion: stored?.version ?? null,
    foundTenants: kind === 'conflict' ? [] : foundTenants,
    desiredHash,
  };
}

/** Where somebody is afterwards, what shows of it, and what is agreed on by it. */
function placing(seen: Seen, stored: StoredAuthUser | null, context: PlanContext) {
  const { placed } = seen.desired;
  const here = stored === null ? null : (context.places.of(stored.tenant) ?? null);
  const stays = { place: here, move: [], foundTenants: [], desiredHash: seen.desiredHash };
  if (placed === undefined) return stays;
  // Not the hash of what is wanted: the next run looks again whether the tenant is there.
  if (!canBePlaced(placed, context.places))
    return { ...stays, desiredHash: desiredHashOf({ ...seen.desired, placed: { ...placed, path: here } }) };
  const { path: place } = placed;
  const isThere = stored !== null && context.places.find(place) === stored.tenant;
  const move = stored === null || isThere ? [] : [moveTo(place, stored, context)];
  return { ...stays, place, move, foundTenants: isThere ? [] : context.places.way(place) };
}

/** A change that takes access away. Fields and roles stay on the user, so that it can be undone. */
function removal(
  kind: 'suspend' | 'delete',
  cause: Cause,
  externalId: ExternalId,
  stored: StoredAuthUser,
  desiredHash: string,
  context: PlanContext,
): ProposedChange {
  const place = context.places.of(stored.tenant) ?? null;
  return {
    externalId,
    tenant: context.tenant,
    authUser: stored.id,
    kind,
    cause,
    before: describeUser(stored, place),
    after: describeUser({ ...stored, state: kind === 'suspend' ? 'suspended' : 'deleted' }, place),
    fields: [],
    rolesGained: [],
    rolesLost: [],
    candidates: [],
    baseVersion: stored.version,
    foundTenants: [],
    desiredHash,
  };
}

function pick(stored: Fields, desired: Fields): Fields {
  const picked: Record<string, FieldValue> = {};
  for (const name of Object.keys(desired)) picked[name] = stored[name] ?? null;
  return picked;
}

/** The fields that the directory owns and that are not as it wants them, in the directory's order. */
export function differingFields(
  stored: Fields,
  desired: Fields,
  first: readonly string[] = [],
): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  for (const [field, after] of Object.entries(desired)) {
    const before = stored[field] ?? null;
    if (sameValue(before, after)) continue;
    changes.push(first.includes(field) ? { field, before, after, owner: 'first' } : { field, before, after });
  }
  return changes;
}

function sameValue(one: FieldValue, other: FieldValue): boolean {
  if (one === other) return true;
  if (!Array.isArray(one) || !Array.isArray(other)) return false;
  return one.length === other.length && one.every((value, at) => value === other[at]);
}
