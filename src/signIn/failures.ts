/** How often strangers may be wrong: from one address, and all of them together, so that nobody fills the audit log either. */
import type { Clock } from '../domain/clock.ts';
import { Problem } from '../domain/problem.ts';

const WINDOW_MS = 15 * 60_000;
const FROM_ONE = 10;
const IN_ALL = 100;
/** Of one process, and forgotten with it. Only what went wrong counts. */
export class Failures {
  readonly #clock: Clock;
  /** Not more addresses than `IN_ALL`: they are forgotten with the window. */
  readonly #from = new Map<string, number>();
  #all = { failures: 0, until: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For how many milliseconds nothing more is to be taken from there; 0: it is. */
  tooManyFor(address: string): number {
    const left = this.#all.until - this.#clock.now().getTime();
    if (left <= 0) return 0;
    const from = this.#from.get(networkOf(address)) ?? 0;
    return from >= FROM_ONE || this.#all.failures >= IN_ALL ? left : 0;
  }

  /** Throws `too-many-attempts`. */
  refuseTooMany(address: string): void {
    const left = this.tooManyFor(address);
    if (left === 0) return;
    const minutes = Math.ceil(left / 60_000);
    throw new Problem({
      code: 'too-many-attempts',
      message: 'Too many attempts to sign in have failed.',
      remedy: `Try again in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}.`,
    });
  }

  count(address: string): void {
    const now = this.#clock.now().getTime();
    if (this.#all.until <= now) {
      this.#from.clear();
      this.#all = { failures: 0, until: now + WINDOW_MS };
    }
    this.#all.failures += 1;
    const network = networkOf(address);
    if (this.#all.failures <= IN_ALL) this.#from.set(network, (this.#from.get(network) ?? 0) + 1);
  }
}

/** Of IPv6 the first half: who has one address of it has all. */
function networkOf(address: string): string {
  return address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address;
}
