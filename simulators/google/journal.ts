/**
 * The admin audit log: what has happened in the account since somebody first asked for it, told from how it looked when it was
 * asked for last. Entries carry this machine's time, as if everything had happened just before it was asked about.
 */
import type { Directory } from '../directory.ts';
import type { Group } from '../population/groups.ts';
import type { Person, State } from '../population/people.ts';

type Settings = 'USER_SETTINGS' | 'GROUP_SETTINGS';
export type Entry = {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly type: Settings;
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
};

type Known = Pick<Person, 'revision' | 'state' | 'local' | 'department'>;

/** By the state that is entered. */
const entered = {
  active: 'UNSUSPEND_USER',
  staged: 'UNSUSPEND_USER',
  invited: 'UNSUSPEND_USER',
  locked: 'UNSUSPEND_USER',
  'password-expired': 'UNSUSPEND_USER',
  disabled: 'SUSPEND_USER',
  archived: 'ARCHIVE_USER',
  deleted: 'DELETE_USER',
  purged: 'DELETE_USER',
} as const satisfies Record<State, string>;

function entering(before: State, now: State): string {
  if (now === 'active' && (before === 'deleted' || before === 'purged')) return 'UNDELETE_USER';
  return now === 'active' && before === 'archived' ? 'UNARCHIVE_USER' : entered[now];
}

const knownOf = ({ revision, state, local, department }: Person): Known => {
  return { revision, state, local, department };
};

export class Journal {
  /** The oldest first. */
  readonly entries: Entry[] = [];
  readonly #directory: Directory;
  readonly #addressOfGroup: (group: Group) => string;
  readonly #people: Known[];
  readonly #members: (readonly number[])[];
  readonly #names: string[];
  #version: number;

  constructor(directory: Directory, addressOfGroup: (group: Group) => string) {
    this.#directory = directory;
    this.#addressOfGroup = addressOfGroup;
    this.#people = directory.people.map(knownOf);
    this.#members = directory.groups.map(({ members }) => [...members]);
    this.#names = directory.groups.map(({ name }) => name);
    this.#version = directory.version;
  }

  /** Writes down what is different now. */
  observe(): void {
    if (this.#directory.version === this.#version) return;
    this.#version = this.#directory.version;
    for (const person of this.#directory.people) this.#compare(person);
    for (const group of this.#directory.groups) this.#compareGroup(group);
  }

  #address(local: string): string {
    return `${local}@${this.#directory.domain}`;
  }

  #write(type: Settings, name: string, parameters: Entry['parameters']): void {
    this.entries.push({ time: Date.now(), type, name, parameters });
  }

  /** Each event names the address that the user had until then. */
  #compare(person: Person): void {
    const before = this.#people[person.serial];
    if (before?.revision === person.revision && before.state === person.state) return;
    this.#people[person.serial] = knownOf(person);
    const USER_EMAIL = this.#address(before?.local ?? person.local);
    const write = (name: string, more: Entry['parameters'] = {}) =>
      this.#write('USER_SETTINGS', name, { USER_EMAIL, ...more });
    if (before === undefined) {
      write('CREATE_USER');
      return;
    }
    if (before.state !== person.state) write(entering(before.state, person.state));
    if (before.local !== person.local) write('RENAME_USER', { NEW_VALUE: this.#address(person.local) });
    if (before.department !== person.department) write('MOVE_USER_TO_ORG_UNIT');
    if (before.state === person.state && before.local === person.local) write('CHANGE_USER_ORGANIZATION');
  }

  #compareGroup(group: Group): void {
    const before = new Set(this.#members[group.serial]);
    const after = new Set(group.members);
    const GROUP_EMAIL = this.#addressOfGroup(group);
    const write = (name: string, serials: readonly number[]) => {
      for (const serial of serials) {
        const USER_EMAIL = this.#address(this.#directory.people[serial]?.local ?? '');
        this.#write('GROUP_SETTINGS', name, { GROUP_EMAIL, USER_EMAIL });
      }
    };
    const without = (from: ReadonlySet<number>, others: ReadonlySet<number>) =>
      [...from].filter((serial) => !others.has(serial));
    const NEW_VALUE = group.name;
    if (this.#names[group.serial] !== NEW_VALUE)
      this.#write('GROUP_SETTINGS', 'CHANGE_GROUP_NAME', { GROUP_EMAIL, NEW_VALUE });
    this.#names[group.serial] = NEW_VALUE;
    write('REMOVE_GROUP_MEMBER', without(before, after));
    write('ADD_GROUP_MEMBER', without(after, before));
    this.#members[group.serial] = [...group.members];
  }
}
