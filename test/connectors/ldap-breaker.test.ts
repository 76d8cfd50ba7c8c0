/** A directory server that is down is left alone, as an HTTP API is. */
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Network } from '../../connectors/contract.ts';
import { openLdap } from '../../connectors/ldap/index.ts';
import { LdapSettings } from '../../connectors/ldap/settings.ts';
import { aClock, failing, never } from './aSession.ts';

let server: Server;
let url: string;
let knocks = 0;

/** Hangs up on whoever comes. */
beforeEach(async () => {
  knocks = 0;
  server = createServer((socket) => {
    knocks += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `ldap://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterEach(async () => void (await new Promise((resolve) => server.close(resolve))));

it('after so many failures nobody knocks until the time is over, and then once', async () => {
  const clock = aClock();
  const settings = LdapSettings.parse({ url, schema: 'openldap', baseDn: 'dc=x', allowPlaintext: true });
  const connector = openLdap(
    { settings, credentials: { bindDn: 'cn=reader,dc=x', password: 'x' }, network: Network.parse({}) },
    { ...clock, maxRetries: 1, breaker: { failures: 2, openMs: 30_000 } },
  );
  try {
    for (const _ of [1, 2])
      expect(await failing(connector.fetchGroups(null, never))).toMatchObject({ kind: 'unavailable' });
    expect(knocks).toBe(2 * 2);
    clock.pass(10_000);
    const failure = await failing(connector.fetchGroups(null, never));
    expect(failure).toMatchObject({ kind: 'unavailable', retryAfterMs: 30_000 - 10_000 });
    expect(knocks).toBe(4);
    clock.pass(30_000);
    expect(await failing(connector.fetchGroups(null, never))).toMatchObject({ kind: 'unavailable' });
    expect(knocks).toBe(4 + 1);
    expect(await failing(connector.fetchGroups(null, never))).toMatchObject({ retryAfterMs: 60_000 });
  } finally {
    await connector.close();
  }
});
