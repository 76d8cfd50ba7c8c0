/** A host of a test's own making that speaks TLS with a certificate of a test authority, and a forward proxy. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { onTestFinished } from 'vitest';
import type { Network } from '../../connectors/contract.ts';
import { openKeys } from '../../simulators/certificates.ts';

const keys = openKeys(null);

export type Host = {
  readonly origin: string;
  /** Trusts this host. */
  readonly network: Network;
  /** Method and path with query of each request, in their order. */
  readonly asked: readonly string[];
};

/** Stands until the test is finished. */
export async function aHost(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Host> {
  const { ca, serverCertificate, serverKey } = await keys;
  const asked: string[] = [];
  const server = createServer({ cert: serverCertificate, key: serverKey }, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `https://127.0.0.1:${port}`, network: { baseUrl: null, ca, proxy: null }, asked };
}

export async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** `tunnels`: the hosts let through; `refused`: those that were not. */
export type Proxy = {
  readonly url: string;
  readonly tunnels: readonly string[];
  readonly refused: readonly string[];
};

/** Lets everything through that shows the wanted `proxy-authorization`, and answers `status` to everything else. */
export async function aProxy(wanted: string | null, status = 407): Promise<Proxy> {
  const tunnels: string[] = [];
  const refused: string[] = [];
  const sockets = new Set<Socket>();
  const server = createHttpServer();
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
    if (wanted === null || request.headers['proxy-authorization'] !== wanted) {
      refused.push(String(request.url));
      socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      return;
    }
    tunnels.push(String(request.url));
    const [host, port] = String(request.url).split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    sockets.add(onward.on('error', () => onward.destroy()));
  });
  const port = await listening(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `127.0.0.1:${port}`, tunnels, refused };
}

/** Accepts connections and says nothing on them. */
export async function aSilentProxy(): Promise<{ readonly url: string; readonly accepted: () => number }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
  });
  const port = await listening(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, accepted: () => sockets.size };
}
