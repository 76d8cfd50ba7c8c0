/** How Okta turns a request away (API reference: Error codes). */
import { randomBytes } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import { json, type Plain, type Refusal } from '../protocol.ts';
import { invalidClient } from './token.ts';

export function oktaError(
  status: number,
  code: string,
  summary: string,
  headers: OutgoingHttpHeaders = {},
): Plain {
  const errorId = `oae${randomBytes(16).toString('base64url')}`;
  return json(
    status,
    { errorCode: code, errorSummary: summary, errorLink: code, errorId, errorCauses: [] },
    headers,
  );
}

/** Codes as Okta's error reference lists them. */
export function refuse(refusal: Refusal): Plain {
  switch (refusal.because) {
    case 'unauthenticated':
    case 'expired-token':
      return oktaError(401, 'E0000011', 'Invalid token provided');
    case 'forbidden':
      return oktaError(403, 'E0000006', 'You do not have permission to perform the requested action');
    case 'not-found':
      return oktaError(404, 'E0000007', 'Not found: Resource not found');
    case 'no-such-method':
      return oktaError(405, 'E0000022', 'The endpoint does not support the provided HTTP method');
    case 'bad-cursor':
      return oktaError(400, 'E0000001', 'Api validation failed: after');
    case 'bad-request':
      return oktaError(400, 'E0000053', refusal.detail);
    case 'throttled':
      return oktaError(429, 'E0000047', 'API call exceeded rate limit due to too many requests.', {
        ...refusal.headers,
        ...(refusal.seconds === null ? {} : untilReset(refusal.seconds)),
      });
    case 'broken':
      return refusal.status === 500
        ? oktaError(500, 'E0000009', 'Internal Server Error')
        : oktaError(503, 'E0000010', 'Service is in read only mode');
    case 'token-refused':
      return invalidClient('The client application is not active.');
  }
}

const untilReset = (seconds: number): OutgoingHttpHeaders => ({
  'x-rate-limit-remaining': '0',
  'x-rate-limit-reset': String(Math.ceil(Date.now() / 1000) + seconds),
});
