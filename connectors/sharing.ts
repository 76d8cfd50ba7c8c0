/** Work that several callers want at the same time is done once, for all of them. */

/**
 * By key: idle ──first caller──▶ under way (whoever comes now waits for the same outcome) ──done, or failed──▶ idle.
 *
 * The work ends with the signal of the caller whom it was begun for. The others are not undone by that: one of them begins again.
 */
export class Shared<K, T> {
  readonly #underWay = new Map<K, { readonly outcome: Promise<T>; readonly signal: AbortSignal }>();

  /** Throws what the work throws, and the reason of an abort. */
  async of(key: K, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const shared = this.#underWay.get(key) ?? this.#begin(key, signal, work);
      try {
        return await shared.outcome;
      } catch (error) {
        if (!shared.signal.aborted || shared.signal === signal) throw error;
      }
    }
  }

  #begin(key: K, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) {
    const outcome = work(signal).finally(() => this.#underWay.delete(key));
    const begun = { outcome, signal };
    this.#underWay.set(key, begun);
    return begun;
  }
}
