/** How Google answers: errors, pages of a list, and users as a caller with fewer rights sees them. */
import type { OutgoingHttpHeaders } from 'node:http';
import {
  type ApiRequest,
  type Bend,
  encodeCursor,
  json,
  type Listing,
  type Plain,
  type Refusal,
} from '../protocol.ts';
import { bytes, joined } from '../written.ts';
import { selectionOf } from './fields.ts';
import { invalidGrant } from './token.ts';

type Detail = { readonly reason: string; readonly status: string; readonly domain?: string };

export function googleError(
  code: number,
  message: string,
  detail: Detail,
  headers: OutgoingHttpHeaders = {},
): Plain {
  const errors = [{ message, domain: detail.domain ?? 'global', reason: detail.reason }];
  return json(code, { error: { code, message, errors, status: detail.status } }, headers);
}

export const notFound = (message: string): Plain =>
  googleError(404, message, { reason: 'notFound', status: 'NOT_FOUND' });

export const invalid = (message: string): Plain =>
  googleError(400, message, { reason: 'invalid', status: 'INVALID_ARGUMENT' });

/** Codes and reasons as the Directory API's limits and quotas page and its error guide give them. */
export function refuse(refusal: Refusal): Plain {
  switch (refusal.because) {
    case 'unauthenticated':
    case 'expired-token':
      return googleError(
        401,
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
        { reason: 'authError', status: 'UNAUTHENTICATED' },
        { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"' },
      );
    case 'forbidden':
      return refusal.permission === 'admin'
        ? googleError(403, 'Not Authorized to access this resource/api', {
            reason: 'forbidden',
            status: 'PERMISSION_DENIED',
          })
        : googleError(403, 'Request had insufficient authentication scopes.', {
            reason: 'insufficientPermissions',
            status: 'PERMISSION_DENIED',
          });
    case 'not-found':
      return notFound('Resource Not Found');
    case 'no-such-method':
      return notFound('Method not found.');
    case 'bad-cursor':
      return invalid('Invalid Input: pageToken');
    case 'bad-request':
      return invalid(refusal.detail);
    case 'throttled':
      return refusal.status === 403
        ? googleError(
            403,
            'User Rate Limit Exceeded',
            { reason: 'userRateLimitExceeded', status: 'PERMISSION_DENIED', domain: 'usageLimits' },
            refusal.headers,
          )
        : googleError(
            429,
            'Rate Limit Exceeded',
            { reason: 'rateLimitExceeded', status: 'RESOURCE_EXHAUSTED', domain: 'usageLimits' },
            refusal.headers,
          );
    case 'broken':
      return refusal.status === 500
        ? googleError(500, 'Internal error encountered.', { reason: 'backendError', status: 'INTERNAL' })
        : googleError(503, 'The service is currently unavailable.', {
            reason: 'backendError',
            status: 'UNAVAILABLE',
          });
    case 'token-refused':
      return invalidGrant('Invalid JWT Signature.');
  }
}

/** The list's key is absent on an empty page, and what `fields` does not name is absent always, `nextPageToken` too. */
export function render(request: ApiRequest, page: Listing, bend: Bend): Plain {
  const selection = selectionOf(request.url.searchParams.get('fields'));
  const wanted = (name: string): boolean => selection === null || selection.has(name);
  const around = Object.entries(page.around).filter(([name]) => wanted(name));
  const members = around.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const token = nextToken(page, bend);
  if (token !== null && wanted('nextPageToken')) members.push(`"nextPageToken":"${token}"`);
  return { ...json(200, null), body: withList(members, page, wanted(page.key) ? bend.listKey : 'without') };
}

function withList(members: readonly string[], page: Listing, listKey: Bend['listKey']): Buffer {
  const open = `{${members.map((member) => `${member},`).join('')}`;
  if (listKey === 'kept' && page.items.length > 0) return joined(`${open}"${page.key}":[`, page.items, ']}');
  return bytes(listKey === 'null' ? `${open}"${page.key}":null}` : `{${members.join(',')}}`);
}

/** There are no links that could lead elsewhere: a foreign one becomes a token that this account did not issue. */
function nextToken(page: Listing, bend: Bend): string | null {
  if (bend.next !== null) return 'cursor' in bend.next ? bend.next.cursor : 'Zm9yZWlnbg';
  return page.next === null ? null : encodeCursor(page.next);
}

/** Without the permission fields come back null. */
export function withoutPermission(user: Record<string, unknown>): Record<string, unknown> {
  const kept = ['kind', 'id', 'etag', 'primaryEmail', 'name', 'suspended', 'archived'];
  return Object.fromEntries(
    Object.entries(user).map(([name, value]) => [name, kept.includes(name) ? value : null]),
  );
}
