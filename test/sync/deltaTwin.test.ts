import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectionId, type TenantId } from '../../src/domain/ids.ts';
import { requestRun } from '../../src/sync/runs.ts';
import { createTenant, verifyDomain } from '../../src/tenancy/tenants.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import {
  asUser,
  attributes,
  change,
  edit,
  id,
  ids,
  mapping,
  mappingWith,
  placing,
  rules,
  THERE,
  who,
} from '../support/lives.ts';
import { aUser, unknownId } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Another address for the auth user, be it one that somebody else has or comes to. */
const localEdit = fc.record({ who, address: fc.option(fc.nat(12), { nil: null }) });

const round = fc.record({
  edits: fc.array(edit, { maxLength: 8 }),
  approves: fc.constantFrom(0, 2, 3, 1),
  rejects: fc.constantFrom(0, 5, 2),
  localEdits: fc.array(localEdit, { maxLength: 2 }),
  applies: fc.boolean(),
  /** Somebody asks for these alone before. */
  targeted: fc.array(who, { maxLength: 4 }),
  /** Several deltas follow each other before a full run looks at all that they came to. */
  isCompared: fc.boolean(),
});
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;

const life = fc.record({
  users: fc.array(attributes, { minLength: 15, maxLength: 40 }),
  g1: fc.array(who),
  g2: fc.array(who),
  locals: fc.array(
    fc.record({ who, elsewhere: fc.boolean(), below: fc.option(fc.constantFrom(...THERE), { nil: null }) }),
    { maxLength: 4 },
  ),
  verified: fc.constantFrom(['example.test'], []),
  verifiedBelow: fc.subarray(THERE),
  rules: fc.constantFrom<readonly object[]>([], rules, placing, [...rules, ...placing]),
  rounds: fc.array(round, { minLength: 3, maxLength: 6 }),
});
type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

/** Two connections to the same directory would meet in their tenants: so it is one, read in both ways, one after the other. */
async function begin(given: Life): Promise<Connected> {
  const directory = aDirectory({
    users: given.users.map((user, at) => asUser(id(at), user)),
    groups: [
      { id: 'g1', members: ids(given.g1) },
      { id: 'g2', members: ids(given.g2) },
    ],
    pageSize: 10,
    hasFeed: true,
  });
  const wanted = given.rules.length === 0 ? mapping : mappingWith(given.rules);
  const { verified: verifiedDomains } = given;
  const real = await install.connect({ directory, mapping: wanted, guards: noGuards, verifiedDomains });
  const below = new Map<string, TenantId>();
  for (const path of THERE) {
    const end = path.lastIndexOf('/');
    const parent = end === -1 ? real.tenant : (below.get(path.slice(0, end)) ?? real.tenant);
    const made = await createTenant(install, install.operator, { name: path.slice(end + 1), parent });
    below.set(path, made.id);
  }
  for (const path of given.verifiedBelow) {
    const tenant = below.get(path) ?? real.tenant;
    await verifyDomain(install, install.operator, { tenant, domain: 'example.test' });
  }
  for (const local of given.locals) {
    const link = local.elsewhere ? { connection: ConnectionId.parse(unknownId()) } : {};
    const email = `${id(local.who)}@example.test`;
    await aUser(install.database.url, below.get(local.below ?? '') ?? real.tenant, { email, ...link });
  }
  await real.sync();
  if ((await real.approveAll()) > 0) await real.apply();
  return real;
}

/** What people decide and do here; nothing of it is in the feed. */
async function live(real: Connected, { approves, rejects, localEdits, applies }: Round): Promise<void> {
  const waiting = (await real.changes({ state: ['open', 'held'] })).map((one) => one.externalId);
  const every = (nth: number) => waiting.filter((_, at) => nth > 0 && at % nth === 0);
  if (every(approves).length > 0) await real.approve(...every(approves));
  if (every(rejects).length > 0) await real.decide('reject', ...every(rejects));
  const users = await real.users();
  for (const { who: chosen, address } of localEdits) {
    const found = users.find((user) => user.externalId === id(chosen));
    if (found === undefined || found.state === 'deleted') continue;
    const email = address === null ? null : `${id(address)}@example.test`;
    await real.edit(id(chosen), { email }).catch(() => {}); // the address may be somebody's
  }
  if (applies && (await real.inState('approved')).length > 0) await real.apply();
}

/** What it comes to is part of what the delta after it, and the full run, come to. */
async function targeted(real: Connected, { targeted: chosen }: Round): Promise<void> {
  if (chosen.length === 0) return;
  const { connection, administrator } = real;
  const { run } = await requestRun(install, administrator, { connection, users: ids(chosen) });
  expect(await real.sync({ run })).toMatchObject({ kind: 'targeted', snapshot: 'named' });
}

/** All that reviewers are shown, and the versions that it was made from. */
async function shown(real: Connected) {
  const found = await real.live();
  return found
    .map(({ id: _, createdAt: __, revision: ___, ...one }) => one)
    .toSorted((one, other) => (one.externalId < other.externalId ? -1 : 1));
}

/** More of them find more: RUNS=200 npx vitest run test/sync/deltaTwin.test.ts */
const RUNS = Number(process.env['RUNS'] ?? 12);

describe('What deltas came to', () => {
  it(
    'is what a full run comes to, whatever happened in the directory and here',
    async () => {
      await fc.assert(
        fc.asyncProperty(life, async (given) => {
          const real = await begin(given);
          let deltas = 0;
          for (const one of given.rounds) {
            install.clock.advance(1_000);
            change(real.directory, one.edits);
            await targeted(real, one);
            const outcome = await real.sync();
            expect(outcome).toMatchObject({ result: 'finished' });
            deltas += 'kind' in outcome && outcome.kind === 'delta' ? 1 : 0;
            if (one.isCompared) {
              const byDelta = await shown(real);
              expect(await real.sync({ full: true })).toMatchObject({ snapshot: 'complete' });
              expect(await shown(real)).toEqual(byDelta);
            }
            install.clock.advance(1_000);
            await live(real, one);
          }
          expect(deltas).toBe(given.rounds.length);
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
    },
    20_000 * RUNS,
  );
});
