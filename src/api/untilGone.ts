/** Whether somebody still waits for an answer. */
import type { FastifyReply } from 'fastify';

/**
 * Aborts when the connection closes before the answer was sent. Fastify's `request.signal` will not do: it follows the request, which
 * closes as soon as its body has been read.
 */
export function untilGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
