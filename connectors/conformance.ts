/** What every connector has to do, as one Vitest suite, run against a source of its kind that can be told to misbehave. */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { survivesOddChanges, tellsChanges } from './conformance/changes.ts';
import { goesOnAfterwards, namesFailures, namesFailuresOfGroups, stops } from './conformance/failures.ts';
import { completed, failureWithout, impatient, type Suite } from './conformance/harness.ts';
import { looksUp, looksUpInTrouble } from './conformance/lookUp.ts';
import { followsMoves } from './conformance/moves.ts';
import { survivesOddPages } from './conformance/pages.ts';
import { readsEverything, readsGroups } from './conformance/reading.ts';
import { canOf, type Scenario, type Shown, type Simulated } from './conformance/source.ts';
import type { Connector } from './contract.ts';

export type { Control, FaultName, Scenario, Simulated } from './conformance/source.ts';

/**
 * `simulated` is asked once; its source serves the whole suite. Sections for what `abilities` does not declare, and for what
 * the source `cannot` show, are left out: a file has no HTTP statuses, a directory without links no foreign ones.
 */
export function connectorConformance(
  name: string,
  simulated: (scenario: Scenario) => Promise<Simulated>,
  shown: Shown,
): void {
  describe(`${name} as every connector`, () => {
    let served: Simulated;
    const opened: Connector[] = [];
    const control = () => completed(served.control);
    beforeAll(async () => {
      served = await simulated({ pages: 3 });
    });
    afterEach(async () => {
      await control().clearFaults();
      for (const connector of opened.splice(0)) await connector.close();
    });
    afterAll(() => served.close());
    const suite: Suite = {
      abilities: shown.abilities,
      can: canOf(shown),
      brokenPagesAre: shown.brokenPagesAre ?? 'unexpected-response',
      connect: (tuning) => {
        const connector = served.connect({ ...impatient(), ...tuning });
        opened.push(connector);
        return connector;
      },
      control,
      failing: (work) => failureWithout(served.secrets, work),
    };
    const { abilities } = shown;
    readsEverything(suite);
    if (abilities.groups) readsGroups(suite);
    survivesOddPages(suite);
    namesFailures(suite);
    if (abilities.groups) namesFailuresOfGroups(suite);
    goesOnAfterwards(suite);
    stops(suite);
    if (suite.can('moves')) followsMoves(suite);
    if (abilities.lookUp) {
      looksUp(suite);
      looksUpInTrouble(suite);
    }
    if (abilities.delta && suite.can('moves')) {
      tellsChanges(suite);
      survivesOddChanges(suite);
    }
  });
}
