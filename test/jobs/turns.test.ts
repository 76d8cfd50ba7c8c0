import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareOf, Turns, type Whose } from '../../jobs/turns.ts';

const one: Whose = ['one'];
const other: Whose = ['other'];

describe('A worker’s slots', () => {
  it('are one’s to a half, and one at least', () => {
    expect([1, 2, 3, 4, 5, 8, 64].map(shareOf)).toEqual([1, 1, 1, 2, 2, 4, 32]);
  });

  it('are not given to one beyond the share, and are again when one of its jobs has ended and others have had theirs', () => {
    const turns = new Turns(4);
    for (const job of ['a', 'b']) {
      expect(turns.mayStart(one)).toBe(true);
      turns.start(job, one);
    }
    expect(turns.mayStart(one)).toBe(false);
    expect(turns.mayStart(other)).toBe(true);
    turns.end(one);
    expect(turns.mayStart(one)).toBe(false); // two of the last four were its own
    for (const job of ['c', 'd', 'e']) {
      turns.start(job, other);
      turns.end(other);
    }
    expect(turns.mayStart(one)).toBe(true);
  });

  it('are by turns where there is only one', () => {
    const turns = new Turns(1);
    turns.start('a', one);
    turns.end(one);
    expect([turns.mayStart(one), turns.mayStart(other)]).toEqual([false, true]);
    turns.start('b', other);
    turns.end(other);
    expect([turns.mayStart(one), turns.mayStart(other)]).toEqual([true, false]);
  });

  it('count for all tenants above: a customer with many tenants has no more of them', () => {
    const turns = new Turns(4);
    turns.start('a', ['customer', 'north']);
    turns.start('b', ['customer', 'south']);
    expect(turns.mayStart(['customer', 'west'])).toBe(false);
    expect(turns.mayStart(['another', 'west'])).toBe(true);
  });

  it('are everybody’s whose work it is not known', () => {
    const turns = new Turns(1);
    turns.start('a', []);
    expect(turns.mayStart([])).toBe(true);
  });
});

describe('Jobs that are put back', () => {
  it('stand behind each other by tenant: the first of each before the second of any', () => {
    const turns = new Turns(2);
    expect(['a', 'b', 'c'].map((job) => turns.putBack(job, one))).toEqual([1, 2, 3]);
    expect(['d', 'e'].map((job) => turns.putBack(job, other))).toEqual([1, 2]);
    expect(turns.putBack('f', ['customer', 'north'])).toBe(1);
  });

  it('are called one at a time, in order, when it is their turn again', () => {
    const turns = new Turns(2);
    turns.start('a', one);
    for (const job of ['b', 'c']) turns.putBack(job, one);
    expect(turns.call(0)).toEqual([]);
    turns.end(one);
    for (const job of ['d', 'e']) {
      turns.start(job, other);
      turns.end(other);
    }
    expect(turns.call(0)).toEqual(['b']);
    expect(turns.call(1)).toEqual([]); // it has not come yet
    turns.start('b', one);
    expect(turns.call(2)).toEqual([]);
    turns.end(one);
    for (const job of ['f', 'g']) {
      turns.start(job, other);
      turns.end(other);
    }
    expect(turns.call(3)).toEqual(['c']);
  });

  it('are not waited for where another worker has taken the one that was called', () => {
    const turns = new Turns(2);
    for (const job of ['a', 'b']) turns.putBack(job, one);
    expect(turns.call(0)).toEqual(['a']);
    expect(turns.call(29_999)).toEqual([]);
    expect(turns.call(30_000)).toEqual(['b']);
  });
});

/** BullMQ's line, and a worker whose jobs all take as long. */
class Line {
  readonly #slots: number;
  readonly #turns: Turns;
  #fresh: { id: string; who: string }[];
  #putBack: { id: string; who: string; rank: number }[] = [];
  readonly #running: string[] = [];
  /** In order, and whether a job of somebody else waited that was not put back. */
  readonly started: { readonly who: string; readonly othersWaited: boolean }[] = [];

  constructor(line: readonly string[], slots: number) {
    this.#slots = slots;
    this.#turns = new Turns(slots);
    this.#fresh = line.map((who, at) => ({ id: `${at}`, who }));
  }

  drain(): void {
    for (;;) {
      while (this.#running.length < this.#slots && this.#take());
      const ended = this.#running.shift();
      if (ended === undefined) return;
      this.#turns.end([ended]);
      this.#call();
    }
  }

  #take(): boolean {
    const fresh = this.#fresh.shift();
    const job = fresh ?? this.#putBack.shift();
    if (job === undefined) return false;
    const { id, who } = job;
    if (fresh !== undefined && !this.#turns.mayStart([who])) {
      this.#putBack.push({ id, who, rank: this.#turns.putBack(id, [who]) });
      this.#putBack.sort((first, second) => first.rank - second.rank);
      return true;
    }
    this.#turns.start(id, [who]);
    this.started.push({ who, othersWaited: this.#fresh.some((one) => one.who !== who) });
    this.#running.push(who);
    this.#call();
    return true;
  }

  #call(): void {
    const called = this.#turns.call(this.started.length * 1_000);
    this.#fresh.push(...this.#putBack.filter(({ id }) => called.includes(id)));
    this.#putBack = this.#putBack.filter(({ id }) => !called.includes(id));
  }
}

it('A worker’s line gives nobody more than the share of as many starts as there are slots while others wait, and carries out all', () => {
  const asked = fc.array(fc.record({ who: fc.nat(5), jobs: fc.integer({ min: 1, max: 40 }) }), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(asked, fc.integer({ min: 1, max: 8 }), (wanted, slots) => {
      const jobs = wanted.flatMap(({ who, jobs: count }) => Array.from({ length: count }, () => `${who}`));
      const line = new Line(jobs, slots);
      line.drain();
      const { started } = line;
      expect(started.map(({ who }) => who).sort()).toEqual(jobs.sort());
      for (const [at, { who, othersWaited }] of started.entries()) {
        const round = started.slice(Math.max(0, at - slots + 1), at + 1);
        const own = round.filter((one) => one.who === who).length;
        if (othersWaited) expect(own).toBeLessThanOrEqual(shareOf(slots));
      }
    }),
    { numRuns: 300 },
  );
});
