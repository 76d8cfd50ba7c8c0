/**
 * How often strangers may be wrong, each from where they come. All of them together are never refused, or anybody could keep everybody
 * out: what they guess at is too long to be guessed. Beyond a number they are no longer written down, so that nobody fills the audit log.
 */
import type { Clock } from '../domain/clock.ts';
import { Problem } from '../domain/problem.ts';

const WINDOW_MS = 15 * 60_000;
const FROM_ONE = 10;
const WRITTEN_IN_ALL = 100;
/** What is kept in memory. Those that come after so many within a window are not counted one by one. */
const MOST_NETWORKS = 10_000;

/** Of one process, and forgotten with it. Only what went wrong counts. */
export class Failures {
  readonly #clock: Clock;
  readonly #from = new Map<string, number>();
  #window = { written: 0, until: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws `too-many-attempts` for the address alone. */
  refuseTooMany(address: string): void {
    const left = this.#window.until - this.#clock.now().getTime();
    if (left <= 0 || (this.#from.get(networkOf(address)) ?? 0) < FROM_ONE) return;
    const minutes = Math.ceil(left / 60_000);
    throw new Problem({
      code: 'too-many-attempts',
      message: 'Too many attempts to sign in have failed.',
      remedy: `Try again in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}.`,
    });
  }

  /** Gives whether it is to be written down: the first ten from one address are, up to a hundred in all. */
  count(address: string): boolean {
    const now = this.#clock.now().getTime();
    if (this.#window.until <= now) {
      this.#from.clear();
      this.#window = { written: 0, until: now + WINDOW_MS };
    }
    const network = networkOf(address);
    const before = this.#from.get(network) ?? 0;
    if (before > 0 || this.#from.size < MOST_NETWORKS) this.#from.set(network, before + 1);
    if (before >= FROM_ONE || this.#window.written >= WRITTEN_IN_ALL) return false;
    this.#window.written += 1;
    return true;
  }
}

/** Of IPv6 the first half: who has one address of it has all. */
function networkOf(address: string): string {
  return address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address;
}
