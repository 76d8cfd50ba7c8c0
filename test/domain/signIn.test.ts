import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { cleanRecoveryCode, localPath, publicUrlOf, recoveryCode } from '../../src/domain/signIn.ts';

describe('the public URL', () => {
  it.each([
    ['https://rollcall.example', 'https://rollcall.example'],
    ['https://rollcall.example:8443/', 'https://rollcall.example:8443'],
    ['http://localhost:7655', 'http://localhost:7655'],
    ['http://[::1]:7655', 'http://[::1]:7655'],
  ])('may be %s', (ROLLCALL_PUBLIC_URL, url) => {
    expect(parseConfig({ ROLLCALL_PUBLIC_URL }).publicUrl).toBe(url);
  });

  it.each([
    'http://rollcall.example',
    'http://127.0.0.1.example',
    'https://rollcall.example/path',
    'https://rollcall.example/?a',
    'https://user@rollcall.example',
    'rollcall.example',
  ])('may not be %s', (ROLLCALL_PUBLIC_URL) => {
    expect(() => parseConfig({ ROLLCALL_PUBLIC_URL })).toThrow(/ROLLCALL_PUBLIC_URL/);
  });

  it('is where the API listens, if that is this machine alone', () => {
    const at = (host: string, port = 7655) => publicUrlOf({ publicUrl: null, host, port });
    expect([at('127.0.0.1'), at('localhost'), at('::1')]).toEqual([
      'http://127.0.0.1:7655',
      'http://localhost:7655',
      'http://[::1]:7655',
    ]);
    expect([at('0.0.0.0'), at('::'), at('10.0.0.1'), at('127.0.0.1', 0)]).toEqual([null, null, null, null]);
    const configured = { publicUrl: 'https://rollcall.example', host: '0.0.0.0', port: 7655 };
    expect(publicUrlOf(configured)).toBe('https://rollcall.example');
  });
});

describe('other settings of the sign-in', () => {
  it.each([
    [{ ROLLCALL_SETUP_TOKEN: 'short' }],
    [{ ROLLCALL_SESSION_HOURS: '0' }],
    [{ ROLLCALL_SESSION_IDLE_HOURS: 'never' }],
    [{ ROLLCALL_TRUSTED_PROXIES: '10.0.0.0/33' }],
    [{ ROLLCALL_TRUSTED_PROXIES: 'proxy.example' }],
  ])('may not be %j', (environment) => {
    expect(() => parseConfig(environment)).toThrow(Object.keys(environment)[0]);
  });

  it('may be what they should be', () => {
    const config = parseConfig({
      ROLLCALL_SESSION_HOURS: '24',
      ROLLCALL_SESSION_IDLE_HOURS: '0.5',
      ROLLCALL_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
    });
    expect(config.sessionLimits).toEqual({ idleMs: 1_800_000, longestMs: 86_400_000 });
    expect(config.trustedProxies).toEqual(['10.0.0.0/8', '::1']);
  });
});

it('a path to return to never leads to another site, however it is spelt', () => {
  const base = 'https://rollcall.example';
  const nasty = fc.string({
    unit: fc.constantFrom('/', '\\', '\t', '\n', ' ', '.', 'a', ':', '@', '?', '#', '%', 'é'),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        nasty,
        nasty.map((text) => `/${text}`),
        fc.webUrl(),
        fc.string(),
      ),
      (wanted) => {
        const path = localPath(wanted);
        if (path !== null) expect(new URL(path, base).origin).toBe(base);
      },
    ),
    { numRuns: 2_000 },
  );
  expect([localPath('/docs#users'), localPath('/a?b=c&d'), localPath(undefined)]).toEqual([
    '/docs#users',
    '/a?b=c&d',
    null,
  ]);
});

it('a recovery code is read however it is typed, and stands for a hundred bits', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
      const code = recoveryCode(bytes);
      expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
      expect(cleanRecoveryCode(code)).toBe(code);
      expect(cleanRecoveryCode(` ${code.toLowerCase().replaceAll('-', ' ')}\n`)).toBe(code);
      expect(cleanRecoveryCode(code.replaceAll('0', 'o').replaceAll('1', 'I'))).toBe(code);
    }),
  );
});
