/** A name server on this machine: answers what a test has put into it, over UDP, as RFC 1035 has it. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const TXT = 16;
const CNAME = 5;
const CODES = { ok: 0, 'server-failure': 2, 'no-such-name': 3, refused: 5 } as const;

type Held =
  /** Each value in its parts, of up to 255 bytes. */
  | { readonly txt: readonly (readonly string[])[] }
  | { readonly alias: string }
  | 'silent'
  | Exclude<keyof typeof CODES, 'ok' | 'no-such-name'>;

export type DnsServer = {
  /** As `Resolver.setServers` takes it. */
  readonly address: string;
  /** By name, in lower case. What is not there does not exist. */
  readonly names: Map<string, Held>;
  /** Names that were asked for, in their order. */
  readonly asked: string[];
  close(): Promise<void>;
};

export async function startDnsServer(): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const names = new Map<string, Held>();
  const asked: string[] = [];
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { name, end } = nameAt(query, 12);
    asked.push(name);
    const answer = answerTo(query.subarray(0, end + 4), name, names);
    if (answer !== null) socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    names,
    asked,
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** null: nothing is said. */
function answerTo(question: Buffer, name: string, names: ReadonlyMap<string, Held>): Buffer | null {
  const held = names.get(name.toLowerCase());
  if (held === 'silent') return null;
  if (held === undefined) return message(question, CODES['no-such-name'], []);
  if (typeof held === 'string') return message(question, CODES[held], []);
  if ('txt' in held)
    return message(
      question,
      CODES.ok,
      held.txt.map((parts) => record(name, TXT, texts(parts))),
    );
  const target = names.get(held.alias);
  const behind =
    typeof target === 'object' && 'txt' in target
      ? target.txt.map((parts) => record(held.alias, TXT, texts(parts)))
      : [];
  return message(question, CODES.ok, [record(name, CNAME, encoded(held.alias)), ...behind]);
}

/** The question comes back with its id, and then the answers. */
function message(question: Buffer, code: number, answers: readonly Buffer[]): Buffer {
  const head = Buffer.from(question);
  head.writeUInt16BE(0x8180 | code, 2); // a response, recursion wanted and had
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, ...answers]);
}

function record(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(60, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encoded(name), fixed, data]);
}

const withLength = (text: string) =>
  Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);
const texts = (parts: readonly string[]) => Buffer.concat(parts.map(withLength));
const encoded = (name: string) => Buffer.concat([...name.split('.').map(withLength), Buffer.from([0])]);

function nameAt(query: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}
