/** What a person who waits for a run is told. */
import type { Clock } from '../domain/clock.ts';
import type { RunPhase } from '../domain/run.ts';

export type RunProgress = {
  readonly phase: RunPhase | 'planning';
  /** Since the beginning of the run, earlier processes that worked on it included. */
  readonly pages: number;
  readonly users: number;
  /** Of this process. */
  readonly usersPerSecond: number;
};

/** Counts pages and tells whoever listens after each. */
export class Progress {
  readonly #clock: Clock;
  readonly #tell: (progress: RunProgress) => void;
  readonly #since: number;
  readonly #usersBefore: number;
  #pages: number;
  #users: number;

  constructor(
    clock: Clock,
    from: { readonly pages: number; readonly users: number },
    tell: (progress: RunProgress) => void,
  ) {
    this.#clock = clock;
    this.#tell = tell;
    this.#since = clock.now().getTime();
    this.#pages = from.pages;
    this.#users = from.users;
    this.#usersBefore = from.users;
  }

  page(phase: RunProgress['phase'], users: number): void {
    this.#pages += 1;
    this.#users += users;
    this.#report(phase);
  }

  planning(): void {
    this.#report('planning');
  }

  #report(phase: RunProgress['phase']): void {
    const seconds = Math.max(0.001, (this.#clock.now().getTime() - this.#since) / 1_000);
    const usersPerSecond = Math.round((this.#users - this.#usersBefore) / seconds);
    this.#tell({ phase, pages: this.#pages, users: this.#users, usersPerSecond });
  }
}
