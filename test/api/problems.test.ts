import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { meaningOf, statusOf } from '../../src/api/problems.ts';
import { openServer } from '../../src/api/server.ts';
import { problemCodes } from '../../src/domain/problem.ts';
import { aConnection, addCustomer, type Json, type Served, serve } from './served.ts';

let served: Served;
let key: string;

beforeAll(async () => {
  served = await serve();
  key = (await addCustomer(served, 'Acme')).keys.system;
});
afterAll(() => served.close());

describe('a problem', () => {
  it('is told as RFC 9457 has it, with a stable code, a remedy and the fields that are wrong', async () => {
    const body = { name: '', role: 'king', shoe: 43 };
    const answer = await served.request('POST', '/v1/principals', { key, body });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toEqual({
      type: '/docs#errors/invalid-input',
      title: 'Invalid input',
      status: 400,
      detail: expect.stringContaining('role'),
      code: 'invalid-input',
      remedy: expect.stringContaining('name, role, shoe'),
      fields: [
        { path: 'name', message: expect.any(String) },
        { path: 'role', message: expect.any(String) },
        { path: 'shoe', message: expect.any(String) },
      ],
      instance: `urn:uuid:${answer.headers.get('x-request-id')}`,
    });
  });

  it('does not repeat what was sent', async () => {
    const body = { ...aConnection(), credentials: { kind: 'api-token', token: ['very-secret'] } };
    const answer = await served.request('POST', '/v1/connections', { key, body });
    expect(answer.body.fields).toEqual([expect.objectContaining({ path: 'credentials.token' })]);
    expect(JSON.stringify(answer.body)).not.toContain('very-secret');
  });

  it.each([
    ['GET', '/v1/nothing', undefined, 404, 'not-found'],
    ['DELETE', '/v1/tenants', undefined, 404, 'not-found'],
    ['GET', '/v1/tenants/no-uuid', undefined, 404, 'not-found'],
    ['GET', '/v1/tenants?sort=name', undefined, 400, 'invalid-input'],
    ['GET', '/%zz', undefined, 400, 'invalid-input'],
    ['GET', `/v1/tenants/${'x'.repeat(400)}`, undefined, 414, 'invalid-input'],
    ['POST', '/v1/tenants', '{"name":', 400, 'invalid-input'],
    ['POST', '/v1/tenants', '{"__proto__":{"name":"x"}}', 400, 'invalid-input'],
    ['POST', '/v1/tenants', '["name"]', 400, 'invalid-input'],
    ['POST', '/v1/tenants', '', 400, 'invalid-input'],
    ['POST', '/v1/tenants', `{"name":"${'x'.repeat(1_048_576)}"}`, 413, 'invalid-input'],
    ['PATCH', '/v1/tenants/x', '{"tenant":"y","name":"z"}', 400, 'invalid-input'],
  ])(
    '%s %s with a bad request is answered with its status and code',
    async (method, path, body, status, code) => {
      const answer = await served.request(method, path, { key, body });
      expect(answer).toMatchObject({
        status,
        body: { status, code, type: `/docs#errors/${code}`, remedy: expect.stringMatching(/\w/) },
      });
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    },
  );
});

describe('a request that cannot be read', () => {
  it('is refused when its body is not JSON', async () => {
    const headers = { 'content-type': 'text/csv' };
    const answer = await served.request('POST', '/v1/tenants', { key, body: 'name\nAcme', headers });
    expect(answer).toMatchObject({ status: 415, body: { code: 'invalid-input' } });
  });

  it('is refused before its body is read when it has no key', async () => {
    const { port } = new URL(served.url);
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': 1_000_000 };
      const sending = httpRequest({ port, method: 'POST', path: '/v1/tenants', headers }, (answer) => {
        resolve(answer.statusCode);
        sending.destroy();
      });
      sending.on('error', reject);
      sending.write('{'); // the rest never comes
    });
    expect(status).toBe(401);
  });

  it('is refused, and not repeated, when it is not HTTP', async () => {
    const { port } = new URL(served.url);
    const said = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('HELO rollcall\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
    });
    expect(said).toMatch(/^HTTP\/1\.1 400 /);
    expect(said).not.toContain('HELO');
  });
});

describe('a fault of Rollcall’s own', () => {
  it('is answered with the request id alone, and logged with its class and frames, without values', async () => {
    const failing = {
      ...connectors.okta,
      open: () => {
        throw new TypeError('cannot read "Ada Lovelace" of ada@example.com');
      },
    };
    const deps = { ...served.deps, connectors: { ...connectors, okta: failing } };
    const server = await openServer(deps, { host: '127.0.0.1', port: 0 });
    served.lines.length = 0;
    const answer = await fetch(`${server.url}/v1/connections`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(aConnection()),
    });
    const body = (await answer.json()) as Json;
    await server.close();
    const id = answer.headers.get('x-request-id');
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Internal server error',
      status: 500,
      detail: 'Rollcall failed. The log has the reason under this request id.',
      instance: `urn:uuid:${id}`,
    });
    expect(served.lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: 'error',
        event: 'http.failed',
        request: id,
        error: { type: 'TypeError', message: 'cannot read [value] of [address]' },
      },
      { level: 'info', event: 'http.answered', request: id, status: 500 },
    ]);
    expect(served.lines.join('')).not.toMatch(/Ada|ada@|00secret/);
  });
});

describe('docs/errors.md', () => {
  it('lists every code there is and no other, with status, meaning and who can mend it', () => {
    const [codes = ''] = readFileSync('docs/errors.md', 'utf8').split('\n## Why a run failed\n');
    const rows = codes
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const written = rows.map(([, code, status, meaning, mender]) => [code, status, meaning, mender]);
    const meant = Object.entries(problemCodes).map(([code, mender]) => [
      `\`${code}\``,
      String(statusOf[code as keyof typeof statusOf]),
      meaningOf[code as keyof typeof meaningOf],
      mender,
    ]);
    expect(written).toEqual(meant);
    for (const [, code, , , , remedy] of rows) expect(remedy, code).toMatch(/\w.*\.$/);
  });
});
