/** What both queue backends promise. */
import { describe, it } from 'vitest';
import type { Backends } from './backends.ts';
import { isFair } from './conformanceFairness.ts';
import { carriesOutJobs, decidesAboutErrors } from './conformanceJobs.ts';
import {
  followsConnections,
  keepsHouse,
  keepsSchedules,
  survivesItsBackend,
} from './conformanceSchedules.ts';
import { ends, isReplaced, keepsApart, sharesWork } from './conformanceWorkers.ts';
import { eachOnItsOwnStage } from './stage.ts';

export function queueConformance(
  name: string,
  start: () => Promise<Backends>,
  { skippedBecause = null }: { skippedBecause?: string | null } = {},
): void {
  if (skippedBecause !== null) {
    describe.skip(`job queues on ${name}: skipped, because ${skippedBecause}`, () => {
      it('run', () => {});
    });
    process.stderr.write(`The job queues on ${name} are not tested here: ${skippedBecause}.\n`);
    return;
  }
  describe(`job queues on ${name}`, { timeout: 60_000 }, () => {
    const stage = eachOnItsOwnStage(start);
    carriesOutJobs(stage);
    decidesAboutErrors(stage);
    keepsSchedules(stage);
    followsConnections(stage);
    keepsHouse(stage);
    survivesItsBackend(stage);
    sharesWork(stage);
    isFair(stage);
    keepsApart(stage);
    ends(stage);
    isReplaced(stage);
  });
}
