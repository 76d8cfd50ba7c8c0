import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { replanRun } from '../../src/sync/replan.ts';
import { listRuns } from '../../src/sync/runs.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import {
  asUser,
  attributes,
  change,
  edit,
  id,
  ids,
  mappingWith,
  matching,
  placing,
  rules,
  who,
} from '../support/lives.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
  passes();
});
afterAll(() => install.close());

/** The database dates some of what is compared. */
const passes = () => install.clock.advance(Date.now() - install.clock.now().getTime());

const round = fc.record({
  edits: fc.array(edit, { maxLength: 8 }),
  unreadable: fc.array(who, { maxLength: 2 }),
  approves: fc.constantFrom(0, 2, 3, 1),
  localEdits: fc.array(fc.record({ who, name: fc.constantFrom('Sales', 'Ada Lovelace', '') }), {
    maxLength: 2,
  }),
});
const life = fc.record({
  users: fc.array(attributes, { minLength: 10, maxLength: 30 }),
  g1: fc.array(who),
  placed: fc.boolean(),
  matching,
  graceDays: fc.constantFrom(0, 0, 30),
  rounds: fc.array(round, { minLength: 2, maxLength: 3 }),
});

type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;
type Round = Life['rounds'][number];

const RUNS = Number(process.env['RUNS'] ?? 2);

it('whatever happens in a directory and here, its last complete run is planned again as it was', {
  timeout: 600_000,
}, async () => {
  await fc.assert(fc.asyncProperty(life, isLived), {
    numRuns: RUNS,
    endOnFailure: true,
  });
});

async function isLived({ users, g1, placed, matching: by, graceDays, rounds }: Life): Promise<void> {
  const groups = [
    { id: 'g1', members: ids(g1) },
    { id: 'g2', members: [] },
  ];
  const directory = aDirectory({ users: users.map((one, at) => asUser(id(at), one)), groups, pageSize: 7 });
  const acme = await install.connect({
    directory,
    mapping: mappingWith(placed ? placing : rules),
    guards: noGuards,
    policy: { matching: [...by], leavers: { graceDays } },
    verifiedDomains: ['example.test'],
  });
  if (placed) await createTenant(install, install.operator, { name: 'Fixed', parent: acme.tenant });
  for (const one of rounds) {
    directory.faults = { unreadable: ids(one.unreadable) };
    passes();
    await acme.sync();
    passes();
    await isAsItWas(acme);
    await goOn(acme, one);
    await isAsItWas(acme);
    change(directory, one.edits);
  }
}

async function isAsItWas(acme: Connected): Promise<void> {
  const { items } = await listRuns(install, acme.administrator, { connection: acme.connection });
  const last = items.find(({ snapshot, state }) => snapshot === 'complete' && state === 'finished');
  if (last === undefined) return;
  const { differences, people } = await replanRun(install, acme.administrator, last.id);
  expect(differences).toEqual([]);
  expect(people).toBeGreaterThan(0);
}

/** Some of what waits is applied, and some auth users are edited by hand. */
async function goOn(acme: Connected, { approves, localEdits }: Round): Promise<void> {
  const open = await acme.changes({ state: ['open'] });
  const chosen = open.filter(({ kind }, at) => approves > 0 && at % approves === 0 && kind !== 'conflict');
  if (chosen.length > 0) {
    await acme.approve(...chosen.map(({ externalId }) => externalId));
    await acme.apply();
  }
  const users = await acme.users();
  for (const one of localEdits) {
    const known = users.find(({ externalId, state }) => externalId === id(one.who) && state !== 'deleted');
    if (known !== undefined)
      await acme.edit(id(one.who), { attributes: { badge: 'x', department: one.name } });
  }
}
