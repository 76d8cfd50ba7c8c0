/** How Microsoft Graph answers: errors, pages of a list, and users as a caller with fewer rights sees them. */
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
import { tokenRefused } from './token.ts';

export function graphError(
  request: ApiRequest | null,
  status: number,
  code: string,
  message: string,
  headers: OutgoingHttpHeaders = {},
): Plain {
  const id = crypto.randomUUID();
  const clientId = request?.headers['client-request-id'] ?? id;
  const innerError = {
    date: new Date().toISOString().slice(0, 19),
    'request-id': id,
    'client-request-id': clientId,
  };
  return json(status, { error: { code, message, innerError } }, headers);
}

/** Error bodies as the Graph error reference and the throttling guide give them. */
export function refuse(refusal: Refusal): Plain {
  const realm = {
    'www-authenticate':
      'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"',
  };
  switch (refusal.because) {
    case 'unauthenticated':
      return graphError(null, 401, 'InvalidAuthenticationToken', 'Access token is empty.', realm);
    case 'expired-token':
      return graphError(
        null,
        401,
        'InvalidAuthenticationToken',
        'Lifetime validation failed, the token is expired.',
        realm,
      );
    case 'forbidden':
      return graphError(
        null,
        403,
        'Authorization_RequestDenied',
        'Insufficient privileges to complete the operation.',
      );
    case 'not-found':
      return graphError(
        null,
        404,
        'Request_ResourceNotFound',
        'Resource does not exist or one of its queried reference-property objects are not present.',
      );
    case 'no-such-method':
      return graphError(null, 400, 'BadRequest', 'Resource not found for the segment.');
    case 'bad-cursor':
      if (refusal.ofChanges) return resync();
      return graphError(
        null,
        400,
        'Directory_ExpiredPageToken',
        'The specified page token value has expired and can no longer be included in your request.',
      );
    case 'bad-request':
      return graphError(null, 400, 'Request_UnsupportedQuery', refusal.detail);
    case 'throttled':
      return graphError(null, 429, 'TooManyRequests', 'Too many requests.', {
        ...refusal.headers,
        'x-ms-throttle-scope': 'Tenant_Application/ReadWrite',
        'x-ms-throttle-information': 'ResourceUnitLimitExceeded',
      });
    case 'broken':
      return refusal.status === 500
        ? graphError(null, 500, 'InternalServerError', 'An internal server error occurred.')
        : graphError(null, 503, 'ServiceUnavailable', 'The service is temporarily unavailable.');
    case 'token-refused':
      return tokenRefused(
        401,
        'invalid_client',
        7000222,
        'The provided client secret keys for the app are expired.',
      );
  }
}

/** "Delta query", synchronisation reset: `Location` begins a new round. */
function resync(): Plain {
  const location = '/v1.0/users/delta?$deltatoken=';
  return graphError(null, 410, 'resyncRequired', 'Resync required: begin again without a token.', {
    location,
  });
}

export function render(request: ApiRequest, page: Listing, bend: Bend): Plain {
  const link = nextLink(request, page, bend.next);
  /** A page of changes has one of the two links, never both. */
  const members = Object.entries(page.around)
    .filter(([name]) => link === null || name !== '@odata.deltaLink')
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  if (link !== null) members.push(`"@odata.nextLink":${JSON.stringify(link)}`);
  const contentType =
    'application/json; odata.metadata=minimal; odata.streaming=true; IEEE754Compatible=false; charset=utf-8';
  return {
    kind: 'plain',
    status: 200,
    headers: { 'content-type': contentType },
    body: withList(members, page, bend),
  };
}

function withList(members: readonly string[], page: Listing, bend: Bend): Buffer {
  const open = `{${members.map((member) => `${member},`).join('')}`;
  if (bend.listKey === 'kept') return joined(`${open}"${page.key}":[`, page.items, ']}');
  return bytes(bend.listKey === 'null' ? `${open}"${page.key}":null}` : `{${members.join(',')}}`);
}

function nextLink(request: ApiRequest, page: Listing, bent: Bend['next']): string | null {
  const foreign = bent !== null && 'foreignOrigin' in bent ? bent.foreignOrigin : null;
  const cursor =
    bent !== null && 'cursor' in bent ? bent.cursor : page.next === null ? null : encodeCursor(page.next);
  if (cursor === null && foreign === null) return null;
  const origin = foreign ?? request.url.origin;
  const kept = request.url.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !/^(\$|%24)skiptoken=/i.test(pair));
  return `${origin}${request.url.pathname}?${[...kept, `$skiptoken=${cursor ?? encodeCursor(0)}`].join('&')}`;
}

/** Without the permission Graph answers with fewer values: scalars come back null, lists empty. */
export function withoutPermission(user: Record<string, unknown>): Record<string, unknown> {
  const kept = ['id', 'userPrincipalName', 'displayName', '@odata.type'];
  const entries = Object.entries(user).filter(([name]) => name !== 'manager');
  return Object.fromEntries(
    entries.map(([name, value]) => [name, kept.includes(name) ? value : Array.isArray(value) ? [] : null]),
  );
}
