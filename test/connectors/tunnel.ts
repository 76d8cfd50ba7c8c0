/** A TCP proxy on loopback that can be told to cut connections or to hold what is sent back. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Tunnel = {
  readonly port: number;
  /** All connections that are open. */
  cut(): void;
  /** The next connection, as soon as it is made. */
  cutNext(): void;
  /** Those that are open, when so many more bytes have come back through all of them. */
  cutAfter(bytes: number): void;
  /** Nothing comes back any more until `heal`; what is held by then is lost. */
  hold(): void;
  heal(): void;
  close(): Promise<void>;
};

export async function openTunnel(target: number): Promise<Tunnel> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const state: { cutNext: boolean; held: boolean; left: number } = {
    cutNext: false,
    held: false,
    left: Number.POSITIVE_INFINITY,
  };
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const server = createServer((client) => {
    if (state.cutNext) {
      state.cutNext = false;
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    const pair = [client, upstream] as const;
    pairs.add(pair);
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (state.held) return;
      client.write(chunk.subarray(0, state.left));
      state.left -= chunk.length;
      if (state.left <= 0) {
        state.left = Number.POSITIVE_INFINITY;
        client.end();
        upstream.destroy();
      }
    });
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        for (const one of pair) one.destroy();
      });
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    cutNext: () => {
      state.cutNext = true;
    },
    cutAfter: (bytes) => {
      state.left = bytes;
    },
    hold: () => {
      state.held = true;
    },
    heal: () => {
      state.held = false;
      state.left = Number.POSITIVE_INFINITY;
    },
    close: async () => {
      cut();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}
