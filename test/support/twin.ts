/**
 * The slow, obvious twin of pull, plan and apply for one connection: everything in lists, nested loops, no hashes, no SQL. Property
 * tests hold the real thing equal to it. Auth users go by a label (the external id that they were made for, or a name of their own).
 */
import { isDeepStrictEqual } from 'node:util';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { emailKey } from '../../src/domain/email.ts';
import type { Mapping } from '../../src/domain/mapping.ts';
import type { GuardLimits, Policy } from '../../src/domain/policy.ts';
import type { SomeGroup, TestDirectory } from './directory.ts';
import { attributed, filledOnly, ownedBy } from './twinAttributes.ts';
import { inPairs, named, type Rules } from './twinMatching.ts';
import { ruled, type TwinPlace } from './twinRules.ts';
import type { Side, TwinChange, TwinField, TwinUser, Value, Values } from './twinState.ts';

/** `place` undefined: where they are. */
type Wanted = Side & { readonly place: TwinPlace | 'unknown' | undefined };

export type TwinSnapshot = {
  readonly complete: boolean;
  /** Each user once. */
  readonly seen: readonly DirectoryUser[];
  /** Ids of records that were read and not understood. */
  readonly unreadable: readonly string[];
  readonly groups: readonly SomeGroup[];
  /** Whose members are not all known. */
  readonly brokenGroups: readonly SomeGroup[];
  /** Any group that was not read may be one whose record was not understood. */
  readonly someGroupUnreadable: boolean;
};

/** What a run reads of a directory with its faults; null where it reads nothing and fails. */
export function whatARunSees(directory: TestDirectory): TwinSnapshot | null {
  const { faults, pageSize } = directory;
  const listed = faults.emptyFirstPage === true ? [] : [...directory.users];
  const pages = Math.max(1, Math.ceil(listed.length / pageSize));
  const failsAt = faults.fails?.page ?? Number.POSITIVE_INFINITY;
  const loopsAt = faults.loopsAfterPage ?? Number.POSITIVE_INFINITY;
  if (failsAt === 1) return null;
  const last = Math.min(pages, failsAt - 1, loopsAt);
  const read = listed.slice(0, last * pageSize);
  const nameless = read.filter((user) => faults.nameless?.includes(user.externalId));
  const unreadable = read.filter((user) => faults.unreadable?.includes(user.externalId));
  const groups = directory.groups.filter((group) => !faults.unreadableGroups?.includes(group.id));
  const broken = (group: SomeGroup) =>
    group.members.length > 0 && (faults.unreadableMembers?.includes(group.id) ?? false);
  return {
    complete: failsAt > pages && loopsAt > pages && nameless.length === 0,
    seen: read.filter((user) => !nameless.includes(user) && !unreadable.includes(user)),
    unreadable: unreadable.map((user) => user.externalId),
    groups: groups.map((group) =>
      broken(group) && group.members !== 'everyone' ? { ...group, members: group.members.slice(1) } : group,
    ),
    brokenGroups: groups.filter(broken),
    someGroupUnreadable: groups.length < directory.groups.length,
  };
}

const LIVE = ['open', 'approved', 'rejected', 'held', 'moved', 'failed'];

export class Twin {
  readonly mapping: Mapping;
  readonly limits: GuardLimits;
  readonly verifiedDomains: readonly string[];
  readonly users: TwinUser[] = [];
  changes: TwinChange[] = [];
  /** The tenants below the connection's: by path, the one that stands there. */
  readonly tenants = new Map<string, number>();
  #made = 0;
  /** By path: what tenants below have verified themselves. */
  readonly verifiedBelow = new Map<string, readonly string[]>();
  #usersBefore: number | null = null;
  /** As last read. */
  readonly #contents = new Map<string, DirectoryUser>();
  /** By label: whom an apply has suspended or deleted, be they back or not. A twin's whole life is within the window. */
  readonly #takenAway = new Set<string>();

  readonly matching: Rules;
  /** Who may be one person waits. */
  readonly holdsPairs: boolean;

  constructor(
    mapping: Mapping,
    { guards, samePerson }: Pick<Policy, 'guards' | 'samePerson'>,
    matching: Rules,
    verifiedDomains: readonly string[],
  ) {
    this.mapping = mapping;
    this.limits = guards;
    this.matching = matching;
    this.holdsPairs = samePerson === 'hold';
    this.verifiedDomains = verifiedDomains;
  }

  get live(): readonly TwinChange[] {
    return this.changes.filter((change) => LIVE.includes(change.state));
  }

  /** What the directory wants of this user; or why it wants nothing. */
  desired(
    user: DirectoryUser,
    groups: readonly SomeGroup[],
    doubtful: readonly string[] = [],
  ): Wanted | 'out-of-scope' | 'unreadable' {
    const states = { active: 'active', suspended: 'suspended', deprovisioned: 'deleted' };
    const isIn = ({ members }: SomeGroup) => members === 'everyone' || members.includes(user.externalId);
    const named = groups.filter(isIn).flatMap((group) => [group.id, group.name ?? group.id]);
    const fields = attributed(this.mapping, user, named);
    if (typeof fields === 'string') return fields;
    const { roles, place } = ruled(this.mapping.rules ?? [], user, named, doubtful);
    return { state: states[user.state], fields, roles: sortedOnce([...this.#roles(named), ...roles]), place };
  }

  #roles(named: readonly string[]): readonly string[] {
    const given = this.mapping.roles.filter((rule) => named.includes(rule.group)).map((rule) => rule.role);
    return sortedOnce([...this.mapping.everyone, ...given]);
  }

  /** Groups that something follows from and that could not be read. */
  #inDoubt({ groups, brokenGroups, someGroupUnreadable }: TwinSnapshot): readonly string[] {
    const isOneOf = (among: readonly SomeGroup[], named: string) =>
      among.some((group) => group.id === named || group.name === named);
    const ofRules = (this.mapping.rules ?? []).flatMap(({ when }) => when.group ?? []);
    return [...this.mapping.roles.map(({ group }) => group), ...ofRules].filter(
      (group) => isOneOf(brokenGroups, group) || (someGroupUnreadable && !isOneOf(groups, group)),
    );
  }

  /** Roles that may follow from these groups: nobody loses one of these. */
  #rolesOf(groups: readonly string[]): readonly string[] {
    const given = this.mapping.roles.filter(({ group }) => groups.includes(group)).map(({ role }) => role);
    const ruling = (this.mapping.rules ?? []).filter(({ when }) => groups.includes(when.group ?? ''));
    return [...given, ...ruling.flatMap(({ roles }) => roles)];
  }

  /** Fields that the connection's directory owns, whether they have a value or not. */
  #owned(): readonly string[] {
    return ownedBy(this.mapping);
  }

  /** Whoever has a value in a field that is only filled keeps it. */
  #keeping(wanted: Wanted, stored: Values = {}): Wanted {
    const kept = filledOnly(this.mapping).flatMap((field) => {
      const value = stored[field];
      return value === undefined ? [] : [[field, value] as const];
    });
    return { ...wanted, fields: { ...wanted.fields, ...Object.fromEntries(kept) } };
  }

  plan(read: TwinSnapshot): void {
    const { snapshot, excluded } = this.#sorted(read);
    const linked = this.users.filter((user) => user.externalId !== null && user.state !== 'deleted');
    const count = snapshot.seen.length + snapshot.unreadable.length + excluded.length;
    const vanished = count === 0 && (linked.length > 0 || (this.#usersBefore ?? 0) > 0);
    const complete = snapshot.complete && !vanished;
    for (const user of read.seen) this.#contents.set(user.externalId, user);
    const there = new Set<string>([...read.seen.map(({ externalId }) => externalId), ...read.unreadable]);
    for (const id of this.#contents.keys()) if (complete && !there.has(id)) this.#contents.delete(id);
    const proposed: TwinChange[] = [];
    for (const user of snapshot.seen) {
      const change = this.#changeFor(user, snapshot);
      if (change !== null) proposed.push(change);
    }
    if (complete) proposed.push(...gone(linked, snapshot, excluded));
    const spokenOf = (id: string) =>
      complete ? !snapshot.unreadable.includes(id) : snapshot.seen.some((user) => user.externalId === id);
    this.#merge(this.#settled(proposed, complete, spokenOf), spokenOf);
    this.#guard(complete ? count : null);
    if (complete) this.#usersBefore = count;
  }

  /** Whom the mapping makes nothing of is as unreadable as a record, or excluded. */
  #sorted(read: TwinSnapshot): { snapshot: TwinSnapshot; excluded: readonly string[] } {
    const those = (what: unknown) =>
      read.seen
        .filter((user) => this.desired(user, read.groups) === what)
        .map(({ externalId }): string => externalId);
    const [outside, failing] = [those('out-of-scope'), those('unreadable')];
    const [, sought] = /"(.*?)" in group/.exec(this.mapping.scope ?? '') ?? [];
    const isListed =
      sought === undefined || read.groups.some(({ id, name }) => [id, name ?? id].includes(sought));
    const excluded = isListed ? outside : [];
    const unreadable = [...read.unreadable, ...failing, ...(isListed ? [] : outside)];
    const seen = read.seen.filter(({ externalId }) => ![...outside, ...failing].includes(externalId));
    return { snapshot: { ...read, seen, unreadable }, excluded };
  }

  /** What is wanted of somebody who has these fields. */
  wantedFor(user: DirectoryUser, groups: readonly SomeGroup[], fields: Values): ReturnType<Twin['desired']> {
    const wanted = this.desired(user, groups);
    return typeof wanted === 'string' ? wanted : this.#keeping(wanted, fields);
  }

  #wanted(seen: DirectoryUser, groups: readonly SomeGroup[], doubtful: readonly string[]): Wanted {
    const wanted = this.desired(seen, groups, doubtful);
    if (typeof wanted === 'string') throw new Error(`${seen.externalId} is ${wanted}`);
    return wanted;
  }

  #changeFor(seen: DirectoryUser, snapshot: TwinSnapshot): TwinChange | null {
    const stored = this.users.find((user) => user.externalId === seen.externalId);
    const wanted = this.#wanted(seen, snapshot.groups, this.#inDoubt(snapshot));
    if (stored === undefined) {
      if (wanted.state !== 'active') return null;
      return this.#waiting(this.#arrivalOfUnlinked(seen.externalId, wanted), wanted);
    }
    if (wanted.state === 'active') return this.#presence(seen, wanted, stored, snapshot);
    const gone = stored.state === 'deleted' || wanted.state === stored.state;
    if (gone) return this.#nothingFor(stored, snapshot);
    return wanted.state === 'deleted'
      ? removal('delete', 'deprovisioned', seen.externalId, stored)
      : removal('suspend', 'suspended', seen.externalId, stored);
  }

  /** Where the tenant is missing and may not be made, or is not known, whoever is new waits for a person. */
  #waiting(change: TwinChange, wanted: Wanted): TwinChange {
    if (change.kind === 'conflict') return change;
    if (wanted.place === 'unknown')
      return { ...change, kind: 'conflict', cause: 'tenant-unknown', found: [] };
    if (this.#canBePut(wanted)) return change;
    const place = wanted.place?.path ?? null;
    const stored = this.users.find((user) => user.label === change.user) ?? null;
    const fields = stored === null ? placeField(null, place) : placeField(stored.place, place);
    return {
      ...change,
      kind: 'conflict',
      cause: 'tenant-missing',
      found: [],
      after: sideOf(this.#keeping(wanted, stored?.fields), place),
      fields: [...change.fields.filter(({ field }) => field !== 'tenant'), ...fields],
    };
  }

  #canBePut({ place }: Wanted): boolean {
    const stays = place === undefined || place === 'unknown' || place.path === null;
    return stays || place.make || this.tenants.has(place.path);
  }

  #presence(
    seen: DirectoryUser,
    wanted: Wanted,
    stored: TwinUser,
    snapshot: TwinSnapshot,
  ): TwinChange | null {
    const doubtful = this.#inDoubt(snapshot);
    const losable = [...this.#rolesOf(doubtful), ...this.#wanted(seen, snapshot.groups, []).roles];
    const kept = doubtful.length === 0 ? [] : stored.roles.filter((role) => losable.includes(role));
    const roles = sortedOnce([...wanted.roles, ...kept]);
    const { externalId } = seen;
    const change = this.#arrival('update', 'edited', externalId, { ...wanted, roles }, stored);
    if (stored.state !== 'active') return { ...change, kind: 'reactivate', cause: 'returned' };
    if (change.fields.length + change.gained.length + change.lost.length === 0) {
      if (this.#canBePut(wanted)) return this.#nothingFor(stored, snapshot);
      const conflict = this.#waiting(change, { ...wanted, roles });
      return conflict;
    }
    if (stored.agreedVersion >= 0 && stored.version !== stored.agreedVersion)
      return { ...change, cause: 'local-edit' };
    if (change.fields.some(({ field }) => field !== 'tenant')) return { ...change, cause: 'edited' };
    const moves = change.gained.length + change.lost.length === 0;
    return { ...change, cause: moves ? 'placed' : 'group-membership' };
  }

  #nothingFor(stored: TwinUser, snapshot: TwinSnapshot): null {
    if (this.#inDoubt(snapshot).length === 0) stored.agreedVersion = stored.version;
    return null;
  }

  #arrivalOfUnlinked(externalId: string, wanted: Wanted): TwinChange {
    const found = named(this.users, wanted.fields, this);
    if (found === null) return this.#arrival('create', 'joined', externalId, wanted, null);
    if ('user' in found) return this.#arrival('link', found.cause, externalId, wanted, found.user);
    const candidates = found.candidates.map((user) => user.label).sort();
    return { ...this.#arrival('conflict', found.cause, externalId, wanted, null), candidates };
  }

  #arrival(
    kind: string,
    cause: string,
    externalId: string,
    wanted: Wanted,
    stored: TwinUser | null,
  ): TwinChange {
    const kept = this.#keeping(wanted, stored?.fields);
    const { fields, owned } = this.#differences(kept, stored);
    const roles = stored?.roles ?? [];
    const here = stored?.place ?? null;
    const place = this.#placeOf(wanted, here);
    return {
      externalId,
      kind,
      cause,
      user: stored?.label ?? null,
      before: stored === null ? null : sideOf({ state: stored.state, fields: owned, roles }, here),
      after: sideOf(kept, place),
      fields: [...fields, ...placeField(here, place)],
      made: this.#next(),
      found: kind === 'conflict' || (stored !== null && here === place) ? [] : this.#way(place),
      gained: wanted.roles.filter((role) => !roles.includes(role)),
      lost: roles.filter((role) => !wanted.roles.includes(role)),
      candidates: [],
      baseVersion: stored?.version ?? null,
      state: 'open',
      heldBy: null,
    };
  }

  #differences(wanted: Wanted, stored: TwinUser | null): { fields: TwinField[]; owned: Values } {
    const fields: TwinField[] = [];
    const owned: Record<string, Value> = {};
    for (const field of this.#owned()) {
      const before = stored?.fields[field] ?? null;
      const after = wanted.fields[field] ?? null;
      if (before !== null) owned[field] = before;
      if (isDeepStrictEqual(before, after)) continue;
      const first = stored !== null && filledOnly(this.mapping).includes(field);
      fields.push(first ? { field, before, after, owner: 'first' } : { field, before, after });
    }
    return { fields, owned };
  }

  #placeOf(wanted: Wanted, here: string | null): string | null {
    const { place } = wanted;
    return place === undefined || place === 'unknown' || !this.#canBePut(wanted) ? here : place.path;
  }

  /** With conflicts in the place of those whose address somebody else keeps, or comes to as well. */
  #settled(
    proposed: readonly TwinChange[],
    complete: boolean,
    spokenOf: (id: string) => boolean,
  ): readonly TwinChange[] {
    const refused = (change: TwinChange) =>
      this.live.some((one) => one.state === 'rejected' && isSame(change, one));
    const comers = proposed.filter((change) => change.kind !== 'conflict' && !refused(change));
    const waiting = this.live.filter((one) => one.state !== 'rejected' && !spokenOf(one.externalId));
    const late = new Set<string>();
    const keeping = (change: TwinChange) => {
      const carriedOut = [...comers.filter((one) => !late.has(one.externalId)), ...waiting];
      return this.#othersWith(change).filter(
        (user) => !carriedOut.some((one) => one.user === user.label && leaves(one, user)),
      );
    };
    // Where not everybody was read, also those count who came before and of whom nothing is said now.
    const rivals = new Map(
      comers.map((change) => {
        const now = this.#rivalsOf(change, comers);
        const known = complete || now.length + keeping(change).length > 0;
        return [change.externalId, known ? now : this.#rivalsOf(change, waiting)];
      }),
    );
    const comesTooLate = (change: TwinChange) =>
      keeping(change).length + (rivals.get(change.externalId)?.length ?? 0) > 0;
    const next = () => comers.find((change) => !late.has(change.externalId) && comesTooLate(change));
    for (let change = next(); change !== undefined; change = next()) late.add(change.externalId);
    return proposed.map((change) =>
      late.has(change.externalId)
        ? asConflict(change, keeping(change), rivals.get(change.externalId) ?? [])
        : change,
    );
  }

  /** Auth users who have the address that a change gives to somebody else. */
  #othersWith(change: TwinChange): readonly TwinUser[] {
    const key = keyGivenBy(change);
    const others = this.users.filter((user) => user.state !== 'deleted' && user.label !== change.user);
    return key === null ? [] : others.filter((user) => keyOf(user.fields) === key);
  }

  /** Changes that want the very same auth user, or bring somebody else to the same address. */
  #rivalsOf(change: TwinChange, among: readonly TwinChange[]): readonly TwinChange[] {
    const others = among.filter((one) => one.externalId !== change.externalId);
    if (change.kind === 'link') {
      const meant = others.filter((one) => one.kind === 'link' && one.user === change.user);
      return [...meant, ...this.#comeTo(change, others)];
    }
    return this.#comeTo(change, others);
  }

  /** Who comes to the same address without having it. */
  #comeTo(change: TwinChange, others: readonly TwinChange[]): readonly TwinChange[] {
    const comesTo = (one: TwinChange) => {
      const has = this.users.find((user) => user.label === one.user && user.state !== 'deleted');
      const key = keyGivenBy(one);
      return has !== undefined && keyOf(has.fields) === key ? null : key;
    };
    const key = comesTo(change);
    return key === null ? [] : others.filter((one) => comesTo(one) === key);
  }

  #merge(proposed: readonly TwinChange[], spokenOf: (id: string) => boolean): void {
    for (const change of this.live) {
      const again = proposed.find((one) => isSame(one, change));
      const looked = spokenOf(change.externalId);
      if (again !== undefined) {
        change.baseVersion = again.baseVersion;
        if (change.state === 'moved' || change.state === 'failed') change.state = 'open';
      } else if (looked) change.state = 'superseded';
    }
    for (const change of proposed) {
      const waits = this.live.some((one) => one.externalId === change.externalId);
      if (!waits) this.changes.push(change);
    }
  }

  #guard(usersNow: number | null): void {
    const findings = this.#findings(usersNow);
    for (const change of this.live) {
      const { heldBy } = change;
      // A partial snapshot proves nothing, and after one that has shrunk the next compares with the shrunken one.
      const isFound = findings.some(
        ({ guard, concerned }) => guard === heldBy && (guard !== 'same person' || concerned.includes(change)),
      );
      const stays = usersNow === null || heldBy === 'shrunken' || isFound;
      if (change.state !== 'held' || heldBy === null || stays) continue;
      change.state = 'open';
      change.heldBy = null;
    }
    for (const { guard, concerned } of findings) {
      for (const change of concerned) {
        if (change.state !== 'open') continue;
        change.state = 'held';
        change.heldBy = guard;
      }
    }
  }

  #findings(usersNow: number | null) {
    const { limits } = this;
    const pending = this.live.filter((change) => ['open', 'held', 'approved'].includes(change.state));
    const linked = this.users.filter((user) => user.externalId !== null && user.state !== 'deleted').length;
    const found = (guard: string, concerned: readonly TwinChange[], percent: number, atLeast: number) =>
      concerned.length > Math.max(atLeast, Math.floor((linked * percent) / 100))
        ? [{ guard, concerned }]
        : [];
    const leaving = pending.filter((change) => change.kind === 'delete' || change.kind === 'suspend');
    const changing = pending.filter((change) => ['update', 'suspend', 'delete'].includes(change.kind));
    const losing = pending.filter((change) => change.kind !== 'conflict' && change.lost.length > 0);
    const moving = pending.filter(
      ({ kind, user, fields }) =>
        kind !== 'conflict' && user !== null && fields.some(({ field }) => field === 'tenant'),
    );
    const { deletedPercent, deletedAtLeast, lostRolesPercent, lostRolesAtLeast } = limits;
    const waiting = new Set(leaving.map(({ user }) => user));
    const left = this.users.filter(
      (user) => this.#takenAway.has(user.label) && user.state !== 'active' && !waiting.has(user.label),
    );
    const before = linked + left.filter((user) => user.state === 'deleted').length;
    const inWindow = Math.max(deletedAtLeast, Math.floor((before * limits.deletedInWindowPercent) / 100));
    const eroded = leaving.length > 0 && leaving.length + left.length > inWindow;
    const shrunken = leaving.length > deletedAtLeast && this.#hasShrunk(linked, usersNow);
    return [
      ...this.#outOfScope(pending),
      ...found('deletions', leaving, deletedPercent, deletedAtLeast),
      ...(eroded ? [{ guard: 'deletions in the window', concerned: leaving }] : []),
      ...found('lost roles', losing, lostRolesPercent, lostRolesAtLeast),
      ...found('moves', moving, limits.movedPercent, limits.movedAtLeast),
      ...this.#owned().flatMap((field) => {
        const blanked = pending.filter((change) => blanks(change, field));
        return found(`blanked ${field}`, blanked, limits.blankedPercent, limits.blankedAtLeast);
      }),
      ...found('changes', changing, limits.changedPercent, limits.changedAtLeast),
      ...(this.holdsPairs ? [{ guard: 'same person', concerned: inPairs(this.live, this.users) }] : []),
      ...(shrunken ? [{ guard: 'shrunken', concerned: leaving }] : []),
    ];
  }

  /** Whom the scope leaves out because hardly anybody has what it reads; all of them, where it leaves out everybody. */
  #outOfScope(pending: readonly TwinChange[]) {
    const { scope = '' } = this.mapping;
    const outside = pending.filter(
      ({ cause, externalId }) => cause === 'out-of-scope' && this.#contents.has(externalId),
    );
    const [, custom = '', name = ''] = /user\.(custom\.)?(\w+)/.exec(scope) ?? [];
    const hasOne = (user: DirectoryUser | undefined) => {
      const values: Record<string, unknown> = custom === '' ? { ...user } : { ...user?.custom };
      return (values[name] ?? '') !== '';
    };
    const blank = outside.filter(({ externalId }) => !hasOne(this.#contents.get(externalId)));
    const still = [...this.#contents.values()].filter(hasOne);
    const linked = this.users.filter((user) => user.externalId !== null && user.state !== 'deleted');
    const all = linked.every((user) => outside.some(({ externalId }) => externalId === user.externalId));
    return [
      ...(blank.length > still.length ? [{ guard: 'scope emptied', concerned: blank }] : []),
      ...(outside.length > 0 && all ? [{ guard: 'scope leaves out all', concerned: outside }] : []),
    ];
  }

  #hasShrunk(linked: number, usersNow: number | null): boolean {
    if (usersNow === null || this.#usersBefore === null) return false;
    const refused = this.live.filter((change) => change.state === 'rejected' && change.kind === 'delete');
    const before = Math.max(this.#usersBefore, linked - refused.length);
    return before - usersNow > Math.floor((before * this.limits.shrunkenPercent) / 100);
  }

  decide(externalId: string, state: 'approved' | 'rejected'): void {
    for (const change of this.live) {
      if (change.externalId !== externalId) continue;
      if (state === 'approved' && change.kind === 'conflict') continue;
      if (change.state === 'moved') continue;
      change.state = state;
      change.heldBy = null;
    }
  }

  /** By hand, here. */
  edit(label: string, fields: Values): void {
    const user = this.users.find((one) => one.label === label);
    if (user === undefined || user.state === 'deleted') return;
    if (Object.entries(fields).every(([name, value]) => isDeepStrictEqual(user.fields[name], value))) return;
    user.fields = { ...user.fields, ...fields };
    user.version += 1;
  }

  /**
   * Carries out what is approved. Who comes first decides who gets an address that two would have, so the twin is told for whom it
   * was taken; everybody else's change it has to be able to carry out, in some order, or has to send back itself.
   */
  apply(addressTaken: readonly string[]): void {
    const approved = () => this.live.filter((change) => change.state === 'approved');
    for (const change of approved()) if (addressTaken.includes(change.externalId)) change.state = 'moved';
    const carriedOut = () => approved().find((change) => this.#carryOut(change));
    for (let change = carriedOut(); change !== undefined; change = carriedOut()) change.state = 'applied';
    for (const change of approved()) change.state = 'moved';
  }

  #carryOut(change: TwinChange): boolean {
    const { after, externalId, kind, user: label, baseVersion } = change;
    const linked = this.users.find((user) => user.externalId === externalId);
    if (after === null || this.#othersWith(change).length > 0) return false;
    if (label === null) return linked === undefined && this.#put(change) && this.#create(externalId, after);
    const user = this.users.find((one) => one.label === label);
    const free = user?.externalId === null && linked === undefined;
    if (user === undefined || (kind === 'link' ? !free : linked !== user)) return false;
    if (user.version !== baseVersion) return isAlready(user, after.state, change);
    return this.#put(change) && this.#give(user, change, after);
  }

  #give(user: TwinUser, change: TwinChange, after: Side): true {
    if (change.fields.some(({ field }) => field === 'tenant')) user.place = after.tenant ?? null;
    const fields: Record<string, Value> = { ...user.fields };
    for (const { field, after: value } of change.fields) {
      if (field === 'tenant') continue;
      if (value === null) delete fields[field];
      else fields[field] = value;
    }
    user.fields = fields;
    user.state = after.state;
    user.roles = sortedOnce([...user.roles.filter((role) => !change.lost.includes(role)), ...change.gained]);
    user.externalId = change.externalId;
    if (change.kind === 'suspend' || change.kind === 'delete') this.#takenAway.add(user.label);
    user.version += 1;
    if (user.agreedVersion >= 0) user.agreedVersion = user.version;
    return true;
  }

  /** Whether the tenant is the one that was found, be it that it had to be made since. */
  #put({ after, user, fields, made, found }: TwinChange): boolean {
    const path = after?.tenant;
    if (path === undefined || (user !== null && !fields.some(({ field }) => field === 'tenant'))) return true;
    const leads = leadsOn(this.#way(path), { made, found });
    if (leads) this.addTenant(path);
    return leads;
  }

  #next(): number {
    this.#made += 1;
    return this.#made;
  }

  /** With those above it, where they are missing. */
  addTenant(path: string): void {
    for (const above of pathsTo(path)) if (!this.tenants.has(above)) this.tenants.set(above, this.#next());
  }

  #way(place: string | null): readonly number[] {
    const way = pathsTo(place).map((path) => this.tenants.get(path));
    const end = way.indexOf(undefined);
    return way.slice(0, end === -1 ? way.length : end).filter((tenant) => tenant !== undefined);
  }

  /** With all below it; nobody agrees on where they are any more. */
  renameTenant(path: string, name: string): void {
    const to = [...pathsTo(path).slice(-2, -1), name].join('/');
    const renamed = (one: string) =>
      one === path || one.startsWith(`${path}/`) ? to + one.slice(path.length) : one;
    const before = [...this.tenants];
    this.tenants.clear();
    for (const [one, tenant] of before) this.tenants.set(renamed(one), tenant);
    for (const user of this.users) {
      if (user.place === null || renamed(user.place) === user.place) continue;
      user.place = renamed(user.place);
      if (user.externalId !== null) user.agreedVersion = -1;
    }
    const verified = [...this.verifiedBelow];
    this.verifiedBelow.clear();
    for (const [one, domains] of verified) this.verifiedBelow.set(renamed(one), domains);
  }

  #create(externalId: string, { fields, roles, tenant = undefined }: Side): true {
    const made = { label: externalId, externalId, linkedElsewhere: false, version: 1, agreedVersion: 1 };
    this.users.push({ ...made, state: 'active', fields, roles, place: tenant ?? null });
    return true;
  }
}

/** Of those who are linked, whom a complete snapshot does not name, or names as out of scope. */
function gone(
  linked: readonly TwinUser[],
  { seen, unreadable }: TwinSnapshot,
  excluded: readonly string[],
): readonly TwinChange[] {
  const there = new Set<string>([...seen.map(({ externalId }) => externalId), ...unreadable]);
  return linked
    .map((user) => ({ user, id: user.externalId ?? '' }))
    .filter(({ id }) => !there.has(id))
    .map(({ user, id }) => removal('delete', excluded.includes(id) ? 'out-of-scope' : 'left', id, user));
}

/** The auth user was changed here, into just what was approved. */
function isAlready(
  user: TwinUser,
  state: string,
  { fields, gained, lost }: Pick<TwinChange, 'fields' | 'gained' | 'lost'>,
): boolean {
  const now: Values = user.place === null ? user.fields : { ...user.fields, tenant: user.place };
  const same = fields.every(({ field, after }) => isDeepStrictEqual(now[field] ?? null, after));
  return user.state === state && same && gained.length + lost.length === 0;
}

/** The address that a change gives to somebody, where it gives one. */
function keyGivenBy({ kind, user, after, fields }: TwinChange): string | null {
  if (after?.state !== 'active' || kind === 'conflict') return null;
  const gives = user === null || kind === 'reactivate' || fields.some(({ field }) => field === 'email');
  return gives ? keyOf(after.fields) : null;
}

/** Whether a user no longer has their address after this change to them. */
function leaves({ kind, after, fields }: TwinChange, user: TwinUser): boolean {
  if (kind === 'delete') return true;
  const moves = ['update', 'reactivate'].includes(kind) && fields.some(({ field }) => field === 'email');
  return moves && keyOf(after?.fields ?? {}) !== keyOf(user.fields);
}

/** The same difference, as something that cannot be applied. */
function asConflict(
  change: TwinChange,
  keeping: readonly TwinUser[],
  rivals: readonly TwinChange[],
): TwinChange {
  const cause = keeping.length > 0 ? 'address-taken' : 'address-shared';
  const own = change.kind === 'link' && change.user !== null ? [change.user] : [];
  const others = rivals.flatMap(({ user }) => user ?? []);
  const meant = new Set([...keeping.map((user) => user.label), ...own, ...others]);
  const conflict = { ...change, kind: 'conflict', cause, found: [], candidates: [...meant].sort() };
  if (change.kind !== 'link') return conflict;
  const values = Object.entries(change.after?.fields ?? {});
  const fields = [
    ...values.map(([field, after]) => ({ field, before: null, after })),
    ...placeField(null, change.after?.tenant ?? null),
  ];
  const gained = change.after?.roles ?? [];
  return { ...conflict, user: null, before: null, fields, gained, lost: [], baseVersion: null };
}

function blanks(change: TwinChange, field: string): boolean {
  const kinds = ['update', 'reactivate'];
  return (
    kinds.includes(change.kind) && change.fields.some((one) => one.field === field && one.after === null)
  );
}

/** What a decision is about. */
function content({
  baseVersion: _,
  state: __,
  heldBy: ___,
  cause: ____,
  made: _____,
  found: ______,
  ...shown
}: TwinChange) {
  return shown;
}

/** The same content, which leads into the same tenants, and else into none that was there already. */
function isSame(proposed: TwinChange, known: TwinChange): boolean {
  return isDeepStrictEqual(content(proposed), content(known)) && leadsOn(proposed.found, known);
}

function leadsOn(way: readonly number[], { made, found }: Pick<TwinChange, 'made' | 'found'>): boolean {
  const isFound = found.every((tenant, depth) => way[depth] === tenant);
  return isFound && way.slice(found.length).every((tenant) => tenant > made);
}

/** The paths of a tenant and those above it, the uppermost first. */
function pathsTo(place: string | null): readonly string[] {
  const names = place?.split('/') ?? [];
  return names.map((_, depth) => names.slice(0, depth + 1).join('/'));
}

function removal(kind: string, cause: string, externalId: string, stored: TwinUser): TwinChange {
  const { state, fields, roles, place } = stored;
  return {
    externalId,
    kind,
    cause,
    user: stored.label,
    before: sideOf({ state, fields, roles }, place),
    after: sideOf({ state: kind === 'suspend' ? 'suspended' : 'deleted', fields, roles }, place),
    made: 0,
    found: [],
    fields: [],
    gained: [],
    lost: [],
    candidates: [],
    baseVersion: stored.version,
    state: 'open',
    heldBy: null,
  };
}

function sideOf({ state, fields, roles }: Side, place: string | null): Side {
  return place === null ? { state, fields, roles } : { state, fields, roles, tenant: place };
}

function placeField(before: string | null, after: string | null) {
  return before === after ? [] : [{ field: 'tenant', before, after }];
}

function sortedOnce(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

function keyOf(fields: Values): string | null {
  const address = fields['email'];
  return typeof address === 'string' ? emailKey(address) : null;
}
