/** Errors and lists in SCIM's own words (RFC 7644, sections 3.4.2 and 3.12; RFC 9865). */
import type { OutgoingHttpHeaders } from 'node:http';
import { type Bend, encodeCursor, type Listing, type Plain, type Refusal } from '../protocol.ts';
import { joined } from '../written.ts';

const MESSAGES = 'urn:ietf:params:scim:api:messages:2.0';
const type = 'application/scim+json; charset=utf-8';

export function scimError(
  status: number,
  scimType: string | null,
  detail: string,
  headers: OutgoingHttpHeaders = {},
): Plain {
  const named = scimType === null ? {} : { scimType };
  const body = JSON.stringify({ schemas: [`${MESSAGES}:Error`], ...named, detail, status: String(status) });
  return { kind: 'plain', status, headers: { 'content-type': type, ...headers }, body };
}

export function scimAnswer(body: Buffer | string): Plain {
  return { kind: 'plain', status: 200, headers: { 'content-type': type }, body };
}

export function refuse(refusal: Refusal): Plain {
  switch (refusal.because) {
    case 'unauthenticated':
    case 'expired-token':
      return scimError(401, null, 'Authorization failure.', { 'www-authenticate': 'Bearer' });
    case 'forbidden':
      return scimError(403, null, `The client lacks ${refusal.permission}.`);
    case 'not-found':
    case 'no-such-method':
      return scimError(404, null, 'Resource not found.');
    case 'bad-cursor':
      return scimError(400, 'invalidCursor', 'The cursor is none of this service.');
    case 'bad-request':
      return scimError(400, 'invalidValue', refusal.detail);
    case 'throttled':
      return scimError(429, null, 'Too many requests.', refusal.headers);
    case 'broken':
      return scimError(refusal.status, null, 'The service is in trouble.');
    case 'token-refused':
      return tokenError('invalid_client', 'The client is not active.');
  }
}

export function tokenError(error: string, description: string): Plain {
  return {
    kind: 'plain',
    status: error === 'invalid_client' ? 401 : 400,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ error, error_description: description }),
  };
}

/** What stands in `around` of a page, before it is written. */
export type Around = {
  readonly total: number;
  readonly byCursor: boolean;
  /** Of the directory's own clock. */
  readonly date: string;
  readonly says: 'total' | 'page-length' | 'nothing';
};

/** A service whose list a fault has halved, or emptied from the first page on, believes it and counts no more than it shows. */
function totalOf(page: Listing, { total, says }: Around, bend: Bend): number | null {
  if (says === 'nothing') return null;
  if (says === 'page-length') return page.items.length;
  if (bend.halved) return Math.ceil(total / 2);
  const emptied = page.items.length === 0 && page.start === 0 && page.next === null && bend.next === null;
  return emptied ? 0 : total;
}

/** `stamp`: what the service makes of a cursor before it is sent. */
export function renderList(
  page: Listing,
  around: Around,
  bend: Bend,
  stamp: (cursor: string) => string = (cursor) => cursor,
): Plain {
  const total = totalOf(page, around, bend);
  const cursor = around.byCursor ? nextCursorOf(page, bend) : null;
  const next = cursor === null ? null : stamp(cursor);
  const head = {
    schemas: [`${MESSAGES}:ListResponse`],
    ...(total === null ? {} : { totalResults: total }),
    ...(around.byCursor ? {} : { startIndex: page.start + 1 }),
    itemsPerPage: page.items.length,
    ...(next === null ? {} : { nextCursor: next }),
  };
  const start = JSON.stringify(head).slice(0, -1);
  const headers = { 'content-type': type, date: around.date };
  return { kind: 'plain', status: 200, headers, body: joined(...bodyOf(start, page, bend, total)) };
}

/** RFC 7644, section 3.4.2: without any result the list may be left out, as here. */
function bodyOf(
  start: string,
  page: Listing,
  bend: Bend,
  total: number | null,
): [string, readonly Buffer[], string] {
  if (bend.listKey === 'null') return [`${start},"Resources":null`, [], '}'];
  if (bend.listKey === 'without' || total === 0) return [start, [], '}'];
  return [`${start},"Resources":[`, page.items, ']}'];
}

/** A link to another origin is not to be had in SCIM: a cursor that is refused later stands for it. */
function nextCursorOf(page: Listing, bend: Bend): string | null {
  if (bend.next !== null) return 'cursor' in bend.next ? bend.next.cursor : 'elsewhere';
  return page.next === null ? null : encodeCursor(page.next);
}
