/** The API over HTTP on a database of its own: two customers who know nothing of each other, each with everything there is. */
import { Writable } from 'node:stream';
import { v7 } from 'uuid';
import type { Connector } from '../../connectors/contract.ts';
import { connectors } from '../../connectors/registry.ts';
import { openServer } from '../../src/api/server.ts';
import { DirectoryUser } from '../../src/domain/directory.ts';
import { ConnectionId, type TenantId } from '../../src/domain/ids.ts';
import { PRINCIPAL_ROLES, type PrincipalRole } from '../../src/domain/permission.ts';
import { SignInProviderId } from '../../src/domain/signIn.ts';
import { openLogger } from '../../src/log.ts';
import { addChannel } from '../../src/notifications/channels.ts';
import { lookForChannels } from '../../src/notifications/look.ts';
import { networks } from '../../src/notifications/reach.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { commentOnChange } from '../../src/review/assign.ts';
import { listChanges } from '../../src/review/changes.ts';
import { decide } from '../../src/review/decide.ts';
import { overrideGuard } from '../../src/review/guards.ts';
import { requestRun } from '../../src/sync/runs.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import { authenticateKey, createKey } from '../../src/tenancy/apiKeys.ts';
import { createConnection } from '../../src/tenancy/connections.ts';
import { claimDomain } from '../../src/tenancy/domainClaims.ts';
import { createPrincipal, ensureOperator } from '../../src/tenancy/principals.ts';
import { createProductPlan } from '../../src/tenancy/productPlans.ts';
import { requestSupport } from '../../src/tenancy/supportAccess.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { listUsers } from '../../src/tenancy/users.ts';
import { clockAt } from '../support/clock.ts';
import { asOwner, freshStore } from '../support/database.ts';

export type Answer = { readonly status: number; readonly headers: Headers; readonly body: Json };
// biome-ignore lint/suspicious/noExplicitAny: a test reads what came as it expects it, and fails where it is not so
export type Json = any;

/** One id of each kind, by the name that it has in a path. */
export type Ids = Readonly<
  Record<
    | 'tenant'
    | 'connection'
    | 'run'
    | 'change'
    | 'pair'
    | 'adjustment'
    | 'domainClaim'
    | 'apply'
    | 'user'
    | 'principal'
    | 'key'
    | 'supportAccess'
    | 'productPlan'
    | 'session'
    | 'signInProvider'
    | 'guardOverride'
    | 'notificationChannel',
    string
  >
>;

export type Served = Awaited<ReturnType<typeof serve>>;

export async function serve(now = '2026-05-01T09:00:00Z', known = connectors) {
  const fresh = await freshStore();
  const lines: string[] = [];
  const queued: string[] = [];
  const log = openLogger('info', collecting(lines));
  const parts = { database: true, queue: true };
  const deps = {
    store: fresh.store,
    clock: clockAt(now),
    connectors: known,
    log,
    supportMinutes: 8 * 60,
    txtRecords: async () => ({ kind: 'none' as const }),
    outgoing: { mail: null, allowed: networks(['127.0.0.0/8']) },
    publicUrl: (): string | null => null,
    sessionLimits: { idleMs: 12 * 3_600_000, longestMs: 7 * 24 * 3_600_000 },
    enqueueRun: async ({ run }: { run: string }) => void queued.push(run),
    enqueueApply: async ({ apply }: { apply: string }) => void queued.push(apply),
    readiness: {
      database: async () => answers(parts.database),
      queue: async () => answers(parts.queue),
    },
  };
  const operator = await ensureOperator(deps, 'test');
  const server = await openServer(deps, { host: '127.0.0.1', port: 0 });
  return {
    deps,
    operator,
    url: server.url,
    /** Of the owner. */
    databaseUrl: fresh.url,
    /** What was logged, a line each. */
    lines,
    /** Ids of what was put on the queue. */
    queued,
    /** What /readyz finds. */
    parts,
    request: (method: string, path: string, options: RequestOptions = {}) =>
      request(server.url, method, path, options),
    close: async () => {
      await server.close();
      await fresh.drop();
    },
  };
}

function collecting(lines: string[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
}

function answers(up: boolean): void {
  if (!up) throw new Error('it does not answer');
}

export type RequestOptions = {
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

async function request(url: string, method: string, path: string, { key, body, headers }: RequestOptions) {
  const answer = await fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const isJson = /json/.test(answer.headers.get('content-type') ?? '');
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
}

/** A tenant with a principal and a key for each role but system; its administrator as a caller. */
export async function addCustomer({ deps, operator }: Served, name: string, parent: string | null = null) {
  const tenant = await createTenant(deps, operator, { name, parent });
  const keys: Record<string, string> = {};
  let principal = '';
  for (const role of PRINCIPAL_ROLES) {
    const at = role === 'system' ? null : tenant.id;
    const made = await createPrincipal(deps, operator, { tenant: at, name: `${name} ${role}`, role });
    keys[role] = (await createKey(deps, operator, { principal: made.id })).key;
    if (role === 'reviewer') principal = made.id;
  }
  const spare = await createKey(deps, operator, { principal });
  return {
    tenant: tenant.id,
    keys: keys as Readonly<Record<PrincipalRole, string>>,
    principal,
    key: spare.id as string,
    administrator: await callerWith(deps, keys['tenant-administrator']),
  };
}

async function callerWith(deps: Served['deps'], key = '') {
  const caller = await authenticateKey(deps, key);
  if (caller === null) throw new Error('the key does not work');
  return caller;
}

/** Everything else that a customer can have: one user applied, and one change of each other person pending. */
export async function fill(served: Served, customer: Awaited<ReturnType<typeof addCustomer>>, users = 3) {
  const { deps } = served;
  const caller = customer.administrator;
  const connection = await createConnection(deps, caller, aConnection());
  const { run } = await requestRun(deps, caller, { connection: connection.id });
  await syncConnection(
    {
      ...deps,
      openConnector: async () => ({ connector: aDirectory(users), credentialExpiresAt: null }),
    },
    {
      connection: ConnectionId.parse(connection.id),
      run,
      trigger: 'demand',
      requestedBy: 'test',
      signal: AbortSignal.timeout(30_000),
    },
  );
  const { items } = await listChanges(deps, caller, { connection: connection.id });
  const [first, second] = items;
  if (first === undefined || second === undefined) throw new Error('the run proposed nothing');
  const changes = [{ id: first.id, fingerprint: first.fingerprint }];
  await decide(deps, caller, { verdict: 'approve', reason: 'expected', changes });
  const { apply } = await startApply(deps, caller, { connection: connection.id });
  await carryOutApply(deps, apply, { signal: AbortSignal.timeout(30_000) });
  const user = (await listUsers(deps, caller, {})).items.find(({ tenant }) => tenant === customer.tenant);
  if (user === undefined) throw new Error('nobody was applied');
  await commentOnChange(deps, caller, { change: second.id, text: 'Ask Jo.' });
  const plan = await createProductPlan(deps, served.operator, { name: `Plan of ${customer.tenant}` });
  const ids: Ids = {
    tenant: customer.tenant,
    connection: connection.id,
    run,
    change: second.id,
    domainClaim: (await claimDomain(deps, caller, { tenant: customer.tenant, domain: 'claimed.example' })).id,
    pair: await aPair(served, second.id, user.id),
    adjustment: await anAdjustment(served, second.id),
    apply,
    user: user.id,
    principal: customer.principal,
    key: customer.key,
    productPlan: plan.id,
    supportAccess: await aSupportAccess(served, customer.tenant),
    session: await aSession(served, customer.principal),
    signInProvider: await aSignInProvider(served, customer.tenant),
    guardOverride: await aGuardOverride(served, connection.id),
    notificationChannel: (await addChannel(deps, caller, aChannel(customer.tenant))).id,
  };
  await lookForChannels(deps, AbortSignal.timeout(30_000)); // the channel is told of the changes that wait
  return { ids, fingerprint: second.fingerprint };
}

/** Nothing is ever sent there. */
const aChannel = (tenant: TenantId) => ({
  tenant,
  name: 'Reviewers',
  destination: { type: 'teams' as const, url: 'https://127.0.0.1:1/webhook/secret-part' },
});

async function aGuardOverride({ deps, operator }: Served, connection: string): Promise<string> {
  const until = new Date(deps.clock.now().getTime() + 86_400_000).toISOString();
  const guard = 'too-many-changes' as const;
  const asked = { connection, guard, allowed: null, until, reason: 'a merger' };
  return (await overrideGuard(deps, operator, asked)).id;
}

/** Asked for by somebody of all tenants. */
async function aSupportAccess({ deps, operator }: Served, tenant: TenantId): Promise<string> {
  const person = await createPrincipal(deps, operator, { name: `Support of ${tenant}`, role: 'support' });
  const asked = { tenant, principal: person.id, reason: 'to look' };
  return (await requestSupport(deps, operator, asked)).id;
}

/** As a plan would have left it. */
async function aPair({ databaseUrl }: Served, change: string, user: string): Promise<string> {
  const id = v7();
  await asOwner(databaseUrl, (client) =>
    client.query(
      `INSERT INTO pair (id, tenant_id, connection_id, kind, external_id, auth_user_id, shares, content, fingerprint, state, revision, run_id)
       SELECT $1, tenant_id, connection_id, 'match', external_id, $3, '{address}', '', '', 'open', 1, run_id FROM change WHERE id = $2`,
      [id, change, user],
    ),
  );
  return id;
}

async function anAdjustment({ databaseUrl }: Served, change: string): Promise<string> {
  const id = v7();
  await asOwner(databaseUrl, (client) =>
    client.query(
      `INSERT INTO adjustment (id, tenant_id, connection_id, external_id, roles_added, roles_removed, principal_id, actor, reason, created_at)
       SELECT $1, tenant_id, connection_id, external_id, '{}', '{admin}', $1, '{"name": "somebody"}', 'asked for', '2026-05-01' FROM change WHERE id = $2`,
      [id, change],
    ),
  );
  return id;
}

/** As a sign-in would have left it. */
export async function aSession({ databaseUrl, deps }: Served, principal: string): Promise<string> {
  const id = v7();
  const at = deps.clock.now();
  const until = new Date(at.getTime() + deps.sessionLimits.longestMs);
  await asOwner(databaseUrl, (client) =>
    client.query(
      `INSERT INTO session (id, tenant_id, principal_id, secret_hash, method, created_at, last_used_at, expires_at)
       SELECT $1::uuid, tenant_id, id, sha256($1::uuid::text::bytea), 'openid-connect', $3, $3, $4 FROM principal WHERE id = $2`,
      [id, principal, at, until],
    ),
  );
  return id;
}

export async function aSignInProvider({ deps }: Served, tenant: TenantId): Promise<string> {
  const id = SignInProviderId.parse(v7());
  const provider = {
    id,
    tenant,
    name: 'Nobody',
    issuer: 'https://id.example',
    clientId: 'c',
    clientSecret: null,
    ca: null,
  };
  await deps.store.signInProviders.insert(tenant, provider, {
    at: deps.clock.now(),
    entry: {
      actor: { kind: 'system', id: null, name: 'test' },
      action: 'sign-in-provider.added',
      subject: { kind: 'sign-in-provider', id },
      details: {},
    },
  });
  return id;
}

/** Nothing ever connects there. */
export function aConnection(name = 'Okta') {
  return {
    name,
    provider: 'okta' as const,
    settings: { orgUrl: 'https://acme.okta.example' },
    credentials: { kind: 'api-token', token: '00secretOktaToken' },
  };
}

/** A directory that answers at once. */
function aDirectory(users: number): Connector {
  const records = Array.from({ length: users }, (_, number) => ({
    kind: 'user' as const,
    user: aUser(`00u${number}`),
  }));
  return {
    provider: 'okta',
    fetchUsers: async () => ({ records, next: null }),
    fetchGroups: async () => ({ records: [], next: null }),
    fetchMembers: async () => ({ records: [], next: null }),
    evidence: async () => ({ users: null, permissions: null }),
    lookUp: null,
    changes: null,
    usage: () => ({ requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 }),
    close: async () => {},
  };
}

function aUser(id: string): DirectoryUser {
  const absent = Object.fromEntries(Object.keys(DirectoryUser.shape).map((name) => [name, null]));
  return DirectoryUser.parse({
    ...absent,
    externalId: id,
    state: 'active',
    userName: `${id}@acme.example`,
    email: `${id}@acme.example`,
    displayName: `Person ${id}`,
    userType: 'member',
    aliases: [],
    custom: {},
  });
}
