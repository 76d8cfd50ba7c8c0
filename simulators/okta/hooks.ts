/** Event hooks (Okta API reference: Event Hooks; developer documentation: "Event hooks"). */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Manner, Post, Subscriptions } from '../post.ts';
import { type ApiRequest, json, type Plain } from '../protocol.ts';
import { oktaError } from './answers.ts';
import type { Journal } from './journal.ts';
import { eventJson, type Named } from './log.ts';

/** Of the events that happen here, those of the event types catalogue that are marked for hooks. */
const HOOKED = new Set(
  ['create', 'activate', 'reactivate', 'suspend', 'unsuspend', 'deactivate', 'delete.initiated']
    .map((name) => `user.lifecycle.${name}`)
    .concat(['user.account.update_profile', 'user.account.lock'])
    .concat(['group.user_membership.add', 'group.user_membership.remove'])
    .concat(['application.user_membership.add', 'application.user_membership.remove']),
);
const MOST_HOOKS = 25;
const EVENTS_IN_ONE_POST = 100;

/** Once more after a 5xx or no answer within three seconds. */
const MANNER: Manner = { timeoutMs: 3_000, tries: 2, again: (status) => status === null || status >= 500 };

const header = z.object({ key: z.string().min(1), value: z.string() });
const Ordered = z.object({
  name: z.string().min(1).max(255),
  events: z.object({
    type: z.literal('EVENT_TYPE'),
    items: z
      .array(z.string().refine((type) => HOOKED.has(type)))
      .min(1)
      .max(300),
  }),
  channel: z.object({
    type: z.literal('HTTP'),
    version: z.string(),
    config: z.object({
      uri: z.url(),
      headers: z.array(header).default([]),
      authScheme: header.extend({ type: z.literal('HEADER') }).optional(),
    }),
  }),
});

type Hook = z.output<typeof Ordered> & {
  readonly id: string;
  readonly created: string;
  status: 'ACTIVE' | 'INACTIVE';
  verificationStatus: 'UNVERIFIED' | 'VERIFIED';
};

function headersOf({ channel }: Hook): Record<string, string> {
  const { headers, authScheme } = channel.config;
  return Object.fromEntries(
    [...headers, ...(authScheme ? [authScheme] : [])].map((one) => [one.key, one.value]),
  );
}

/** Okta keeps the secret to itself. */
function shown(hook: Hook): Plain {
  const { authScheme, ...config } = hook.channel.config;
  const withoutValue = authScheme ? { authScheme: { type: authScheme.type, key: authScheme.key } } : {};
  return json(200, { ...hook, channel: { ...hook.channel, config: { ...config, ...withoutValue } } });
}

const invalid = (what: string): Plain => oktaError(400, 'E0000001', `Api validation failed: ${what}`);

export class OktaHooks implements Subscriptions {
  readonly #journal: Journal;
  readonly #named: Named;
  readonly #origin: string;
  readonly #post: Post;
  readonly #hooks = new Map<string, Hook>();
  /** How many of the journal's events have been told. */
  #told = 0;

  constructor(journal: Journal, named: Named, origin: string, post: Post) {
    this.#journal = journal;
    this.#named = named;
    this.#origin = origin;
    this.#post = post;
  }

  /** `POST /api/v1/eventHooks`: nothing is sent before the hook is verified. */
  create(request: ApiRequest): Plain {
    const ordered = parsed(request.body);
    if (ordered === null) return invalid('eventHook');
    if (!this.#post.reaches(ordered.channel.config.uri)) return invalid('uri');
    if (this.#hooks.size >= MOST_HOOKS) return oktaError(400, 'E0000001', 'Api validation failed: limit');
    const id = `who${randomBytes(12).toString('hex').slice(0, 17)}`;
    const created = new Date().toISOString();
    const hook: Hook = { id, created, status: 'ACTIVE', verificationStatus: 'UNVERIFIED', ...ordered };
    this.#hooks.set(id, hook);
    return shown(hook);
  }

  /** `GET /api/v1/eventHooks/{id}` */
  show(request: ApiRequest): Plain {
    return this.#with(request, shown);
  }

  /** `POST /api/v1/eventHooks/{id}/lifecycle/verify`: one GET with a challenge, and one more where that is not answered. */
  async verify(request: ApiRequest): Promise<Plain> {
    const hook = this.#hooks.get(request.params.get('hook') ?? '');
    if (!hook) return this.#with(request, shown);
    const challenge = randomBytes(24).toString('hex');
    const headers = { ...headersOf(hook), 'x-okta-verification-challenge': challenge };
    const letter = { method: 'GET', url: hook.channel.config.uri, headers, body: null } as const;
    const first = await this.#post.ask(letter, MANNER.timeoutMs);
    const answer = first ?? (await this.#post.ask(letter, MANNER.timeoutMs));
    if (answer?.status !== 200 || verificationIn(answer.text) !== challenge)
      return invalid('the endpoint did not return the verification challenge');
    this.#beginHere();
    hook.verificationStatus = 'VERIFIED';
    return shown(hook);
  }

  /** `POST /api/v1/eventHooks/{id}/lifecycle/activate` and `deactivate` */
  turn(request: ApiRequest, status: Hook['status']): Plain {
    return this.#with(request, (hook) => {
      if (status === 'ACTIVE') this.#beginHere();
      hook.status = status;
      return shown(hook);
    });
  }

  /** `DELETE /api/v1/eventHooks/{id}`: of an inactive one only. */
  remove(request: ApiRequest): Plain {
    return this.#with(request, ({ id, status }) => {
      if (status === 'ACTIVE') return invalid('an active hook cannot be deleted');
      this.#hooks.delete(id);
      return { kind: 'plain', status: 204, headers: {}, body: '' };
    });
  }

  /** What happened while no hook was at work is sent to nobody. */
  #beginHere(): void {
    if ([...this.#hooks.values()].some(isAtWork)) return;
    this.#journal.observe();
    this.#told = this.#journal.events.length;
  }

  #with(request: ApiRequest, answer: (hook: Hook) => Plain): Plain {
    const id = request.params.get('hook') ?? '';
    const hook = this.#hooks.get(id);
    return hook
      ? answer(hook)
      : oktaError(404, 'E0000007', `Not found: Resource not found: ${id} (EventHook)`);
  }

  /** Hooks do not end. */
  expireAll(): void {}

  /** Hooks do not depend on the token that they were made with. */
  tokensExpired(): void {}

  tell(): void {
    const hooks = [...this.#hooks.values()].filter(isAtWork);
    if (hooks.length === 0) return;
    this.#journal.observe();
    const from = this.#told;
    const { events } = this.#journal;
    this.#told = events.length;
    for (const hook of hooks) {
      const wanted = events.slice(from).flatMap((event, at) => {
        return hook.events.items.includes(event.eventType) ? [eventJson(event, from + at, this.#named)] : [];
      });
      for (let at = 0; at < wanted.length; at += EVENTS_IN_ONE_POST)
        this.#send(hook, wanted.slice(at, at + EVENTS_IN_ONE_POST));
    }
  }

  #send(hook: Hook, events: readonly unknown[]): void {
    const body = {
      eventType: 'com.okta.event_hook',
      eventTypeVersion: '1.0',
      cloudEventsVersion: '0.1',
      source: `${this.#origin}/api/v1/eventHooks/${hook.id}`,
      eventId: crypto.randomUUID(),
      eventTime: new Date().toISOString(),
      contentType: 'application/json',
      data: { events },
    };
    const headers = { ...headersOf(hook), 'content-type': 'application/json' };
    const { uri } = hook.channel.config;
    this.#post.deliver({ method: 'POST', url: uri, headers, body: JSON.stringify(body) }, MANNER);
  }
}

const isAtWork = ({ status, verificationStatus }: Hook): boolean =>
  status === 'ACTIVE' && verificationStatus === 'VERIFIED';

function parsed(body: string): z.output<typeof Ordered> | null {
  try {
    return Ordered.safeParse(JSON.parse(body)).data ?? null;
  } catch {
    return null;
  }
}

function verificationIn(text: string): string | null {
  try {
    return z.object({ verification: z.string() }).safeParse(JSON.parse(text)).data?.verification ?? null;
  } catch {
    return null;
  }
}
