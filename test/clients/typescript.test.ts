import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AuthorizationEntry,
  allows,
  boundsOf,
  entryFor,
  type Reach,
  Rollcall,
  RollcallProblem,
  reachOf,
} from '../../clients/typescript/client.ts';
import { GENERATED, generate } from '../../clients/typescript/generate.ts';
import { accessTokens, userTokens } from '../../clients/typescript/tokens.ts';
import * as server from '../../src/domain/authorization.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { addCustomer, fill, type Served, serve } from '../api/served.ts';
import { aTenant, aUser } from '../support/tenancy.ts';
import { untilFeedIsUpToDate } from '../support/waiting.ts';

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let user: string;
let sent: { readonly status: number; readonly bytes: number }[];

const counting: typeof fetch = async (...asked) => {
  const answer = await fetch(...asked);
  sent.push({ status: answer.status, bytes: (await answer.clone().arrayBuffer()).byteLength });
  return answer;
};
const client = (key: ConstructorParameters<typeof Rollcall>[0]['key'] = customer.keys.application) => {
  sent = [];
  return new Rollcall({ url: `${served.url}/`, key, fetch: counting });
};

beforeAll(async () => {
  served = await serve();
  customer = await addCustomer(served, 'Harbor');
  user = await aUser(served.databaseUrl, customer.administrator.tenant);
  await createRole(served.deps, served.operator, { name: 'clerk', permissions: ['invoices.read'] });
});
afterAll(() => served.close());

it('what is written of the API is what the server says of itself; if not: npm run client', async () => {
  const document = (await served.request('GET', '/openapi.json')).body;
  expect(readFileSync(GENERATED, 'utf8')).toBe(generate(document));
});

describe('a client', () => {
  it('calls any operation, with what belongs into path, query and body', async () => {
    const as = client(customer.keys['tenant-administrator']);
    const made = await as.call('createTenant', { name: 'Pier & Söhne?' });
    const changed = await as.call('updateTenant', { tenant: made.id, name: 'Pier' });
    expect(changed).toMatchObject({ id: made.id, name: 'Pier' });
    const { items } = await as.call('listTenants', { parent: customer.tenant, limit: 1 });
    expect(items).toMatchObject([{ id: made.id }]);
    expect(await as.call('whoami', {})).toMatchObject({ role: 'tenant-administrator' });
    const none = await as.call('listChanges', { state: ['open', 'held'] });
    expect(none.items).toEqual([]);
  });

  it('tells what is refused as the server tells it', async () => {
    const refused = await client()
      .call('createTenant', { name: '' })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RollcallProblem);
    expect(refused).toMatchObject({ status: 403, code: 'forbidden', request: /^urn:uuid:/ });
    const unusable = client(customer.keys.system).call('createTenant', { name: '' });
    await expect(unusable).rejects.toMatchObject({ code: 'invalid-input', fields: [{ path: 'name' }] });
    const nobody = client(`rc_${'x'.repeat(43)}`).call('whoami', {});
    await expect(nobody).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('fetches an authorization again only when it has changed', async () => {
    const as = client();
    const first = await as.authorization(user);
    expect(await as.authorization(user)).toBe(first);
    expect(sent.map(({ status }) => status)).toEqual([200, 304]);
    expect(sent[1]?.bytes).toBe(0);
    await served.request('PUT', `/v1/users/${user}/roles/clerk`, { key: customer.keys.system });
    const second = await as.authorization(user);
    expect(second).toMatchObject({ entries: [{ roles: ['clerk'], permissions: ['invoices.read'] }] });
    expect(await as.authorization(user, customer.tenant)).toEqual(second);
    expect(sent.at(-1)?.status).toBe(200);
    await expect(as.authorization(v7())).rejects.toMatchObject({ code: 'not-found' });
  });

  it('keeps no more authorizations than it was told to', async () => {
    const as = new Rollcall({ url: served.url, key: customer.keys.application, kept: 1, fetch: counting });
    const other = await aUser(served.databaseUrl, customer.administrator.tenant);
    sent = [];
    for (const one of [user, other, user]) await as.authorization(one);
    expect(sent.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('finds who was let in by a provider, or nobody', async () => {
    await fill(served, customer);
    const found = await client().userBySignIn('https://acme.okta.example', '00u0');
    expect(found).toMatchObject({ identities: [{ externalId: '00u0' }] });
    expect(await client().userBySignIn('https://acme.okta.example', 'somebody')).toBe(null);
  });

  it('follows the events from a place on, those to come too, and ends when it is told to', async () => {
    const parent = customer.administrator.tenant;
    await aTenant(served.deps, { parent });
    await untilFeedIsUpToDate(served.databaseUrl);
    const { items } = await client().call('listEvents', { limit: 500 });
    const ending = new AbortController();
    const seen: string[] = [];
    const follow = async (after: string | null, many: number) => {
      const events = client().events(after, { signal: ending.signal, pauseMs: 20 });
      for await (const event of events) if (seen.push(event.id) === many) return;
    };
    await follow(null, items.length);
    expect(seen).toEqual(items.map(({ id }) => id));
    const following = follow(items.at(-1)?.cursor ?? null, items.length + 2);
    await aTenant(served.deps, { parent });
    await aTenant(served.deps, { parent });
    await following;
    expect(new Set(seen).size).toBe(items.length + 2);
    const last = follow(null, -1);
    ending.abort();
    await last;
  });
});

describe('tokens', () => {
  it('of users are checked by the published keys alone', async () => {
    const made = await client().call('createUserToken', { user, audience: 'invoices' });
    const currentDate = served.deps.clock.now();
    const tokens = userTokens({ issuer: served.url, audience: 'invoices', currentDate });
    const { version, entries } = await client().authorization(user);
    expect(await tokens.verify(made.token)).toEqual({
      user,
      tenant: customer.tenant,
      version,
      entries,
      expiresAt: new Date(made.expiresAt),
    });
    const other = userTokens({ issuer: served.url, audience: 'payroll', currentDate });
    await expect(other.verify(made.token)).rejects.toMatchObject({ claim: 'aud' });
    await expect(tokens.verify(`${made.token}x`)).rejects.toThrow();
  });

  it('for calling are got once and sent until shortly before their end', async () => {
    const principal = await client(customer.keys.application).call('whoami', {});
    const clientId = principal.principal;
    sent = [];
    const options = { url: served.url, clientId, clientSecret: customer.keys.application, fetch: counting };
    const key = accessTokens({ ...options, scope: ['users.read'] });
    const as = new Rollcall({ url: served.url, key });
    expect(await Promise.all([as.call('whoami', {}), as.call('whoami', {})])).toMatchObject([
      { principal: clientId, permissions: ['users.read'] },
      { principal: clientId },
    ]);
    await as.call('whoami', {});
    expect(sent.map(({ status }) => status)).toEqual([200]);
    const wrong = accessTokens({ ...options, scope: ['users.write'] });
    await expect(wrong()).rejects.toMatchObject({ status: 400, code: 'invalid_scope' });
  });
});

describe('data keys', () => {
  const aKey = fc
    .array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 })
    .map((numbers) => numbers.map((number) => `${number}.`).join(''));
  const someEntries = fc
    .uniqueArray(fc.tuple(aKey, fc.boolean()), { selector: ([key]) => key, maxLength: 8 })
    .map((found) =>
      found.map(
        ([dataKey, may]): AuthorizationEntry => ({
          tenant: v7(),
          name: dataKey,
          dataKey,
          roles: [],
          permissions: may ? ['read'] : [],
        }),
      ),
    );
  const inBounds = (key: string, dataKey: string) => {
    const { from, until } = boundsOf(key);
    return dataKey >= from && (until === null || dataKey < until);
  };
  const reaches = (reach: readonly Reach[], dataKey: string) =>
    reach.some(
      ({ within, except }) => inBounds(within, dataKey) && !except.some((key) => inBounds(key, dataKey)),
    );

  it('are within reach exactly where the permission holds', () => {
    fc.assert(
      fc.property(someEntries, aKey, (entries, dataKey) => {
        expect(reaches(reachOf(entries, 'read'), dataKey)).toBe(allows(entries, dataKey, 'read'));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are looked up as the server looks them up', () => {
    fc.assert(
      fc.property(someEntries, aKey, (entries, dataKey) => {
        expect(entryFor(entries, dataKey)).toBe(server.entryFor(entries as never, dataKey));
      }),
    );
  });

  it('lie within the bounds of another exactly when they begin with it', () => {
    fc.assert(
      fc.property(aKey, aKey, (one, other) => {
        expect(inBounds(one, other)).toBe(other.startsWith(one));
      }),
      { numRuns: 1_000 },
    );
  });
});
