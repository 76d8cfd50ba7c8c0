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

type KnownGroup = { readonly name: string; readonly members: readonly number[] };

export class Journal {
  /** Serials of people, each time that something about them had changed. */
  readonly users: number[] = [];
  readonly groups: GroupChange[] = [];
  readonly #directory: Directory;
  /** By serial, as last looked at: of a million people nothing is made anew each time. */
  readonly #revisions: number[] = [];
  readonly #states: State[] = [];
  readonly #groups: KnownGroup[] = [];
  #version = -1;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Writes down what has happened since the last call; the first one only looks. */
  catchUp(): void {
    const { people, groups, version } = this.#directory;
    if (version === this.#version) return;
    const looksOnly = this.#version === -1;
    this.#version = version;
    for (const person of people) if (this.#isNews(person) && !looksOnly) this.users.push(person.serial);
    for (const group of groups) {
      const change = this.#news(group);
      if (change !== null && !looksOnly) this.groups.push(change);
    }
  }

  #isNews({ serial, revision, state }: Person): boolean {
    if (this.#revisions[serial] === revision && this.#states[serial] === state) return false;
    this.#revisions[serial] = revision;
    this.#states[serial] = state;
    return true;
  }

  #news({ serial: group, name, members }: Group): GroupChange | null {
    const known = this.#groups[group];
    const renamed = known?.name !== name;
    if (!renamed && areSame(known.members, members)) return null;
    this.#groups[group] = { name, members: [...members] };
    const before = new Set(known?.members);
    const added = members.filter((serial) => !before.delete(serial));
    const removed = [...before];
    return renamed || added.length + removed.length > 0 ? { group, renamed, added, removed } : null;
  }
}

function areSame(some: readonly number[], others: readonly number[]): boolean {
  return some.length === others.length && some.every((serial, at) => serial === others[at]);
}
