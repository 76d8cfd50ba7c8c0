import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { failing } from './aSession.ts';
import { closedAfterEach, nobody } from './googleAccount.ts';

const signal = new AbortController().signal;
const { account, connected, closing } = closedAfterEach();

/** A forward proxy on this machine. It lets no connection leave it, and remembers where they were to go. */
async function aProxy() {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    targets.push(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    if (host !== '127.0.0.1') return client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing({
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, targets };
}

it("a base URL with a path stands in for both of Google's origins", async () => {
  const google = await account(() => nobody);
  await connected(google, { baseUrl: `${google.origin}/google/` }).fetchUsers(null, signal);
  expect(google.tokenRequests[0]?.path).toBe('/google/token');
  expect(google.asked[0]?.path).toBe('/google/admin/directory/v1/users');
});

it('with a proxy, token and lists both go through it', async () => {
  const google = await account(() => nobody);
  const proxy = await aProxy();
  await connected(google, { proxy: proxy.url }).fetchUsers(null, signal);
  expect(new Set(proxy.targets)).toEqual(new Set([new URL(google.origin).host]));
  expect([google.tokenRequests.length, google.asked.length]).toEqual([1, 1]);
});

it('a certificate of an unknown authority ends it before the assertion is sent', async () => {
  const google = await account(() => nobody);
  const failure = await failing(connected(google, { ca: null }).fetchUsers(null, signal));
  expect(failure.kind).toBe('untrusted-certificate');
  expect(google.tokenRequests).toEqual([]);
});

it('without a base URL Google itself is asked, for a token first', async () => {
  const google = await account(() => nobody);
  const proxy = await aProxy();
  const connector = connected(google, { proxy: proxy.url, baseUrl: null });
  await failing(connector.fetchUsers(null, signal));
  expect(new Set(proxy.targets)).toEqual(new Set(['oauth2.googleapis.com:443']));
});
