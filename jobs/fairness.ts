/** Lets the jobs of one worker begin by turns (turns.ts), in the line that BullMQ keeps (line.ts). */
import { type Job, WaitingError } from 'bullmq';
import type { Logger } from '../src/log.ts';
import type { Worker } from './backend.ts';
import { allPutBack, call, isPutBack, putBack, waiting } from './line.ts';
import { Turns, type Whose } from './turns.ts';

type AnyJob = Job<unknown>;
type AnyWorker = InstanceType<typeof Worker<unknown>>;

export type FairnessDeps = {
  readonly slots: number;
  /** Of what a job carries. */
  readonly whoseOf: (data: unknown) => Promise<Whose>;
  /** When what a job carries was begun first, however often it was gone on with since; null: it begins with the job. */
  readonly begunAt: (data: unknown) => Promise<Date | null>;
  readonly log: Logger;
  /** How often it is looked whether others wait for slots beyond somebody's share, in milliseconds. */
  readonly everyMs: number;
  /** A job that is put back is called by the worker that did so. That one may be gone: then by any other, after so long. */
  readonly forgottenMs: number;
};

export type Turn = {
  /** Aborted when others wait: stop, to be gone on with later. */
  readonly signal: AbortSignal;
  /** For a job that has stopped so. Throws `WaitingError` always: that is how BullMQ hears of it. */
  stepBack(token: string | undefined): Promise<never>;
  end(): void;
};

/** A run that was left is gone on with within an hour of its beginning; later it would begin anew, and might never end. */
const STEPS_BACK_WITHIN_MS = 30 * 60_000;

type Running = { readonly whose: Whose; readonly stepBack: AbortController };

/** Of one worker and one queue. To be closed with the worker. */
export class Fairness {
  readonly #worker: AnyWorker;
  readonly #deps: FairnessDeps;
  readonly #turns: Turns;
  readonly #running = new Map<AnyJob, Running>();
  /** Jobs that are put back, and when they were seen so first. */
  #seen = new Map<string, number>();
  readonly #clock: NodeJS.Timeout;
  #underWay: Promise<void> | null = null;

  constructor(worker: AnyWorker, deps: FairnessDeps) {
    this.#worker = worker;
    this.#deps = deps;
    this.#turns = new Turns(deps.slots);
    this.#clock = setInterval(() => this.#look(), deps.everyMs).unref();
  }

  close(): void {
    clearInterval(this.#clock);
  }

  /** Throws `WaitingError` where it is not this job's turn. */
  async begin(job: AnyJob, token: string | undefined): Promise<Turn> {
    const id = job.id ?? '';
    const whose = await this.#whoseOf(job.data);
    if (!isPutBack(job) && !this.#turns.mayStart(whose)) return await this.#putBack(job, token, whose);
    this.#turns.start(id, whose);
    const stepBack = new AbortController();
    this.#running.set(job, { whose, stepBack });
    this.#callNext();
    const end = () => {
      if (!this.#running.delete(job)) return;
      this.#turns.end(whose);
      this.#callNext();
    };
    return {
      signal: stepBack.signal,
      end,
      stepBack: (held) => {
        end();
        return this.#putBack(job, held, whose);
      },
    };
  }

  async #putBack(job: AnyJob, token: string | undefined, whose: Whose): Promise<never> {
    await putBack(job, token, this.#turns.putBack(job.id ?? '', whose));
    this.#deps.log.debug({ event: 'job.put-back', queue: job.queueName, job: job.id ?? null });
    throw new WaitingError();
  }

  /** Where it cannot be told, the job begins: it will find out itself what is wrong. */
  async #whoseOf(data: unknown): Promise<Whose> {
    return await this.#deps.whoseOf(data).catch(() => []);
  }

  #callNext(): void {
    for (const job of this.#turns.call(Date.now())) void this.#call(job);
  }

  async #call(job: string): Promise<void> {
    try {
      await call(this.#worker, job);
    } catch (error) {
      this.#deps.log.warn({ event: 'job.not-called', queue: this.#worker.name, job, error }); // #callForgotten will
    }
  }

  #look(): void {
    const work = async () => {
      await this.#makeRoom();
      await this.#callForgotten(Date.now());
    };
    this.#underWay ??= work()
      .catch(() => {}) // the backend is away, of which the worker's own error event tells
      .finally(() => {
        this.#underWay = null;
      });
  }

  /** Of whoever has more than the share while others wait, the run that began last steps back: one at a time. */
  async #makeRoom(): Promise<void> {
    const beyond = this.#turns.beyondShare();
    if (beyond.length === 0) return;
    const { data, more } = await waiting(this.#worker);
    const waitingFor = await Promise.all(data.map((one) => this.#whoseOf(one)));
    const one = beyond.find((who) => more || waitingFor.some((whose) => !whose.includes(who)));
    if (one === undefined) return;
    for (const [job, { whose, stepBack }] of [...this.#running].reverse()) {
      if (!whose.includes(one) || !(await this.#mayStepBack(job)) || !this.#running.has(job)) continue;
      this.#deps.log.info({ event: 'job.stepped-back', queue: job.queueName, job: job.id ?? null });
      stepBack.abort(new DOMException('Others wait for the slot.', 'AbortError'));
      return;
    }
  }

  async #mayStepBack(job: AnyJob): Promise<boolean> {
    const begun = await this.#deps.begunAt(job.data);
    return begun === null || Date.now() - begun.getTime() < STEPS_BACK_WITHIN_MS;
  }

  async #callForgotten(now: number): Promise<void> {
    const ids = await allPutBack(this.#worker);
    this.#seen = new Map(ids.map((id) => [id, this.#seen.get(id) ?? now]));
    for (const [id, since] of this.#seen) if (now - since > this.#deps.forgottenMs) await this.#call(id);
  }
}
