import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { PROVIDERS } from '../../src/domain/directory.ts';
import { ACTIONS } from '../../src/domain/permission.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { asOwner } from '../support/database.ts';
import { asking, type Listed, operationsOf, parametersOf } from './operations.ts';
import { addCustomer, aSession, fill, type Ids, type Json, type Served, serve } from './served.ts';

let served: Served;
let document: Json;
let operations: readonly Listed[];
let ids: Ids;
let key: string;

beforeAll(async () => {
  served = await serve();
  document = (await served.request('GET', '/openapi.json')).body;
  operations = await operationsOf(served);
  const customer = await addCustomer(served, 'Acme');
  await createRole(served.deps, served.operator, { name: 'reader', type: 'assignable' });
  ({ ids } = await fill(served, customer));
  key = customer.keys.system;
  const { body: me } = await served.request('GET', '/v1/whoami', { key });
  await aSession(served, me.principal);
  await served.request('PUT', `/v1/users/${ids.user}/roles/reader`, { key });
  await asOwner(served.databaseUrl, (client) =>
    client.query('UPDATE tenant SET product_plan_id = $2 WHERE id = $1', [ids.tenant, ids.productPlan]),
  );
  await served.request('POST', `/v1/tenants/${ids.tenant}/domains`, {
    key,
    body: { domain: 'acme.example' },
  });
});
afterAll(() => served.close());

it('lists every route', () => {
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
    [
      'GET /.well-known/jwks.json',
      'GET /healthz',
      'GET /readyz',
      'GET /v1/adjustments',
      'GET /v1/applies',
      'GET /v1/applies/{apply}',
      'GET /v1/applies/{apply}/changes',
      'GET /v1/audit',
      'GET /v1/audit/verification',
      'GET /v1/changes',
      'GET /v1/changes/groups',
      'GET /v1/changes/summary',
      'GET /v1/changes/{change}',
      'GET /v1/changes/{change}/comments',
      'GET /v1/configuration',
      'GET /v1/connections',
      'GET /v1/connections/{connection}',
      'GET /v1/connections/{connection}/guards',
      'GET /v1/connections/{connection}/policy',
      'GET /v1/events',
      'GET /v1/keys',
      'GET /v1/product-plans',
      'GET /v1/product-plans/{productPlan}',
      'GET /v1/product-plans/{productPlan}/tenants',
      'GET /v1/principals',
      'GET /v1/principals/{principal}',
      'DELETE /v1/domain-claims/{domainClaim}',
      'GET /v1/domain-claims/{domainClaim}',
      'POST /v1/domain-claims/{domainClaim}/check',
      'GET /v1/tenants/{tenant}/domain-claims',
      'POST /v1/tenants/{tenant}/domain-claims',
      'GET /v1/notification-channels',
      'GET /v1/notification-channels/{notificationChannel}',
      'GET /v1/notifications',
      'POST /v1/notification-channels',
      'POST /v1/notification-channels/{notificationChannel}/test',
      'DELETE /v1/notification-channels/{notificationChannel}',
      'GET /v1/pairs',
      'GET /v1/pairs/{pair}',
      'GET /v1/providers',
      'GET /v1/roles',
      'GET /v1/roles/{role}',
      'GET /v1/runs',
      'GET /v1/runs/{run}',
      'GET /v1/runs/{run}/replan',
      'GET /v1/support-accesses',
      'GET /v1/support-accesses/{supportAccess}',
      'GET /v1/session',
      'GET /v1/sessions',
      'GET /v1/sign-in-providers',
      'GET /v1/tenants',
      'GET /v1/tenants/{tenant}',
      'GET /v1/tenants/{tenant}/domains',
      'GET /v1/tenants/{tenant}/policy',
      'GET /v1/tenants/{tenant}/product-plan',
      'GET /v1/users',
      'GET /v1/users/{user}',
      'GET /v1/users/by-identity',
      'GET /v1/users/{user}/authorization',
      'GET /v1/users/{user}/explanation',
      'GET /v1/users/{user}/timeline',
      'GET /v1/connections/{connection}/explanation',
      'POST /v1/audit/evidence',
      'GET /v1/whoami',
      'DELETE /v1/guard-overrides/{guardOverride}',
      'DELETE /v1/keys/{key}',
      'DELETE /v1/product-plans/{productPlan}',
      'DELETE /v1/roles/{role}',
      'DELETE /v1/principals/{principal}/invitations',
      'DELETE /v1/session',
      'DELETE /v1/sessions',
      'DELETE /v1/sessions/{session}',
      'DELETE /v1/sign-in-providers/{signInProvider}',
      'DELETE /v1/tenants/{tenant}',
      'DELETE /v1/tenants/{tenant}/domains/{domain}',
      'DELETE /v1/users/{user}/roles/{role}',
      'PATCH /v1/connections/{connection}',
      'PATCH /v1/notification-channels/{notificationChannel}',
      'PATCH /v1/product-plans/{productPlan}',
      'PATCH /v1/roles/{role}',
      'PATCH /v1/sign-in-providers/{signInProvider}',
      'PATCH /v1/tenants/{tenant}',
      'PATCH /v1/tenants/{tenant}/policy',
      'PATCH /v1/users/{user}',
      'POST /v1/applies/{apply}/cancel',
      'POST /v1/applies/{apply}/pause',
      'POST /v1/applies/{apply}/resume',
      'POST /v1/applies/{apply}/undo',
      'POST /v1/adjustments/{adjustment}/end',
      'POST /v1/changes/assignments',
      'POST /v1/changes/decisions',
      'POST /v1/changes/{change}/adjustment',
      'POST /v1/changes/{change}/comments',
      'POST /v1/configuration/diff',
      'POST /v1/configuration/load',
      'POST /v1/connections',
      'POST /v1/connections/{connection}/applies',
      'POST /v1/connections/{connection}/guards/overrides',
      'POST /v1/connections/{connection}/preview',
      'POST /v1/connections/{connection}/runs',
      'POST /v1/connections/{connection}/test',
      'POST /v1/keys/{key}/rotate',
      'POST /v1/pairs/verdicts',
      'POST /v1/policy-replays',
      'POST /v1/policy-replays/changes',
      'POST /v1/policy-tests',
      'POST /v1/product-plans',
      'POST /v1/principals',
      'POST /v1/principals/{principal}/invitations',
      'POST /v1/principals/{principal}/disable',
      'POST /v1/principals/{principal}/enable',
      'POST /v1/principals/{principal}/keys',
      'POST /v1/principals/{principal}/recovery-codes',
      'POST /v1/roles',
      'POST /v1/sign-in-providers',
      'POST /v1/sign-in-providers/{signInProvider}/test',
      'POST /v1/support-accesses',
      'POST /v1/support-accesses/invitations',
      'POST /v1/support-accesses/{supportAccess}/end',
      'POST /v1/support-accesses/{supportAccess}/grant',
      'POST /v1/support-accesses/{supportAccess}/refuse',
      'POST /v1/tenants',
      'POST /v1/tenants/{tenant}/domains',
      'POST /v1/tenants/{tenant}/keep',
      'POST /v1/tenants/{tenant}/move',
      'POST /v1/tenants/{tenant}/resume',
      'POST /v1/tenants/{tenant}/suspend',
      'POST /v1/token',
      'POST /v1/users/{user}/token',
      'PUT /v1/users/{user}/roles/{role}',
    ].sort(),
  );
});

it('has the structure of OpenAPI 3.1', () => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toMatchObject({
    title: 'Rollcall',
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
  });
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  for (const listed of operations) {
    const { operation, path, method } = listed;
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(
      parametersOf(listed, 'path').map(({ name }) => name),
      path,
    ).toEqual(inPath);
    for (const parameter of operation.parameters ?? []) {
      expect(parameter, path).toMatchObject({
        required: parameter.in === 'path',
        schema: expect.any(Object),
      });
    }
    for (const response of Object.values<Json>(operation.responses))
      expect(response.description, path).toMatch(/\w/);
    expect(Object.keys(operation.responses), path).toContain('default');
    if (method === 'GET' || method === 'DELETE') expect(operation.requestBody, path).toBeUndefined();
  }
});

it('says of each member of a query what it means there', () => {
  const said = new Map(
    operations.flatMap((listed) =>
      parametersOf(listed, 'query').map(({ name, description }) => [
        `${listed.operation.operationId} ${name}`,
        description ?? 'nothing',
      ]),
    ),
  );
  expect([...said].filter(([, description]) => !/\w+ \w+/.test(description))).toEqual([]);
  const tenants = [...said].filter(([where]) => where.endsWith(' tenant'));
  const withThoseBelow = tenants.filter(([, text]) => text.includes('this tenant and those below it'));
  expect(withThoseBelow.map(([where]) => where.split(' ')[0]).sort()).toEqual([
    'exportConfiguration',
    'groupChanges',
    'listAdjustments',
    'listChanges',
    'listConnections',
    'listKeys',
    'listNotificationChannels',
    'listNotifications',
    'listPairs',
    'listPrincipals',
    'listSignInProviders',
    'listSupportAccesses',
    'listUsers',
    'summarise',
  ]);
  for (const alone of ['listAudit', 'verifyAudit', 'getAuthorization'])
    expect(said.get(`${alone} tenant`), alone).toContain('this tenant alone');
});

it('protects every route with the key or the session that it describes, but health and readiness', () => {
  expect(document.components.securitySchemes.key).toMatchObject({ type: 'http', scheme: 'bearer' });
  expect(document.components.securitySchemes.session).toMatchObject({ type: 'apiKey', in: 'cookie' });
  expect(document.security).toEqual([{ key: [] }, { session: [] }]);
  for (const { operation } of operations) {
    for (const permission of operation['x-permissions'] ?? []) expect(ACTIONS).toContain(permission);
  }
});

it('refers only to schemas that it has, and uses all of those', () => {
  const referred = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, to]) => to);
  const there = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
  expect([...new Set(referred)].sort()).toEqual(there.sort());
});

it('has schemas that are JSON Schema, input and output alike', () => {
  const schemas = operations.flatMap(({ operation }) => [
    ...(operation.parameters ?? []).map(({ schema }: Json) => schema),
    ...Object.values<Json>(operation.requestBody?.content ?? {}).map(({ schema }) => schema),
    ...Object.values<Json>(operation.responses).flatMap(({ content = {} }) =>
      Object.values<Json>(content).map(({ schema }) => schema),
    ),
  ]);
  expect(schemas.length).toBeGreaterThan(80);
  for (const schema of schemas) expect(() => validatorOf(schema), JSON.stringify(schema)).not.toThrow();
});

it('describes what every readable route really answers', async () => {
  const readable = operations.filter(({ method }) => method === 'GET');
  for (const { path, operation } of readable) {
    const answer = await served.request('GET', asking(path, ids), { key });
    expect(answer.status, path).toBe(200);
    expect(answer.body.items?.length, `${path} has something to show`).not.toBe(0);
    const { schema } = operation.responses['200'].content['application/json'];
    expect(validatorOf(schema).safeParse(answer.body).error, path).toBeUndefined();
  }
});

it('describes what a failure looks like', async () => {
  const { body } = await served.request('POST', '/v1/tenants', { key, body: {} });
  const { schema } = operations[0]?.operation.responses.default.content['application/problem+json'] ?? {};
  expect(validatorOf(schema).safeParse(body).error).toBeUndefined();
});

it('says which settings and credentials each provider asks for', async () => {
  const { body } = await served.request('GET', '/v1/providers', { key });
  expect(body.items.map(({ provider }: Json) => provider)).toEqual(PROVIDERS);
  for (const { settings, credentials } of body.items) {
    expect(() => validatorOf(settings)).not.toThrow();
    expect(() => validatorOf(credentials)).not.toThrow();
  }
});

function validatorOf(schema: Json): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  return z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')));
}
