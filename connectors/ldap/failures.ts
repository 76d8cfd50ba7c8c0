/** What a result code (RFC 4511 appendix A) or a broken connection means, and who mends it. The server's own text is not repeated. */
import { ConnectorError, type ConnectorFailure, type FailureKind } from '../contract.ts';
import { faultOf } from '../transport.ts';
import { Disconnected } from './connection.ts';
import { Malformed, type Result } from './wire.ts';

/** The server said no. `what`: to which request, in words that go behind "refused" ("the list of users"). */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly result: Result;
  readonly what: string;

  constructor(result: Result, what: string) {
    super();
    this.result = result;
    this.what = what;
  }
}

type Meaning = { readonly kind: FailureKind; readonly meaning: string; readonly remedy: string };

const nobody =
  'Nobody has to act: Rollcall tries again. If it stays, look at the load and the log of the server.';
const limits =
  'Lift the limits for the account that Rollcall signs in with. OpenLDAP: olcLimits: dn.exact="…" size=unlimited size.prtotal=unlimited time=unlimited. Active Directory: a pageSize not above MaxPageSize (1000).';
const grants =
  'Grant this account read access to the base, the users and the groups below it, with their attributes; connectors/ldap/README.md lists the rights.';
const secured =
  'Give url as ldaps://, or as ldap:// without allowPlaintext, so that StartTLS secures the connection first.';

const MEANING: Readonly<Record<number, Meaning>> = {
  3: { kind: 'unavailable', meaning: 'its time limit was reached', remedy: `${nobody} ${limits}` },
  4: {
    kind: 'permission-missing',
    meaning: 'its size limit was reached, so that only part of the entries came',
    remedy: limits,
  },
  7: {
    kind: 'misconfigured',
    meaning: 'it takes no simple bind',
    remedy: 'Allow simple binds over TLS for this account.',
  },
  8: { kind: 'misconfigured', meaning: 'it wants a secured connection', remedy: secured },
  10: {
    kind: 'misconfigured',
    meaning: 'another server holds that part of the directory',
    remedy:
      'Give the address of a server that holds baseDn and groupBaseDn itself; referrals are not followed.',
  },
  11: { kind: 'permission-missing', meaning: 'an administrative limit was reached', remedy: limits },
  12: {
    kind: 'misconfigured',
    meaning: 'it lacks the paged results control, or another one that is needed',
    remedy: 'Check that url names the directory server itself and not a proxy in front of it.',
  },
  13: { kind: 'misconfigured', meaning: 'it wants a secured connection', remedy: secured },
  32: {
    kind: 'misconfigured',
    meaning: 'there is no such entry, or this account may not see it',
    remedy: `Check baseDn and groupBaseDn. ${grants}`,
  },
  34: {
    kind: 'misconfigured',
    meaning: 'that is no distinguished name',
    remedy: 'Check baseDn, groupBaseDn and bindDn.',
  },
  48: {
    kind: 'credentials-rejected',
    meaning: 'it does not let this account sign in with a password',
    remedy: 'Give an account that may use a simple bind, and its password.',
  },
  49: {
    kind: 'credentials-rejected',
    meaning: 'it does not accept the name and password',
    remedy: "Check bindDn and renew the password in the connection's credentials.",
  },
  50: { kind: 'permission-missing', meaning: 'this account may not read that', remedy: grants },
  51: { kind: 'rate-limited', meaning: 'it is busy', remedy: nobody },
  52: { kind: 'unavailable', meaning: 'it is going down or in trouble', remedy: nobody },
  80: { kind: 'unavailable', meaning: 'it met an error of its own', remedy: nobody },
};

/** Of Active Directory, in the text of a refused bind: `… comment: AcceptSecurityContext error, data 52e, v4563`. */
const BIND_DATA: Readonly<Record<string, string>> = {
  '525': 'there is no such account',
  '52e': 'the name or the password is wrong',
  '530': 'the account may not sign in at this time',
  '531': 'the account may not sign in from this computer',
  '532': 'the password has expired',
  '533': 'the account is disabled',
  '568': 'the account is in too many groups',
  '701': 'the account has expired',
  '773': 'the password has to be changed first',
  '775': 'the account is locked',
};

/** Refusals that may be other ones a moment later. */
const RETRIED: ReadonlySet<number> = new Set([51, 52, 80]);
export const BUSY = 51;

export type Judged = {
  readonly failure: ConnectorFailure;
  readonly cause: Error;
  readonly retry: boolean;
  /** No connection came about. */
  readonly unreachable: boolean;
};

/** `host`: with its port. `timeoutMs`: what a request may take. */
export function judge(error: unknown, host: string, timeoutMs: number): Judged {
  if (error instanceof ConnectorError) {
    return { failure: error.failure, cause: error, retry: false, unreachable: false };
  }
  if (error instanceof Refused) return judgeResult(error.result, `${host} refused ${error.what}`);
  if (error instanceof Disconnected) return judgeResult(error.result, `${host} ended the connection`);
  if (error instanceof Malformed) {
    const failure: ConnectorFailure = {
      kind: 'unexpected-response',
      message: `${host} sent something that is no LDAP: ${error.message}.`,
      remedy:
        'Check host and port of url. If a proxy stands before the server, let it pass answers on unchanged; otherwise report this as a defect.',
    };
    return { failure, cause: error, retry: false, unreachable: false };
  }
  const { kind, happened, remedy, code, retry, unreachable } = faultOf(error);
  const message = `${happened.replace('HOST', host).replace('LIMIT', `${timeoutMs / 1000} s`)}.`;
  const failure = { kind, message, remedy: REMEDY[kind] ?? remedy };
  return { failure, cause: new Error(code), retry, unreachable };
}

const REMEDY: Partial<Record<FailureKind, string>> = {
  unavailable:
    "Rollcall tries again with the next run. If it stays, check url, this machine's DNS, and that firewalls let it reach the server on that port.",
  misconfigured:
    'Check host and port of url: ldaps:// is for the port that speaks TLS at once (636, or 3269 of a global catalogue), ldap:// for the one with StartTLS (389).',
};

function judgeResult({ code, text }: Result, what: string): Judged {
  const known = MEANING[code];
  const data = /\bdata ([0-9a-f]{3,8})\b/i.exec(text)?.[1]?.toLowerCase();
  const why = code === 49 && data !== undefined ? BIND_DATA[data] : undefined;
  const anonymous = code === 1 && /\b000004DC\b/i.test(text);
  const { kind, meaning, remedy } = anonymous ? notSignedIn : (known ?? { ...unknown, meaning: null });
  const codes = `result ${code}${data === undefined ? '' : `, data ${data}`}`;
  const means = why ?? meaning;
  return {
    failure: { kind, message: `${what} (${codes})${means === null ? '' : `: ${means}`}.`, remedy },
    cause: new Error(`LDAP result ${code}`),
    retry: RETRIED.has(code),
    unreachable: false,
  };
}

const unknown = {
  kind: 'unexpected-response',
  remedy:
    "Look up the result code in the server's log; if the log does not explain it, report this as a defect.",
} as const;
/** Active Directory answers 1 with this number when nobody has signed in on the connection. */
const notSignedIn = {
  kind: 'credentials-rejected',
  meaning: 'nobody is signed in on this connection',
  remedy: 'Check bindDn and the password.',
} as const;
