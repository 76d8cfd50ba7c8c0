/** Whoever has a key that leaves nothing of its role but deciding who comes in must not come in as more than that. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Action } from '../../src/domain/permission.ts';
import { createKey } from '../../src/tenancy/apiKeys.ts';
import { createPrincipal } from '../../src/tenancy/principals.ts';
import { requestSupport } from '../../src/tenancy/supportAccess.ts';
import { auditOf } from '../support/tenancy.ts';
import { operationsOf, pathWith, unknownIds } from './operations.ts';
import { addCustomer, aSession, aSignInProvider, type Ids, type Served, serve } from './served.ts';

const DECIDING = ['principals.write', 'sign-in.write', 'support.decide'] as const satisfies readonly Action[];
const LEFT = [...DECIDING, 'support.request', 'support.read'] as const;
const ROLES = ['system', 'tenant-administrator'] as const;
type Role = (typeof ROLES)[number];

/** Where somebody has such a key, and what of somebody with the same role it is tried on. */
type Place = {
  readonly role: Role;
  readonly tenant: TenantId;
  readonly self: string;
  readonly key: string;
  readonly ids: Ids;
  readonly support: string;
};

let served: Served;
let places: Readonly<Record<Role, Place>>;

beforeAll(async () => {
  served = await serve();
  const { tenant } = await addCustomer(served, 'Ours');
  places = {
    system: await placeOf(served.deps.store.root, 'system'),
    'tenant-administrator': await placeOf(tenant, 'tenant-administrator'),
  };
});
afterAll(() => served.close());

async function placeOf(tenant: TenantId, role: Role): Promise<Place> {
  const { deps, operator } = served;
  const self = await createPrincipal(deps, operator, { tenant, name: `Own ${role}`, role });
  const other = await createPrincipal(deps, operator, { tenant, name: `Other ${role}`, role });
  const support = await createPrincipal(deps, operator, { tenant, name: 'Support', role: 'support' });
  const asked = { tenant, principal: support.id, reason: 'to look', mayWrite: true };
  const narrowed = { principal: self.id, permissions: [...LEFT] };
  return {
    role,
    tenant,
    self: self.id,
    key: (await createKey(deps, operator, narrowed)).key,
    ids: {
      ...unknownIds,
      principal: other.id,
      key: (await createKey(deps, operator, { principal: other.id })).id,
      session: await aSession(served, other.id),
      signInProvider: await aSignInProvider(served, tenant),
      supportAccess: (await requestSupport(deps, operator, asked)).id,
    },
    support: support.id,
  };
}

type Attempt = { readonly body?: object; readonly query?: string };

const reason = 'to look';

/** Each lets somebody in, or says who vouches for people. */
const refused: Readonly<Record<string, (place: Place) => Attempt>> = {
  createPrincipal: ({ tenant, role }) => ({ body: { tenant, role, name: 'Puppet' } }),
  enablePrincipal: () => ({}),
  createKey: () => ({ body: {} }),
  rotateKey: () => ({ body: {} }),
  invitePrincipal: () => ({ body: {} }),
  withdrawInvitation: () => ({}),
  createRecoveryCodes: () => ({}),
  addSignInProvider: ({ tenant }) => ({
    body: { tenant, name: 'Mine', issuer: 'https://id.example', clientId: 'c' },
  }),
  updateSignInProvider: () => ({ body: { clientSecret: 'mine' } }),
  requestSupportAccess: ({ tenant, support: principal }) => ({ body: { tenant, principal, reason } }),
  inviteSupport: ({ tenant, support: principal }) => ({ body: { tenant, principal, reason } }),
  grantSupportAccess: () => ({ body: { mayWrite: false } }),
};

/** Each only takes away, or tries what is there: for that the role is enough. */
const allowed: Readonly<Record<string, (place: Place) => Attempt>> = {
  refuseSupportAccess: () => ({}),
  testSignInProvider: () => ({}),
  removeSignInProvider: () => ({}),
  endSession: () => ({}),
  endSessionsOf: ({ ids }) => ({ query: `?principal=${ids.principal}` }),
  revokeKey: () => ({}),
  disablePrincipal: () => ({}),
};

async function attempted(place: Place, bearer: string, name: string, { body, query = '' }: Attempt) {
  const listed = (await operationsOf(served)).find(({ operation }) => operation.operationId === name);
  if (listed === undefined) throw new Error(`no operation is called ${name}`);
  const path = `${pathWith(listed.path, place.ids)}${query}`;
  return await served.request(listed.method, path, { key: bearer, ...(body === undefined ? {} : { body }) });
}

async function tokenOf({ self, key, role }: Place): Promise<string> {
  const scope = LEFT.filter((action) => action !== 'support.read').join(' ');
  const form = { grant_type: 'client_credentials', client_id: self, client_secret: key, scope };
  const { status, body } = await served.request('POST', '/v1/token', {
    body: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(status, role).toBe(200);
  return body.access_token;
}

describe.each(ROLES)('a key narrowed to deciding who comes in, of somebody with the role %s', (role) => {
  it.each(Object.entries(refused))('lets nobody in for more: %s', async (name, attempt) => {
    const place = places[role];
    const before = await auditOf(served.databaseUrl, place.tenant);
    for (const bearer of [place.key, await tokenOf(place)]) {
      const answer = await attempted(place, bearer, name, attempt(place));
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect(answer.body.detail).toMatch(/more than your key/);
    }
    expect(await auditOf(served.databaseUrl, place.tenant)).toEqual(before);
  });

  it.each(Object.entries(allowed))('takes away: %s', async (name, attempt) => {
    const place = places[role];
    const { status } = await attempted(place, place.key, name, attempt(place));
    expect([200, 204]).toContain(status);
  });

  it('is not offered to grant a support access', async () => {
    const { key, ids } = places[role];
    const { body } = await served.request('GET', `/v1/support-accesses/${ids.supportAccess}`, { key });
    expect(body.actions).not.toContain('grant');
  });
});

it('nothing else decides who comes in', async () => {
  const deciding = (await operationsOf(served))
    .filter(({ operation }) => DECIDING.some((one) => operation['x-permissions']?.includes(one)))
    .map(({ operation }) => operation.operationId);
  // These take a key with `principals.write`, or `support.request`, for somebody else's alone.
  const forOthers = ['endSession', 'endSessionsOf', 'requestSupportAccess'];
  expect([...deciding, ...forOthers].sort()).toEqual(
    [...Object.keys(refused), ...Object.keys(allowed)].sort(),
  );
});
