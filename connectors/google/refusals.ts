/**
 * What Google's refusals mean and who has to mend them where. One status means several things: 403 is a quota or a missing
 * permission, and only the body tells. Sources: Directory API "Limits and quotas"; "Using OAuth 2.0 for server to server
 * applications", error codes; the errors of the Admin SDK reference.
 */
import type { z } from 'zod';
import { failureOf, type SessionResponse } from '../answer.ts';
import type { ConnectorFailure } from '../contract.ts';
import { ApiError, TokenError } from './schema.ts';
import { privilegeOf, type Scope, type Subject, scopeOf, verbOf } from './scopes.ts';

/** The last is the status of newer answers, which may come without a reason. */
const QUOTA: ReadonlySet<string> = new Set([
  'userRateLimitExceeded',
  'rateLimitExceeded',
  'quotaExceeded',
  'dailyLimitExceeded',
  'RATE_LIMIT_EXCEEDED',
  'RESOURCE_EXHAUSTED',
]);
const NOT_THERE: ReadonlySet<string> = new Set(['notFound', 'NOT_FOUND']);
const API_DISABLED: ReadonlySet<string> = new Set(['accessNotConfigured', 'SERVICE_DISABLED']);
const SCOPE_MISSING: ReadonlySet<string> = new Set([
  'insufficientPermissions',
  'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
]);

/** True for a 403 that is about pace. 429 is known as such without looking. */
export function isQuota(response: SessionResponse): boolean {
  return response.status === 403 && reasonsOf(response)?.some((reason) => QUOTA.has(reason)) === true;
}

/** Whether Google itself says that there is no such thing: a proxy's 404 says nothing about anybody. */
export function saysNotThere(response: SessionResponse): boolean {
  return response.status === 404 && reasonsOf(response)?.some((reason) => NOT_THERE.has(reason)) === true;
}

/**
 * A refusal of the API. `isStart`: it is the first answer of all to this listing. `resumed`: it was to go on from
 * an answer before, with everything else as it was then.
 */
export function apiRefusal(
  response: SessionResponse,
  asked: {
    readonly subject: Subject;
    readonly isStart: boolean;
    readonly resumed: boolean;
    readonly clientId: string | null;
  },
): ConnectorFailure {
  const { status } = response;
  const reasons = reasonsOf(response);
  if (reasons === null) return failureOf(response); // not Google's words, so it is not Google's meaning
  if (asked.resumed && (status === 400 || status === 410))
    return failureOf(response, asked.subject === 'activities' ? expiredChanges : expiredToken);
  if (asked.isStart && (status === 400 || status === 404)) return failureOf(response, wrongCustomer);
  if (status === 401) return failureOf(response, refusedToken);
  if (status === 403) return failureOf(response, missingPermission(reasons, asked));
  return failureOf(response);
}

/** Whether the token endpoint knows the service account, but not that it may do all this in the account's name. */
export function isNotDelegated(response: SessionResponse): boolean {
  const body = response.status === 200 ? null : read(TokenError, response);
  return body !== null && NOT_DELEGATED.has(body.error);
}

/** A refusal of the token endpoint. Its `error` is RFC 6749's; its description is Google's prose and is never passed on. */
export function tokenRefusal(response: SessionResponse): ConnectorFailure {
  const body = read(TokenError, response);
  if (body === null) return failureOf(response);
  const { cause, remedy } = grantProblem(body.error_description ?? '');
  const message = `Google refuses a token for the impersonated administrator: ${cause}.`;
  return failureOf(response, { kind: 'credentials-rejected', message, remedy });
}

/** A refusal of the Security Token Service, which exchanges the platform's token. */
export function exchangeRefusal(response: SessionResponse): ConnectorFailure {
  if (read(TokenError, response) === null) return failureOf(response);
  return failureOf(response, {
    kind: 'credentials-rejected',
    message: "Google does not take the platform's token for this workload identity provider.",
    remedy:
      'Google Cloud console, IAM & Admin › Workload Identity Federation › the pool › the provider: compare its issuer, its allowed audiences and its attribute condition with the token, and its full name with "audience" of the credential.',
  });
}

/** A refusal to sign for the service account. */
export function signingRefusal(response: SessionResponse): ConnectorFailure {
  const reasons = reasonsOf(response);
  if (reasons === null || (response.status !== 403 && response.status !== 404)) return failureOf(response);
  const kind = 'credentials-rejected';
  if (reasons.some((reason) => API_DISABLED.has(reason))) {
    const message =
      "The IAM Service Account Credentials API is not enabled in the service account's project.";
    const remedy =
      "In the Google Cloud console of the service account's project, open APIs & Services › Library, choose IAM Service Account Credentials API and press Enable.";
    return failureOf(response, { kind, message, remedy });
  }
  const message =
    'The workload identity may not sign in the name of this service account, or there is no such one.';
  const remedy =
    'Google Cloud console, IAM & Admin › Service accounts › the account named in "clientEmail" › Permissions: grant the pool\'s principal the role Service Account Token Creator.';
  return failureOf(response, { kind, message, remedy });
}

/** `refusal`: the token endpoint's own. `scope`: the only one that is missing, or one of few; null: none is granted. */
export function notDelegated(
  refusal: ConnectorFailure,
  scope: Scope | null,
  asked: { readonly scopes: readonly Scope[]; readonly clientId: string | null },
): ConnectorFailure {
  const remedy = delegationRemedy(asked);
  if (scope === null) {
    const message =
      'Google does not let this service account act for the Workspace account: there is no domain-wide delegation to it.';
    return { ...refusal, kind: 'credentials-rejected', message, remedy };
  }
  const message = `The domain-wide delegation to the service account lacks the scope ${scope}.`;
  return { ...refusal, kind: 'permission-missing', message, remedy };
}

export const expiredToken = {
  kind: 'cursor-expired',
  message: 'Google no longer accepts the page token that this run goes on from; it is valid for three days.',
  remedy: 'Nobody has to act: the list is read again from its first page.',
} as const;

export const renamedUnits = {
  kind: 'cursor-expired',
  message: 'Organisational units in scope were renamed or moved while their users were being read.',
  remedy: 'Nobody has to act: the list is read again from its first page.',
} as const;

export const expiredChanges = {
  kind: 'cursor-expired',
  message:
    'Where the reading of the admin audit log was to go on is too long ago, or is not accepted by Google any more.',
  remedy: 'Nobody has to act: a full pull follows.',
} as const;

const wrongCustomer = {
  kind: 'misconfigured',
  message: 'Google knows no such customer or domain, or does not accept how the list is asked for.',
  remedy:
    'Check the setting "customer": "my_customer", or the customer ID that the Admin console shows under Account › Account settings; and "domain", where it is set: one of Account › Domains.',
} as const;

const refusedToken = {
  kind: 'credentials-rejected',
  message: 'Google refuses the access token that it has just issued.',
  remedy:
    'Look in the Admin console, Security › Access and data control › API controls, for a rule that blocks the service account, then try again.',
} as const;

function missingPermission(
  reasons: readonly string[],
  { subject, clientId }: { readonly subject: Subject; readonly clientId: string | null },
): { kind: 'permission-missing'; message: string; remedy: string } {
  const kind = 'permission-missing';
  if (reasons.some((reason) => API_DISABLED.has(reason))) {
    const message = "The Admin SDK API is not enabled in the service account's Google Cloud project.";
    const remedy =
      "In the Google Cloud console of the service account's project, open APIs & Services › Library, choose Admin SDK API and press Enable. It takes a few minutes to work.";
    return { kind, message, remedy };
  }
  if (reasons.some((reason) => SCOPE_MISSING.has(reason))) {
    const message = `The access token lacks the scope to ${verbOf(subject)}.`;
    return { kind, message, remedy: delegationRemedy({ scopes: [scopeOf(subject)], clientId }) };
  }
  const message = `The impersonated administrator may not ${verbOf(subject)}.`;
  const remedy = `In the Admin console, Account › Admin roles, give the administrator named in "adminEmail" a role with the ${privilegeOf(subject)}.`;
  return { kind, message, remedy };
}

function delegationRemedy({
  scopes,
  clientId,
}: {
  readonly scopes: readonly Scope[];
  readonly clientId: string | null;
}): string {
  const client =
    clientId ??
    '("client_id" in the key file, "Unique ID" on the service account\'s page in the Google Cloud console)';
  return (
    'In the Admin console, Security › Access and data control › API controls › Domain-wide delegation › Manage domain-wide delegation, ' +
    `authorise the service account's numeric client ID ${client} for at least these scopes: ${scopes.join(',')}. A change can take up to a day to work.`
  );
}

/** `unauthorized_client` by its documentation; the others for a scope that Google does not know or no longer gives. */
const NOT_DELEGATED: ReadonlySet<string> = new Set(['unauthorized_client', 'access_denied', 'invalid_scope']);

/** The descriptions are not documented as stable, so an unknown one names all that is possible. */
const GRANT_PROBLEMS = [
  {
    sign: /signature/i,
    cause: 'the signature does not fit the service account',
    remedy:
      'The key was deleted or belongs to another account: make a new key in the Google Cloud console, IAM & Admin › Service accounts › Keys, and give it to the connection.',
  },
  {
    sign: /short-lived|reasonable timeframe/i,
    cause: "this machine's clock is wrong",
    remedy: 'Set the clock of the machine that runs Rollcall; Google accepts a few minutes of difference.',
  },
] as const;

function grantProblem(description: string): { readonly cause: string; readonly remedy: string } {
  return (
    GRANT_PROBLEMS.find(({ sign }) => sign.test(description)) ?? {
      cause: 'that user is suspended, deleted or misspelt, or the key is no longer valid',
      remedy:
        'Check in the Admin console, Directory › Users, that the address in "adminEmail" is the primary address of an active administrator, ' +
        "then that the service account's key still exists (Google Cloud console, IAM & Admin › Service accounts › Keys) and that this machine's clock is right.",
    }
  );
}

/** null when the body is no error of Google's. */
function reasonsOf(response: SessionResponse): string[] | null {
  const body = read(ApiError, response);
  if (body === null) return null;
  const { errors, details, status } = body.error;
  return [...[...errors, ...details].flatMap(({ reason }) => reason ?? []), ...(status ? [status] : [])];
}

/** null for a proxy's page, a cut-off answer, or nothing. */
function read<Body>(schema: z.ZodType<Body>, response: SessionResponse): Body | null {
  try {
    return schema.safeParse(JSON.parse(response.body.toString('utf8'))).data ?? null;
  } catch {
    return null;
  }
}
