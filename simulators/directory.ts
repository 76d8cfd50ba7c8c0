/** One simulated directory: its people and groups, and how they are found. What changes them is in life.ts. */

import { departmentAt } from './population/company.ts';
import {
  canHave,
  firstAtLeast,
  type Group,
  type GroupKinds,
  makeGroups,
  POPULATIONS,
  type PopulationName,
} from './population/groups.ts';
import {
  type Addresses,
  anyPerson,
  exists,
  freshAddresses,
  isListed,
  type Person,
  type State,
} from './population/people.ts';
import type { Random } from './population/random.ts';
import { randomFrom, saltOf } from './population/random.ts';

export const SIMULATED = ['entra', 'okta', 'google', 'scim'] as const;
export type Provider = (typeof SIMULATED)[number];

export type DirectoryOptions = {
  /** How many people the provider's ordinary user list shows at first. */
  readonly users: number;
  readonly seed: number;
  /** null: the standard groups. */
  readonly groups: number | null;
  /** null: the standard groups. */
  readonly population?: PopulationName | null;
  /** true: no guests, nobody without mail, everybody active. */
  readonly plain: boolean;
  readonly domain: string;
};

/** The clock of a directory starts here, so that the same seed gives the same time stamps. */
const epochSeconds = Date.UTC(2026, 5, 1, 8) / 1000;

/** Share of people that are in a state, by provider. The rest is active. */
const states: Readonly<Record<Provider, readonly (readonly [State, number])[]>> = {
  entra: [
    ['disabled', 0.03],
    ['deleted', 0.01],
  ],
  okta: [
    ['staged', 0.01],
    ['invited', 0.01],
    ['locked', 0.008],
    ['password-expired', 0.01],
    ['disabled', 0.015],
    ['deleted', 0.03],
  ],
  google: [
    ['disabled', 0.02],
    ['archived', 0.01],
    ['deleted', 0.01],
  ],
  scim: [['disabled', 0.03]],
};

function stateFor(provider: Provider, random: Random): State {
  let left = random.next();
  for (const [state, share] of states[provider]) {
    if (left < share) return state;
    left -= share;
  }
  return 'active';
}

function groupKindsOf(provider: Provider): GroupKinds {
  return { nested: provider !== 'okta', everyone: provider === 'okta' || provider === 'google' };
}

/** The populations that this provider can have. */
export function populationsOf(provider: Provider): readonly PopulationName[] {
  const names = Object.keys(POPULATIONS) as PopulationName[];
  return names.filter((name) => canHave(groupKindsOf(provider), name));
}

export class Directory {
  readonly provider: Provider;
  readonly seed: number;
  readonly domain: string;
  readonly people: Person[] = [];
  readonly groups: readonly Group[];
  readonly addresses: Addresses = freshAddresses();
  /** Rises with every change. */
  version = 0;
  #seconds = epochSeconds;
  #byLocal: Map<string, number> | null = null;
  #transitive = new Map<number, { version: number; members: readonly number[] }>();

  constructor(provider: Provider, options: DirectoryOptions) {
    this.provider = provider;
    this.seed = options.seed;
    this.domain = options.domain;
    this.#populate(options);
    const { population = null } = options;
    this.groups = makeGroups(this.people, {
      ...groupKindsOf(provider),
      seed: options.seed,
      count: options.groups ?? (population === null ? null : POPULATIONS[population].groups),
      population,
      seconds: this.#seconds,
    });
  }

  #populate({ users, seed, plain }: DirectoryOptions): void {
    const random = randomFrom(saltOf(seed, this.provider));
    const staff = new Map<number, number[]>();
    for (let listed = 0; listed < users; ) {
      const created = this.#seconds - random.int(5 * 365 * 86_400);
      const person = anyPerson(this.people.length, created, random, this.addresses);
      if (person.serial > 0 && !plain) this.#makeOdd(person, random);
      this.#employ(person, staff);
      this.people.push(person);
      if (isListed(person)) listed += 1;
    }
  }

  /** Each department is a tree with eight reports a head; its first member reports to the first person of all. */
  #employ(person: Person, staff: Map<number, number[]>): void {
    if (person.kind === 'guest') return;
    const colleagues = staff.get(person.department) ?? [];
    const place = colleagues.length;
    const head = place === 0 ? 0 : (colleagues[Math.floor((place - 1) / 8)] ?? 0);
    if (person.serial > 0) person.manager = head;
    if (person.kind !== 'employee' || person.state !== 'active') return;
    if (place < 4) person.title = Math.min(2, departmentAt(person.department).titles.length - 1);
    colleagues.push(person.serial);
    staff.set(person.department, colleagues);
  }

  #makeOdd(person: Person, random: Random): void {
    person.state = stateFor(this.provider, random);
    if (person.state === 'deleted') person.updated = this.#seconds - random.int(15 * 86_400);
    const draw = random.next();
    if (draw < 0.06) person.kind = 'contractor';
    else if (draw < 0.09 && this.provider === 'entra') {
      person.kind = 'guest';
      if (random.chance(0.3)) person.state = 'invited';
    } else if (draw > 0.98) person.hasMail = false;
  }

  /** Seconds since 1970, by the directory's own clock. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Seconds since 1970. Each call is a minute later: changes have different times, in their order. */
  tick(): number {
    this.version += 1;
    this.#seconds += 60;
    return this.#seconds;
  }

  /** The person has changed, now. */
  touch(person: Person): void {
    person.updated = this.tick();
    person.revision += 1;
  }

  /** These people are shown differently now, wherever they stand as somebody's manager. */
  touchReportsOf(managers: readonly Person[]): void {
    const serials = new Set(managers.map((person) => person.serial));
    for (const person of this.people) if (serials.has(person.manager)) person.revision += 1;
  }

  /** Up to `limit` people from serial `start` on, and the serial that the next page starts with. */
  page(
    start: number,
    limit: number,
    accept: (person: Person) => boolean,
  ): { readonly people: readonly Person[]; readonly next: number | null } {
    const found: Person[] = [];
    for (let serial = start; serial < this.people.length; serial += 1) {
      const person = this.people[serial];
      if (!person || !accept(person)) continue;
      if (found.length === limit) return { people: found, next: serial };
      found.push(person);
    }
    return { people: found, next: null };
  }

  /** Like `page`, over the given ascending serials. */
  pageOf(
    serials: readonly number[],
    start: number,
    limit: number,
    accept: (person: Person) => boolean,
  ): { readonly people: readonly Person[]; readonly next: number | null } {
    const found: Person[] = [];
    for (let at = firstAtLeast(serials, start); at < serials.length; at += 1) {
      const person = this.people[serials[at] ?? -1];
      if (!person || !accept(person)) continue;
      if (found.length === limit) return { people: found, next: person.serial };
      found.push(person);
    }
    return { people: found, next: null };
  }

  /** Who has, or had, this left part of an address; the newest where it was given twice. */
  byLocal(local: string): Person | null {
    this.#byLocal ??= this.#indexLocals();
    return this.people[this.#byLocal.get(local.toLowerCase()) ?? -1] ?? null;
  }

  #indexLocals(): Map<string, number> {
    const index = new Map<string, number>();
    for (const person of this.people) {
      for (const former of person.formerLocals ?? []) index.set(former, person.serial);
    }
    for (const person of this.people) if (exists(person)) index.set(person.local, person.serial);
    return index;
  }

  /** Addresses have moved: the next look-up by address builds its index again. */
  forgetLocals(): void {
    this.#byLocal = null;
  }

  /** Members of the group and of all groups in it, ascending; circles end. */
  transitiveMembers(group: Group): readonly number[] {
    const known = this.#transitive.get(group.serial);
    if (known?.version === this.version) return known.members;
    const all = new Set<number>();
    for (const inner of this.groupsWithin(group)) for (const serial of inner.members) all.add(serial);
    const members = [...all].sort((a, b) => a - b);
    this.#transitive.set(group.serial, { version: this.version, members });
    return members;
  }

  /** The group itself first, then every group in it, each once. */
  groupsWithin(group: Group): readonly Group[] {
    const seen = new Set<Group>([group]);
    for (const outer of seen) {
      for (const serial of outer.children) {
        const inner = this.groups[serial];
        if (inner) seen.add(inner);
      }
    }
    return [...seen];
  }
}
