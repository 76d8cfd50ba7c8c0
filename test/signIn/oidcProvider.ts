/** A real OpenID Connect provider over HTTPS, with an authority of its own, whose accounts and clients a test makes. */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import Provider, { type Adapter, type AdapterPayload, type ClientMetadata, type JWK } from 'oidc-provider';
import { Agent } from 'undici';
import { openKeys } from '../../simulators/certificates.ts';

export type OidcProvider = Awaited<ReturnType<typeof startOidcProvider>>;

export async function startOidcProvider() {
  const keys = await openKeys(null);
  const clients = new Map<string, ClientMetadata>();
  const server = createServer({ key: keys.serverKey, cert: keys.serverCertificate });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    jwks: {
      keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'test' } as JWK],
    },
    ttl: {
      Interaction: 600,
      Session: 600,
      Grant: 600,
      AccessToken: 600,
      IdToken: 600,
      AuthorizationCode: 60,
    },
    adapter: adapterOver(clients),
    findAccount: (_context, accountId) => ({
      accountId,
      claims: async () => ({
        ...{ sub: accountId, email: 'ada@example.com', email_verified: true },
        oid: `object ${accountId}`,
      }),
    }),
    claims: { profile: ['oid'] },
    conformIdTokenClaims: false, // like Entra ID: what a scope asks for is in the ID token
    pkce: { required: () => true },
    cookies: { keys: ['a key of the test provider'] },
    features: { devInteractions: { enabled: true } },
  });
  const asked: string[] = [];
  server.on('request', ({ url = '' }) => asked.push(url));
  server.on('request', provider.callback());
  const agent = new Agent({ connect: { ca: keys.ca } });
  return {
    issuer,
    ca: keys.ca,
    /** Paths of the requests that came. */
    asked,
    /** Trusts it. */
    agent,
    /** As an administrator of the provider registers an application. */
    register: (clientId: string, secret: string | null, redirectUris: readonly string[]) => {
      clients.set(clientId, {
        client_id: clientId,
        ...(secret === null ? { token_endpoint_auth_method: 'none' } : { client_secret: secret }),
        redirect_uris: [...redirectUris],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      });
    },
    close: async () => {
      await agent.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** In memory; clients are those of the map, whenever they are asked for. */
function adapterOver(clients: ReadonlyMap<string, ClientMetadata>) {
  const stored = new Map<string, AdapterPayload>();
  return class implements Adapter {
    readonly #model: string;

    constructor(model: string) {
      this.#model = model;
    }

    async upsert(id: string, payload: AdapterPayload): Promise<void> {
      stored.set(`${this.#model} ${id}`, payload);
    }

    async find(id: string): Promise<AdapterPayload | undefined> {
      return this.#model === 'Client' ? clients.get(id) : stored.get(`${this.#model} ${id}`);
    }

    async findByUid(uid: string): Promise<AdapterPayload | undefined> {
      return [...stored.values()].find((payload) => payload.uid === uid);
    }

    async findByUserCode(): Promise<undefined> {
      return undefined;
    }

    async consume(id: string): Promise<void> {
      const payload = stored.get(`${this.#model} ${id}`);
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1_000);
    }

    async destroy(id: string): Promise<void> {
      stored.delete(`${this.#model} ${id}`);
    }

    async revokeByGrantId(grant: string): Promise<void> {
      for (const [key, payload] of stored) if (payload.grantId === grant) stored.delete(key);
    }
  };
}
