/**
 * Whether what a run proposed follows from what it read. The plan is made again for one person at a time, from the record of what was
 * read, by the mapping of the run, upon the auth user as it is; or, where it is not as it was then, as the change itself says that it was.
 */
import { type DesiredAuthUser, desiredHashOf, type StoredAuthUser } from './authUser.ts';
import { canonical, type Json } from './canonical.ts';
import { fingerprintOfChange, isPlace, type ProposedChange } from './change.ts';
import type { DirectoryUser, GroupRef } from './directory.ts';
import type { ExternalId } from './ids.ts';
import { isMapped, type Mapped } from './mapping.ts';
import type { Places } from './place.ts';
import { hashOfAbsence, type PlanContext, planAbsent, planGraceOver, planSeen } from './plan.ts';
import type { CompleteSnapshot, NamedSnapshot } from './snapshot.ts';

/** What the run left of one person, and what is known of them now. */
export type ReplannedPerson = {
  readonly externalId: ExternalId;
  /** null: not in the snapshot, which is complete. `hash`: of the desired state; null: they were as last read, and agreed with. */
  readonly staged: {
    readonly problem: string | null;
    readonly absence: 'gone' | 'out-of-scope' | 'excluded' | null;
    readonly hash: string | null;
  } | null;
  readonly content: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] } | null;
  /** Of the desired state that followed when the content was kept. */
  readonly keptHash: string | null;
  /** A later run has read them otherwise, or linked them. */
  readonly isLater: boolean;
  readonly linked: (StoredAuthUser & { readonly agreedVersion: number; readonly agreedHash: string }) | null;
  /** The auth user was changed after the run. */
  readonly hasMoved: boolean;
  /** The last change that this run, or one before it, proposed. */
  readonly recorded: RecordedChange | null;
};

export type RecordedChange = ProposedChange & {
  readonly id: string;
  readonly fingerprint: string;
  readonly isOfRun: boolean;
};

export type Replanned =
  /** The same change follows. `from`: upon the auth user as it is, or as the change says that it was. */
  | { readonly result: 'same'; readonly from: 'now' | 'record'; readonly fingerprint: string }
  /** Nothing follows, and nothing was proposed. */
  | { readonly result: 'nothing' }
  /** It cannot be said any more. */
  | { readonly result: 'unknown'; readonly because: Unknown }
  | { readonly result: 'different'; readonly because: Different };

/** Parts of a policy that decide what a plan proposes: a run keeps them. */
export const DECIDES_PLANS = ['matching', 'leavers'] as const;

/** What else decides it, is not kept with a run, and was changed since: as far as the audit log has it. */
export type ChangedSince = 'domains-since' | 'tenants-since' | 'adjustments-since';

export const unknowns = {
  unread: 'nothing could be made of their record',
  'read-since': 'a later run has read them otherwise, and what was read before is not kept',
  'moved-since': 'the auth user was changed since, and nothing says how it was',
  'domains-since': 'verified domains have changed since, and may have decided it',
  'tenants-since': 'tenants have changed since, and decide where somebody is',
  'adjustments-since': 'what people had said of somebody new was taken back since',
  conflict:
    'who else was there at the time is not kept: only the desired state was compared, and is the same',
} as const satisfies Record<string, string>;
export type Unknown = keyof typeof unknowns;

export const differences = {
  'change-altered': 'the recorded change is not the one that its fingerprint is of',
  'content-altered': 'from what was read, another desired state follows than the run has noted',
  'content-missing': 'what was read of them is not there',
  'nothing-follows': 'a change is recorded, and none follows',
  'not-recorded': 'a change follows, and none is recorded',
  'another-change': 'another change follows than the recorded one',
} as const satisfies Record<string, string>;
export type Different = keyof typeof differences;

export type Replan = {
  readonly map: (user: DirectoryUser, groups: readonly GroupRef[], linked: StoredAuthUser | null) => Mapped;
  /** With what people have said of them by now; it is no part of what was hashed. */
  readonly adjust: (externalId: ExternalId, desired: DesiredAuthUser) => DesiredAuthUser;
  /** Groups could not be read: the hash that was staged is not the one of what is wanted in doubt. */
  readonly inDoubt: boolean;
  readonly context: PlanContext;
  readonly proof: CompleteSnapshot | NamedSnapshot | null;
  readonly changedSince: ReadonlySet<ChangedSince>;
};

export function replanOne(person: ReplannedPerson, replan: Replan): Replanned {
  const { recorded, staged, isLater } = person;
  if (recorded !== null && fingerprintOfChange(recorded) !== recorded.fingerprint)
    return different('change-altered');
  if (isLater) return unknown('read-since');
  if (staged !== null && staged.problem !== null)
    return recorded?.isOfRun === true ? different('nothing-follows') : unknown('unread');
  if (staged === null || staged.absence !== null) return replanAway(person, replan);
  return replanSeen(person, staged.hash, replan);
}

function replanSeen(person: ReplannedPerson, noted: string | null, replan: Replan): Replanned {
  const { content, keptHash, recorded, linked } = person;
  if (content === null) return different('content-missing');
  const desired = replan.map(content.user, content.groups, linked);
  if (!isMapped(desired)) return different('content-altered');
  const desiredHash = desiredHashOf(desired);
  if (!replan.inDoubt && desiredHash !== (noted ?? keptHash)) return different('content-altered');
  if (recorded?.kind === 'conflict') {
    if (recorded.desiredHash === desiredHash) return unknown('conflict');
    if (recorded.isOfRun) return different('another-change');
  }
  const wanted = { desired: replan.adjust(person.externalId, desired), desiredHash };
  return compare(person, replan, (base) => follow(person, base, wanted, replan));
}

type Base = ReplannedPerson['linked'];

function follow(
  { externalId, recorded }: ReplannedPerson,
  base: Base,
  { desired, desiredHash }: { readonly desired: DesiredAuthUser; readonly desiredHash: string },
  { context }: Replan,
): ProposedChange | null {
  if (base !== null && recorded?.kind === 'link') {
    const found = { ...base, links: 0 };
    return planSeen(
      { externalId, desired, desiredHash, linked: null, sameAddress: [found], alike: [found] },
      context,
    );
  }
  if (base !== null && isAgreed(base, desiredHash)) return null;
  return planSeen({ externalId, desired, desiredHash, linked: base, sameAddress: [] }, context);
}

function replanAway(person: ReplannedPerson, replan: Replan): Replanned {
  const { context, proof, map } = replan;
  const { externalId, staged, content } = person;
  const told = staged?.absence ?? null;
  if (told === 'excluded' && content !== null && isMapped(map(content.user, content.groups, null)))
    return different('content-altered');
  return compare(person, replan, (linked) => {
    if (linked === null || proof === null) return null;
    if (person.recorded?.cause === 'grace-over') return planGraceOver({ externalId, linked }, context);
    if (isAgreed(linked, hashOfAbsence({ told }))) return null;
    return planAbsent({ externalId, linked, told }, context, proof);
  });
}

function isAgreed({ agreedHash, agreedVersion, version }: NonNullable<Base>, hash: string): boolean {
  return agreedVersion === version && agreedHash === hash;
}

type FollowsFrom = (base: Base) => ProposedChange | null;

function compare(person: ReplannedPerson, replan: Replan, followsFrom: FollowsFrom): Replanned {
  const { recorded, linked, hasMoved } = person;
  if (recorded !== null) return compareWith(recorded, person, replan, followsFrom);
  const follows = followsFrom(linked);
  if (follows === null) return { result: 'nothing' };
  return hasMoved ? unknown('moved-since') : differing('not-recorded', null, follows, replan);
}

function compareWith(
  recorded: RecordedChange,
  { linked, hasMoved }: ReplannedPerson,
  replan: Replan,
  followsFrom: FollowsFrom,
): Replanned {
  const { isOfRun, baseVersion, fingerprint } = recorded;
  const isSame = (change: ProposedChange | null) =>
    change !== null && fingerprintOfChange(change) === fingerprint;
  // An apply has carried it out, or somebody has edited the auth user: what is there now is not what it was made upon.
  const isAsThen = !isOfRun || (linked?.version ?? null) === baseVersion;
  const now = isAsThen ? followsFrom(linked) : null;
  if (isSame(now)) return { result: 'same', from: 'now', fingerprint };
  if (!isOfRun && now === null) return { result: 'nothing' };
  const then = followsFrom(asRecorded(recorded, replan.context.places));
  if (isSame(then)) return { result: 'same', from: 'record', fingerprint };
  if (!isOfRun) return hasMoved ? unknown('moved-since') : differing('not-recorded', null, now, replan);
  return differing(then === null ? 'nothing-follows' : 'another-change', recorded, then, replan);
}

/** Whether something that was changed since accounts for all that is different: then nobody can say whether it follows. */
function differing(
  because: Different,
  recorded: ProposedChange | null,
  follows: ProposedChange | null,
  { changedSince }: Replan,
): Replanned {
  for (const since of changedSince)
    if (withoutWhat[since](recorded) === withoutWhat[since](follows)) return unknown(since);
  // A place that is not there any more.
  if (changedSince.has('tenants-since') && follows?.kind === 'conflict') return unknown('tenants-since');
  return different(because);
}

const NEWCOMERS: ReadonlySet<string> = new Set(['create', 'link', 'conflict']);

/** Of a change, what does not hang on this; the same text for two that differ in nothing else. */
const withoutWhat = {
  'domains-since': (change) => (change !== null && NEWCOMERS.has(change.kind) ? 'new' : contentOf(change)),
  'tenants-since': (change) => (change === null ? NOTHING : contentOf(withoutPlace(change))),
  'adjustments-since': (change) =>
    change === null ? NOTHING : contentOf({ ...withoutPlace(change), rolesGained: [], rolesLost: [] }),
} as const satisfies Record<ChangedSince, (change: ProposedChange | null) => string>;

type Content = Pick<ProposedChange, 'kind' | 'fields' | 'rolesGained' | 'rolesLost'>;

/** A change is nothing when it changes nothing else. */
function contentOf(change: Content | null): string {
  if (change === null) return NOTHING;
  const { kind, fields, rolesGained, rolesLost } = change;
  const isNothing = kind === 'update' && fields.length + rolesGained.length + rolesLost.length === 0;
  return isNothing ? NOTHING : canonical({ kind, fields, rolesGained, rolesLost } as unknown as Json);
}

const NOTHING = 'nothing';

function withoutPlace(change: ProposedChange): Content {
  return { ...change, fields: change.fields.filter((one) => !isPlace(one)) };
}

/** The auth user as the change says that it was. null: there was none. */
function asRecorded({ before, authUser, baseVersion, tenant: top }: RecordedChange, places: Places): Base {
  if (before === null || authUser === null || baseVersion === null) return null;
  const { state, fields, roles, tenant: place = null } = before as unknown as Described;
  const found = places.find(place);
  const tenant = found === 'missing' || found === 'closed' ? top : found;
  const stored = { id: authUser, tenant, state, fields, roles, version: baseVersion };
  return { ...stored, agreedVersion: baseVersion, agreedHash: '' };
}

/** As `describeUser` writes it. */
type Described = Pick<StoredAuthUser, 'state' | 'fields' | 'roles'> & { readonly tenant?: string };

function unknown(because: Unknown): Replanned {
  return { result: 'unknown', because };
}

function different(because: Different): Replanned {
  return { result: 'different', because };
}
