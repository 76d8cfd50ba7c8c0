/**
 * What has changed in the directory, told from how it looked when somebody last asked: nothing is kept before the first token
 * is given out, and plain lists cost nothing. A token is a place in here.
 */
import type { Directory } from '../directory.ts';
import type { Group } from '../population/groups.ts';
import type { Person, State } from '../population/people.ts';

/** Serials of the people who joined and left. */
export type GroupChange = {
  readonly group: number;
  readonly renamed: boolean;
  readonly added: readonly number[];
  readonly removed: readonly number[];
};

type Known = { readonly revision: number; readonly state: State };

export class Journal {
  /** Serials of people, each time that something about them had changed. */
  readonly users: number[] = [];
  readonly groups: GroupChange[] = [];
  readonly #directory: Directory;
  #people: Known[] | null = null;
  #groups: { readonly name: string; readonly members: readonly number[] }[] = [];
  #version = -1;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Writes down what has happened since the last call; the first one only looks. */
  catchUp(): void {
    const { people, groups, version } = this.#directory;
    if (version === this.#version) return;
    this.#version = version;
    const before = this.#people;
    if (before !== null) {
      for (const person of people)
        if (hasChanged(person, before[person.serial])) this.users.push(person.serial);
      for (const group of groups) this.#compare(group);
    }
    this.#people = people.map(({ revision, state }) => ({ revision, state }));
    this.#groups = groups.map(({ name, members }) => ({ name, members: [...members] }));
  }

  #compare({ serial: group, name, members }: Group): void {
    const known = this.#groups[group];
    const before = new Set(known?.members);
    const renamed = known?.name !== name;
    const added = members.filter((serial) => !before.delete(serial));
    const removed = [...before];
    if (renamed || added.length + removed.length > 0) this.groups.push({ group, renamed, added, removed });
  }
}

function hasChanged(person: Person, before: Known | undefined): boolean {
  return before?.revision !== person.revision || before.state !== person.state;
}
