import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listRuns } from '../../src/sync/runs.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { asUser, attributes, change, edit, id, ids, mapping, who } from '../support/lives.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const life = fc.record({
  users: fc.array(attributes, { minLength: 15, maxLength: 40 }),
  g1: fc.array(who),
  g2: fc.array(who),
  edits: fc.array(edit, { maxLength: 8 }),
  /** Before which of its requests, in parts of all. */
  stops: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 3 }),
});
type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

/** Everybody of the first day is applied; the second has begun. */
async function onTheSecondDay({ users, g1, g2, edits }: Life): Promise<Connected> {
  const directory = aDirectory({
    users: users.map((user, at) => asUser(id(at), user)),
    groups: [
      { id: 'g1', members: ids(g1) },
      { id: 'g2', members: ids(g2) },
    ],
    pageSize: 5,
    canLookUp: true,
  });
  const one = await install.connect({ directory, mapping, guards: noGuards });
  await one.sync();
  if ((await one.approveAll()) > 0) await one.apply();
  change(directory, edits);
  directory.requests.length = 0;
  return one;
}

/** A run whose process ends before its request of this number. Gives whether it came so far. */
async function stoppedBefore(one: Connected, request: number): Promise<boolean> {
  const { directory } = one;
  const controller = new AbortController();
  let asked = 0;
  directory.faults = {
    ...directory.faults,
    beforePage: () => {
      asked++;
      if (asked === request) controller.abort(new Error('the process ends here'));
      controller.signal.throwIfAborted();
    },
  };
  const run = one.sync({ signal: controller.signal }).then(
    () => false,
    (error: Error) => {
      expect(error.message).toBe('the process ends here');
      return true;
    },
  );
  const stopped = await run;
  const { beforePage: _, ...faults } = directory.faults;
  directory.faults = faults;
  return stopped;
}

/** What people are shown, and what the run says that it read. */
async function shown(one: Connected) {
  const changes = await one.live();
  const { items } = await listRuns(install, one.administrator, { connection: one.connection, limit: 1 });
  const [last] = items;
  return {
    changes: changes
      .map(({ externalId, kind, cause, before, after, fields, rolesGained, rolesLost, state }) => {
        return { externalId, kind, cause, before, after, fields, rolesGained, rolesLost, state };
      })
      .toSorted((first, second) => (first.externalId < second.externalId ? -1 : 1)),
    read: [last?.snapshot, last?.users, last?.groups, last?.members, last?.unreadable, last?.counts],
  };
}

const RUNS = Number(process.env['RUNS'] ?? 8);

describe('A run that was stopped, once or several times', () => {
  it.each([
    ['lives', {}],
    ['has expired', { oldCursorsExpire: true }],
  ])(
    'and whose cursor %s comes to what an undisturbed one does',
    async (_, faults) => {
      let stops = 0;
      await fc.assert(
        fc.asyncProperty(life, async (given) => {
          const calm = await onTheSecondDay(given);
          expect(await calm.sync()).toMatchObject({ result: 'finished' });
          const requests = calm.directory.requests.length;
          const one = await onTheSecondDay(given);
          one.directory.faults = { canLookUp: true, ...faults };
          for (const part of given.stops)
            if (await stoppedBefore(one, 1 + Math.floor(part * requests))) stops++;
          expect(await one.sync()).toMatchObject({ result: 'finished' });
          expect(await shown(one)).toEqual(await shown(calm));
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
      expect(stops).toBeGreaterThan(0);
    },
    20_000 * RUNS,
  );
});
