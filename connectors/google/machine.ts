/**
 * Signing without a key of the service account: the platform that Rollcall runs on vouches for it with a token in a file, Google
 * exchanges that for one of its own, and signs in the service account's name. The machine's identity is no tenant's to use: who
 * may sign in as the machine reads every account that trusts it, so that the operator hands out a key to it.
 * Sources: "Workload Identity Federation"; IAM Service Account Credentials API, projects.serviceAccounts.signJwt.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { WorkloadIdentity } from './credentials.ts';
import type { Send } from './library.ts';
import { exchangeRefusal, signingRefusal } from './refusals.ts';
import { AccessToken, SignedJwt } from './schema.ts';

/** What the operator lends to connections. */
export type MachineIdentity = {
  /** null: nobody may sign in as this machine. */
  readonly key: string | null;
  /** Where the platform keeps a fresh token. */
  readonly tokenFile: string | null;
};

export const noMachine: MachineIdentity = { key: null, tokenFile: null };

const STS_URL = 'https://sts.googleapis.com/v1/token';
const SIGN_URL = 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const LEEWAY_MS = 300_000;

type Claims = Readonly<Record<string, string | number>>;

/** Signs claims in the service account's name. Each call may throw ConnectorError. */
export function signerOver(
  credentials: WorkloadIdentity,
  machine: MachineIdentity,
  send: Send,
  signal: AbortSignal,
) {
  let held: { readonly token: string; readonly until: number } | null = null;

  async function ownToken(): Promise<string> {
    demandKey(machine, credentials.identityKey);
    if (held !== null && held.until > Date.now()) return held.token;
    const response = await send({
      method: 'POST',
      url: STS_URL,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: TOKEN_EXCHANGE,
        audience: credentials.audience,
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        requested_token_type: ACCESS_TOKEN,
        subject_token: await platformToken(machine),
        subject_token_type: `urn:ietf:params:oauth:token-type:${credentials.tokenType}`,
      }).toString(),
      signal,
    });
    if (response.status !== 200) throw new ConnectorError(exchangeRefusal(response));
    const { access_token: token, expires_in: lasts } = readAs(AccessToken, response);
    held = { token, until: Date.now() + lasts * 1000 - LEEWAY_MS };
    return token;
  }

  async function signed(claims: Claims): Promise<SessionResponse> {
    const authorization = `Bearer ${await ownToken()}`;
    return send({
      method: 'POST',
      url: `${SIGN_URL}${encodeURIComponent(credentials.clientEmail)}:signJwt`,
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ payload: JSON.stringify(claims) }),
      signal,
    });
  }

  return async (claims: Claims): Promise<string> => {
    let response = await signed(claims);
    if (response.status === 401) {
      held = null; // taken back before its time
      response = await signed(claims);
    }
    if (response.status === 200) return readAs(SignedJwt, response).signedJwt;
    throw new ConnectorError(signingRefusal(response));
  };
}

function demandKey({ key }: MachineIdentity, given: string): void {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  if (key !== null && timingSafeEqual(digest(key), digest(given))) return;
  throw machineError(
    'This connection may not sign in as the machine that Rollcall runs on.',
    key === null
      ? 'Whoever runs this Rollcall sets ROLLCALL_GOOGLE_IDENTITY_KEY and gives you its value as identityKey. connectors/google/README.md tells how.'
      : 'Ask whoever runs this Rollcall for the key, and give it as identityKey of the credential.',
  );
}

/** Read anew each time: the platform replaces it long before it runs out. */
async function platformToken({ tokenFile }: MachineIdentity): Promise<string> {
  if (tokenFile === null) {
    throw machineError(
      'There is no token of the platform on this machine: ROLLCALL_GOOGLE_TOKEN_FILE is not set.',
      'Let the platform put a token for the workload identity provider into a file, and name it there. connectors/google/README.md tells how.',
    );
  }
  const text = await readFile(tokenFile, 'utf8').catch(() => ''); // its path is the operator's business
  if (text.trim() !== '') return text.trim();
  throw machineError(
    'The file that ROLLCALL_GOOGLE_TOKEN_FILE names cannot be read, or it is empty.',
    'Look at the volume that the platform mounts there, and at the rights of the process.',
  );
}

function readAs<Body>(schema: z.ZodType<Body>, response: SessionResponse): Body {
  const read = schema.safeParse(parseJson(response));
  if (read.success) return read.data;
  const message = `Google's answer holds nothing to sign in with: ${z.prettifyError(read.error)}`;
  throw new ConnectorError(failureOf(response, { kind: 'unexpected-response', message }));
}

const machineError = (message: string, remedy: string): ConnectorError =>
  new ConnectorError({ kind: 'misconfigured', message, remedy });
