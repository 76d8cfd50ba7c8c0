import { afterAll, beforeAll, expect, it } from 'vitest';
import { Browser } from '../signIn/browser.ts';
import { startOidcProvider } from '../signIn/oidcProvider.ts';
import { said, throughProvider } from '../signIn/stage.ts';
import { type Running, start } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const { data, env, run, ok, json, file } = aCommandLine('embedded');
const LINK = /http:\/\/127\.0\.0\.1:\d+\/set-up\?token=[\w-]{43}/;
let daemon: Running;

beforeAll(async () => {
  daemon = start(['start', '--api-only', '--data', data], { env: { ROLLCALL_PORT: '0' } });
  await daemon.said('has no administrator yet');
});
afterAll(async () => {
  daemon.signal('SIGTERM');
  await daemon.ended;
});

let publicUrl = '';

it('prints a set-up link on standard error at the first start, and a fresh one when it is asked for', {
  timeout: 120_000,
}, async () => {
  const [link = ''] = LINK.exec(daemon.heard().stderr) ?? [];
  expect(link).not.toBe('');
  publicUrl = new URL(link).origin;
  env['ROLLCALL_PUBLIC_URL'] = publicUrl;
  expect((await new Browser().open(link)).status).toBe(200);
  const fresh = await json('set-up-link');
  expect((await new Browser().open(link)).status).toBe(410);
  const browser = new Browser();
  const page = await browser.open(fresh.link);
  const done = await browser.submit(page, /set-up/, { name: 'Ada Obi' });
  expect(said(done)).toContain('You are signed in as Ada Obi');
  expect(await run('set-up-link')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('This Rollcall has been set up'),
  });
  for (const line of daemon.heard().stdout.trimEnd().split('\n'))
    expect(JSON.parse(line)).toHaveProperty('event');
  expect(daemon.heard().stdout).not.toContain(new URL(link).searchParams.get('token'));
});

it('lets people in by a provider and an invitation, and out again', { timeout: 120_000 }, async () => {
  const oidc = await startOidcProvider();
  try {
    await ok('tenants', 'add', 'Harbor');
    const reach = ['--issuer', oidc.issuer, '--client-id', 'rollcall', '--ca', file('ca.pem', oidc.ca)];
    const secret = ['--client-secret-file', file('secret.txt', 'sesame\n')];
    const provider = ['--tenant', 'Harbor', ...reach, ...secret];
    const { redirectUri } = await json('sign-in', 'add', 'Harbor ID', ...provider);
    oidc.register('rollcall', 'sesame', [redirectUri]);
    expect((await ok('sign-in')).stdout).toContain(redirectUri);
    const tested = await ok('sign-in', 'test', 'Harbor ID');
    expect(tested.stdout).toContain('the provider knows the client and its secret');
    const invited = await ok('principals', 'invite', 'Rae', '--role', 'reviewer', '--tenant', 'Harbor');
    expect(invited.stderr).toContain('Rae (reviewer)');
    const browser = new Browser(oidc.agent);
    const page = await browser.open(invited.stdout.trim());
    const account = await throughProvider(oidc, browser, await browser.submit(page, /provider/), 'rae');
    expect(said(account)).toContain('You are signed in as Rae');
    const { items } = await json('principals', 'sessions', 'Rae');
    expect(items).toMatchObject([{ method: 'openid-connect' }]);
    expect((await ok('principals', 'sign-out', 'Rae')).stdout).toContain('1');
    expect((await browser.open(`${publicUrl}/account`)).url.pathname).toBe('/sign-in');
    const codes = await run('principals', 'recovery-codes', 'Ada Obi');
    expect(codes.stdout.trim().split('\n')).toHaveLength(10);
    await ok('sign-in', 'remove', 'Harbor ID');
    expect(await json('sign-in')).toEqual({ items: [], next: null });
  } finally {
    await oidc.close();
  }
});
