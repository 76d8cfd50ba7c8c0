/**
 * One address, one auth user. A change set may hand addresses on: a leaver's is free, two people may exchange theirs. Who would come
 * to an address that somebody else keeps, or to which somebody else comes as well, waits for a person.
 */
import type { Cause, ChangeKind, ProposedChange } from './change.ts';
import { emailKey } from './email.ts';
import type { AuthUserId } from './ids.ts';

type Giving = {
  readonly kind: ChangeKind;
  readonly authUser: AuthUserId | null;
  readonly fields: readonly { readonly field: string }[];
  /** State, fields and roles. */
  readonly after: unknown;
};

/** The address, as it is compared, that a change gives to its auth user; null where it gives none that they do not hold already. */
export function addressGivenBy(change: Giving): string | null {
  const gives =
    change.authUser === null ||
    change.kind === 'reactivate' ||
    change.fields.some(({ field }) => field === 'email');
  return gives ? addressIn(change.after) : null;
}

/** The address that somebody would have by a change. `arrives`: it is not theirs already. */
export type Sought = { readonly address: string; readonly arrives: boolean };

/** null for a change that brings nobody to an address. */
export function addressSought(change: ProposedChange): Sought | null {
  switch (change.kind) {
    case 'link': {
      const address = addressIn(change.after);
      return address === null ? null : { address, arrives: addressIn(change.before) !== address };
    }
    case 'create':
    case 'reactivate':
    case 'update': {
      const address = addressGivenBy(change);
      if (address === null) return null;
      return {
        address,
        arrives: stateIn(change.before) === 'deleted' || addressIn(change.before) !== address,
      };
    }
    case 'unlink':
    case 'suspend':
    case 'delete':
    case 'conflict':
      return null;
  }
}

function addressIn(side: unknown): string | null {
  const email = (side as { readonly fields?: Readonly<Record<string, unknown>> } | null)?.fields?.['email'];
  return typeof email === 'string' ? emailKey(email) : null;
}

function stateIn(side: unknown): unknown {
  return (side as { readonly state?: unknown } | null)?.state;
}

/** Who else has, or would come to, the address that a change seeks. Not both are empty, but where all others are joiners. */
export type Contest = {
  /** Auth users who have it and keep it, whatever of the change set is applied; with the number of their identities. */
  readonly holders: readonly { readonly id: AuthUserId; readonly links: number }[];
  /** Some of the auth users to whom other changes of the same set give it, or to whom others would be linked by it. */
  readonly rivals: readonly AuthUserId[];
};

/** What is proposed in the place of a change whose address is not to be had. It shows the same difference, and cannot be applied. */
export function contested(change: ProposedChange, { holders, rivals }: Contest): ProposedChange {
  const taken = holders.map(({ id, links }) => ({
    authUser: id,
    because:
      links > 0
        ? 'has the same address and is linked to another directory user'
        : 'has the same address and is linked to no directory user',
  }));
  const because =
    change.kind === 'link'
      ? 'is named by what several directory users come with'
      : 'would be given the same address';
  const own = change.kind === 'link' && change.authUser !== null ? [change.authUser] : [];
  const others = [...new Set([...own, ...rivals.filter((user) => user !== change.authUser)])];
  const cause: Cause = taken.length > 0 ? 'address-taken' : 'address-shared';
  return {
    ...(change.kind === 'link' ? unlinked(change) : change),
    kind: 'conflict',
    cause,
    foundTenants: [],
    candidates: [...taken, ...others.map((authUser) => ({ authUser, because }))],
  };
}

/** Whom the directory user would have been linked to is a candidate now, and no more than that. */
function unlinked(change: ProposedChange): ProposedChange {
  const { roles } = change.after as { readonly roles: readonly string[] };
  return {
    ...change,
    authUser: null,
    before: null,
    fields: [],
    rolesGained: roles,
    rolesLost: [],
    baseVersion: null,
  };
}
