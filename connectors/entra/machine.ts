/**
 * Signing in as the machine that Rollcall runs on: with an assertion that the platform puts into a file, or with a managed identity of
 * Azure. Neither is a tenant's to use: whoever may sign in as the machine reads every directory that trusts it, so that
 * the operator hands out a key, and without it there is no such connection.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import type { HttpSession } from '../session.ts';
import { ManagedGrant, TokenClaims } from './schema.ts';

/** What the operator lends to connections. */
export type MachineIdentity = {
  /** null: nobody may sign in as this machine. */
  readonly key: string | null;
  /** Where the platform keeps a fresh assertion (AZURE_FEDERATED_TOKEN_FILE). */
  readonly assertionFile: string | null;
  /** App Service, Functions and Container Apps (IDENTITY_ENDPOINT, IDENTITY_HEADER); null: the metadata service of a virtual machine. */
  readonly endpoint: { readonly url: string; readonly header: string } | null;
};

export const noMachine: MachineIdentity = { key: null, assertionFile: null, endpoint: null };

const README = 'connectors/entra/README.md tells how.';

/** Throws 'misconfigured' unless the key is the operator's. */
export function demandKey({ key }: MachineIdentity, given: string): void {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  if (key !== null && timingSafeEqual(digest(key), digest(given))) return;
  throw machineError(
    'This connection may not sign in as the machine that Rollcall runs on.',
    key === null
      ? `Whoever runs this Rollcall sets ROLLCALL_ENTRA_IDENTITY_KEY and gives you its value as identityKey. ${README}`
      : 'Ask whoever runs this Rollcall for the key, and give it as identityKey of the credential.',
  );
}

/** Read anew for each token: the platform replaces it long before it runs out. Throws ConnectorError. */
export async function readAssertion({ assertionFile }: MachineIdentity): Promise<string> {
  if (assertionFile === null) {
    throw machineError(
      'There is no assertion on this machine: AZURE_FEDERATED_TOKEN_FILE is not set.',
      `Set up workload identity for the process that Rollcall runs in. ${README}`,
    );
  }
  try {
    const assertion = (await readFile(assertionFile, 'utf8')).trim();
    if (assertion !== '') return assertion;
  } catch {
    // Its path is the operator's business; that it cannot be read is what counts.
  }
  throw machineError(
    'The file that AZURE_FEDERATED_TOKEN_FILE names cannot be read, or it is empty.',
    'Look at the volume that the platform mounts there, and at the rights of the process.',
  );
}

const IMDS = 'http://169.254.169.254/metadata/identity/oauth2/token';

/** Where the managed identity's tokens come from: an address of this machine, without TLS and never behind a proxy. */
export function originOf({ endpoint }: MachineIdentity): string {
  const url = URL.parse(endpoint?.url ?? IMDS);
  if (url !== null) return url.origin;
  throw machineError('IDENTITY_ENDPOINT is no address.', 'The platform sets it: leave it as it is.');
}

export type ManagedOptions = {
  readonly machine: MachineIdentity;
  /** A session of its own, for `originOf`. */
  readonly local: HttpSession;
  readonly resource: string;
  /** null: the identity that belongs to the machine itself. */
  readonly clientId: string | null;
  readonly directoryId: string;
};

/**
 * "How to use managed identities for App Service" and "… on an Azure VM to acquire an access token". Not by @azure/identity, which
 * keeps managed tokens for the whole process and would give a rejected one back.
 */
export async function managedToken(options: ManagedOptions, signal: AbortSignal) {
  const { machine, local, resource, clientId, directoryId } = options;
  const url = new URL(machine.endpoint?.url ?? IMDS);
  url.searchParams.set('api-version', machine.endpoint === null ? '2018-02-01' : '2019-08-01');
  url.searchParams.set('resource', resource);
  if (clientId !== null) url.searchParams.set('client_id', clientId);
  const headers: Record<string, string> =
    machine.endpoint === null ? { Metadata: 'true' } : { 'X-IDENTITY-HEADER': machine.endpoint.header };
  const answer = await local
    .request({ method: 'GET', url: url.href, headers, signal })
    .catch(withoutIdentity);
  if (answer.status !== 200) throw notGiven(answer);
  const { data } = ManagedGrant.safeParse(parseJson(answer));
  if (data === undefined) throw notGiven(answer);
  demandDirectory(data.access_token, directoryId);
  return { token: data.access_token, expiresOnTimestamp: data.expires_on * 1000 };
}

function withoutIdentity(error: unknown): never {
  if (!(error instanceof ConnectorError) || error.failure.kind !== 'unavailable') throw error;
  const remedy =
    'A managed identity exists only on machines and services in Azure, and has to be switched on there (Identity › Status: On). Elsewhere use another credential.';
  throw new ConnectorError({ ...error.failure, remedy }, { cause: error });
}

function notGiven(answer: SessionResponse): ConnectorError {
  const failure = failureOf(answer, {
    kind: 'credentials-rejected',
    message: `This machine's managed identity gave no access token (status ${answer.status}).`,
    remedy:
      'Azure portal › the machine or service › Identity: assign the identity whose Client ID is the clientId of the connection, or choose "system" where it is the machine\'s own.',
  });
  return new ConnectorError(failure);
}

/** The identity signs in to its own directory, whatever the settings say: reading another than the named one would be worse than nothing. */
function demandDirectory(token: string, directoryId: string): void {
  const tenant = claimsIn(token)?.tid?.toLowerCase();
  const isGuid = /^[0-9a-f]{8}-/i.test(directoryId);
  if (tenant === undefined || !isGuid || tenant === directoryId.toLowerCase()) return;
  throw machineError(
    'The managed identity belongs to another directory than the one that the settings name.',
    'Give the Directory ID of the directory in which the identity was made: a managed identity reads only that one.',
  );
}

/** Claims for diagnosis; null for a token that is none of JSON. */
export function claimsIn(token: string): TokenClaims | null {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    return TokenClaims.parse(JSON.parse(payload));
  } catch {
    return null;
  }
}

function machineError(message: string, remedy: string): ConnectorError {
  const failure: ConnectorFailure = { kind: 'misconfigured', message, remedy };
  return new ConnectorError(failure);
}
