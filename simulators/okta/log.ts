/** Okta's System Log (`GET /api/v1/logs`; API reference: System Log; developer documentation: System Log query). */
import { createHash } from 'node:crypto';
import { type ApiRequest, decodeCursor, type Listing, type Plain, wholeNumber } from '../protocol.ts';
import { bytes } from '../written.ts';
import type { Event, Journal } from './journal.ts';

const DAY_MS = 86_400_000;

type Test = (event: Event) => boolean;
const clause = /^\s*eventType\s+(eq|sw)\s+"([^"]*)"\s*$/;

/** Comparisons of the event's type joined by `or`; null: anything else. */
function filterOf(expression: string | null): Test | null {
  if (expression === null) return () => true;
  const tests = expression.split(/\s+or\s+/).map((text): Test | null => {
    const [, operator, value = ''] = clause.exec(text) ?? [];
    if (operator === undefined) return null;
    return ({ eventType }) => (operator === 'sw' ? eventType.startsWith(value) : eventType === value);
  });
  return tests.includes(null) ? null : (event) => tests.some((test) => test?.(event));
}

export type Named = {
  readonly userIdOf: (serial: number) => string;
  readonly groupIdOf: (serial: number) => string;
  readonly appId: string;
};

/** Groups before users and users before apps, as it comes: clients may not count on an order. */
export function eventJson(event: Event, position: number, { userIdOf, groupIdOf, appId }: Named): unknown {
  const target = [
    ...(event.group === null ? [] : [{ id: groupIdOf(event.group), type: 'UserGroup' }]),
    ...(event.user === null ? [] : [{ id: userIdOf(event.user), type: 'User' }]),
    ...(event.inApp ? [{ id: appId, type: 'AppInstance' }] : []),
  ];
  const hash = createHash('sha256').update(`${position} ${event.publishedMs}`).digest('hex');
  return {
    uuid: `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`,
    published: new Date(event.publishedMs).toISOString(),
    eventType: event.eventType,
    version: '0',
    severity: 'INFO',
    actor: { id: userIdOf(0), type: 'User' },
    outcome: { result: 'SUCCESS', reason: null },
    target: target.map((one) => ({
      ...one,
      alternateId: 'unknown',
      displayName: 'unknown',
      detailEntry: null,
    })),
  };
}

type Refuse = (status: number, code: string, summary: string) => Plain;

/**
 * The polling request, ascending and without `until`: in the order in which events were stored, and with a next link on every page, the
 * empty one too. `since` is 7 days back unless given; older than 180 days it is refused, and of the last 90 days events are kept.
 */
export function logPage(
  journal: Journal,
  named: Named,
  request: ApiRequest,
  refuse: Refuse,
): Listing | Plain {
  const { searchParams } = request.url;
  if (searchParams.has('until') || searchParams.get('sortOrder') === 'DESCENDING')
    return refuse(400, 'E0000053', 'This simulator answers polling requests only.');
  const accept = filterOf(searchParams.get('filter'));
  if (accept === null) return refuse(400, 'E0000053', 'Invalid filter');
  const limit = wholeNumber(searchParams.get('limit') ?? '100', 1, 1_000);
  if (limit === null) return refuse(400, 'E0000001', 'Api validation failed: limit');
  const since = sinceOf(searchParams);
  if (since === null) return refuse(400, 'E0000053', 'Invalid since');
  const cursor = searchParams.get('after');
  const start = cursor === null ? 0 : (decodeCursor(cursor)?.position ?? null);
  if (start === null) return refuse(400, 'E0000001', 'Api validation failed: after');
  const items: Buffer[] = [];
  let at = start;
  for (; at < journal.events.length && items.length < limit; at += 1) {
    const event = journal.events[at];
    if (event && accept(event) && (cursor !== null || event.publishedMs >= since))
      items.push(bytes(JSON.stringify(eventJson(event, at, named))));
  }
  return { kind: 'list', key: '', items, start, next: at, around: {} };
}

function sinceOf(search: URLSearchParams): number | null {
  const now = Date.now();
  const since = Date.parse(search.get('since') ?? new Date(now - 7 * DAY_MS).toISOString());
  if (Number.isNaN(since) || since < now - 180 * DAY_MS) return null;
  return Math.max(since, now - 90 * DAY_MS);
}
