/** What it means when Entra ID issues no access token, and who has to do what about it. */
import { failureOf, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import { TokenRefusal } from './schema.ts';

type Refusal = { readonly meaning: string; readonly remedy: string };

const NEW_SECRET =
  'Entra admin center › App registrations › your app › Certificates & secrets: add a new client secret and give its value (not its id) as the credential of the connection.';
const CHECK_CERTIFICATE =
  'Entra admin center › App registrations › your app › Certificates & secrets › Certificates: upload the certificate that belongs to the private key in use, and check that it has not expired.';
const CHECK_FEDERATION =
  'Entra admin center › App registrations › your app › Certificates & secrets › Federated credentials: issuer, subject and audience have to be exactly those of the assertion that the platform gives this process.';
const CHECK_IDS =
  'Compare directoryId and clientId with Entra admin center › App registrations › your app › Overview (Directory ID, Application ID), and check the cloud.';

/** Codes of "Microsoft Entra authentication and authorization error codes". */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  7000215: { meaning: 'the client secret is wrong', remedy: NEW_SECRET },
  7000222: { meaning: 'the client secret has expired', remedy: NEW_SECRET },
  7000216: { meaning: 'a secret or a certificate is required and none came', remedy: NEW_SECRET },
  7000218: { meaning: 'a secret or a certificate is required and none came', remedy: NEW_SECRET },
  700016: { meaning: 'the directory does not know this application', remedy: CHECK_IDS },
  90002: { meaning: 'there is no such directory', remedy: CHECK_IDS },
  900023: { meaning: 'the directory id is neither a GUID nor a domain name', remedy: CHECK_IDS },
  500011: { meaning: 'the directory does not know Microsoft Graph under this address', remedy: CHECK_IDS },
  70011: { meaning: 'the scope is not valid in this cloud', remedy: CHECK_IDS },
  700027: {
    meaning: 'the signature does not fit a certificate of this application',
    remedy: CHECK_CERTIFICATE,
  },
  700024: {
    meaning: "the signed assertion is outside its time: this machine's clock is wrong",
    remedy: 'Set the clock.',
  },
  50012: { meaning: 'the signed assertion was not accepted', remedy: CHECK_CERTIFICATE },
  7000112: {
    meaning: 'the application is disabled',
    remedy: 'Entra admin center › Enterprise applications › your app › Properties: enable users to sign in.',
  },
  700213: {
    meaning: 'no federated credential of this application fits the assertion',
    remedy: CHECK_FEDERATION,
  },
  70021: {
    meaning: 'no federated credential of this application fits the assertion',
    remedy: CHECK_FEDERATION,
  },
  700211: { meaning: 'no federated credential has the issuer of the assertion', remedy: CHECK_FEDERATION },
  700212: { meaning: 'no federated credential has the audience of the assertion', remedy: CHECK_FEDERATION },
  53003: {
    meaning: 'a Conditional Access policy blocks this application',
    remedy:
      'Entra admin center › Conditional Access › Policies: let this workload identity sign in from this address.',
  },
};

export function signInRefusal(answer: SessionResponse, content: unknown): ConnectorFailure {
  const parsed = TokenRefusal.safeParse(content);
  if (!parsed.success) return failureOf(answer);
  const codes = parsed.data.error_codes;
  const code = codes.find((one) => REFUSALS[one] !== undefined) ?? codes[0];
  const known = code === undefined ? undefined : REFUSALS[code];
  const name = code === undefined ? 'no AADSTS code' : `AADSTS${code}`;
  const failure = failureOf(answer, {
    kind: parsed.data.error === 'temporarily_unavailable' ? 'unavailable' : 'credentials-rejected',
    message: `Entra ID issued no access token (${name}): ${known?.meaning ?? 'the sign-in was refused'}.`,
    remedy: known?.remedy ?? `Look the code up at https://login.microsoftonline.com/error. ${CHECK_IDS}`,
  });
  const trace = /^[\w-]{1,64}$/.exec(parsed.data.trace_id ?? '')?.[0];
  return trace === undefined ? failure : { ...failure, requestId: trace };
}

export function withoutToken(answer: SessionResponse): ConnectorError {
  const failure = failureOf(answer, {
    kind: 'unexpected-response',
    message: `The sign-in service answered with status ${answer.status}, but with no access token.`,
    remedy: 'Check that the base URL is that of Entra ID, and that nothing on the way alters answers.',
  });
  return new ConnectorError(failure);
}

/** The library failed without a refusal from the other side: its text may quote what it was given, so only its name is told. */
export function notIssued(kind: string, error: unknown): ConnectorFailure {
  const name = error instanceof Error ? error.name : 'unknown';
  return {
    kind: 'credentials-rejected',
    message: `No access token came about for the application (${name}).`,
    remedy:
      kind === 'certificate' ? CHECK_CERTIFICATE : `${CHECK_IDS} If they are right, report this as a defect.`,
  };
}
