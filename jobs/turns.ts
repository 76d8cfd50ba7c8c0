/**
 * Whose turn it is at one worker. Each job is somebody's: of a tenant, and so of all tenants above it. While others wait, none of them
 * has more than its share of the worker's slots, whether by many connections or by one that takes long; while nobody does, it may have
 * them all.
 *
 *   waiting --taken, within the share--> running          waiting --taken, beyond it--> put back, behind all that wait
 *   put back --nobody else waits--> running               put back --it is its turn again--> waiting, as the last
 *   running beyond the share --others wait--> put back, to be gone on with
 */

/** The tenants above a job's own and that one, from the top; without the root, which is above all. Empty: nobody's. */
export type Whose = readonly string[];

/** While others wait. */
export function shareOf(slots: number): number {
  return Math.max(1, Math.floor(slots / 2));
}

/** A call that nobody has answered for so long was for a job that another worker has taken. */
const CALL_MS = 30_000;
const PUT_BACK_AT_MOST = 10_000;

/** Of one worker; nothing here asks the time, or any queue. */
export class Turns {
  readonly #slots: number;
  readonly #running = new Map<string, number>();
  /** As many of the last starts as there are slots, the last one behind: with one slot, whoever was the last is not the next. */
  #recent: Whose[] = [];
  /** Jobs that this worker has put back, in order, by their ids. Another worker may have carried them out by now. */
  readonly #putBack = new Map<string, Whose>();
  /** By the topmost tenant: when one of its jobs was called to wait among the others again. */
  readonly #called = new Map<string, number>();

  constructor(slots: number) {
    this.#slots = slots;
  }

  mayStart(whose: Whose): boolean {
    const share = shareOf(this.#slots);
    return whose.every((one) => {
      const recent = this.#recent.filter((started) => started.includes(one)).length;
      return Math.max(recent, this.#running.get(one) ?? 0) < share;
    });
  }

  start(job: string, whose: Whose): void {
    this.#putBack.delete(job);
    this.#called.delete(whose[0] ?? '');
    this.#recent = [...this.#recent, whose].slice(-this.#slots);
    for (const one of whose) this.#running.set(one, (this.#running.get(one) ?? 0) + 1);
  }

  end(whose: Whose): void {
    for (const one of whose) {
      const left = (this.#running.get(one) ?? 1) - 1;
      if (left > 0) this.#running.set(one, left);
      else this.#running.delete(one);
    }
  }

  /** Gives which one of its tenant's it is among those that are put back, from 1: the first of each go before the second of any. */
  putBack(job: string, whose: Whose): number {
    this.#called.delete(whose[0] ?? '');
    this.#putBack.delete(job);
    const own = whose.at(-1);
    let before = 0;
    for (const other of this.#putBack.values()) if (other.at(-1) === own) before++;
    const [oldest] = this.#putBack.keys();
    if (this.#putBack.size >= PUT_BACK_AT_MOST && oldest !== undefined) this.#putBack.delete(oldest);
    this.#putBack.set(job, whose);
    return before + 1;
  }

  /** The jobs whose turn it is by now: one of each topmost tenant at a time. They are not known any more. */
  call(nowMs: number): readonly string[] {
    const jobs: string[] = [];
    for (const [job, whose] of this.#putBack) {
      const top = whose[0] ?? '';
      if (nowMs - (this.#called.get(top) ?? Number.NEGATIVE_INFINITY) < CALL_MS) continue;
      if (!this.mayStart(whose)) continue;
      this.#called.set(top, nowMs);
      this.#putBack.delete(job);
      jobs.push(job);
    }
    return jobs;
  }

  /** Who has more slots than the share. */
  beyondShare(): readonly string[] {
    const share = shareOf(this.#slots);
    return [...this.#running].flatMap(([one, running]) => (running > share ? [one] : []));
  }
}
