/** What a simulated provider sends by itself: real HTTP to whoever has subscribed, and never to another machine. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

export type Letter = {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
};

export type Reply = { readonly status: number; readonly contentType: string; readonly text: string };

/** How a provider insists. `again` says whether an answer is tried anew; null: there was none in time. */
export type Manner = {
  readonly timeoutMs: number;
  readonly tries: number;
  readonly again: (status: number | null) => boolean;
};

/** Notices that a receiver took, that were given up, and that are still being sent. */
export type Notices = { readonly delivered: number; readonly givenUp: number; readonly underWay: number };

/** What a provider's simulator does for those who have subscribed. */
export type Subscriptions = {
  /** After each verb of the control API: sends what has changed since the last one. */
  tell(): void;
  /** Their time is over, however long it would have been. */
  expireAll(): void;
  /** The access tokens that they were made with work no more. */
  tokensExpired(): void;
};

/** The providers try again for minutes or hours; nobody waits that long for a simulator. */
const PAUSE_MS = 100;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

export class Post {
  readonly #agent: Agent;
  readonly #closing = new AbortController();
  #notices: Notices = { delivered: 0, givenUp: 0, underWay: 0 };

  /** `caFile`: PEM of the authority behind the receivers' certificates; null: the ones that Node trusts. */
  constructor(caFile: string | null) {
    const connect = caFile === null ? {} : { ca: readFileSync(caFile, 'utf8') };
    this.#agent = new Agent({ connections: 8, connect });
  }

  get notices(): Notices {
    return this.#notices;
  }

  /** `https`, or plain `http` where a provider would want `https`; on this machine only. */
  reaches(url: string): boolean {
    const target = URL.parse(url);
    return target !== null && /^https?:$/.test(target.protocol) && LOOPBACK.has(target.hostname);
  }

  /** null where there is no answer in time. */
  async ask({ url, method, headers, body }: Letter, timeoutMs: number): Promise<Reply | null> {
    try {
      const answer = await request(url, {
        ...{ method, headers, body, signal: this.#closing.signal, dispatcher: this.#agent },
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      const contentType = String(answer.headers['content-type'] ?? '');
      return { status: answer.statusCode, contentType, text: await answer.body.text() };
    } catch {
      return null;
    }
  }

  /** Sends it in the background, again where the provider would. */
  deliver(letter: Letter, manner: Manner): void {
    this.#count({ underWay: 1 });
    void this.#insist(letter, manner).then((taken) =>
      this.#count(taken ? { underWay: -1, delivered: 1 } : { underWay: -1, givenUp: 1 }),
    );
  }

  async #insist(letter: Letter, { timeoutMs, tries, again }: Manner): Promise<boolean> {
    for (let left = tries; left > 0; left -= 1) {
      const status = (await this.ask(letter, timeoutMs))?.status ?? null;
      if (status !== null && !again(status)) return status < 300;
      if (this.#closing.signal.aborted) return false;
      if (left > 1) await sleep(PAUSE_MS);
    }
    return false;
  }

  #count({ delivered = 0, givenUp = 0, underWay = 0 }: Partial<Notices>): void {
    const before = this.#notices;
    this.#notices = {
      delivered: before.delivered + delivered,
      givenUp: before.givenUp + givenUp,
      underWay: before.underWay + underWay,
    };
  }

  /** What is under way is given up. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
  }
}
