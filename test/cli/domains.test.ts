import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DnsServer, startDnsServer } from '../support/dnsServer.ts';
import { aCommandLine } from './commandLine.ts';

const { run, ok, json, env } = aCommandLine('external');
const said = async (...args: string[]) => (await ok(...args)).stdout;
let dns: DnsServer;
beforeAll(async () => {
  dns = await startDnsServer();
  env['ROLLCALL_DNS_SERVERS'] = dns.address;
  await json('tenants', 'add', 'Harbor');
}, 60_000);
afterAll(() => dns.close());

it('A domain is claimed, proven by its record, and shown; one may be attested by hand, and a claim taken back', {
  timeout: 240_000,
}, async () => {
  const claimed = await said('tenants', 'domain', 'Harbor', 'Harbor.Example');
  const [, name = '', value = ''] = /(_rollcall-challenge\S+) +TXT +(\S+)/.exec(claimed) ?? [];
  expect(name).toBe('_rollcall-challenge.harbor.example');
  expect(await run('tenants', 'domain', 'Harbor', 'harbor.example', '--check')).toMatchObject({
    code: 3,
    stdout: expect.stringContaining(value),
    stderr: expect.stringContaining('There is no TXT record of this name'),
  });
  dns.names.set(name, { txt: [[value]] });
  expect(await said('tenants', 'domain', 'Harbor', 'harbor.example', '--check')).toContain(
    'is verified by its record',
  );
  await said('tenants', 'domain', 'Harbor', 'by-hand.example', '--attest');
  expect(await said('tenants', 'domain', 'Harbor')).toMatch(
    /by-hand\.example +verified +\S+ +an operator\nharbor\.example +verified +\S+ +a TXT record/,
  );
  await said('tenants', 'domain', 'Harbor', 'harbor.example', '--withdraw');
  expect(await json('tenants', 'domain', 'Harbor')).toMatchObject({
    items: [{ domain: 'by-hand.example', verifiedBy: 'operator' }],
    claims: [],
  });
  expect(await said('tenants', 'domain', 'Harbor', 'by-hand.example')).toContain("by an operator's word");
  await said('tenants', 'domain', 'Harbor', 'by-hand.example', '--withdraw');
  expect(await json('tenants', 'domain', 'Harbor')).toMatchObject({ items: [], claims: [] });
  expect(await run('tenants', 'domain', 'Harbor', 'by-hand.example', '--withdraw')).toMatchObject({
    code: 2,
  });
  expect(await run('tenants', 'domain', 'Harbor', 'localhost', '--attest')).toMatchObject({ code: 2 });
  expect(await run('tenants', 'domain', 'Harbor', 'x.example', '--check', '--attest')).toMatchObject({
    code: 2,
  });
});

it('Pairs are listed, and what nobody has seen is not chosen', { timeout: 120_000 }, async () => {
  expect(await json('pairs')).toEqual({ items: [], next: null });
  expect(await run('same', '--reason', 'r')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('No pair is named'),
  });
  expect(await run('different', '00000000-0000-4000-8000-000000000000', '--reason', 'r')).toMatchObject({
    stderr: expect.stringContaining('There is no such pair'),
  });
});
