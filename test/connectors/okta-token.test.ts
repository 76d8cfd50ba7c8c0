import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, type JWK, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connector } from '../../connectors/contract.ts';
import { openOkta } from '../../connectors/okta/index.ts';
import { failing } from './aSession.ts';
import { type Answered, type Asked, anOktaUser, closedAfterEach, type Org, usersOf } from './oktaOrg.ts';

const signal = new AbortController().signal;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const TOKEN = '/oauth2/v1/token';

type TokenEndpoint = (asked: Asked, times: number, origin: string) => Answered | Promise<Answered>;
type Lists = (asked: Asked, origin: string) => Answered | Promise<Answered>;
type Opened = {
  readonly acme: Org;
  readonly connector: Connector;
  tokenRequests(): readonly Asked[];
  listRequests(): readonly Asked[];
};

const { org, connected } = closedAfterEach();
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-03-01T09:00:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

const aToken = (times: number, more: object = {}): Answered => ({
  body: { token_type: 'Bearer', expires_in: 3600, access_token: `token-${times}`, ...more },
});

/** A service app's connector, its token endpoint as the test wants it, lists that `answer` gives to whoever has a token. */
async function aServiceApp(token: TokenEndpoint, answer: Lists = usersAnswer, key = pem): Promise<Opened> {
  let times = 0;
  const acme = await org((asked, origin) => {
    if (asked.path !== TOKEN) return answer(asked, origin);
    times += 1;
    return token(asked, times, origin);
  });
  const credentials = { kind: 'private-key', privateKey: key, keyId: 'key-1' } as const;
  const connector = connected(acme, { settings: { clientId: '0oa1' }, credentials });
  return {
    acme,
    connector,
    tokenRequests: () => acme.asked.filter(({ path }) => path === TOKEN),
    listRequests: () => acme.asked.filter(({ path }) => path !== TOKEN),
  };
}
const usersAnswer = (asked: Asked, origin: string): Answered =>
  usersOf([], { deprovisioned: [anOktaUser('00u1')] })(asked, origin);

function verified(asked: Asked | undefined, key: KeyObject, acme: Org) {
  const form = new URLSearchParams(asked?.body);
  const assertion = form.get('client_assertion') ?? '';
  return jwtVerify(assertion, key, {
    audience: `${acme.origin}${TOKEN}`,
    issuer: '0oa1',
    subject: '0oa1',
    requiredClaims: ['exp', 'iat', 'jti'],
    currentDate: new Date(),
  });
}

describe('the service app', () => {
  it('asks for a token with a signed assertion, and for all scopes', async () => {
    const { acme, connector, tokenRequests, listRequests } = await aServiceApp((_, times) => aToken(times));
    await connector.fetchUsers(null, signal);
    const [asked] = tokenRequests();
    const form = Object.fromEntries(new URLSearchParams(asked?.body));
    expect(asked).toMatchObject({
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(asked?.headers['dpop']).toBeUndefined();
    expect(form).toMatchObject({
      grant_type: 'client_credentials',
      scope: 'okta.users.read okta.groups.read okta.logs.read',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    const { payload, protectedHeader } = await verified(asked, rsa.publicKey, acme);
    expect(protectedHeader).toEqual({ alg: 'RS256', kid: 'key-1' });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(3600);
    expect(listRequests()[0]?.headers).toMatchObject({ authorization: 'Bearer token-1' });
  });

  it.each([
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
  ])('signs with an EC key on %s given as a JWK', async (namedCurve, alg) => {
    const ec = generateKeyPairSync('ec', { namedCurve });
    const jwk = JSON.stringify(ec.privateKey.export({ format: 'jwk' }));
    const { acme, connector, tokenRequests } = await aServiceApp(
      (_, times) => aToken(times),
      usersAnswer,
      jwk,
    );
    await connector.fetchUsers(null, signal);
    expect((await verified(tokenRequests()[0], ec.publicKey, acme)).protectedHeader.alg).toBe(alg);
  });

  it('needs a client id', () => {
    const open = () =>
      openOkta({
        settings: { orgUrl: 'https://acme.okta.com' },
        credentials: { kind: 'private-key', privateKey: pem, keyId: 'key-1' },
        network: { baseUrl: null, ca: null, proxy: null },
      });
    expect(open).toThrow(/settings\.clientId/);
  });
});

describe('an access token', () => {
  it('serves all requests, also for those that start together', async () => {
    const { connector, tokenRequests } = await aServiceApp((_, times) => aToken(times));
    await Promise.all([connector.fetchUsers(null, signal), connector.fetchUsers(null, signal)]);
    await connector.fetchUsers(null, signal);
    expect(tokenRequests()).toHaveLength(1);
  });

  it('is renewed before its end, with an assertion that was not used before', async () => {
    const { acme, connector, tokenRequests, listRequests } = await aServiceApp((_, times) => aToken(times));
    await connector.fetchUsers(null, signal);
    vi.setSystemTime(Date.now() + 3_239_000);
    await connector.fetchUsers(null, signal);
    expect(tokenRequests()).toHaveLength(1);
    vi.setSystemTime(Date.now() + 2_000);
    await connector.fetchUsers(null, signal);
    expect(listRequests().map(({ headers }) => headers['authorization'])).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
    ]);
    const [first, second] = tokenRequests().map(({ body }) =>
      new URLSearchParams(body).get('client_assertion'),
    );
    expect(first).not.toBe(second);
    await verified(tokenRequests()[1], rsa.publicKey, acme);
  });

  it('lets one request go on when another, which had asked for the token, is aborted', async () => {
    const stop = new AbortController();
    const { connector } = await aServiceApp((_, times) => {
      if (times > 1) return aToken(times);
      stop.abort(new Error('stopped by hand'));
      return new Promise(() => {});
    });
    const aborted = connector.fetchUsers(null, stop.signal);
    const other = connector.fetchUsers(null, signal);
    await expect(aborted).rejects.toThrow('stopped by hand');
    expect((await other).records).toHaveLength(1);
  });
});

describe('a token that is refused in the middle of a pull', () => {
  const onlyWith = (accepted: string) => (asked: Asked, origin: string) =>
    asked.headers['authorization'] === accepted
      ? usersAnswer(asked, origin)
      : { status: 401, body: { errorCode: 'E0000011', errorSummary: 'Invalid token provided' } };

  it('is replaced once, and the page is asked for again', async () => {
    const { connector, tokenRequests, listRequests } = await aServiceApp(
      (_, times) => aToken(times),
      onlyWith('Bearer token-2'),
    );
    expect((await connector.fetchUsers(null, signal)).records).toHaveLength(1);
    expect(tokenRequests()).toHaveLength(2);
    const [first, again, ...more] = listRequests().map(({ path }) => path);
    expect([again, more]).toEqual([first, []]);
  });

  it('ends the pull when the second one is refused as well', async () => {
    const { connector, tokenRequests, listRequests } = await aServiceApp(
      (_, times) => aToken(times),
      onlyWith('none'),
    );
    expect(await failing(connector.fetchUsers(null, signal))).toMatchObject({
      kind: 'credentials-rejected',
      status: 401,
    });
    expect([tokenRequests().length, listRequests().length]).toEqual([2, 2]);
  });

  it('is replaced once for all requests that it was refused to, however late they hear of it', async () => {
    let asked = 0;
    const { connector, tokenRequests } = await aServiceApp(
      (_, times) => aToken(times),
      async (list, origin) => {
        asked += 1;
        const late = asked === 2;
        while (late && asked < 3) await new Promise((resolve) => setTimeout(resolve, 5));
        return onlyWith('Bearer token-2')(list, origin);
      },
    );
    await Promise.all([connector.fetchUsers(null, signal), connector.fetchUsers(null, signal)]);
    expect(tokenRequests()).toHaveLength(2);
  });
});

describe('a token endpoint that refuses', () => {
  it.each([
    [400, { error: 'invalid_scope' }, 'permission-missing', 'Okta API Scopes › Grant'],
    [401, { error: 'invalid_client' }, 'credentials-rejected', 'Client Credentials'],
    [400, { error: 'unauthorized_client' }, 'credentials-rejected', 'Client Credentials'],
    [403, '<html>blocked</html>', 'credentials-rejected', 'Client Credentials'],
    [404, { errorCode: 'E0000007' }, 'misconfigured', 'orgUrl'],
    [500, '', 'unavailable', ''],
    [200, { token_type: 'Bearer', expires_in: 3600 }, 'unexpected-response', ''],
    [200, { token_type: 'mac', expires_in: 3600, access_token: 't' }, 'unexpected-response', ''],
    [200, '<html>Sign in</html>', 'unexpected-response', ''],
  ])('with status %i and %j sends no request without a token', async (status, body, kind, remedy) => {
    const { connector, listRequests } = await aServiceApp(() => ({ status, body }));
    const failure = await failing(connector.fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind, remedy: expect.stringContaining(remedy) });
    expect(listRequests()).toEqual([]);
  });

  it.each([
    [20, "20 minutes ahead of Okta's"],
    [-20, "20 minutes behind Okta's"],
  ])('because a clock is wrong says so', async (minutes, words) => {
    const date = new Date(Date.now() - minutes * 60_000).toUTCString();
    const { connector } = await aServiceApp(() => ({
      status: 401,
      headers: { date },
      body: { error: 'invalid_client' },
    }));
    expect((await failing(connector.fetchUsers(null, signal))).message).toContain(words);
  });
});

const refusal = (error: string, nonce?: string): Answered => ({
  status: 400,
  ...(nonce === undefined ? {} : { headers: { 'dpop-nonce': nonce } }),
  body: { error },
});
const used = new Set<unknown>();

async function proofIn({ headers, method }: Asked, address: string) {
  const proof = String(headers['dpop']);
  const { payload } = await jwtVerify(proof, EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: ['ES256'],
    currentDate: new Date(),
  });
  const jwk = decodeProtectedHeader(proof).jwk as JWK;
  expect(jwk).not.toHaveProperty('d');
  expect(payload).toMatchObject({
    htm: method,
    htu: address,
    iat: expect.any(Number),
    jti: expect.any(String),
  });
  expect(used.has(payload.jti)).toBe(false);
  used.add(payload.jti);
  return { payload, thumbprint: await calculateJwkThumbprint(jwk) };
}

describe('a proof of possession (DPoP)', () => {
  it('is given where the app requires it: with the nonce for the token, with the token for every page', async () => {
    const bound = new Map<string, string>();
    const nonces = ['nonce-1', 'nonce-1', 'nonce-1', 'nonce-2', 'nonce-3', 'nonce-3'];
    const { connector, tokenRequests } = await aServiceApp(
      async (asked, times, origin) => {
        if (asked.headers['dpop'] === undefined) return refusal('invalid_dpop_proof');
        const { payload, thumbprint } = await proofIn(asked, `${origin}${TOKEN}`);
        if (payload['nonce'] !== nonces[times - 1]) return refusal('use_dpop_nonce', nonces[times - 1]);
        bound.set(`token-${times}`, thumbprint);
        const following = times === 3 ? { headers: { 'dpop-nonce': 'nonce-2' } } : {};
        return { ...aToken(times, { token_type: 'DPoP' }), ...following };
      },
      async (asked, origin) => {
        const [scheme, token = ''] = String(asked.headers['authorization']).split(' ');
        const { payload, thumbprint } = await proofIn(asked, `${origin}/api/v1/users`);
        expect(scheme).toBe('DPoP');
        expect(payload['ath']).toBe(createHash('sha256').update(token).digest('base64url'));
        expect(payload['nonce']).toBeUndefined();
        expect(bound.get(token)).toBe(thumbprint);
        return usersAnswer(asked, origin);
      },
    );
    const first = await connector.fetchUsers(null, signal);
    await connector.fetchUsers(first.next, signal);
    // Without a proof, with one, with the nonce; then at once with the nonce announced; then with one that Okta changed unannounced.
    expect(tokenRequests()).toHaveLength(3);
    vi.setSystemTime(Date.now() + 3_600_000);
    await connector.fetchUsers(null, signal);
    expect(tokenRequests()).toHaveLength(4);
    vi.setSystemTime(Date.now() + 3_600_000);
    await connector.fetchUsers(null, signal);
    expect(tokenRequests()).toHaveLength(6);
  });

  it('is not tried without end when the endpoint wants one nonce after the other', async () => {
    const { connector, tokenRequests, listRequests } = await aServiceApp((_, times) =>
      refusal('use_dpop_nonce', `nonce-${times}`),
    );
    expect((await failing(connector.fetchUsers(null, signal))).kind).toBe('credentials-rejected');
    expect(tokenRequests().length).toBeLessThanOrEqual(3);
    expect(listRequests()).toEqual([]);
  });

  it('is not repeated when the endpoint refuses the proof itself', async () => {
    const { connector, tokenRequests } = await aServiceApp(() => refusal('invalid_dpop_proof'));
    expect((await failing(connector.fetchUsers(null, signal))).kind).toBe('credentials-rejected');
    expect(tokenRequests()).toHaveLength(2);
  });
});
