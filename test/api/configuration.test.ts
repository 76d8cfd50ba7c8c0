import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { addCustomer, type Served, serve } from './served.ts';

let served: Served;
let acme: Awaited<ReturnType<typeof addCustomer>>;
beforeAll(async () => {
  served = await serve();
  acme = await addCustomer(served, 'Acme');
});
afterAll(() => served.close());

const post = (path: string, body: object, role: 'system' | 'tenant-administrator' = 'tenant-administrator') =>
  served.request('POST', `/v1/configuration/${path}`, { key: acme.keys[role], body });

it('a tenant’s administrator sees the difference, loads it by its stamp, and gets the same file back', async () => {
  const configuration = `tenants:
  - path: Fleet
    plan: null
    inheritsRoles: true
    state: active
    domains: []
`;
  const { status, body } = await post('diff', { configuration });
  expect(status).toBe(200);
  expect(body.differences).toEqual([{ kind: 'tenant', action: 'create', name: 'Fleet', fields: [] }]);
  expect(await post('load', { configuration, stamp: 'another' })).toMatchObject({
    status: 409,
    body: { code: 'changed-since-shown' },
  });
  const loaded = await post('load', { configuration, stamp: body.stamp });
  expect(loaded).toMatchObject({ status: 200, body: { tenants: { created: 1, updated: 0 } } });
  const exported = await served.request('GET', '/v1/configuration', { key: acme.keys.auditor });
  expect(exported.body).toEqual({ configuration, leftOut: { connections: 0, users: 0, directoryUsers: 0 } });
});

it('the server’s variables and files are nobody’s to read: what references stand for is handed over', async () => {
  vi.stubEnv('SERVER_SECRET', 'of the server');
  const connection = (reference: string) =>
    `connections: [{tenant: ., name: Okta, provider: okta, settings: {orgUrl: https://acme.okta.example}, credentials: {kind: api-token, token: ${reference}}}]`;
  for (const reference of ['{env: SERVER_SECRET}', '{file: /etc/hostname}']) {
    const { status, body } = await post('diff', { configuration: connection(reference) });
    expect(status).toBe(400);
    expect(body.fields[0].message).toContain('is not among the secrets that came with the file');
  }
  vi.unstubAllEnvs();
  const configuration = connection('{env: TOKEN}');
  const secrets = { 'env:TOKEN': '00token' };
  const { body } = await post('diff', { configuration, secrets });
  expect(JSON.stringify(body)).not.toContain('00token');
  expect((await post('load', { configuration, secrets, stamp: body.stamp })).status).toBe(200);
});

it('what is wrong comes with line and column for each field', async () => {
  const { status, body } = await post(
    'diff',
    { configuration: 'tenants:\n  - {path: A, plan: Gold}' },
    'system',
  );
  expect(status).toBe(400);
  expect(body).toMatchObject({
    code: 'invalid-input',
    fields: [
      {
        path: 'tenants.0.plan',
        message: expect.stringMatching(/^line 2, column 21: there is no product plan/),
      },
    ],
  });
});

it('a file that would keep others waiting is not read: it is for the command line', async () => {
  const configuration = `roles: [${'x,'.repeat(70_000)}]`;
  for (const [path, more] of [
    ['diff', {}],
    ['load', { stamp: '' }],
  ] as const) {
    expect(await post(path, { configuration, ...more })).toMatchObject({
      status: 400,
      body: { code: 'invalid-input', detail: expect.stringContaining('is longer than 128 KiB') },
    });
  }
});
