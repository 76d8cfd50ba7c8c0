/** Push notifications of users (Directory API guide: "Push notifications"; reference: users.watch, channels.stop). */
import { createHash, randomInt } from 'node:crypto';
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import { exists, type Person } from '../population/people.ts';
import type { Manner, Post, Subscriptions } from '../post.ts';
import { type ApiRequest, json, type Plain } from '../protocol.ts';
import { googleError, invalid, notFound } from './answers.ts';
import type { GoogleObjects } from './objects.ts';

const USUAL_SECONDS = 7_200;
/** Two days; who asks for more gets that. */
const MOST_SECONDS = 172_800;

/** Google tries again after these, and drops what is answered with any other status that is no success. */
const AGAIN: readonly (number | null)[] = [500, 502, 503, 504, null];
const MANNER: Manner = { timeoutMs: 5_000, tries: 4, again: (status) => AGAIN.includes(status) };

/** `makeAdmin` can be watched, but nobody becomes an administrator here. */
const EVENTS = ['add', 'delete', 'makeAdmin', 'undelete', 'update'] as const;
type Event = (typeof EVENTS)[number];
const isEvent = (text: string | null): text is Event => EVENTS.some((event) => event === text);

const digits = z.union([z.int().min(1), z.string().regex(/^\d{1,15}$/)]).transform(Number);
const Ordered = z.looseObject({
  id: z.string().regex(/^[\w\-+/=]{1,64}$/),
  type: z.literal(['web_hook', 'webhook']),
  address: z.url(),
  token: z.string().max(256).optional(),
  expiration: digits.optional(),
  params: z.looseObject({ ttl: digits.optional() }).optional(),
});
const Stopped = z.looseObject({ id: z.string(), resourceId: z.string() });

type Channel = {
  readonly id: string;
  readonly event: Event;
  readonly address: string;
  readonly token: string | null;
  readonly resourceId: string;
  readonly resourceUri: string;
  expiresMs: number;
  /** Of the last message; rises, with gaps. */
  number: number;
};

type Known = Pick<Person, 'revision' | 'state'>;

function parsed<T>(schema: z.ZodType<T>, body: string): T | null {
  try {
    return schema.safeParse(JSON.parse(body)).data ?? null;
  } catch {
    return null;
  }
}

/** null: nothing that is told. */
function eventOf(person: Person, before: Known | undefined): Event | null {
  const was = before !== undefined && before.state !== 'deleted' && before.state !== 'purged';
  if (!exists(person)) return was ? 'delete' : null;
  if (before === undefined) return 'add';
  if (!was) return 'undelete';
  return before.revision === person.revision && before.state === person.state ? null : 'update';
}

export class GoogleChannels implements Subscriptions {
  readonly #directory: Directory;
  readonly #objects: GoogleObjects;
  readonly #post: Post;
  /** Ids are never used twice, not even those of channels that have ended. */
  readonly #ids = new Set<string>();
  #channels: Channel[] = [];
  /** How everybody was when they were last told of; null while nobody watches. */
  #known: Known[] | null = null;

  constructor(directory: Directory, objects: GoogleObjects, post: Post) {
    this.#directory = directory;
    this.#objects = objects;
    this.#post = post;
  }

  /** `POST /admin/directory/v1/users/watch`. The first message, `sync`, comes whether or not anything has changed. */
  watch(request: ApiRequest): Plain {
    const ordered = parsed(Ordered, request.body);
    if (ordered === null) return invalid('Invalid Input: channel');
    const event = request.url.searchParams.get('event');
    if (!isEvent(event)) return invalid('Invalid Input: event');
    const { id, address, token = null } = ordered;
    if (!this.#post.reaches(address))
      return googleError(401, `Unauthorized WebHook callback channel: ${address}`, {
        reason: 'push.webhookUrlUnauthorized',
        status: 'UNAUTHENTICATED',
      });
    if (this.#ids.has(id))
      return googleError(400, `Channel id ${id} not unique`, {
        reason: 'channelIdNotUnique',
        status: 'INVALID_ARGUMENT',
      });
    const { origin, pathname, search } = request.url;
    const resourceUri = `${origin}${pathname.replace(/\/watch$/, '')}${search}`;
    const resourceId = createHash('sha256').update(search).digest('base64url').slice(0, 27);
    const expiresMs = expiryOf(ordered);
    const channel: Channel = {
      ...{ id, event, address, token, resourceId, resourceUri, expiresMs, number: 0 },
    };
    this.#ids.add(id);
    this.#channels.push(channel);
    this.#known ??= this.#everybody();
    this.#send(channel, 'sync', null);
    const expiration = String(expiresMs);
    const shown = { kind: 'api#channel', id, resourceId, resourceUri, expiration };
    return json(200, token === null ? shown : { ...shown, token });
  }

  /** `POST /admin/directory_v1/channels/stop` */
  stop(request: ApiRequest): Plain {
    const asked = parsed(Stopped, request.body);
    if (asked === null) return invalid('Invalid Input: channel');
    const { id, resourceId } = asked;
    const left = this.#live().filter((one) => one.id !== id || one.resourceId !== resourceId);
    if (left.length === this.#channels.length) return notFound(`Channel '${id}' not found for project`);
    this.#channels = left;
    return { kind: 'plain', status: 204, headers: {}, body: '' };
  }

  #live(): readonly Channel[] {
    this.#channels = this.#channels.filter(({ expiresMs }) => expiresMs > Date.now());
    return this.#channels;
  }

  #everybody(): Known[] {
    return this.#directory.people.map(({ revision, state }) => ({ revision, state }));
  }

  expireAll(): void {
    for (const channel of this.#channels) channel.expiresMs = Date.now();
  }

  /** A channel outlives the token that it was made with. */
  tokensExpired(): void {}

  tell(): void {
    const live = this.#live();
    if (live.length === 0) this.#known = null;
    const before = this.#known;
    if (before === null) return;
    this.#known = this.#everybody();
    for (const person of this.#directory.people) {
      const event = person.visible ? eventOf(person, before[person.serial]) : null;
      for (const channel of live) if (channel.event === event) this.#send(channel, event, person);
    }
  }

  #send(channel: Channel, state: Event | 'sync', person: Person | null): void {
    channel.number += person === null ? 1 : randomInt(1, 1_000);
    const token = channel.token === null ? {} : { 'X-Goog-Channel-Token': channel.token };
    const headers = {
      'X-Goog-Channel-ID': channel.id,
      ...token,
      'X-Goog-Channel-Expiration': new Date(channel.expiresMs).toUTCString(),
      'X-Goog-Resource-ID': channel.resourceId,
      'X-Goog-Resource-URI': channel.resourceUri,
      'X-Goog-Resource-State': state,
      'X-Goog-Message-Number': String(channel.number),
      ...(person === null ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
    };
    const write = this.#objects.users(['kind', 'id', 'etag', 'primaryEmail'], null);
    const body = person === null ? null : write(person).toString();
    this.#post.deliver({ method: 'POST', url: channel.address, headers, body }, MANNER);
  }
}

function expiryOf({ expiration, params }: z.output<typeof Ordered>): number {
  const now = Date.now();
  const asked = expiration ?? now + (params?.ttl ?? USUAL_SECONDS) * 1000;
  return Math.min(asked, now + MOST_SECONDS * 1000);
}
