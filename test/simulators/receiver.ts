/** Somebody who has subscribed: a small HTTP server that keeps what it is sent. */
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Keys } from '../../simulators/certificates.ts';
import type { Json, Visitor } from './visitor.ts';

export type Received = {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json(): Json;
};

export type Answered = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

export type Receiver = {
  readonly url: string;
  /** All of it, handshakes too. */
  readonly received: readonly Received[];
  /** The first so many of these, when they have come. */
  first(count: number, accept?: (received: Received) => boolean): Promise<readonly Received[]>;
};

/** As the providers' guides tell receivers to answer. */
export function honest({ url, headers }: Received): Answered {
  const token = url.searchParams.get('validationToken');
  if (token !== null) return { status: 200, headers: { 'content-type': 'text/plain' }, body: token };
  const challenge = headers['x-okta-verification-challenge'];
  return typeof challenge === 'string'
    ? {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ verification: challenge }),
      }
    : { status: 204 };
}

/** `keys`: with https. */
export async function receive(
  answer: (received: Received, before: readonly Received[]) => Answered = honest,
  keys: Keys | null = null,
): Promise<Receiver> {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const listener: RequestListener = (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', headers, url = '/' } = incoming;
      const text = Buffer.concat(chunks).toString('utf8');
      const json = (): Json => JSON.parse(text) as Json;
      const one = { method, url: new URL(url, 'http://receiver.example'), headers, text, json };
      const { status, headers: own = {}, body } = answer(one, [...received]);
      received.push(one);
      response.writeHead(status, own).end(body);
      for (const look of waiting) look();
    });
  };
  const server =
    keys === null
      ? createServer(listener)
      : createSecureServer({ key: keys.serverKey, cert: keys.serverCertificate }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${keys === null ? 'http' : 'https'}://127.0.0.1:${port}/hook`,
    received,
    first: (count, accept = () => true) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = received.filter(accept);
          if (found.length < count) return;
          waiting.delete(look);
          resolve(found.slice(0, count));
        };
        waiting.add(look);
        look();
      }),
  };
}

/** Until nothing is being sent any more. */
export async function settled({ simulator }: Visitor) {
  for (;;) {
    const { notices } = await simulator.control.state();
    if (notices.underWay === 0) return notices;
  }
}
