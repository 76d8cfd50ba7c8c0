/** The HTTPS server around a simulated provider: routing, credentials, counting, pacing, faults, and the control API. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlError, type ControlHandlers, runVerb } from './control.ts';
import { bend, type FaultName, type Faults, insteadOf } from './faults.ts';
import {
  type Answer,
  type ApiRequest,
  type Bend,
  json,
  type Pace,
  type Plain,
  type ProviderProtocol,
  REQUEST_CLASSES,
  type RequestClass,
  type Route,
  type SimulatedProvider,
} from './protocol.ts';
import { given, taken } from './skew.ts';

export type Counters = Record<RequestClass, number>;

export const noRequests = (): Counters =>
  Object.fromEntries(REQUEST_CLASSES.map((name) => [name, 0])) as Counters;

/** What the control API can change while the server runs. */
export type Conditions = {
  latencyMs: number;
  counters: Counters;
  readonly faults: Faults;
  readonly requestsPerMinute: number;
  /** Somebody is renamed, and somebody hired. */
  readonly meanwhile: () => void;
};

type Silence = 'hang' | 'reset';
type Matched = { readonly route: Route; readonly params: ReadonlyMap<string, string> };

const straight: Bend = { listKey: 'kept', next: null };

/** Compares part by part; `:name` takes one part. */
function match(routes: readonly Route[], method: string, pathname: string): Matched | null {
  const parts = pathname.split('/');
  for (const route of routes) {
    const wanted = route.path.split('/');
    if (route.method !== method || wanted.length !== parts.length) continue;
    if (!wanted.every((part, at) => part.startsWith(':') || part === parts[at])) continue;
    const named = wanted.flatMap((part, at) => {
      return part.startsWith(':') ? [[part.slice(1), decodeURIComponent(parts[at] ?? '')] as const] : [];
    });
    return { route, params: new Map(named) };
  }
  return null;
}

function pacer(limit: number): () => Pace {
  let startedAt = Date.now();
  let used = 0;
  return () => {
    if (Date.now() - startedAt >= 60_000) {
      startedAt = Date.now();
      used = 0;
    }
    used += 1;
    const resetEpochSeconds = Math.ceil((startedAt + 60_000) / 1000);
    return { limit, remaining: limit - used, resetEpochSeconds };
  };
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function write(response: ServerResponse, answer: Plain, headers: OutgoingHttpHeaders): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
  const length = answer.status === 204 ? {} : { 'content-length': body.length };
  response.writeHead(answer.status, { ...headers, ...answer.headers, ...length });
  response.end(body);
}

export class SimulatorServer {
  readonly #origin: string;
  readonly #protocol: ProviderProtocol;
  readonly #simulated: SimulatedProvider;
  readonly #control: ControlHandlers;
  readonly #conditions: Conditions;
  readonly #nextPace: () => Pace;

  constructor(
    origin: string,
    simulated: SimulatedProvider,
    control: ControlHandlers,
    conditions: Conditions,
  ) {
    this.#origin = origin;
    this.#protocol = simulated.protocol;
    this.#simulated = simulated;
    this.#control = control;
    this.#conditions = conditions;
    this.#nextPace = pacer(conditions.requestsPerMinute);
  }

  /** Answers one request. Never rejects: what goes wrong inside is a 500 that says so. */
  async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(incoming.url ?? '/', this.#origin);
      const body = await textOf(incoming);
      if (url.pathname.startsWith('/_control/')) {
        write(response, this.#answerControl(url.pathname.slice('/_control/'.length), body), {});
        return;
      }
      await this.#serveApi(
        { method: incoming.method ?? 'GET', url, headers: incoming.headers, body, params: new Map() },
        response,
      );
    } catch (error) {
      if (response.headersSent || response.destroyed) return;
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      write(response, json(500, { error: `The simulator itself failed: ${message}` }), {});
    }
  }

  #answerControl(verb: string, body: string): Plain {
    try {
      const done = runVerb(this.#control, verb, body);
      this.#simulated.subscriptions?.tell();
      return json(200, done);
    } catch (error) {
      if (error instanceof ControlError) return json(400, { error: error.message });
      throw error;
    }
  }

  async #serveApi(request: ApiRequest, response: ServerResponse): Promise<void> {
    const pace = this.#nextPace();
    const matched = match(this.#protocol.routes, request.method, request.url.pathname);
    const requestClass = matched?.route.class ?? 'other';
    this.#conditions.counters[requestClass] += 1;
    const skew = this.#conditions.faults.skew(requestClass);
    const answer = await this.#answer(taken(request, skew), matched, pace);
    if (this.#conditions.latencyMs > 0) await sleep(this.#conditions.latencyMs);
    if (answer === 'hang') return;
    if (answer === 'reset') response.destroy();
    else {
      const usual = this.#protocol.headers(request, { ...pace, remaining: Math.max(0, pace.remaining) });
      write(response, given({ ...answer, headers: { ...usual, ...answer.headers } }, skew), {});
    }
  }

  async #answer(bare: ApiRequest, matched: Matched | null, pace: Pace): Promise<Plain | Silence> {
    const requestClass = matched?.route.class ?? 'other';
    if (!matched) return this.#protocol.refuse({ because: 'no-such-method' });
    const request = { ...bare, params: matched.params };
    const cursor = this.#protocol.cursorOf(request);
    const fault = this.#conditions.faults.strike(requestClass, cursor === null);
    if (!fault) return this.#written(request, await this.#honest(request, matched.route, pace), straight);
    const instead = insteadOf(fault, requestClass);
    if (instead === 'hang' || instead === 'reset') return instead;
    if (instead !== null) return 'because' in instead ? this.#protocol.refuse(instead) : instead;
    const honest = await this.#honest(request, matched.route, pace);
    if (fault.name === 'change-while-reading') {
      const page = this.#written(request, honest, straight);
      this.#conditions.meanwhile();
      this.#simulated.subscriptions?.tell();
      return page;
    }
    if (fault.name === 'cut-off') return cutOff(this.#written(request, honest, straight));
    if (honest.kind === 'plain') return this.#bentUser(fault.name, requestClass, honest);
    const bent = bend(fault, honest, cursor, this.#protocol);
    return this.#written(request, bent.page, bent.bend);
  }

  /** What the provider answers when it has no fault. */
  async #honest(request: ApiRequest, route: Route, pace: Pace): Promise<Answer> {
    if (pace.remaining < 0) {
      const seconds = Math.max(1, pace.resetEpochSeconds - Math.floor(Date.now() / 1000));
      const headers = { 'retry-after': String(seconds) };
      return this.#protocol.refuse({ because: 'throttled', status: 429, seconds, headers });
    }
    if (route.permission !== null) {
      const caller = await this.#protocol.authenticate(request);
      if ('status' in caller) return caller;
      if (!caller.permissions.includes(route.permission)) {
        return this.#protocol.refuse({ because: 'forbidden', permission: route.permission });
      }
    }
    return route.handle(request, (part) => this.#answerPart(part, pace));
  }

  /** A part of a batch: not counted as a request, and silence is not possible there. */
  async #answerPart(part: Omit<ApiRequest, 'params'>, pace: Pace): Promise<Plain> {
    const matched = match(this.#protocol.routes, part.method, part.url.pathname);
    const answer = await this.#answer({ ...part, params: new Map() }, matched, pace);
    return typeof answer === 'string' ? this.#protocol.refuse({ because: 'broken', status: 503 }) : answer;
  }

  #written(request: ApiRequest, answer: Answer, bent: Bend): Plain {
    return answer.kind === 'plain' ? answer : this.#protocol.render(request, answer, bent);
  }

  /** What the faults of lists do to a user who is shown alone. */
  #bentUser(fault: FaultName, requestClass: RequestClass, user: Plain): Plain {
    if (user.status !== 200) return user;
    const change = (how: (user: Record<string, unknown>) => Record<string, unknown>): Plain => {
      const parsed = JSON.parse(user.body.toString()) as Record<string, unknown>;
      return { ...user, body: JSON.stringify(how(parsed)) };
    };
    if (fault === 'permission-lost') return change(this.#protocol.withoutPermission);
    return fault === 'unreadable-record' && requestClass === 'user'
      ? change(this.#protocol.unreadable)
      : user;
  }
}

function cutOff(answer: Plain): Plain {
  const body = Buffer.from(answer.body);
  return { ...answer, body: body.subarray(0, Math.floor(body.length * 0.6)) };
}
