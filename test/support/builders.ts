/** Values of the domain, of which a test says only what matters to it. */
import { v7 } from 'uuid';
import { type DesiredAuthUser, desiredHashOf, type StoredAuthUser } from '../../src/domain/authUser.ts';
import type { ProposedChange } from '../../src/domain/change.ts';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { AuthUserId, ExternalId, TenantId } from '../../src/domain/ids.ts';
import { type CompiledMapping, isMapped, type Mapped } from '../../src/domain/mapping.ts';
import { compileMatching, type FoundAuthUser } from '../../src/domain/matching.ts';
import { placesBelow } from '../../src/domain/place.ts';
import type { PlanContext, Seen } from '../../src/domain/plan.ts';
import { type CompleteSnapshot, concludeSnapshot } from '../../src/domain/snapshot.ts';
import { aDirectory, type SomeDirectoryUser } from './directory.ts';

export const aTenantId = TenantId.parse(v7());

export function aDirectoryUser(given: Omit<SomeDirectoryUser, 'id'> = {}): DirectoryUser {
  const [user] = aDirectory({ users: [{ id: 'u1', ...given }] }).users;
  if (user === undefined) throw new Error('the directory has a user');
  return user;
}

/** A mapping that makes something of everybody. */
export function surely(mapping: CompiledMapping) {
  const wanted = (mapped: Mapped): DesiredAuthUser => {
    if (!isMapped(mapped)) throw new Error(`not mapped: ${JSON.stringify(mapped)}`);
    return mapped;
  };
  return {
    ...mapping,
    map: (...given: Parameters<CompiledMapping['map']>) => wanted(mapping.map(...given)),
    inDoubt: (...given: Parameters<CompiledMapping['inDoubt']>) => {
      const doubt = mapping.inDoubt(...given);
      return doubt && { ...doubt, map: (...of: Parameters<typeof doubt.map>) => wanted(doubt.map(...of)) };
    },
  };
}

export function aStoredUser(given: Partial<StoredAuthUser> = {}): StoredAuthUser {
  return {
    id: AuthUserId.parse(v7()),
    tenant: aTenantId,
    state: 'active',
    fields: { email: 'ada@example.test', displayName: 'Ada' },
    roles: [],
    version: 3,
    ...given,
  };
}

export const aCandidate = ({ links = 0, ...given }: Partial<FoundAuthUser> = {}): FoundAuthUser => ({
  ...aStoredUser(given),
  links,
});

/** Wants what `aStoredUser` has, unless it is said otherwise; linked to nobody. */
export function aSeenUser({
  desired = {},
  ...given
}: Partial<Omit<Seen, 'desired'>> & { readonly desired?: Partial<DesiredAuthUser> } = {}): Seen {
  const wanted: DesiredAuthUser = {
    state: 'active',
    fields: { email: 'ada@example.test', displayName: 'Ada' },
    roles: [],
    ...desired,
  };
  return {
    externalId: ExternalId.parse('u1'),
    desired: wanted,
    desiredHash: desiredHashOf(wanted),
    linked: null,
    sameAddress: [],
    ...given,
  };
}

/** As a pull that read everybody is concluded. */
export function aCompleteSnapshot(users: number): CompleteSnapshot {
  const nothingWrong = {
    chainClosed: true,
    looped: false,
    foundLater: 0,
    notAskedFor: 0,
    namelessRecords: 0,
    hasLinkedUsers: false,
    told: { users: null, permissions: null },
    permissionsBefore: null,
  };
  const concluded = concludeSnapshot({ ...nothingWrong, users, stored: users, usersBefore: 0 });
  if (concluded.kind !== 'complete') throw new Error('a pull without a fault is complete');
  return concluded;
}

export const aPlanContext = (given: Partial<PlanContext> = {}): PlanContext => ({
  tenant: aTenantId,
  places: placesBelow(aTenantId, []),
  verifiedDomains: new Map([[aTenantId, new Set(['example.test'])]]),
  matching: compileMatching([{ by: 'email', confidence: 'certain' }]),
  readingChanged: false,
  mappingChanged: false,
  keepsLeavers: false,
  ...given,
});

/** An update that changes nothing, unless it is said otherwise. */
export function aChange(given: Partial<ProposedChange> = {}): ProposedChange {
  const side = { state: 'active', fields: { email: 'ada@example.test' }, roles: [] };
  return {
    externalId: ExternalId.parse('u1'),
    tenant: aTenantId,
    authUser: given.kind === 'create' ? null : AuthUserId.parse(v7()),
    kind: 'update',
    cause: 'edited',
    before: side,
    after: side,
    fields: [],
    rolesGained: [],
    rolesLost: [],
    candidates: [],
    baseVersion: null,
    foundTenants: [],
    desiredHash: '00',
    ...given,
  };
}
