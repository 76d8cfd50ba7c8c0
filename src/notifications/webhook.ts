/** Posting to a webhook of Slack or Teams: https, no redirect, and of the answer only its status counts. */
import type { BlockList } from 'node:net';
import { Agent, request } from 'undici';
import { faultOf, trusting } from '../../connectors/transport.ts';
import { addressOf, Unreachable } from './reach.ts';
import type { Sent } from './sent.ts';

export type Webhook = { readonly url: string; readonly ca: string | null };

/** One attempt takes no longer, all in all. */
const LONGEST_MS = 30_000;

/** `id`: the same for every attempt at one message, for receivers that look for it. */
export async function post(
  { url, ca }: Webhook,
  body: string,
  { id, allowed, signal }: { readonly id: string; readonly allowed: BlockList; readonly signal: AbortSignal },
): Promise<Sent> {
  const { hostname, host } = new URL(url);
  try {
    const address = await addressOf(hostname.replaceAll(/[[\]]/g, ''), allowed);
    const family = address.includes(':') ? 6 : 4;
    const dispatcher = new Agent({
      connect: {
        secureContext: trusting(ca),
        timeout: 10_000,
        // The very address that was looked at.
        lookup: (_host, { all }, done) =>
          all === true ? done(null, [{ address, family }]) : done(null, address, family),
      },
    });
    try {
      const answer = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'Rollcall', 'idempotency-key': id },
        body,
        dispatcher,
        signal: AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]),
      });
      const status = answer.statusCode;
      const retryAfter = answer.headers['retry-after'];
      answer.body.on('error', () => {}).destroy();
      return verdict(host, status, Array.isArray(retryAfter) ? retryAfter[0] : retryAfter);
    } finally {
      await dispatcher.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Unreachable) return { ok: false, problem: error.message, again: false };
    if ((error as Error).name === 'TimeoutError')
      return {
        ok: false,
        problem: `${host} did not answer within ${LONGEST_MS / 1_000} seconds.`,
        again: true,
      };
    const fault = faultOf(error);
    return { ok: false, problem: `${fault.happened.replaceAll('HOST', host)}.`, again: fault.retry };
  }
}

/** What mends itself is tried again: a receiver that is busy, slow or broken. The rest needs a person. */
function verdict(host: string, status: number, retryAfter: string | undefined): Sent {
  if (status >= 200 && status < 300) return { ok: true, problem: null };
  const problem = `${host} answered with status ${status}.`;
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = /^\d{1,6}$/.test(retryAfter ?? '') ? Number(retryAfter) : null;
    return { ok: false, problem, again: true, ...(seconds === null ? {} : { afterMs: seconds * 1_000 }) };
  }
  const hint =
    status >= 300 && status < 400
      ? ' A webhook must not lead elsewhere.'
      : ' Make the webhook anew, and the channel with it.';
  return { ok: false, problem: `${problem}${hint}`, again: false };
}
