import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { retryAfterMs } from '../../src/notifications/deliver.ts';
import { addressOf, networks } from '../../src/notifications/reach.ts';

const from = 'rollcall@acme.test';

describe('The install’s mail server', () => {
  it.each([
    [
      'smtps://user%40acme.test:p%2Fw@smtp.acme.test',
      { host: 'smtp.acme.test', port: 465, tls: 'implicit', user: 'user@acme.test' },
      'p/w',
    ],
    ['smtp://smtp.acme.test', { host: 'smtp.acme.test', port: 587, tls: 'starttls', user: null }, null],
    ['smtp://[2001:db8::1]:25/', { host: '2001:db8::1', port: 25, tls: 'starttls', user: null }, null],
  ])('is read from %s', (url, server, password) => {
    const { mail } = parseConfig({ ROLLCALL_SMTP_URL: url, ROLLCALL_SMTP_FROM: from });
    expect(mail).toEqual({ server: { ...server, from, ca: null }, password });
  });

  it('is none unless it is named, and neither its URL nor its sender is of use alone', () => {
    expect(parseConfig({}).mail).toBeNull();
    for (const one of [{ ROLLCALL_SMTP_URL: 'smtp://smtp.acme.test' }, { ROLLCALL_SMTP_FROM: from }])
      expect(() => parseConfig(one)).toThrow(/ROLLCALL_SMTP_FROM: belongs together with ROLLCALL_SMTP_URL/);
  });

  it.each(['smtp://user@smtp.acme.test', 'smtp://smtp.acme.test/path', 'https://smtp.acme.test'])(
    'is refused without its value being repeated: %s',
    (url) => {
      expect(() => parseConfig({ ROLLCALL_SMTP_URL: url, ROLLCALL_SMTP_FROM: from })).toThrow(
        /ROLLCALL_SMTP_URL: (?!.*acme)/,
      );
    },
  );
});

describe('An address', () => {
  const none = networks([]);

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
  ])('that is private is refused, however it is written: %s', async (address) => {
    await expect(addressOf(address, none)).rejects.toThrow('ROLLCALL_NOTIFY_NETWORKS');
    await expect(addressOf(`::ffff:${address}`, none)).rejects.toThrow('ROLLCALL_NOTIFY_NETWORKS');
  });

  it.each(['::1', '::', 'fc00::1', 'fe80::1', 'ff02::1', '64:ff9b::a00:1', '2002:a00:1::'])(
    'of version 6 likewise: %s',
    async (address) => {
      await expect(addressOf(address, none)).rejects.toThrow('ROLLCALL_NOTIFY_NETWORKS');
    },
  );

  it('that is public is taken, and a private one whose network is named', async () => {
    expect(await addressOf('1.1.1.1', none)).toBe('1.1.1.1');
    expect(await addressOf('2606:4700::1111', none)).toBe('2606:4700::1111');
    const named = networks(['10.20.0.0/16', 'fd00:1::/32', '192.168.7.7']);
    expect(await addressOf('10.20.30.40', named)).toBe('10.20.30.40');
    expect(await addressOf('fd00:1::5', named)).toBe('fd00:1::5');
    expect(await addressOf('192.168.7.7', named)).toBe('192.168.7.7');
    await expect(addressOf('192.168.7.8', named)).rejects.toThrow();
    await expect(addressOf('10.21.0.1', named)).rejects.toThrow();
  });
});

it('An attempt comes later each time, four hours at most, and no earlier than the receiver asked for', () => {
  const minutes = [1, 2, 3, 8, 9, 12].map((attempt) => retryAfterMs(attempt, 0) / 60_000);
  expect(minutes).toEqual([1, 2, 4, 128, 240, 240]);
  expect(retryAfterMs(1, 600_000)).toBe(600_000);
  expect(retryAfterMs(5, 600_000)).toBe(960_000);
});
