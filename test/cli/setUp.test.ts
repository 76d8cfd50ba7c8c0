import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Browser } from '../signIn/browser.ts';
import { startOidcProvider } from '../signIn/oidcProvider.ts';
import { said, throughProvider } from '../signIn/stage.ts';
import { aFolder, type Ended, type Running, rollcall, start } from './command.ts';

const folder = aFolder();
const data = join(folder.path, 'data');
const LINK = /http:\/\/127\.0\.0\.1:\d+\/set-up\?token=[\w-]{43}/;
let daemon: Running;

beforeAll(async () => {
  daemon = start(['start', '--api-only', '--data', data], { env: { ROLLCALL_PORT: '0' } });
  await daemon.said('has no administrator yet');
});
afterAll(async () => {
  daemon.signal('SIGTERM');
  await daemon.ended;
  folder.remove();
});

let publicUrl = '';
const run = (args: string[]): Promise<Ended> =>
  rollcall([...args, '--data', data], { env: { ROLLCALL_PUBLIC_URL: publicUrl } });

it('prints a set-up link on standard error at the first start, and a fresh one when it is asked for', {
  timeout: 120_000,
}, async () => {
  const [link = ''] = LINK.exec(daemon.heard().stderr) ?? [];
  expect(link).not.toBe('');
  publicUrl = new URL(link).origin;
  expect((await new Browser().open(link)).status).toBe(200);
  const fresh = await run(['set-up-link', '--json']);
  expect(fresh.code).toBe(0);
  expect((await new Browser().open(link)).status).toBe(410);
  const browser = new Browser();
  const page = await browser.open(JSON.parse(fresh.stdout).link);
  const done = await browser.submit(page, /set-up/, { name: 'Ada Obi' });
  expect(said(done)).toContain('You are signed in as Ada Obi');
  expect(await run(['set-up-link'])).toMatchObject({
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
    writeFileSync(join(folder.path, 'ca.pem'), oidc.ca);
    writeFileSync(join(folder.path, 'secret.txt'), 'sesame\n');
    expect(await run(['tenants', 'add', 'Harbor'])).toMatchObject({ code: 0 });
    const reach = ['--issuer', oidc.issuer, '--client-id', 'rollcall', '--ca', join(folder.path, 'ca.pem')];
    const secret = ['--client-secret-file', join(folder.path, 'secret.txt')];
    const added = await run([
      'sign-in',
      'add',
      'Harbor ID',
      '--tenant',
      'Harbor',
      ...reach,
      ...secret,
      '--json',
    ]);
    expect(added).toMatchObject({ code: 0 });
    const { redirectUri } = JSON.parse(added.stdout);
    oidc.register('rollcall', 'sesame', [redirectUri]);
    expect(await run(['sign-in'])).toMatchObject({ code: 0, stdout: expect.stringContaining(redirectUri) });
    expect(await run(['sign-in', 'test', 'Harbor ID'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the provider knows the client and its secret'),
    });
    const invited = await run(['principals', 'invite', 'Rae', '--role', 'reviewer', '--tenant', 'Harbor']);
    expect(invited).toMatchObject({ code: 0, stderr: expect.stringContaining('Rae (reviewer)') });
    const browser = new Browser(oidc.agent);
    const page = await browser.open(invited.stdout.trim());
    const account = await throughProvider(oidc, browser, await browser.submit(page, /provider/), 'rae');
    expect(said(account)).toContain('You are signed in as Rae');
    const sessions = await run(['principals', 'sessions', 'Rae', '--json']);
    expect(JSON.parse(sessions.stdout).items).toMatchObject([{ method: 'openid-connect' }]);
    expect(await run(['principals', 'sign-out', 'Rae'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('1'),
    });
    expect((await browser.open(`${publicUrl}/account`)).url.pathname).toBe('/sign-in');
    const codes = await run(['principals', 'recovery-codes', 'Ada Obi']);
    expect(codes.stdout.trim().split('\n')).toHaveLength(10);
    expect(await run(['sign-in', 'remove', 'Harbor ID'])).toMatchObject({ code: 0 });
    expect(JSON.parse((await run(['sign-in', '--json'])).stdout)).toEqual({ items: [] });
  } finally {
    await oidc.close();
  }
});
