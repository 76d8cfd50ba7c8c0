/** People as compact records: small numbers that point into the tables of names, departments and places. */
import { departments, sites } from './company.ts';
import { cultureCount, family, familyNames, given, givenNames } from './names.ts';
import type { Random } from './random.ts';

/**
 * One vocabulary for all providers; each shows the states it knows and takes the others for `active`.
 * `deleted` can still be seen (Entra's deleted items, Okta's DEPROVISIONED, Google's showDeleted), `purged` nowhere.
 */
export type State =
  | 'active'
  | 'disabled'
  | 'archived'
  | 'staged'
  | 'invited'
  | 'locked'
  | 'password-expired'
  | 'deleted'
  | 'purged';

export type Kind = 'employee' | 'contractor' | 'guest';

export type Person = {
  readonly serial: number;
  given: number;
  family: number;
  /** Left of the @ in the address. */
  local: string;
  /** Former addresses, left of the @. */
  formerLocals: readonly string[] | null;
  hasMail: boolean;
  department: number;
  title: number;
  site: number;
  /** Serial of the manager, -1 for none. */
  manager: number;
  kind: Kind;
  state: State;
  /** false: silently left out of every list, though still there. */
  visible: boolean;
  /** Seconds since 1970, of the directory's own clock. */
  readonly created: number;
  updated: number;
  /** Rises when anything changes that a provider would show of this person, the manager's address too. */
  revision: number;
};

/** Hands out addresses that nobody has or had. */
export type Addresses = { take(given: number, family: number): string };

export function freshAddresses(): Addresses {
  const taken = new Map<number, number>();
  return {
    take: (givenIndex, familyIndex) => {
      const key = givenIndex * 10_000 + familyIndex;
      const count = (taken.get(key) ?? 0) + 1;
      taken.set(key, count);
      const base = `${given(givenIndex).slug}.${family(familyIndex).slug}`;
      return count === 1 ? base : `${base}${count}`;
    },
  };
}

function indexIn(table: { readonly startOf: readonly number[] }, culture: number, random: Random): number {
  const start = table.startOf[culture] ?? 0;
  const end = table.startOf[culture + 1] ?? start + 1;
  return start + random.int(end - start);
}

export const anyFamily = (random: Random): number => random.int(familyNames.names.length);

/** A given and a family name, mostly of one origin, as people move and marry. */
function anyName(random: Random): { given: number; family: number } {
  const culture = random.int(cultureCount);
  return {
    given: indexIn(givenNames, culture, random),
    family: random.chance(0.85) ? indexIn(familyNames, culture, random) : anyFamily(random),
  };
}

const departmentByPercent: readonly number[] = departments.flatMap((department, index) =>
  Array.from({ length: department.share }, () => index),
);

export const anyDepartment = (random: Random): number =>
  departmentByPercent[random.int(departmentByPercent.length)] ?? 0;
export const anySite = (random: Random): number => random.int(sites.length);

/** An ordinary, active employee without a manager yet. */
export function anyPerson(serial: number, seconds: number, random: Random, addresses: Addresses): Person {
  const name = anyName(random);
  return {
    serial,
    given: name.given,
    family: name.family,
    local: addresses.take(name.given, name.family),
    formerLocals: null,
    hasMail: true,
    department: anyDepartment(random),
    title: random.chance(0.7) ? 0 : 1,
    site: anySite(random),
    manager: -1,
    kind: 'employee',
    state: 'active',
    visible: true,
    created: seconds,
    updated: seconds,
    revision: 0,
  };
}

/** Deleted and purged people are in no ordinary list. */
export const isListed = (person: Person): boolean =>
  person.visible && person.state !== 'deleted' && person.state !== 'purged';

export const exists = (person: Person | undefined): person is Person =>
  person !== undefined && person.state !== 'deleted' && person.state !== 'purged';
