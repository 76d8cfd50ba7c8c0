/** Whether the process lives, and whether it can work: what a load balancer or an orchestrator asks. */
import { z } from 'zod';
import { HttpFailure } from './problems.ts';
import { openRoute } from './route.ts';

const LONGEST_WAIT_MS = 5_000;

export const health = [
  openRoute({
    path: '/healthz',
    operation: 'isAlive',
    summary: 'The process lives',
    answer: z.object({ status: z.literal('alive') }),
    handle: async () => ({ status: 'alive' as const }),
  }),
  openRoute({
    path: '/readyz',
    operation: 'isReady',
    summary: 'Database and queue answer',
    answer: z.object({ status: z.literal('ready') }),
    handle: async ({ readiness, log }) => {
      const answers = Object.entries(readiness).map(async ([part, probe]) => {
        const up = await answersInTime(probe, (error) => log.warn({ event: 'part.down', part, error }));
        return [part, up ? 'up' : 'down'] as const;
      });
      const parts = Object.fromEntries(await Promise.all(answers));
      const down = Object.keys(parts).filter((part) => parts[part] === 'down');
      if (down.length === 0) return { status: 'ready' as const };
      throw new HttpFailure({
        type: 'about:blank',
        title: 'Not ready',
        status: 503,
        detail: `These do not answer: ${down.join(', ')}.`,
        parts,
      });
    },
  }),
];

/** A part that neither answers nor refuses is down. */
async function answersInTime(
  probe: () => Promise<unknown>,
  failed: (error: unknown) => void,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), LONGEST_WAIT_MS);
  });
  try {
    await Promise.race([probe(), late]);
    return true;
  } catch (error) {
    failed(error);
    return false;
  } finally {
    clearTimeout(timer);
  }
}
