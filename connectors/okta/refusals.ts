/** What an answer of Okta's API means that is not what was asked for, and who has to act. */
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import { ApiError } from './schema.ts';

export type AskedFor = {
  /** In the middle of a sentence: "the list of users". */
  readonly title: string;
  readonly scope: string;
  /** What a 404 says, where it is about this one thing and not about the address. */
  readonly gone: string | null;
  /** The first request of its kind: a 404 then is about the address. */
  readonly isStart: boolean;
  /** Where the address comes from. */
  readonly setting: keyof typeof CHECK;
};

const CHECK = {
  orgUrl: 'Check orgUrl: the address of the org itself, such as https://acme.okta.com.',
  appScope:
    "Check appScope: the app's id, as it stands in the address of the app's page (Admin Console › Applications › the app).",
} as const;

const ADMIN_ROLES =
  'gives the service app a role that sees all users, groups and apps (Applications › your app › Admin roles)';

/** The HTTP status decides; `errorCode` only refines, because Okta uses some codes with more than one status. */
export function refused(
  answer: SessionResponse,
  { title, scope, gone, isStart, setting }: AskedFor,
): ConnectorError {
  const code = errorCodeIn(answer);
  const what = `${title} (status ${answer.status}${code === '' ? '' : `, ${code}`})`;
  const asked = new URL(answer.url).searchParams;
  const goesOn = asked.has('after') || asked.has('since'); // the System Log takes a time for a place too
  const because = (refined: Parameters<typeof failureOf>[1]) =>
    new ConnectorError(failureOf(answer, refined));
  if (answer.status === 403 || code === 'E0000015') {
    return because({
      kind: 'permission-missing',
      message: `Okta does not show this credential ${what}.`,
      remedy: `A super administrator grants ${scope} in the Admin Console (Applications › your app › Okta API Scopes › Grant) and ${ADMIN_ROLES}. An API token has the rights of the administrator who made it.`,
    });
  }
  if (answer.status === 401) {
    return because({
      kind: 'credentials-rejected',
      message: `Okta does not accept the credential for ${what}.`,
      remedy:
        'An API token ends after 30 days without use and with its administrator: make a new one (Security › API › Tokens). For a service app, check that the app is active (Applications › your app).',
    });
  }
  if (answer.status === 400 && goesOn) {
    return because({
      kind: 'cursor-expired',
      message: `Okta no longer knows the place where ${what} was to go on.`,
      remedy: 'Nobody has to act: the next run reads the list from its beginning.',
    });
  }
  if (answer.status === 404 && gone !== null) return because({ message: `${gone}: ${what}.` });
  if ((answer.status === 404 && isStart && !goesOn) || (answer.status >= 300 && answer.status < 400)) {
    return because({
      kind: 'misconfigured',
      message: `${new URL(answer.url).host} does not serve ${what}.`,
      remedy: CHECK[setting],
    });
  }
  return because({ message: `Okta refused ${what}.` });
}

/** Status 200, but nothing that could be vouched for. `what` is a whole sentence. */
export function odd(answer: SessionResponse, what: string): ConnectorError {
  return new ConnectorError(
    failureOf(answer, {
      kind: 'unexpected-response',
      message: what,
      remedy:
        'If a proxy or gateway stands between Rollcall and Okta, let it pass answers on unchanged. Otherwise report this as a defect.',
    }),
  );
}

/**
 * Okta itself says that there is no such thing (API reference, "Error codes", E0000007). A bare 404 may be a proxy's, and says
 * nothing about anybody.
 */
export function saysGone(answer: SessionResponse): boolean {
  return answer.status === 404 && errorCodeIn(answer) === 'E0000007';
}

/** The API's error code, '' where the answer holds none (a proxy's page, an empty body). */
function errorCodeIn(answer: SessionResponse): string {
  try {
    const code = ApiError.parse(parseJson(answer)).errorCode;
    return /^E\d{7}$/.test(code) ? code : '';
  } catch {
    return '';
  }
}
