/** How often strangers may be wrong: from one address, and all of them together, so that nobody fills the audit log either. */
import type { Clock } from '../domain/clock.ts';
import { Problem } from '../domain/problem.ts';

const WINDOW_MS = 15 * 60_000;
const FROM_ONE = 10;
const IN_ALL = 100;
/** Addresses that are remembered; more than `IN_ALL` cannot be wrong within a window anyway. */
type Counted = { failures: number; readonly until: number };

/** Of one process, and forgotten with it. Only what went wrong counts. */
export class Failures {
  readonly #clock: Clock;
  readonly #from = new Map<string, Counted>();
  #all: Counted = { failures: 0, until: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws `too-many-attempts`. */
  refuseTooMany(address: string): void {
    const now = this.#clock.now().getTime();
    const from = this.#from.get(networkOf(address));
    const full = [from, this.#all].filter(
      (one, at) => one !== undefined && one.until > now && one.failures >= (at === 0 ? FROM_ONE : IN_ALL),
    );
    const [counted] = full;
    if (counted === undefined) return;
    const minutes = Math.ceil((counted.until - now) / 60_000);
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
    const from = this.#from.get(network) ?? { failures: 0, until: this.#all.until };
    from.failures += 1;
    this.#from.set(network, from);
  }
}

/** Of IPv6 the first half: who has one address of it has all. */
function networkOf(address: string): string {
  return address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address;
}
