/** Machine to machine: a key is exchanged for a token that is good for minutes, in one tenant, for some permissions (RFC 6749, section 4.4). */
import { v7 } from 'uuid';
import { z } from 'zod';
import { TenantId } from '../domain/ids.ts';
import { ACTIONS, type Action, type Caller, callerOf } from '../domain/permission.ts';
import { ApiKeyId } from '../domain/principal.ts';
import { presentedKey, tenantSuspended } from '../tenancy/apiKeys.ts';
import { issuerFrom, type TokenDeps } from './userToken.ts';

/** Seconds that an access token is good. Whether its key still is, is looked up all the same. */
const ACCESS_TOKEN_LIFE = 600;

/** What OAuth 2.0 has words for (RFC 6749, section 5.2; RFC 8707, section 2). */
export class GrantRefused extends Error {
  override readonly name = 'GrantRefused';
  readonly error:
    | 'invalid_request'
    | 'invalid_client'
    | 'unsupported_grant_type'
    | 'invalid_scope'
    | 'invalid_target';

  constructor(error: GrantRefused['error'], message: string) {
    super(message);
    this.error = error;
  }
}

export const GrantRequest = z.object({
  grant_type: z.string().describe('`client_credentials`'),
  client_id: z.string().optional().describe('The id of the principal. Or in the header, as HTTP Basic.'),
  client_secret: z.string().optional().describe('One of its API keys. Likewise.'),
  scope: z
    .string()
    .optional()
    .describe('Permissions, with blanks between them; all that the key has, if not given.'),
  tenant: z
    .string()
    .optional()
    .describe('The id of the tenant that the token is for; that of the key, if not given.'),
  resource: z.string().optional().describe('The same as an address (RFC 8707): `…/v1/tenants/{tenant}`.'),
});

export type Grant = {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly scope: string;
};

/** Throws `GrantRefused`; `tenant-suspended`, `bad-configuration`, `wrong-secret-key`. */
export async function grantAccess(deps: TokenDeps, input: Readonly<Record<string, unknown>>): Promise<Grant> {
  const parsed = GrantRequest.safeParse(input);
  if (!parsed.success)
    throw new GrantRefused('invalid_request', 'grant_type is missing, or something is there twice.');
  const { grant_type, client_id, client_secret, scope, ...where } = parsed.data;
  if (grant_type !== 'client_credentials')
    throw new GrantRefused('unsupported_grant_type', 'The only grant type is client_credentials.');
  const presented = client_secret === undefined ? null : await presentedKey(deps, client_secret);
  if (presented === null || presented.caller.principal !== client_id)
    throw new GrantRefused(
      'invalid_client',
      'client_id is no principal, or client_secret is no good key of it.',
    );
  const { caller, key } = presented;
  const issuer = issuerFrom(deps);
  const permissions = wantedOf(caller, scope);
  const tenant = await tenantOf(deps, caller, where, issuer);
  const now = Math.floor(deps.clock.now().getTime() / 1_000);
  const token = await deps.tokenKeys.sign('at+jwt', {
    iss: issuer,
    aud: issuer,
    sub: caller.principal,
    client_id: caller.principal,
    iat: now,
    exp: now + ACCESS_TOKEN_LIFE,
    jti: v7(),
    scope: permissions.join(' '),
    tenant,
    key,
  });
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: ACCESS_TOKEN_LIFE,
    scope: permissions.join(' '),
  };
}

function wantedOf(caller: Caller, scope: string | undefined): readonly Action[] {
  const named = (scope ?? '').split(' ').filter((name) => name !== '');
  if (named.length === 0) return caller.permissions;
  const beyond = named.filter((name) => !(caller.permissions as readonly string[]).includes(name));
  if (beyond.length > 0)
    throw new GrantRefused('invalid_scope', 'The key does not include everything that scope asks for.');
  return caller.permissions.filter((action) => named.includes(action));
}

async function tenantOf(
  { store }: TokenDeps,
  caller: Caller,
  { tenant, resource }: { readonly tenant?: string | undefined; readonly resource?: string | undefined },
  issuer: string,
): Promise<TenantId> {
  const start = `${issuer}/v1/tenants/`;
  const addressed = resource?.startsWith(start) ? resource.slice(start.length) : resource;
  if (tenant !== undefined && addressed !== undefined && tenant !== addressed)
    throw new GrantRefused('invalid_target', 'tenant and resource name different tenants.');
  const wanted = tenant ?? addressed;
  if (wanted === undefined) return caller.tenant;
  const id = TenantId.safeParse(wanted);
  const found = id.success ? await store.tenants.get(caller.tenant, id.data) : null;
  if (found === null)
    throw new GrantRefused('invalid_target', 'There is no such tenant within that of the key.');
  return found.id;
}

const Claims = z.object({ sub: z.string(), key: ApiKeyId, tenant: TenantId, scope: z.string() });

/**
 * Whoever a token was granted to, in its tenant and with its permissions. null: it is not good, or the key is not any more that
 * it was granted for, or that key does not reach to this tenant any more.
 * Throws `tenant-suspended`.
 */
export async function callerOfToken(deps: TokenDeps, token: string): Promise<Caller | null> {
  const issuer = deps.publicUrl();
  const said =
    issuer === null ? null : await deps.tokenKeys.check('at+jwt', token, { issuer, audience: issuer });
  const claims = Claims.safeParse(said);
  if (!claims.success) return null;
  const { key, tenant, scope } = claims.data;
  const bearer = await deps.store.apiKeys.bearerOfToken(key, tenant, deps.clock.now());
  if (bearer === null) return null;
  if (bearer.tenantIs === 'suspended') throw tenantSuspended();
  const own = callerOf(bearer.principal, 'person', bearer.narrowed);
  const named = scope.split(' ');
  const permissions = ACTIONS.filter((action) => named.includes(action) && own.permissions.includes(action));
  return callerOf(bearer.principal, 'person', { tenant, permissions });
}
