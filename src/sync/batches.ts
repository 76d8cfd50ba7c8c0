/**
 * What has to be stored in order, one batch after the other, while the next is made ready: what comes while a batch is being stored waits
 * for the next one. So a slow database makes larger batches, and none of them can be overtaken.
 */
export class Batches<T> {
  readonly #store: (batch: readonly T[]) => Promise<void>;
  readonly #weigh: (one: T) => number;
  #waiting: T[] = [];
  #weight = 0;
  /** null: nothing is being stored. Once a batch has failed it stays, and nothing is stored any more. */
  #underWay: Promise<void> | null = null;

  /** `weigh`: whatever waits must weigh less than one. */
  constructor(store: (batch: readonly T[]) => Promise<void>, weigh: (one: T) => number) {
    this.#store = store;
    this.#weigh = weigh;
  }

  /** Resolves when there is room for another one; rejects with what a batch has failed with. */
  async add(one: T): Promise<void> {
    this.#waiting.push(one);
    this.#weight += this.#weigh(one);
    this.#next();
    while (this.#weight >= 1) await this.#underWay;
  }

  /** Resolves when all is stored. */
  async end(): Promise<void> {
    while (this.#underWay !== null) await this.#underWay;
  }

  #next(): void {
    if (this.#underWay !== null || this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#weight = 0;
    this.#underWay = this.#store(batch).then(() => {
      this.#underWay = null;
      this.#next();
    });
    this.#underWay.catch(() => {}); // reported to whoever adds or ends
  }
}
