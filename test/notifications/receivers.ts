/** Where messages arrive: a real HTTPS server that stands in for a chat service, and a real SMTP server. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { onTestFinished } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';

export const keys = openKeys(null);

export type Posted = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what came as it expects it, and fails where it is not so
  readonly body: any;
};

export type Chat = {
  readonly url: string;
  readonly ca: string;
  readonly posted: Posted[];
  /** Answers of the next requests; after them 200. `nothing`: the connection is closed; `never`: it stays open. */
  readonly answers: (
    | readonly [status: number, headers?: Readonly<Record<string, string>>]
    | 'nothing'
    | 'never'
  )[];
};

/** Stands until the test is finished. */
export async function aChat(): Promise<Chat> {
  const { ca, serverCertificate: cert, serverKey: key } = await keys;
  const chat: Omit<Chat, 'url'> = { ca, posted: [], answers: [] };
  const server = createServer({ cert, key }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { url: path = '', headers } = request;
    chat.posted.push({ path, headers, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
    const answer = chat.answers.shift() ?? [200];
    if (answer === 'never') return;
    if (answer === 'nothing') return void request.socket.destroy();
    response
      .writeHead(answer[0], answer[1] ?? {})
      .end('the receiver says something that is nobody’s business');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { ...chat, url: `https://127.0.0.1:${port}/services/T000/B000/secret-part` };
}

export type MailBox = {
  readonly port: number;
  readonly ca: string;
  /** Each as it was handed in: who it is for, and all of its text. */
  readonly mails: {
    readonly from: string;
    readonly to: readonly string[];
    readonly text: string;
    readonly secure: boolean;
  }[];
};

/** Takes `rollcall` with the password `s3cret`, after STARTTLS. Stands until the test is finished. */
export async function aMailBox(options: SMTPServerOptions = {}): Promise<MailBox> {
  const { ca, serverCertificate: cert, serverKey: key } = await keys;
  const mails: MailBox['mails'] = [];
  const server = new SMTPServer({
    cert,
    key,
    disableReverseLookup: true,
    onAuth: ({ username, password }, _session, done) =>
      username === 'rollcall' && password === 's3cret'
        ? done(null, { user: username })
        : done(new Error('the password hunter2 is wrong')),
    onRcptTo: ({ address }, _session, done) =>
      address.startsWith('nobody@') ? done(new Error('nobody is here')) : done(),
    onData: (stream, { envelope, secure }, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push({
          from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
          to: envelope.rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString('utf8'),
          secure,
        });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {}); // a client that does not trust it breaks off
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onTestFinished(() => new Promise<void>((closed) => server.close(() => closed())));
  return { port: (listening.address() as AddressInfo).port, ca, mails };
}
