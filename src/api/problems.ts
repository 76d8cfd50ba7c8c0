/** The one place where a failure becomes an answer: RFC 9457 problem details. */
import { z } from 'zod';
import { Problem, type ProblemCode } from '../domain/problem.ts';

/** By code: the status that answers it, and what the code means. docs/errors.md says the same and more (a test holds it). */
export const statusOf = {
  'invalid-input': 400,
  unauthenticated: 401,
  forbidden: 403,
  'tenant-suspended': 403,
  'support-access-ended': 403,
  'not-found': 404,
  'name-taken': 409,
  'not-allowed-now': 409,
  'tenant-in-use': 409,
  'changed-since-shown': 409,
  'answer-too-large': 400,
  ambiguous: 409,
  'foreign-request': 403,
  'too-many-attempts': 429,
  'sign-in-refused': 403,
  'sign-in-failed': 502,
  'connection-failed': 502,
  'run-failed': 502,
  'unreadable-connection': 500,
  'audit-broken': 500,
  'bad-configuration': 500,
  'wrong-secret-key': 500,
  'database-unreachable': 503,
  'database-too-old': 503,
  'database-newer': 503,
  'queue-unreachable': 503,
  'port-in-use': 500,
  'data-folder-unusable': 500,
} as const satisfies Record<ProblemCode, number>;

export const meaningOf = {
  'invalid-input': 'Something that was sent is missing, unknown or out of bounds.',
  unauthenticated:
    'There was no API key, or it is unknown, revoked or expired, or its principal is disabled.',
  forbidden: 'The role, the key or the support access does not include this action.',
  'tenant-suspended':
    'The caller’s tenant, or the one that something is to be done in, or one above it, is suspended.',
  'support-access-ended': 'The support access that the request names is over.',
  'not-found': 'There is no such thing within the caller’s tenants.',
  'name-taken': 'Another thing of this kind already has this name.',
  'not-allowed-now': 'The state that the thing is in does not allow this.',
  'tenant-in-use': 'What is in the tenant keeps it from being deleted at once.',
  'changed-since-shown': 'What was to be decided on or edited is no longer what was shown.',
  'answer-too-large': 'What was asked for is too much for one answer.',
  ambiguous: 'What was asked for is there more than once.',
  'foreign-request': 'A request with a session did not show that it comes from a page of Rollcall’s.',
  'too-many-attempts': 'Too many attempts to sign in have failed.',
  'sign-in-refused': 'Somebody is known to the provider, and has no way in here.',
  'sign-in-failed': 'The sign-in provider could not be reached, or its answer is not to be trusted.',
  'connection-failed': 'The directory could not be reached, or refused the credentials.',
  'run-failed': 'A sync run ended without a change set.',
  'unreadable-connection':
    'The stored configuration of a connection is not what this version of Rollcall expects.',
  'audit-broken': 'An entry of the audit log was altered or is missing.',
  'bad-configuration': 'An environment variable, or a setting of the server, is not usable.',
  'wrong-secret-key': 'The stored credentials cannot be decrypted with this secret key.',
  'database-unreachable': 'PostgreSQL does not answer, or refuses the user.',
  'database-too-old': 'The PostgreSQL server is older than Rollcall needs.',
  'database-newer': 'The database was migrated by a newer Rollcall than this one.',
  'queue-unreachable': 'Redis, where the job queues live, does not answer or refuses the user.',
  'port-in-use': 'Another process listens where the API should.',
  'data-folder-unusable': 'The data folder cannot be written, or its PostgreSQL does not start.',
} as const satisfies Record<ProblemCode, string>;

export const ProblemBody = z
  .object({
    type: z
      .string()
      .describe('Stable for each code: `/docs#errors/<code>`; `about:blank` where the status says all.'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().optional().describe('What is wrong, in one sentence.'),
    code: z.string().optional().describe('What programs should look at. /docs#errors lists all codes.'),
    remedy: z.string().optional().describe('What to do about it.'),
    fields: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Which fields of the request are wrong, and how.'),
    parts: z
      .record(z.string(), z.enum(['up', 'down']))
      .optional()
      .describe('Of /readyz: what answers and what does not.'),
    instance: z
      .string()
      .describe('`urn:uuid:` and the request id, under which the server logged this request.'),
  })
  .meta({ id: 'Problem' });
export type ProblemBody = z.infer<typeof ProblemBody>;

/** A failure that only HTTP knows. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly details: Omit<ProblemBody, 'instance'>;

  constructor(details: Omit<ProblemBody, 'instance'>) {
    super(details.detail ?? details.title);
    this.details = details;
  }
}

export function typeOf(code: string): string {
  return `/docs#errors/${code}`;
}

/** Whether this is a failure that was foreseen. The rest is a fault of Rollcall's, and belongs in the log with its stack. */
export function isExpected(error: unknown): boolean {
  return error instanceof Problem || error instanceof HttpFailure || unusableRequest(error) !== null;
}

/** A fault says nothing but its request id: its message could hold anything. */
export function describeFailure(error: unknown, requestId: string): ProblemBody {
  const instance = `urn:uuid:${requestId}`;
  if (error instanceof HttpFailure) return { ...error.details, instance };
  const problem = error instanceof Problem ? error : unusableRequest(error);
  if (problem === null)
    return {
      type: 'about:blank',
      title: 'Internal server error',
      status: 500,
      detail: 'Rollcall failed. The log has the reason under this request id.',
      instance,
    };
  return {
    type: typeOf(problem.code),
    title: titleOf(problem.code),
    status: unusableStatus(error) ?? statusOf[problem.code],
    detail: problem.message,
    code: problem.code,
    remedy: problem.remedy,
    ...(problem.fields.length > 0 ? { fields: [...problem.fields] } : {}),
    instance,
  };
}

function titleOf(code: ProblemCode): string {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What Fastify refuses before a route sees it. Its own sentences are not passed on: they can quote the request. */
const unusable: Readonly<Record<number, { readonly message: string; readonly remedy: string }>> = {
  400: { message: 'The request cannot be read.', remedy: 'Send a well-formed path, and JSON as the body.' },
  413: {
    message: 'The body is larger than 1 MiB.',
    remedy:
      'Send less at once; to decide on many changes name the connection and its revision instead of each change.',
  },
  414: { message: 'The path is too long.', remedy: 'Look at /docs for the paths there are.' },
  415: {
    message: 'The body is not JSON.',
    remedy: 'Send the body as JSON, with `Content-Type: application/json`.',
  },
};

function unusableStatus(error: unknown): number | null {
  if (!(error instanceof Error) || error instanceof Problem) return null;
  const { statusCode, code } = error as Error & { readonly statusCode?: unknown; readonly code?: unknown };
  if (typeof statusCode !== 'number' || typeof code !== 'string' || !code.startsWith('FST_')) return null;
  return statusCode in unusable ? statusCode : null;
}

function unusableRequest(error: unknown): Problem | null {
  const words = unusable[unusableStatus(error) ?? 0];
  return words === undefined ? null : new Problem({ code: 'invalid-input', ...words });
}
