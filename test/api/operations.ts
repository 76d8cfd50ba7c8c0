/** What the OpenAPI document lists, as a list, and how a request of each is put together. */
import type { Ids, Json, Served } from './served.ts';

export type Listed = {
  readonly method: string;
  readonly path: string;
  readonly operation: Json;
};

export async function operationsOf(served: Served): Promise<readonly Listed[]> {
  const { body } = await served.request('GET', '/openapi.json');
  return Object.entries<Json>(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

export function parametersOf({ operation }: Listed, place: 'path' | 'query'): readonly Json[] {
  return (operation.parameters ?? []).filter((parameter: Json) => parameter.in === place);
}

/** The path with these ids in it. Roles and domains are named, not numbered, and the same for all tenants. */
export function pathWith(path: string, ids: Ids, role = 'reader'): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = { ...ids, role, domain: 'acme.example' }[name];
    if (value === undefined) throw new Error(`no id is known for {${name}}`);
    return value;
  });
}

export const UNKNOWN = '01a20115-dead-71f6-a218-fc3bfeae2c2f';

/** Ids that nothing has. */
export const unknownIds: Ids = {
  tenant: UNKNOWN,
  connection: UNKNOWN,
  run: UNKNOWN,
  change: UNKNOWN,
  pair: UNKNOWN,
  adjustment: UNKNOWN,
  domainClaim: UNKNOWN,
  apply: UNKNOWN,
  user: UNKNOWN,
  principal: UNKNOWN,
  key: UNKNOWN,
  supportAccess: UNKNOWN,
  productPlan: UNKNOWN,
  session: UNKNOWN,
  signInProvider: UNKNOWN,
  guardOverride: UNKNOWN,
  notificationChannel: UNKNOWN,
};

/** What operations need in their query to answer anything. */
const needed: Readonly<Record<string, (ids: Ids) => Readonly<Record<string, string>>>> = {
  '/v1/users/by-identity': ({ connection }) => ({ provider: 'okta', externalId: '00u0', connection }),
  '/v1/connections/{connection}/explanation': () => ({ externalId: '00u0' }),
};

/** The path with these ids, and with what its operation needs in the query. */
export function asking(path: string, ids: Ids, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({ ...needed[path]?.(ids), ...more });
  return query.size === 0 ? pathWith(path, ids) : `${pathWith(path, ids)}?${query}`;
}

/** A body that each operation takes which has one. */
export const usableBody: Readonly<Record<string, Json>> = {
  createTenant: { name: 'Below' },
  updateTenant: { name: 'Renamed' },
  moveTenant: { parent: UNKNOWN },
  verifyDomain: { domain: 'acme.example' },
  claimDomain: { domain: 'acme.example' },
  createConnection: {
    name: 'Taken over',
    provider: 'okta',
    settings: { orgUrl: 'https://acme.okta.example' },
    credentials: { kind: 'api-token', token: '00secretOktaToken' },
  },
  updateConnection: { name: 'Renamed' },
  testConnection: { mapping: {} },
  previewMapping: { mapping: {} },
  requestRun: {},
  undoApply: {},
  startApply: {},
  pauseApply: {},
  resumeApply: {},
  cancelApply: {},
  adjustNewcomer: { fingerprint: '00'.repeat(32), roles: [], reason: 'asked for' },
  takeBackAdjustment: { reason: 'a mistake' },
  assignChanges: { to: 'me', connection: UNKNOWN },
  commentOnChange: { text: 'Ask Jo.' },
  decide: { verdict: 'approve', reason: 'why not', connection: UNKNOWN, revision: 1 },
  exportEvidence: { from: '2026-01-01T00:00:00Z', to: '2026-04-01T00:00:00Z' },
  overrideGuard: {
    guard: 'too-many-deletions',
    allowed: 500,
    until: '2026-05-02T09:00:00Z',
    reason: 'a merger',
  },
  setTenantPolicy: { rules: [] },
  testPolicy: {
    connection: UNKNOWN,
    draft: { rules: [] },
    cases: [{ name: 'an edit', change: {}, expect: 'nothing' }],
  },
  replayPolicy: { connection: UNKNOWN, draft: { rules: [] } },
  listReplayed: { connection: UNKNOWN, draft: { rules: [] } },
  choosePairs: { verdict: 'same', reason: 'why not', pairs: [{ id: UNKNOWN, fingerprint: '00'.repeat(32) }] },
  editUser: { displayName: 'Renamed' },
  createUserToken: { audience: 'invoices' },
  grantAccess: { grant_type: 'client_credentials' },
  diffConfiguration: { configuration: 'version: 1' },
  loadConfiguration: { configuration: 'version: 1', stamp: 'seen' },
  createRole: { name: 'unheard-of' },
  updateRole: { description: 'Described' },
  createProductPlan: { name: 'Unheard of' },
  updateProductPlan: { name: 'Renamed' },
  createPrincipal: { name: 'Spy', role: 'auditor' },
  createKey: {},
  rotateKey: {},
  addSignInProvider: { name: 'Other', issuer: 'https://id.example', clientId: 'c' },
  updateSignInProvider: { name: 'Renamed' },
  updateNotificationChannel: { namesPeople: true },
  addNotificationChannel: {
    name: 'Elsewhere',
    destination: { type: 'slack', url: 'https://hooks.example/services/T000' },
  },
  invitePrincipal: {},
  requestSupportAccess: { tenant: UNKNOWN, reason: 'to look' },
  inviteSupport: { principal: UNKNOWN, reason: 'to look' },
  grantSupportAccess: {},
};
