/** What happens to people and groups of a simulated directory. The same calls on the same seed do the same. */
import type { Directory } from './directory.ts';
import { departmentAt } from './population/company.ts';
import { type Group, setMember } from './population/groups.ts';
import {
  anyDepartment,
  anyFamily,
  anyPerson,
  anySite,
  exists,
  isListed,
  type Person,
} from './population/people.ts';
import { type Random, randomFrom } from './population/random.ts';

/** `disable`: cannot sign in. `delete`: deleted, but still to be seen as such. `purge`: gone without a trace. */
export type Leaving = 'disable' | 'delete' | 'purge';

export type GroupChange = {
  readonly group: Group;
  readonly added: readonly Person[];
  readonly removed: readonly Person[];
};

export type Lived = {
  readonly hired: readonly Person[];
  readonly disabled: readonly Person[];
  readonly deleted: readonly Person[];
  readonly renamed: readonly Person[];
  readonly moved: readonly Person[];
  readonly promoted: readonly Person[];
  readonly rehired: readonly Person[];
  readonly edited: readonly Person[];
  readonly groups: readonly GroupChange[];
};

/** Employees that something may happen to. Never the first person: everybody's head, and Google's impersonated administrator. */
const isOrdinary = (person: Person): boolean =>
  person.serial > 0 && isListed(person) && person.state === 'active' && person.kind !== 'guest';

function sample(people: readonly Person[], count: number, random: Random): Person[] {
  const pool = [...people];
  const chosen: Person[] = [];
  while (chosen.length < count && pool.length > 0) {
    const at = random.int(pool.length);
    const [person] = pool.slice(at, at + 1);
    const last = pool.pop();
    if (last && at < pool.length) pool[at] = last;
    if (person) chosen.push(person);
  }
  return chosen.sort((a, b) => a.serial - b.serial);
}

export class Life {
  readonly #directory: Directory;
  #random: Random;

  constructor(directory: Directory) {
    this.#directory = directory;
    this.#random = randomFrom(directory.seed ^ 0x11fe);
  }

  #choose(count: number, accept: (person: Person) => boolean = isOrdinary): Person[] {
    return sample(this.#directory.people.filter(accept), count, this.#random);
  }

  #groupNamed(name: string): Group | undefined {
    return this.#directory.groups.find((group) => group.name === name);
  }

  #setMember(person: Person, name: string, member: boolean): void {
    const group = this.#groupNamed(name);
    if (group) setMember(group, person.serial, member, person.updated);
  }

  #headOf(department: number): number {
    const head = this.#directory.people.find(
      (person) => isOrdinary(person) && person.department === department && person.title >= 2,
    );
    return head?.serial ?? 0;
  }

  #settle(person: Person): void {
    const head = this.#headOf(person.department);
    person.manager = head === person.serial ? 0 : head;
    this.#setMember(person, departmentAt(person.department).name, true);
    if (person.kind !== 'guest') this.#setMember(person, 'All Staff', true);
  }

  hire(count: number): Person[] {
    const { people, addresses } = this.#directory;
    return Array.from({ length: count }, () => {
      const person = anyPerson(people.length, this.#directory.tick(), this.#random, addresses);
      people.push(person);
      this.#settle(person);
      this.#directory.forgetLocals();
      return person;
    });
  }

  /** `serials` null: anybody. */
  leave(how: Leaving, count: number, serials: readonly number[] | null): Person[] {
    const leavers = serials === null ? this.#choose(count) : this.#people(serials);
    for (const person of leavers) {
      person.state = how === 'disable' ? 'disabled' : how === 'delete' ? 'deleted' : 'purged';
      this.#directory.touch(person);
    }
    this.#directory.touchReportsOf(leavers);
    this.#directory.forgetLocals();
    return leavers;
  }

  #people(serials: readonly number[]): Person[] {
    return serials.flatMap((serial) => this.#directory.people[serial] ?? []);
  }

  /** A new family name and address; the old address becomes an alias. */
  rename(count: number): Person[] {
    const renamed = this.#choose(count);
    for (const person of renamed) {
      const before = person.family;
      while (person.family === before) person.family = anyFamily(this.#random);
      person.formerLocals = [...(person.formerLocals ?? []), person.local];
      person.local = this.#directory.addresses.take(person.given, person.family);
      this.#directory.touch(person);
    }
    this.#directory.touchReportsOf(renamed);
    this.#directory.forgetLocals();
    return renamed;
  }

  /** Another department, and with it title, manager, group and organisational unit; for some another place. */
  move(count: number): Person[] {
    const moved = this.#choose(count);
    for (const person of moved) {
      const before = person.department;
      this.#directory.touch(person);
      this.#setMember(person, departmentAt(before).name, false);
      while (person.department === before) person.department = anyDepartment(this.#random);
      person.title = 0;
      if (this.#random.chance(0.3)) person.site = anySite(this.#random);
      this.#settle(person);
    }
    return moved;
  }

  promote(count: number): Person[] {
    const promoted = this.#choose(count, (person) => isOrdinary(person) && person.title < 2);
    for (const person of promoted) {
      this.#directory.touch(person);
      person.title = departmentAt(person.department).titles.length - 1;
      this.#setMember(person, 'Leads', true);
    }
    return promoted;
  }

  /**
   * People who left come back: the same name and address, a new id. Where nobody has left, somebody does first. In Okta the
   * old user is purged, because a login is there only once.
   */
  rehire(count: number): { readonly hired: readonly Person[]; readonly former: readonly Person[] } {
    const { people, provider } = this.#directory;
    const inUse = new Set(people.filter(exists).map((person) => person.local));
    const hasLeft = (person: Person): boolean =>
      (person.state === 'deleted' || person.state === 'purged') &&
      person.kind !== 'guest' &&
      !inUse.has(person.local);
    const known = this.#choose(count, hasLeft);
    const former = [...known, ...this.leave('delete', count - known.length, null)];
    const hired = former.map((before) => {
      const seconds = this.#directory.tick();
      if (provider === 'okta') before.state = 'purged';
      const person: Person = {
        ...before,
        serial: people.length,
        formerLocals: null,
        state: 'active',
        visible: true,
        title: 0,
        created: seconds,
        updated: seconds,
        revision: 0,
      };
      people.push(person);
      this.#settle(person);
      return person;
    });
    this.#directory.forgetLocals();
    return { hired, former };
  }

  changeGroup(group: Group, add: number, remove: number): GroupChange {
    const seconds = this.#directory.tick();
    const members = new Set(group.members);
    const removed = this.#choose(remove, (person) => members.has(person.serial) && isListed(person));
    const added = this.#choose(add, (person) => isOrdinary(person) && !members.has(person.serial));
    for (const person of removed) members.delete(person.serial);
    for (const person of added) members.add(person.serial);
    group.members = [...members].sort((a, b) => a - b);
    group.updated = seconds;
    return { group, added, removed };
  }

  /** Another name; its address stays. */
  renameGroup(group: Group, name: string): GroupChange {
    group.updated = this.#directory.tick();
    group.name = name;
    return { group, added: [], removed: [] };
  }

  /** They vanish from every list. Asked for by id they are still there: nobody has really left. */
  lose(percent: number): Person[] {
    const listed = this.#directory.people.filter((person) => person.serial > 0 && isListed(person));
    const lost = sample(listed, Math.round((listed.length * percent) / 100), this.#random);
    for (const person of lost) person.visible = false;
    this.#directory.tick();
    return lost;
  }

  /** `serials` null: who was lost is listed again. Else these people are back as they were, the deleted ones too. */
  restore(serials: readonly number[] | null): Person[] {
    const back =
      serials === null ? this.#directory.people.filter((person) => !person.visible) : this.#people(serials);
    for (const person of back) {
      person.visible = true;
      if (serials === null) continue;
      person.state = 'active';
      this.#directory.touch(person);
    }
    this.#directory.tick();
    this.#directory.touchReportsOf(back);
    this.#directory.forgetLocals();
    return back;
  }

  /** Gives so many per cent of the listed users another job title, evenly spread. */
  edit(percent: number): Person[] {
    const listed = this.#directory.people.filter(isListed);
    const share = percent / 100;
    const edited = listed.filter((_, at) => Math.floor((at + 1) * share) > Math.floor(at * share));
    const seconds = this.#directory.tick();
    for (const person of edited) {
      person.title = (person.title + 1) % departmentAt(person.department).titles.length;
      person.updated = seconds;
      person.revision += 1;
    }
    return edited;
  }

  /** Some weeks of an ordinary company, in proportion to its size. The same seed on the same directory does the same. */
  liveForAWhile(seed: number): Lived {
    const before = this.#random;
    this.#random = randomFrom(seed ^ 0x51fe);
    const staff = this.#directory.people.filter(isOrdinary).length;
    const some = (share: number): number => Math.max(1, Math.round(staff * share));
    const groups = ['Administrators', 'VPN Users', 'On Call'].flatMap((name) => this.#groupNamed(name) ?? []);
    const lived = {
      edited: this.edit(0.5),
      hired: this.hire(some(0.012)),
      disabled: this.leave('disable', some(0.005), null),
      deleted: this.leave('delete', some(0.007), null),
      renamed: this.rename(some(0.004)),
      moved: this.move(some(0.012)),
      promoted: this.promote(some(0.004)),
      rehired: this.rehire(1).hired,
      groups: groups.map((group, at) => this.changeGroup(group, 1 + at, at)),
    };
    this.#random = before;
    return lived;
  }
}
