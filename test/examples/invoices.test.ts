import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { grantRole } from '../../src/tenancy/roles.ts';
import { addCustomer, type Json, type Served, serve } from '../api/served.ts';
import { aTenant, aUser } from '../support/tenancy.ts';
import { until } from '../support/waiting.ts';

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let folder: string;
let example: ChildProcess;
let url: string;
const keys: Record<string, string> = {};
const tenants: Record<string, string> = {};
const users: Record<string, string> = {};

beforeAll(async () => {
  served = await serve(new Date().toISOString());
  customer = await addCustomer(served, 'Harbor');
  folder = mkdtempSync(join(tmpdir(), 'rollcall-invoices-'));
  const parent = customer.administrator.tenant;
  for (const name of ['north', 'south']) {
    const id = await aTenant(served.deps, { name, parent });
    tenants[name] = id;
    const { body } = await served.request('GET', `/v1/tenants/${id}`, { key: customer.keys.system });
    keys[name] = body.dataKey;
    users[name] = await aUser(served.databaseUrl, id);
  }
  tenants['head'] = customer.tenant;
  users['head'] = await aUser(served.databaseUrl, parent);
  const permissions = ['invoices.read', 'invoices.write', 'invoices.pay'];
  const body = { name: 'clerk', permissions, type: 'assignable' };
  await served.request('POST', '/v1/roles', { key: customer.keys.system, body });
  for (const user of Object.values(users))
    await grantRole(served.deps, served.operator, { user, role: 'clerk' });
  await start();
});
afterAll(async () => {
  await stop();
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  example = spawn(process.execPath, ['examples/invoices/main.ts'], {
    env: {
      ...process.env,
      ROLLCALL_URL: served.url,
      ROLLCALL_KEY: customer.keys.application,
      PORT: '0',
      INVOICES: join(folder, 'invoices.db'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: example.stdout as NonNullable<ChildProcess['stdout']> });
  const [line] = (await once(lines, 'line')) as [string];
  url = /http:\S+/.exec(line)?.[0] ?? '';
}

async function stop(): Promise<void> {
  example.kill('SIGTERM');
  if (example.exitCode === null) await once(example, 'exit');
}

async function tokenOf(name: string, audience = 'invoices'): Promise<string> {
  const path = `/v1/users/${users[name]}/token`;
  const { body } = await served.request('POST', path, { key: customer.keys.application, body: { audience } });
  return body.token;
}

async function ask(token: string, method: string, path: string, body?: Json) {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
}

const listed = async (name: string) => {
  const { body } = await ask(await tokenOf(name), 'GET', '/invoices');
  return body.invoices.map(({ customer: of }: Json) => of);
};

it('lets people see and write the invoices of their tenants, and nobody else’s', async () => {
  for (const name of ['north', 'south']) {
    const body = { dataKey: keys[name], customer: `from the ${name}`, cents: 1_200 };
    expect((await ask(await tokenOf(name), 'POST', '/invoices', body)).status).toBe(200);
    const other = { ...body, dataKey: keys[name === 'north' ? 'south' : 'north'] };
    expect((await ask(await tokenOf(name), 'POST', '/invoices', other)).status).toBe(403);
  }
  expect(await listed('north')).toEqual(['from the north']);
  expect(await listed('south')).toEqual(['from the south']);
  expect(await listed('head')).toEqual(['from the north', 'from the south']);
});

it('takes no token but Rollcall’s for it', async () => {
  expect((await ask('a.b.c', 'GET', '/invoices')).status).toBe(401);
  expect((await ask(await tokenOf('north', 'payroll'), 'GET', '/invoices')).status).toBe(401);
  const answer = await fetch(`${url}/invoices`);
  expect(answer.status).toBe(401);
});

it('has somebody whose role was taken away a moment ago pay nothing, whatever their token says', async () => {
  const token = await tokenOf('south');
  expect(await ask(token, 'POST', '/invoices/1/payment')).toMatchObject({ status: 404 });
  expect(await ask(token, 'POST', '/invoices/2/payment')).toMatchObject({
    status: 200,
    body: { state: 'paid' },
  });
  const path = `/v1/users/${users['south']}/roles/clerk`;
  await served.request('DELETE', path, { key: customer.keys.system });
  expect((await ask(token, 'POST', '/invoices/2/payment')).status).toBe(404);
  await served.request('PUT', path, { key: customer.keys.system });
});

it('has the invoices of a tenant that is moved go with it, also if that happens while it is not running', async () => {
  const move = (name: string, parent: string) => {
    const path = `/v1/tenants/${tenants[name]}/move`;
    return served.request('POST', path, { key: customer.keys.system, body: { parent: tenants[parent] } });
  };
  const seenBySouth = (wanted: readonly string[]) =>
    until('the invoices are where their tenant is', async () => {
      const found = await listed('south');
      return JSON.stringify(found) === JSON.stringify(wanted);
    });
  await move('north', 'south');
  await seenBySouth(['from the north', 'from the south']);
  expect(await listed('north')).toEqual(['from the north']);
  await stop();
  await move('north', 'head');
  await start();
  await seenBySouth(['from the south']);
  expect(await listed('north')).toEqual(['from the north']);
});
