/**
 * A small application that leaves to Rollcall who somebody is and what they may do. Reading goes by the token that comes with the
 * request; paying asks Rollcall, so that a right that was taken away a moment ago counts no more. Beside it the event feed is followed:
 * when a tenant moves, the keys of its invoices move with it.
 *
 * Environment: ROLLCALL_URL, ROLLCALL_KEY (of an application), PORT (7700), INVOICES (the file with the invoices).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { allows, Rollcall, reachOf } from '../../clients/typescript/client.ts';
import { type UserClaims, userTokens } from '../../clients/typescript/tokens.ts';
import { Invoices } from './invoices.ts';

/** What tokens for this application are asked for with. */
const AUDIENCE = 'invoices';
const PAUSE_AFTER_FAILURE_MS = 5_000;
const LONGEST_BODY = 16_384;

const {
  ROLLCALL_URL: url = '',
  ROLLCALL_KEY: key = '',
  PORT = '7700',
  INVOICES = 'invoices.db',
} = process.env;
const rollcall = new Rollcall({ url, key });
const tokens = userTokens({ issuer: url, audience: AUDIENCE });
const invoices = new Invoices(INVOICES);

class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function claimsOf({ headers }: IncomingMessage): Promise<UserClaims> {
  const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) throw new Refused(401, 'This needs a token.');
  return await tokens.verify(token).catch(() => {
    throw new Refused(401, 'The token is not good, or not any more.');
  });
}

async function answerTo(request: IncomingMessage): Promise<unknown> {
  const claims = await claimsOf(request);
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const paid = /^\/invoices\/(\d+)\/payment$/.exec(pathname)?.[1];
  if (request.method === 'GET' && pathname === '/invoices')
    return { invoices: invoices.list(reachOf(claims.entries, 'invoices.read')) };
  if (request.method === 'POST' && pathname === '/invoices') return add(claims, await bodyOf(request));
  if (request.method === 'POST' && paid !== undefined) return await pay(claims, Number(paid));
  throw new Refused(404, 'There is no such thing.');
}

function add({ entries }: UserClaims, body: Record<string, unknown>): unknown {
  const { dataKey, customer, cents } = body;
  if (typeof dataKey !== 'string' || typeof customer !== 'string' || !Number.isSafeInteger(cents))
    throw new Refused(400, 'An invoice has a dataKey, a customer and cents.');
  if (!allows(entries, dataKey, 'invoices.write')) throw new Refused(403, 'You may write no invoices there.');
  return { number: invoices.add({ dataKey, customer, cents: Number(cents) }) };
}

/** What cannot be taken back is asked for as it is now. The client fetches it again only if it has changed. */
async function pay({ user }: UserClaims, number: number): Promise<unknown> {
  const { entries } = await rollcall.authorization(user);
  const invoice = invoices.get(number);
  // Somebody who may not see an invoice does not hear that there is one.
  if (invoice === undefined || !allows(entries, invoice.dataKey, 'invoices.read'))
    throw new Refused(404, 'There is no such invoice.');
  if (!allows(entries, invoice.dataKey, 'invoices.pay'))
    throw new Refused(403, 'You may pay no invoices there.');
  invoices.pay(number);
  return invoices.get(number);
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > LONGEST_BODY) throw new Refused(413, 'That is too much.');
  }
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) return body as Record<string, unknown>;
  } catch {}
  throw new Refused(400, 'The body is not a JSON object.');
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const say = (status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  try {
    say(200, await answerTo(request));
  } catch (error) {
    if (error instanceof Refused) say(error.status, { error: error.message });
    else {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      say(500, { error: 'That did not work.' });
    }
  }
}

async function follow(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of rollcall.events(invoices.cursor, { signal, pauseMs: 500 }))
        invoices.follow(event);
    } catch (error) {
      process.stderr.write(`The events cannot be read: ${error instanceof Error ? error.message : error}\n`);
      await sleep(PAUSE_AFTER_FAILURE_MS, undefined, { signal }).catch(() => {});
    }
  }
}

const ending = new AbortController();
const server = createServer((request, response) => void serve(request, response));
server.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`Listening on http://127.0.0.1:${port}\n`);
});
const following = follow(ending.signal);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    ending.abort();
    server.close();
    server.closeAllConnections();
    await following;
    invoices.close();
  });
