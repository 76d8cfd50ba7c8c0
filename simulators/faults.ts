/** Faults that a simulator can be told to have, by name, and when each one strikes. */
import type { OutgoingHttpHeaders } from 'node:http';
import {
  type Bend,
  decodeCursor,
  encodeCursor,
  type Listing,
  type Plain,
  REQUEST_CLASSES,
  type Refusal,
  type RequestClass,
} from './protocol.ts';

type Description = {
  /** One sentence for the README and for `--help`. */
  readonly says: string;
  /** The requests it strikes unless told otherwise. */
  readonly on: readonly RequestClass[];
  /** How often it strikes unless told otherwise; null: until it is cleared. */
  readonly times: number | null;
};

const users = ['users'] as const;
const once = { on: users, times: 1 } as const;
const always = { on: users, times: null } as const;

export const FAULTS = {
  'empty-first-page': { says: 'The first page is empty, with status 200 and no next page.', ...always },
  'empty-middle-page': { says: 'A page is empty; its next link leads to what it should have held.', ...once },
  'status-401': { says: "The provider's 401, as if the access token were not valid.", ...once },
  'status-403': { says: "The provider's 403, as if a permission were missing.", ...once },
  'status-404': { says: "The provider's 404, as if the path or object did not exist.", ...once },
  'status-500': { says: "The provider's 500.", ...once },
  'status-503': { says: "The provider's 503.", ...once },
  'throttled-seconds': { says: '429 with Retry-After in seconds (`seconds`, 1 unless given).', ...once },
  'throttled-date': { says: '429 with Retry-After as an HTTP date, `seconds` (1) ahead.', ...once },
  'throttled-silent': { says: '429 without any hint when to come back.', ...once },
  'throttled-absurd': { says: '429 with Retry-After: 86400.', ...once },
  'throttled-403': {
    says: "Google's 403 userRateLimitExceeded; from the others a 429 without hint.",
    ...once,
  },
  'html-page': { says: 'Status 200 with an HTML page, as from a captive portal.', ...once },
  'cut-off': { says: 'Status 200 with JSON that stops in the middle.', ...once },
  hang: { says: 'The request is never answered.', ...once },
  'connection-reset': { says: 'The connection breaks without an answer.', ...once },
  'list-key-missing': { says: 'Status 200 without the list (Okta: an object in its place).', ...once },
  'list-key-null': { says: 'Status 200 with null in place of the list.', ...once },
  'unreadable-record': {
    says: 'One object of the page has fields of wrong types; its id can be read.',
    ...once,
  },
  'unreadable-id': { says: 'One object of the page has fields of wrong types and no id.', ...once },
  'looping-link': { says: 'The next link leads to the same page again.', ...always },
  'foreign-link': {
    says: 'The next link leads to another origin (`origin`); Google, SCIM: a cursor that it refuses later.',
    ...once,
  },
  'permission-lost': {
    says: 'Fields of users come back null; groups and members answer 403.',
    on: ['users', 'user', 'groups', 'group', 'members'],
    times: null,
  },
  'half-missing': { says: 'Every second user is left out of the list, all with status 200.', ...always },
  'changes-expired': {
    says: 'The provider does not honour the link to changes any more.',
    on: ['changes'],
    times: 1,
  },
  'changes-repeated': {
    says: 'Each entry of a page of changes comes twice, in another order.',
    on: ['changes'],
    times: null,
  },
  'clock-skew': {
    says: "The provider's clock is `seconds` (3600) ahead, negative: behind: its Date header and all time stamps.",
    on: REQUEST_CLASSES,
    times: null,
  },
  'change-while-reading': {
    says: 'Behind a page of users or of changes somebody is renamed and somebody hired.',
    on: ['users', 'changes'],
    times: 1,
  },
  'token-refused': { says: 'The token endpoint refuses the credential.', on: ['token'], times: null },
} as const satisfies Record<string, Description>;

export type FaultName = keyof typeof FAULTS;

export type FaultOrder = {
  readonly name: FaultName;
  /** Strike this class of requests only. */
  readonly on?: RequestClass | undefined;
  /** Strike from the nth matching request on, counted from when the fault was set; 1 unless given. */
  readonly nth?: number | undefined;
  /** Strike so many times; null: until cleared. */
  readonly times?: number | null | undefined;
  readonly seconds?: number | undefined;
  readonly origin?: string | undefined;
};

export type ActiveFault = FaultOrder & { readonly seen: number; readonly struck: number };

export type Faults = {
  set(order: FaultOrder): void;
  clear(): void;
  /** Counts the request for every fault that it matches, and says which one strikes it. */
  strike(requestClass: RequestClass, isFirstPage: boolean): FaultOrder | null;
  /** By how many seconds the clock is wrong for this request, beside what else strikes it. */
  skew(requestClass: RequestClass): number;
  list(): readonly ActiveFault[];
};

export function faultList(): Faults {
  let active: { order: FaultOrder; seen: number; struck: number }[] = [];
  /** Counts the request for all of these, and says which of them are due. */
  const due = (matching: typeof active) => {
    for (const fault of matching) fault.seen += 1;
    return matching.filter(({ order, seen, struck }) => {
      const { times = FAULTS[order.name].times } = order;
      return seen >= (order.nth ?? 1) && (times === null || struck < times);
    });
  };
  return {
    set: (order) => {
      active.push({ order, seen: 0, struck: 0 });
    },
    clear: () => {
      active = [];
    },
    list: () => active.map(({ order, seen, struck }) => ({ ...order, seen, struck })),
    strike: (requestClass, isFirstPage) => {
      const [striking] = due(
        active.filter(
          ({ order }) => order.name !== 'clock-skew' && concerns(order, requestClass, isFirstPage),
        ),
      );
      if (striking) striking.struck += 1;
      return striking?.order ?? null;
    },
    skew: (requestClass) => {
      const striking = due(
        active.filter(({ order }) => order.name === 'clock-skew' && concerns(order, requestClass, false)),
      );
      for (const fault of striking) fault.struck += 1;
      return striking.reduce((sum, { order }) => sum + (order.seconds ?? 3_600), 0);
    },
  };
}

function concerns(order: FaultOrder, requestClass: RequestClass, isFirstPage: boolean): boolean {
  if (order.name === 'empty-first-page' && !isFirstPage) return false;
  const usually: readonly RequestClass[] = FAULTS[order.name].on;
  return order.on === undefined ? usually.includes(requestClass) : order.on === requestClass;
}

function throttled(seconds: number | null, headers: OutgoingHttpHeaders): Refusal {
  return { because: 'throttled', status: 429, seconds, headers };
}

/** What happens in place of an answer: a refusal in the provider's words, a page, silence; null: answer, then see `bend`. */
export function insteadOf(
  fault: FaultOrder,
  requestClass: RequestClass,
): Refusal | Plain | 'hang' | 'reset' | null {
  const { seconds = 1 } = fault;
  switch (fault.name) {
    case 'status-401':
      return { because: 'unauthenticated' };
    case 'status-403':
      return { because: 'forbidden', permission: 'admin' };
    case 'status-404':
      return { because: 'not-found' };
    case 'status-500':
      return { because: 'broken', status: 500 };
    case 'status-503':
      return { because: 'broken', status: 503 };
    case 'throttled-seconds':
      return throttled(seconds, { 'retry-after': String(seconds) });
    case 'throttled-date':
      return throttled(seconds, { 'retry-after': new Date(Date.now() + seconds * 1000).toUTCString() });
    case 'throttled-silent':
      return throttled(null, {});
    case 'throttled-absurd':
      return throttled(86_400, { 'retry-after': '86400' });
    case 'throttled-403':
      return { because: 'throttled', status: 403, seconds: null, headers: {} };
    case 'html-page':
      return htmlPage;
    case 'hang':
      return 'hang';
    case 'connection-reset':
      return 'reset';
    case 'token-refused':
      return { because: 'token-refused' };
    case 'changes-expired':
      return { because: 'bad-cursor', ofChanges: true };
    case 'permission-lost':
      return requestClass === 'users' || requestClass === 'user'
        ? null
        : { because: 'forbidden', permission: 'scope' };
    case 'empty-first-page':
    case 'empty-middle-page':
    case 'cut-off':
    case 'list-key-missing':
    case 'list-key-null':
    case 'unreadable-record':
    case 'unreadable-id':
    case 'looping-link':
    case 'foreign-link':
    case 'half-missing':
    case 'changes-repeated':
    case 'clock-skew':
    case 'change-while-reading':
      return null;
  }
}

const htmlPage: Plain = {
  kind: 'plain',
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>',
};

type Change = (user: Record<string, unknown>) => Record<string, unknown>;

/** How the provider's users look when something is wrong with them. */
export type Distortions = { readonly unreadable: Change; readonly withoutPermission: Change };

function rewritten(item: Buffer, change: Change): Buffer {
  return Buffer.from(JSON.stringify(change(JSON.parse(item.toString()) as Record<string, unknown>)));
}

function withOneRewritten(items: readonly Buffer[], change: Change): readonly Buffer[] {
  const middle = Math.floor(items.length / 2);
  return items.map((item, at) => (at === middle ? rewritten(item, change) : item));
}

const straight: Bend = { listKey: 'kept', next: null };

/** The page as the fault leaves it. Faults that do not concern lists leave it as it is. */
export function bend(
  fault: FaultOrder,
  page: Listing,
  cursor: string | null,
  how: Distortions,
): { page: Listing; bend: Bend } {
  const unchanged = { page, bend: straight };
  const gap = (cursor === null ? null : decodeCursor(cursor)?.gap) ?? 0;
  switch (fault.name) {
    case 'empty-first-page':
      return { page: { ...page, items: [], next: null }, bend: straight };
    case 'empty-middle-page': {
      const next = { cursor: encodeCursor(page.start, gap + 1) };
      return { page: { ...page, items: [] }, bend: { ...straight, next } };
    }
    case 'list-key-missing':
      return { page, bend: { ...straight, listKey: 'without' } };
    case 'list-key-null':
      return { page, bend: { ...straight, listKey: 'null' } };
    case 'unreadable-record':
      return { page: { ...page, items: withOneRewritten(page.items, how.unreadable) }, bend: straight };
    case 'unreadable-id': {
      const withoutId: Change = (user) => ({ ...how.unreadable(user), id: undefined });
      return { page: { ...page, items: withOneRewritten(page.items, withoutId) }, bend: straight };
    }
    case 'looping-link':
      return { page, bend: { ...straight, next: { cursor: cursor ?? encodeCursor(page.start) } } };
    case 'foreign-link':
      return {
        page,
        bend: { ...straight, next: { foreignOrigin: fault.origin ?? 'https://elsewhere.example' } },
      };
    case 'permission-lost':
      return {
        page: { ...page, items: page.items.map((item) => rewritten(item, how.withoutPermission)) },
        bend: straight,
      };
    case 'changes-repeated':
      return { page: { ...page, items: [...page.items.toReversed(), ...page.items] }, bend: straight };
    case 'half-missing':
      return {
        page: { ...page, items: page.items.filter((_, at) => at % 2 === 0) },
        bend: { ...straight, halved: true },
      };
    default:
      return unchanged;
  }
}
