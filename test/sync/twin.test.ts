import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectionId, type TenantId } from '../../src/domain/ids.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import { Policy } from '../../src/domain/policy.ts';
import type { ChangeView } from '../../src/store/changes.ts';
import { createTenant, listTenants, updateTenant, verifyDomain } from '../../src/tenancy/tenants.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import {
  type Attributes,
  asUser,
  attributes,
  change,
  edit,
  id,
  ids,
  mapping,
  matching,
  placing,
  rules,
  THERE,
  text,
  who,
} from '../support/lives.ts';
import { mappings } from '../support/mappings.ts';
import { aUser, unknownId } from '../support/tenancy.ts';
import { Twin, whatARunSees } from '../support/twin.ts';
import type { TwinChange } from '../support/twinState.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const few = fc.array(who, { maxLength: 3 });
const faults: fc.Arbitrary<Faults> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({}) },
  fc.nat(4).map((page) => ({ fails: { page: page + 1 } })),
  fc.nat(4).map((page) => ({ loopsAfterPage: page + 1 })),
  few.map((chosen) => ({ unreadable: ids(chosen) })),
  few.map((chosen) => ({ nameless: ids(chosen) })),
  fc.constantFrom('g1', 'g2').map((group) => ({ unreadableMembers: [group] })),
  fc.constantFrom('g1', 'g2').map((group) => ({ unreadableGroups: [group] })),
  fc.constant({ emptyFirstPage: true }),
);

/** Of a tenant, by its path at first, where it has that still. The name may be one that another had. */
const rename = fc.record({
  path: fc.constantFrom(
    ...[
      'Fixed',
      'Fixed/Ada Lovelace',
      'Ada Lovelace',
      'Group',
      'Units',
      'Units/Ada Lovelace',
      'Renamed',
      'Other',
    ],
  ),
  name: fc.constantFrom('Fixed', 'Ada Lovelace', 'Group', 'Units', 'Renamed', 'Other'),
});

const round = fc.record({
  edits: fc.array(edit, { maxLength: 8 }),
  faults,
  approves: fc.constantFrom(0, 2, 3, 1),
  rejects: fc.constantFrom(0, 5, 7),
  localEdits: fc.array(fc.record({ who, name: text }), { maxLength: 2 }),
  renames: fc.array(rename, { maxLength: 2 }),
  applies: fc.boolean(),
});
type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;

const life = fc.record({
  users: fc.array(attributes, { minLength: 20, maxLength: 60 }),
  g1: fc.array(who),
  g2: fc.oneof(fc.array(who), fc.constant('everyone' as const)),
  locals: fc.array(
    fc.record({
      who,
      elsewhere: fc.boolean(),
      below: fc.option(fc.constantFrom(...THERE), { nil: null }),
      employeeId: fc.constantFrom(null, 'E1', 'E3'),
      known: fc.constantFrom('email' as const, 'userName' as const, 'both' as const),
    }),
    { maxLength: 4 },
  ),
  verified: fc.constantFrom(['example.test'], []),
  verifiedBelow: fc.subarray(THERE),
  pageSize: fc.constantFrom<number[]>(7, 10, 100),
  guarded: fc.boolean(),
  rules: fc.constantFrom<readonly object[]>([], rules, placing, [...rules, ...placing]),
  mapping: fc.oneof(fc.constant(mapping), mappings),
  matching,
  /** All that the first run proposes, conflicts aside, is applied before anything else happens: then there is something to lose. */
  isSettled: fc.boolean(),
  rounds: fc.array(round, { minLength: 3, maxLength: 6 }),
});
type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

/** The real thing and the twin, side by side. */
class Pair {
  readonly real: Connected;
  readonly twin: Twin;
  /** What the auth users are called that were there before the directory. */
  readonly #labels = new Map<string, string>();

  constructor(real: Connected, twin: Twin) {
    this.real = real;
    this.twin = twin;
  }

  static async begin({
    users,
    g1,
    g2,
    locals,
    verified,
    verifiedBelow,
    pageSize,
    guarded,
    rules: given,
    mapping: plain,
    matching,
  }: Life): Promise<Pair> {
    const directory = aDirectory({
      users: users.map((user, at) => asUser(id(at), user)),
      groups: [
        { id: 'g1', members: ids(g1) },
        { id: 'g2', members: g2 === 'everyone' ? g2 : ids(g2) },
      ],
      pageSize,
    });
    const guards = guarded ? {} : noGuards;
    const wanted = given.length === 0 ? plain : Mapping.parse({ ...plain, rules: given });
    const policy = { matching: [...matching], samePerson: guarded ? ('hold' as const) : ('show' as const) };
    const real = await install.connect({
      directory,
      mapping: wanted,
      guards,
      policy,
      verifiedDomains: verified,
    });
    const pair = new Pair(real, new Twin(wanted, Policy.parse({ guards, ...policy }), matching, verified));
    const below = await pair.#addTenants(THERE);
    for (const path of verifiedBelow) {
      const tenant = below.get(path) ?? real.tenant;
      await verifyDomain(install, install.operator, { tenant, domain: 'example.test' });
      pair.twin.verifiedBelow.set(path, ['example.test']);
    }
    const spread = given.some((rule) => 'tenant' in rule); // if not, nobody looks at who is below
    for (const [at, local] of locals.entries()) {
      const place = spread ? local.below : null;
      await pair.#addLocal(`local ${at}`, { ...local, place, tenant: below.get(place ?? '') ?? real.tenant });
    }
    return pair;
  }

  /** Everybody whom nothing keeps out is let in. */
  async settle(): Promise<void> {
    await this.live({
      round: { edits: [], faults: {}, approves: 1, rejects: 0, localEdits: [], renames: [], applies: true },
    });
  }

  async #addTenants(paths: readonly string[]): Promise<ReadonlyMap<string, TenantId>> {
    const made = new Map<string, TenantId>();
    for (const path of paths) {
      const end = path.lastIndexOf('/');
      const parent = end === -1 ? this.real.tenant : (made.get(path.slice(0, end)) ?? null);
      const { id: tenant } = await createTenant(install, install.operator, {
        name: path.slice(end + 1),
        parent,
      });
      made.set(path, tenant);
      this.twin.addTenant(path);
    }
    return made;
  }

  async #addLocal(
    label: string,
    {
      who: like,
      elsewhere,
      place,
      tenant,
      employeeId,
      known,
    }: Life['locals'][number] & { place: string | null; tenant: TenantId },
  ): Promise<void> {
    const address = `${id(like)}@example.test`;
    const email = known === 'userName' ? null : address;
    const userName = known === 'email' ? null : address;
    const attributes = employeeId === null ? {} : { employeeId };
    const link = elsewhere ? { connection: ConnectionId.parse(unknownId()) } : {};
    const user = await aUser(install.database.url, tenant, {
      ...{ email, userName, displayName: label, attributes },
      ...link,
    });
    this.#labels.set(user, label);
    this.twin.users.push({
      label,
      externalId: null,
      linkedElsewhere: elsewhere,
      state: 'active',
      fields: {
        displayName: label,
        ...attributes,
        ...(email === null ? {} : { email }),
        ...(userName === null ? {} : { userName }),
      },
      roles: [],
      place,
      version: 1,
      agreedVersion: 0,
    });
  }

  async live({ round: { edits, faults: broken, ...people } }: { round: Round }): Promise<void> {
    const { real, twin } = this;
    change(real.directory, edits);
    real.directory.faults = this.#hangsOnGroups() ? allButGroups(broken) : broken;
    const snapshot = whatARunSees(real.directory);
    const outcome = await real.sync();
    expect(outcome.result).toBe(snapshot === null ? 'failed' : 'finished');
    if (snapshot !== null) twin.plan(snapshot);
    await this.compare();
    await this.#decide(people);
    await this.#editHere(people.localEdits);
    await this.#rename(people.renames);
    if (!people.applies) return;
    const waiting = (await real.changes({ state: ['approved'] })).map((one) => one.id);
    if (waiting.length > 0) await real.apply();
    const sentBack = (await real.changes({ state: ['moved'] })).filter(({ id: it }) => waiting.includes(it));
    const taken = sentBack.filter(({ outcomeReason }) => outcomeReason?.startsWith('another auth user has'));
    twin.apply(taken.map((one) => one.externalId));
    await this.compare();
  }

  #hangsOnGroups(): boolean {
    const { scope = '', attributes = {} } = this.twin.mapping;
    return [scope, ...Object.values(attributes).map(({ value = '' }) => value)].some((text) =>
      text.includes(' in group'),
    );
  }

  async #decide({ approves, rejects }: Pick<Round, 'approves' | 'rejects'>): Promise<void> {
    const listed = await this.real.changes({ state: ['open', 'held'] });
    const waiting = listed.map((one) => one.externalId).sort(); // by list, a life would not be the same twice
    const every = (nth: number) => waiting.filter((_, at) => nth > 0 && at % nth === 0);
    if (every(approves).length > 0) await this.real.approve(...every(approves));
    for (const externalId of every(approves)) this.twin.decide(externalId, 'approved');
    if (every(rejects).length > 0) await this.real.decide('reject', ...every(rejects));
    for (const externalId of every(rejects)) this.twin.decide(externalId, 'rejected');
  }

  async #editHere(edits: Round['localEdits']): Promise<void> {
    for (const { who: chosen, name } of edits) {
      const found = (await this.real.users()).find((user) => user.externalId === id(chosen));
      const displayName = cleanText(name.replace(/[^\p{L}]/gu, '').slice(0, 100)) ?? '';
      if (found === undefined || found.state === 'deleted' || displayName === '') continue;
      await this.real.edit(id(chosen), { displayName, attributes: { local: displayName } });
      this.twin.edit(this.#label(found), { displayName, local: displayName });
    }
  }

  async #rename(renames: Round['renames']): Promise<void> {
    for (const { path, name } of renames) {
      const to = [...path.split('/').slice(0, -1), name].join('/');
      if (!this.twin.tenants.has(path) || this.twin.tenants.has(to)) continue;
      const { items } = await listTenants(install, this.real.administrator, { limit: 500 });
      const find = (parent: TenantId | null, called: string) =>
        items.find((one) => one.name === called && one.parent === parent)?.id ?? null;
      const tenant = path.split('/').reduce<TenantId | null>(find, this.real.tenant);
      if (tenant === null) throw new Error(`${path} is a tenant of the twin alone`);
      await updateTenant(install, install.operator, { tenant, name });
      this.twin.renameTenant(path, name);
    }
  }

  #label({ id: user, externalId }: { id: string; externalId: string | null }): string {
    return this.#labels.get(user) ?? externalId ?? 'nobody';
  }

  async compare(): Promise<void> {
    const stored = await this.real.users();
    const labels = new Map(stored.map((user) => [user.id as string, this.#label(user)]));
    const users = stored.map(({ externalId, state: is, version, fields, roles, place }, at) => {
      const label = labels.get(stored[at]?.id ?? '');
      return { label, externalId, state: is, version, fields, roles, place };
    });
    const twins = this.twin.users.map(({ label, externalId, state: is, version, fields, roles, place }) => {
      return { label, externalId, state: is, version, fields, roles, place };
    });
    expect(unlike(users, twins)).toEqual([]);
    const changes = (await this.real.live()).map((one): Omit<TwinChange, 'heldBy' | 'made' | 'found'> => {
      const named = (user: string) => labels.get(user) ?? 'nobody';
      return {
        externalId: one.externalId,
        kind: one.kind,
        cause: one.cause,
        user: one.authUser === null ? null : named(one.authUser),
        before: one.before as TwinChange['before'],
        after: one.after as TwinChange['after'],
        fields: byField(one.fields),
        gained: one.rolesGained,
        lost: one.rolesLost,
        candidates: one.candidates.map((candidate) => named(candidate.authUser)).sort(),
        baseVersion: one.baseVersion,
        state: one.state,
      };
    });
    const expected = this.twin.live.map(({ heldBy: _, made: __, found: ___, ...one }) => ({
      ...one,
      fields: byField(one.fields),
    }));
    expect(unlike(changes, expected)).toEqual([]);
  }
}

/** What nobody knows of groups has tests of its own: attributes.test.ts, attributesInRuns.test.ts. */
function allButGroups({ unreadableGroups: _, unreadableMembers: __, ...others }: Faults): Faults {
  return others;
}

const byField = <T extends { field: string }>(fields: readonly T[]) =>
  fields.toSorted((one, other) => (one.field < other.field ? -1 : 1));
/** What only one of the two lists has, whatever their order. */
function unlike<T extends object>(real: readonly T[], twin: readonly T[]) {
  const more = real.filter((one) => !twin.some((other) => isDeepStrictEqual(one, other)));
  const less = twin.filter((one) => !real.some((other) => isDeepStrictEqual(one, other)));
  return [...more.map((one) => ({ real: one })), ...less.map((one) => ({ twin: one }))];
}

/** More of them find more: RUNS=200 npx vitest run test/sync/twin.test.ts */
const RUNS = Number(process.env['RUNS'] ?? 10);

describe('plan and apply, beside their twin', () => {
  it(
    'propose, keep, supersede and carry out the same over whole lives of directories',
    async () => {
      await fc.assert(
        fc.asyncProperty(life, async (given) => {
          const pair = await Pair.begin(given);
          if (given.isSettled) await pair.settle();
          for (const one of given.rounds) await pair.live({ round: one });
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
    },
    12_000 * RUNS,
  );

  it(
    'bring the auth users to what the directory says, and then find nothing more',
    async () => {
      await fc.assert(
        fc.asyncProperty(life, async (given) => {
          const users = given.users.map(withOwnAddress);
          const made = given.rules.map((one) => ('tenant' in one ? { ...one, create: true } : one));
          const pair = await Pair.begin({ ...given, users, locals: [], guarded: false, rules: made });
          await bringsAllUsers(pair);
          for (const { edits } of given.rounds.slice(0, 2)) {
            const own = edits.map((one) => ('to' in one ? { ...one, to: withOwnAddress(one.to) } : one));
            change(pair.real.directory, own);
            await bringsAllUsers(pair);
          }
        }),
        { numRuns: RUNS / 2, endOnFailure: true },
      );
    },
    12_000 * RUNS,
  );

  it(
    'do not depend on the order or the size of the pages',
    async () => {
      const shuffled = fc.record({
        given: life,
        order: fc.array(fc.nat()),
        pageSize: fc.integer({ min: 1, max: 70 }),
      });
      await fc.assert(
        fc.asyncProperty(shuffled, async ({ given, order, pageSize }) => {
          const changes = [];
          for (const [size, rank] of [
            [given.pageSize, (at: number) => at],
            [pageSize, (at: number) => order[at % (order.length + 1)] ?? 0],
          ] as const) {
            const { real } = await Pair.begin({ ...given, locals: [], pageSize: size });
            await syncAll(real, given, rank);
            changes.push((await real.live()).map(shownOf).sort());
          }
          expect(changes[1]).toEqual(changes[0]);
        }),
        { numRuns: RUNS / 2, endOnFailure: true },
      );
    },
    12_000 * RUNS,
  );
});

/** An address that two share is somebody's to decide on: it is not brought to rest by runs alone. */
const withOwnAddress = (given: Attributes): Attributes => ({
  ...given,
  address: given.address === null || given.address.startsWith('own') ? given.address : 'own',
});

/** First everybody with an address of their own is applied, so that the second run has something of each kind to propose. */
async function syncAll(
  real: Connected,
  { rounds: [one] }: Life,
  rank: (at: number) => number,
): Promise<void> {
  real.directory.reorder(rank);
  await real.sync();
  const own = (await real.changes()).filter(({ externalId, after }) => {
    const { email } = (after as { fields: { email?: string } }).fields;
    return email === undefined || email === `${externalId}@example.test`;
  });
  if (own.length > 0) await real.approve(...own.map(({ externalId }) => externalId));
  if ((await real.inState('approved')).length > 0) await real.apply();
  change(real.directory, one?.edits ?? []);
  real.directory.reorder(rank);
  await real.sync();
}

const shownOf = ({ externalId, kind, cause, fields, rolesGained, rolesLost, state: is }: ChangeView) =>
  JSON.stringify({ externalId, kind, cause, fields: byField(fields), rolesGained, rolesLost, is });

/** One run and one apply, and the next run finds nothing. */
async function bringsAllUsers({ real, twin }: Pair): Promise<void> {
  expect(await real.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  if ((await real.approveAll()) > 0) expect(await real.apply()).toMatchObject({ moved: 0, failed: 0 });
  await real.sync();
  expect(await real.changes()).toEqual([]);
  const stored = (await real.users()).filter(({ state: is }) => is === 'active');
  const listed = real.directory.users.filter((user) => user.state === 'active');
  const described = ({
    externalId,
    fields,
    roles,
    place,
  }: {
    externalId: string | null;
    fields: object;
    roles: unknown;
    place: string | null;
  }) => ({
    externalId,
    fields,
    roles,
    place,
  });
  const left: string[] = [];
  const desired = listed.flatMap((user) => {
    const there = stored.find(({ externalId }) => externalId === user.externalId);
    const has = (there?.fields ?? {}) as Parameters<Twin['wantedFor']>[2];
    const wanted = twin.wantedFor(user, real.directory.groups, has);
    if (wanted === 'unreadable') left.push(user.externalId);
    if (typeof wanted === 'string') return [];
    const { fields, roles, place } = wanted;
    return {
      externalId: user.externalId as string,
      fields,
      roles,
      place: place === undefined || place === 'unknown' ? null : place.path,
    };
  });
  const others = stored.filter(({ externalId }) => !left.includes(externalId ?? ''));
  expect(unlike(others.map(described), desired)).toEqual([]);
}
