/** What it means when Graph says no, from the codes of its error bodies, and who has to do what about it. */
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import type { ConnectorFailure } from '../contract.ts';
import { EntraError } from './schema.ts';

/** "Microsoft Graph error responses", "Paging", "Delta query"; a page token lives for a time that Microsoft does not state. */
const EXPIRED: ReadonlySet<string> = new Set([
  'directory_expiredpagetoken',
  'syncstatenotfound',
  'syncstateinvalid',
  'resyncrequired',
]);

/** The object itself is not there, as opposed to a wrong path or a host that knows nothing of Graph. */
const NOT_THERE: ReadonlySet<string> = new Set(['request_resourcenotfound', 'resourcenotfound']);

type Refused = {
  /** The application permission that the request needs. */
  readonly permission: string;
  readonly isFeed?: true;
};

/** `granted`: the permissions in the token; null where they cannot be read. */
export function refusalOf(
  answer: SessionResponse,
  { permission, isFeed }: Refused,
  granted: readonly string[] | null,
): ConnectorFailure {
  const codes = codesIn(answer);
  const expired = codes.some((code) => EXPIRED.has(code.toLowerCase()));
  if (answer.status === 410 || expired || (isFeed && answer.status === 400)) {
    return failureOf(answer, {
      kind: 'cursor-expired',
      message: 'The link to the next page is no longer valid.',
      remedy: 'Nobody has to act: the list is read again from its first page.',
    });
  }
  const code = codes[0] === undefined ? '' : ` (${codes[0]})`;
  if (answer.status === 401) {
    return failureOf(answer, {
      message: `Microsoft Graph does not accept the application's access token${code}.`,
      remedy:
        'Check that the cloud of the connection is that of the directory, and that the application is not disabled.',
    });
  }
  if (answer.status === 403) return missingPermission(answer, permission, granted, code);
  return failureOf(answer, { message: `Microsoft Graph answered with status ${answer.status}${code}.` });
}

/** Graph says that this very object does not exist: knowledge, unlike any other 404. */
export function saysNotThere(answer: SessionResponse): boolean {
  return answer.status === 404 && codesIn(answer).some((code) => NOT_THERE.has(code.toLowerCase()));
}

const WITHOUT_ROLES =
  'The token carries no application permission at all; Entra ID issues one also where nobody has consented.';
const whereToGrant = (permission: string) =>
  `Entra admin center › App registrations › your app › API permissions › Add a permission › Microsoft Graph › Application permissions: ${permission}. Then "Grant admin consent". It can take some minutes to work.`;

function missingPermission(
  answer: SessionResponse,
  permission: string,
  granted: readonly string[] | null,
  code: string,
): ConnectorFailure {
  const withoutRoles = granted !== null && granted.length === 0;
  const has = withoutRoles
    ? 'the token carries no application permission at all'
    : `the application permission ${permission} is missing or was withdrawn`;
  return failureOf(answer, {
    kind: 'permission-missing',
    message: `Microsoft Graph refuses the request${code}: ${has}.`,
    remedy: withoutRoles ? `${WITHOUT_ROLES} ${whereToGrant(permission)}` : whereToGrant(permission),
  });
}

/** The precise code first. Codes are Microsoft's own words; anything else in the answer may be about people. */
function codesIn(answer: SessionResponse): string[] {
  if (answer.body.length === 0) return [];
  const parsed = EntraError.safeParse(parseJson(answer));
  if (!parsed.success) return [];
  const { code, innerError, innererror } = parsed.data.error;
  return [innerError?.code, innererror?.code, code].filter(
    (one) => one !== undefined && /^\w{1,80}$/.test(one),
  ) as string[];
}
