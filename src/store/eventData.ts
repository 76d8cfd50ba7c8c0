/** What the events of an apply tell besides whom they are about: of most changes the same, which is then sent to the database once. */
import type { Approved } from '../domain/carryOut.ts';

export class EventData {
  readonly #all = new Map<string, number>();
  /** The place of what tells nothing besides. */
  readonly nothing = this.#put('{}');

  /** Where in `json` stands what the event of a change tells: fields, by name alone, and roles. */
  of({ authUser, after, fields, rolesGained, rolesLost }: Approved): number {
    const names = authUser === null ? Object.keys(after?.fields ?? {}) : fields.map(({ field }) => field);
    return this.#put(JSON.stringify({ fields: names, rolesGained, rolesLost }));
  }

  #put(json: string): number {
    const at = this.#all.get(json) ?? this.#all.size;
    this.#all.set(json, at);
    return at;
  }

  /** An array of objects. */
  get json(): string {
    return `[${[...this.#all.keys()].join(',')}]`;
  }
}
