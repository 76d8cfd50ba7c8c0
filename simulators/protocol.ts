/** What a simulated provider is made of, and the words it shares with the server around it. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Subscriptions } from './post.ts';

/** Classes of requests: what is counted, and what a fault can be limited to. */
export const REQUEST_CLASSES = [
  'discovery',
  'token',
  'users',
  'user',
  'groups',
  'group',
  'members',
  'changes',
  'other',
] as const;
export type RequestClass = (typeof REQUEST_CLASSES)[number];

export type ApiRequest = {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Values of the `:name` parts of the route. */
  readonly params: ReadonlyMap<string, string>;
};

export type Plain = {
  readonly kind: 'plain';
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | Buffer;
};

/** A page of a list, not yet written out, so that a fault can still change it. */
export type Listing = {
  readonly kind: 'list';
  /** Where the items stand in the body: `value`, `users`, … */
  readonly key: string;
  /** Each one a complete JSON object. */
  readonly items: readonly Buffer[];
  /** Where this page starts, and where the next one does; null at the end. */
  readonly start: number;
  readonly next: number | null;
  /** Members of the body beside the list. */
  readonly around: Readonly<Record<string, unknown>>;
};

export type Answer = Plain | Listing;

/** How a fault bends the page's body: `without` drops the list's key, `null` puts null in its place. */
export type Bend = {
  readonly listKey: 'kept' | 'without' | 'null';
  /** Replaces the link or cursor to the next page. */
  readonly next: { readonly cursor: string } | { readonly foreignOrigin: string } | null;
  /** Half of the list is left out, here and elsewhere: a provider that counts it counts that half. */
  readonly halved?: true;
};

/** Reasons for which a provider turns a request away in its own words. */
export type Refusal =
  | { readonly because: 'unauthenticated' | 'expired-token' | 'not-found' | 'no-such-method' }
  /** `ofChanges`: it said since when changes are wanted. */
  | { readonly because: 'bad-cursor'; readonly ofChanges?: true }
  | { readonly because: 'forbidden'; readonly permission: string }
  | { readonly because: 'bad-request'; readonly detail: string }
  | {
      readonly because: 'throttled';
      /** 403 where the provider has such an answer, else 429. */
      readonly status: 429 | 403;
      /** null: the provider does not say when to come back. */
      readonly seconds: number | null;
      readonly headers: OutgoingHttpHeaders;
    }
  | { readonly because: 'broken'; readonly status: 500 | 503 }
  | { readonly because: 'token-refused' };

export type Route = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** `/v1.0/groups/:group/members` */
  readonly path: string;
  readonly class: RequestClass;
  /** The permission, scope or role it needs; null for routes open to everyone. */
  readonly permission: string | null;
  /** `ask` answers another request of the same caller, as a batch holds them: with its own status, and its own faults. */
  readonly handle: (request: ApiRequest, ask: Ask) => Answer | Promise<Answer>;
};

export type Ask = (request: Omit<ApiRequest, 'params'>) => Promise<Plain>;

/** What a provider's protocol says about a request's credential. */
export type Caller = { readonly permissions: readonly string[] };

/** Requests left in the current minute. */
export type Pace = { readonly limit: number; readonly remaining: number; readonly resetEpochSeconds: number };

export type ProviderProtocol = {
  readonly routes: readonly Route[];
  /** The caller of a request by its access token, or how it is turned away. */
  authenticate(request: ApiRequest): Caller | Plain | Promise<Caller | Plain>;
  refuse(refusal: Refusal): Plain;
  /** Writes a page out: body and headers, with the link to the next page. */
  render(request: ApiRequest, page: Listing, bend: Bend): Plain;
  /** Headers that each answer carries. */
  headers(request: ApiRequest, pace: Pace): OutgoingHttpHeaders;
  /** null on the first page. */
  cursorOf(request: ApiRequest): string | null;
  /** The user as a caller with fewer rights sees it. */
  withoutPermission(user: Record<string, unknown>): Record<string, unknown>;
  /** The user with fields of wrong types. */
  unreadable(user: Record<string, unknown>): Record<string, unknown>;
};

/** Everything a provider's simulator offers: what to connect with, and how it answers. */
export type SimulatedProvider = {
  userIdOf(serial: number): string;
  groupIdOf(serial: number): string;
  /** Serial of the user with this id or address; null where there is none. */
  serialOf(key: string): number | null;
  readonly settings: Readonly<Record<string, string>>;
  readonly credentials: Readonly<Record<string, string>>;
  readonly alternativeCredentials: Readonly<Record<string, string>> | null;
  readonly protocol: ProviderProtocol;
  /** null where the provider notifies nobody. */
  readonly subscriptions: Subscriptions | null;
};

export function json(status: number, body: unknown, headers: OutgoingHttpHeaders = {}): Plain {
  return {
    kind: 'plain',
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(body),
  };
}

/** Opaque to clients. `gap` tells apart two cursors for one position: a page and the empty page before it. */
export function encodeCursor(position: number, gap = 0): string {
  return Buffer.from(`p.${position}.${gap}`).toString('base64url');
}

/** null where the text is none of ours. */
export function decodeCursor(cursor: string): { position: number; gap: number } | null {
  const parts = /^p\.(\d+)\.(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return parts ? { position: Number(parts[1]), gap: Number(parts[2]) } : null;
}

/** `text` between `min` and `max`, or null where it is no number in that range. */
export function wholeNumber(text: string, min: number, max: number): number | null {
  return /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : null;
}
