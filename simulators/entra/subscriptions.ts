/** Change notifications for users and groups ("Set up notifications for changes in resource data", webhooks). */
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import type { Letter, Manner, Post, Subscriptions } from '../post.ts';
import { type ApiRequest, json, type Plain } from '../protocol.ts';
import { graphError, refuse } from './answers.ts';
import { Journal } from './journal.ts';
import type { EntraObjects } from './objects.ts';

const MINUTE_MS = 60_000;
/** Of users and groups, by "Subscription lifetime". A time less than 45 minutes ahead becomes 45 minutes. */
const MOST_MINUTES = 41_760;
const LEAST_MINUTES = 45;
/** Of one application in one tenant. */
const MOST_SUBSCRIPTIONS = 100;
const ITEMS_IN_ONE_POST = 100;

/** "Receive change notifications through webhooks": anything but 2xx within three seconds is tried again. */
const MANNER: Manner = {
  timeoutMs: 3_000,
  tries: 4,
  again: (status) => status === null || status < 200 || status > 299,
};
const VALIDATION_MS = 10_000;

type Kind = 'users' | 'groups';
type ChangeType = 'updated' | 'deleted';

type Subscription = {
  readonly id: string;
  readonly kind: Kind;
  /** Serial of the one user or group that it is about; null: about all of them. */
  readonly only: number | null;
  readonly resource: string;
  readonly changeType: string;
  notificationUrl: string;
  readonly lifecycleNotificationUrl: string | null;
  readonly clientState: string | null;
  expiresMs: number;
};

type Change = { readonly kind: Kind; readonly serial: number; readonly changeType: ChangeType };

const Ordered = z.strictObject({
  changeType: z.string().min(1),
  resource: z.string().min(1),
  notificationUrl: z.url(),
  lifecycleNotificationUrl: z.url().nullish(),
  expirationDateTime: z.iso.datetime({ offset: true }),
  clientState: z.string().max(128).nullish(),
  latestSupportedTlsVersion: z.string().nullish(),
  includeResourceData: z.literal(false).nullish(),
});
const Changed = z.strictObject({
  expirationDateTime: z.iso.datetime({ offset: true }).optional(),
  notificationUrl: z.url().optional(),
});

const invalid = (request: ApiRequest, message: string): Plain =>
  graphError(request, 400, 'InvalidRequest', message);
const none: Plain = { kind: 'plain', status: 204, headers: {}, body: '' };
const isPlain = (value: object): value is Plain => 'status' in value;

function parsed<T>(schema: z.ZodType<T>, request: ApiRequest): T | Plain {
  try {
    const result = schema.safeParse(JSON.parse(request.body));
    return result.success ? result.data : invalid(request, z.prettifyError(result.error));
  } catch {
    return invalid(request, 'Could not process the payload: it is not JSON.');
  }
}

export type EntraTenant = {
  readonly directoryId: string;
  readonly clientId: string;
  /** Object id of the application's service principal. */
  readonly creatorId: string;
};

export class EntraSubscriptions implements Subscriptions {
  readonly #directory: Directory;
  readonly #objects: EntraObjects;
  readonly #tenant: EntraTenant;
  readonly #post: Post;
  readonly #all = new Map<string, Subscription>();
  /** null while nobody has subscribed: then nothing is compared. */
  #journal: Journal | null = null;

  constructor(directory: Directory, objects: EntraObjects, tenant: EntraTenant, post: Post) {
    this.#directory = directory;
    this.#objects = objects;
    this.#tenant = tenant;
    this.#post = post;
  }

  /** `POST /v1.0/subscriptions`: answered when the receiver has shown that it is one. */
  async create(request: ApiRequest, permissions: readonly string[]): Promise<Plain> {
    const ordered = parsed(Ordered, request);
    if (isPlain(ordered)) return ordered;
    const wrongType = ordered.changeType.split(',').find((type) => type !== 'updated' && type !== 'deleted');
    if (wrongType !== undefined) return invalid(request, `Invalid 'changeType' attribute: '${wrongType}'.`);
    const about = this.#aboutOf(request, ordered.resource, permissions);
    if (isPlain(about)) return about;
    const expiresMs = expiryOf(request, ordered.expirationDateTime);
    if (typeof expiresMs !== 'number') return expiresMs;
    if (this.#live().length >= MOST_SUBSCRIPTIONS)
      return graphError(request, 403, 'Forbidden', 'The number of subscriptions has reached its limit.');
    const { notificationUrl, lifecycleNotificationUrl = null, clientState = null } = ordered;
    const urls = [notificationUrl, lifecycleNotificationUrl].filter((url) => url !== null);
    for (const url of urls) {
      const refused = await this.#validate(request, url);
      if (refused) return refused;
    }
    const { resource, changeType } = ordered;
    const id = crypto.randomUUID();
    const urlsAndState = { notificationUrl, lifecycleNotificationUrl, clientState };
    const made: Subscription = { id, ...about, resource, changeType, ...urlsAndState, expiresMs };
    this.#all.set(id, made);
    if (this.#journal === null) {
      this.#journal = new Journal(this.#directory);
      this.#journal.catchUp();
    }
    return json(201, this.#shown(request, made));
  }

  #aboutOf(
    request: ApiRequest,
    resource: string,
    permissions: readonly string[],
  ): Pick<Subscription, 'kind' | 'only'> | Plain {
    const [, kind, id] = /^\/?(users|groups)(?:\/([^/?]+))?$/i.exec(resource) ?? [];
    if (kind === undefined)
      return invalid(request, `Resource '${resource}' is not one that this simulator notifies of.`);
    const ofUsers = kind.toLowerCase() === 'users';
    const enough = [ofUsers ? 'User.Read.All' : 'Group.Read.All', 'Directory.Read.All'];
    if (!enough.some((permission) => permissions.includes(permission)))
      return refuse({ because: 'forbidden', permission: enough[0] ?? '' });
    const found = id === undefined ? null : this.#find(ofUsers, id);
    if (id !== undefined && found === null) return refuse({ because: 'not-found' });
    return { kind: ofUsers ? 'users' : 'groups', only: found };
  }

  #find(ofUsers: boolean, id: string): number | null {
    const found = ofUsers ? this.#objects.findUser(id) : this.#objects.findGroup(id);
    return found?.serial ?? null;
  }

  /** The receiver sends the token back as plain text. Whatever the URL asks for already stays in it. */
  async #validate(request: ApiRequest, url: string): Promise<Plain | null> {
    const failed = (how: string): Plain => invalid(request, `Subscription validation request ${how}`);
    if (!this.#post.reaches(url)) return failed('failed. This simulator reaches http and https on loopback.');
    const token = `Validation: Testing client application reachability for subscription Request-Id: ${crypto.randomUUID()}`;
    const target = `${url}${url.includes('?') ? '&' : '?'}validationToken=${encodeURIComponent(token)}`;
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    const answer = await this.#post.ask({ method: 'POST', url: target, headers, body: '' }, VALIDATION_MS);
    if (answer === null) return failed('timed out.');
    const right = answer.status === 200 && /^text\/plain\b/i.test(answer.contentType);
    return right && answer.text === token
      ? null
      : failed('failed. The endpoint must respond with 200 OK and the token as plain text.');
  }

  /** `GET /v1.0/subscriptions` */
  list(request: ApiRequest): Plain {
    const context = `${request.url.origin}/v1.0/$metadata#subscriptions`;
    return json(200, { '@odata.context': context, value: this.#live().map((one) => this.#members(one)) });
  }

  /** `GET /v1.0/subscriptions/{id}` */
  show(request: ApiRequest): Plain {
    const found = this.#asked(request);
    return found ? json(200, this.#shown(request, found)) : refuse({ because: 'not-found' });
  }

  /** `PATCH /v1.0/subscriptions/{id}`: a later end, another URL. */
  async renew(request: ApiRequest): Promise<Plain> {
    const found = this.#asked(request);
    if (!found) return refuse({ because: 'not-found' });
    const changed = parsed(Changed, request);
    if (isPlain(changed)) return changed;
    const { expirationDateTime, notificationUrl } = changed;
    const expiresMs =
      expirationDateTime === undefined ? found.expiresMs : expiryOf(request, expirationDateTime);
    if (typeof expiresMs !== 'number') return expiresMs;
    const refused = notificationUrl === undefined ? null : await this.#validate(request, notificationUrl);
    if (refused) return refused;
    found.expiresMs = expiresMs;
    found.notificationUrl = notificationUrl ?? found.notificationUrl;
    return json(200, this.#shown(request, found));
  }

  /** `POST /v1.0/subscriptions/{id}/reauthorize`: its end stays as it is. */
  reauthorize(request: ApiRequest): Plain {
    return this.#asked(request) ? none : refuse({ because: 'not-found' });
  }

  /** `DELETE /v1.0/subscriptions/{id}` */
  remove(request: ApiRequest): Plain {
    const found = this.#asked(request);
    if (found) this.#all.delete(found.id);
    return found ? none : refuse({ because: 'not-found' });
  }

  #live(): readonly Subscription[] {
    for (const { id, expiresMs } of this.#all.values()) if (expiresMs <= Date.now()) this.#all.delete(id);
    return [...this.#all.values()];
  }

  #asked(request: ApiRequest): Subscription | undefined {
    return this.#live().find(({ id }) => id === request.params.get('subscription'));
  }

  #shown(request: ApiRequest, subscription: Subscription): Record<string, unknown> {
    const context = `${request.url.origin}/v1.0/$metadata#subscriptions/$entity`;
    return { '@odata.context': context, ...this.#members(subscription) };
  }

  #members({ kind: _, only: __, expiresMs, ...sent }: Subscription): Record<string, unknown> {
    return {
      ...sent,
      expirationDateTime: new Date(expiresMs).toISOString(),
      applicationId: this.#tenant.clientId,
      creatorId: this.#tenant.creatorId,
      includeResourceData: null,
      latestSupportedTlsVersion: 'v1_2',
    };
  }

  expireAll(): void {
    for (const subscription of this.#all.values()) subscription.expiresMs = Date.now();
  }

  /** "Reduce missing subscriptions and change notifications": of the lifecycle events users and groups know this one only. */
  tokensExpired(): void {
    for (const subscription of this.#live()) {
      const url = subscription.lifecycleNotificationUrl;
      const item = { ...this.#about(subscription), lifecycleEvent: 'reauthorizationRequired' };
      if (url !== null) this.#post.deliver(letter(url, [item]), MANNER);
    }
  }

  tell(): void {
    const live = this.#live();
    if (live.length === 0) this.#journal = null;
    if (this.#journal === null) return;
    this.#journal.catchUp();
    const changes = [
      ...this.#journal.users.splice(0).flatMap((serial) => this.#changeOf(serial)),
      ...this.#journal.groups
        .splice(0)
        .map(({ group }): Change => ({ kind: 'groups', serial: group, changeType: 'updated' })),
    ];
    for (const subscription of live) {
      const items = changes
        .filter((change) => isWanted(subscription, change))
        .map((change) => this.#item(subscription, change));
      for (let at = 0; at < items.length; at += ITEMS_IN_ONE_POST)
        this.#post.deliver(
          letter(subscription.notificationUrl, items.slice(at, at + ITEMS_IN_ONE_POST)),
          MANNER,
        );
    }
  }

  /** Who can still be restored is `updated`. Who was silently left out of lists is not named. */
  #changeOf(serial: number): readonly Change[] {
    const person = this.#directory.people[serial];
    if (person === undefined || !person.visible) return [];
    return [{ kind: 'users', serial, changeType: person.state === 'purged' ? 'deleted' : 'updated' }];
  }

  #about({ id, clientState, expiresMs }: Subscription): Record<string, unknown> {
    return {
      subscriptionId: id,
      subscriptionExpirationDateTime: new Date(expiresMs).toISOString(),
      clientState,
      tenantId: this.#tenant.directoryId,
    };
  }

  #item(subscription: Subscription, { kind, serial, changeType }: Change): unknown {
    const ofUser = kind === 'users';
    const id = ofUser ? this.#objects.userIdOf(serial) : this.#objects.groupIdOf(serial);
    const resource = `${ofUser ? 'Users' : 'Groups'}/${id}`;
    const type = `#Microsoft.Graph.${ofUser ? 'User' : 'Group'}`;
    return {
      id: crypto.randomUUID(),
      ...this.#about(subscription),
      changeType,
      resource,
      resourceData: { '@odata.type': type, '@odata.id': resource, id },
    };
  }
}

function isWanted({ kind, only, changeType }: Subscription, change: Change): boolean {
  return (
    kind === change.kind &&
    (only === null || only === change.serial) &&
    changeType.split(',').includes(change.changeType)
  );
}

function letter(url: string, value: readonly unknown[]): Letter {
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return { method: 'POST', url, headers, body: JSON.stringify({ value }) };
}

function expiryOf(request: ApiRequest, asked: string): number | Plain {
  const now = Date.now();
  const askedMs = Date.parse(asked);
  if (askedMs <= now) return invalid(request, 'Subscription expiration must be in the future.');
  if (askedMs > now + MOST_MINUTES * MINUTE_MS)
    return invalid(request, `Subscription expiration can only be ${MOST_MINUTES} minutes in the future.`);
  return Math.max(askedMs, now + LEAST_MINUTES * MINUTE_MS);
}
