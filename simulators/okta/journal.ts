/**
 * What has happened in an Okta org since it started, told from how it looked when somebody last asked: events for the System Log,
 * and when each user was last updated. Both carry this machine's time, as if everything had happened just before it was asked about.
 */
import type { Directory } from '../directory.ts';
import type { Group } from '../population/groups.ts';
import { exists, type Person, type State } from '../population/people.ts';

export type Event = {
  readonly eventType: string;
  /** Serial of the user it happened to, where it was one, and of the group or the app it happened in. */
  readonly user: number | null;
  readonly group: number | null;
  readonly inApp: boolean;
  readonly publishedMs: number;
};

type Known = {
  readonly updated: number;
  readonly state: State;
  /** Left part of the manager's login, which the profile shows. */
  readonly manager: string | null;
  readonly assigned: boolean;
};

/** By the state that somebody enters. */
const entered = {
  active: ['user.lifecycle.activate'],
  staged: ['user.lifecycle.create'],
  invited: ['user.lifecycle.activate'],
  locked: ['user.account.lock'],
  'password-expired': ['user.account.expire_password'],
  disabled: ['user.lifecycle.suspend'],
  archived: ['user.lifecycle.suspend'],
  deleted: ['user.lifecycle.deactivate'],
  purged: ['user.lifecycle.delete.initiated', 'user.lifecycle.delete.completed'],
} as const satisfies Record<State, readonly string[]>;

function entering(state: State, before: State | null): readonly string[] {
  if (before === null)
    return state === 'staged' ? entered.staged : ['user.lifecycle.create', ...entered[state]];
  if (state === 'active' && before === 'deleted') return ['user.lifecycle.reactivate'];
  if (state === 'active' && before === 'disabled') return ['user.lifecycle.unsuspend'];
  return entered[state];
}

export class Journal {
  readonly events: Event[] = [];
  readonly #directory: Directory;
  readonly #isAssigned: (person: Person) => boolean;
  readonly #people: Known[];
  readonly #members: (readonly number[])[];
  readonly #names: string[];
  readonly #touched = new Map<number, number>();
  #version: number;

  /** `isAssigned`: to the org's one app. */
  constructor(directory: Directory, isAssigned: (person: Person) => boolean) {
    this.#directory = directory;
    this.#isAssigned = isAssigned;
    this.#people = directory.people.map((person) => this.#known(person));
    this.#members = directory.groups.map(({ members }) => [...members]);
    this.#names = directory.groups.map(({ name }) => name);
    this.#version = directory.version;
  }

  #known(person: Person): Known {
    const manager = this.#directory.people[person.manager];
    return {
      updated: person.updated,
      state: person.state,
      manager: exists(manager) ? manager.local : null,
      assigned: this.#isAssigned(person),
    };
  }

  /** Writes down what is different now. Before anything is answered, so that an answer and the log agree. */
  observe(): void {
    if (this.#directory.version === this.#version) return;
    this.#version = this.#directory.version;
    const now = Date.now();
    for (const person of this.#directory.people) this.#compare(person, now);
    for (const group of this.#directory.groups) this.#compareGroup(group, now);
  }

  /** Seconds since 1970: Okta's own resolution may be no finer. */
  lastUpdatedOf(person: Person): number {
    return this.#touched.get(person.serial) ?? person.updated;
  }

  #compare(person: Person, now: number): void {
    const before = this.#people[person.serial];
    const after = this.#known(person);
    this.#people[person.serial] = after;
    const write = (eventType: string, inApp = false) =>
      this.events.push({ eventType, user: person.serial, group: null, inApp, publishedMs: now });
    const types =
      before?.state !== after.state
        ? entering(after.state, before?.state ?? null)
        : before.updated !== after.updated || before.manager !== after.manager
          ? ['user.account.update_profile']
          : [];
    if (types.length > 0) this.#touched.set(person.serial, Math.floor(now / 1000));
    for (const type of types) write(type);
    if ((before?.assigned ?? false) !== after.assigned)
      write(`application.user_membership.${after.assigned ? 'add' : 'remove'}`, true);
  }

  #compareGroup(group: Group, now: number): void {
    const before = new Set(this.#members[group.serial]);
    const after = new Set(group.members);
    const write = (eventType: string, user: number | null) =>
      this.events.push({ eventType, user, group: group.serial, inApp: false, publishedMs: now });
    if (this.#names[group.serial] !== group.name) write('group.profile.update', null);
    this.#names[group.serial] = group.name;
    for (const serial of before) if (!after.has(serial)) write('group.user_membership.remove', serial);
    for (const serial of after) if (!before.has(serial)) write('group.user_membership.add', serial);
    this.#members[group.serial] = [...group.members];
  }
}
