import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { type Simulator, spawnSimulator } from '../../simulators/start.ts';
import { startApply } from '../../src/review/apply.ts';
import { listRuns, requestRun } from '../../src/sync/runs.ts';
import { type Connected, Install } from '../support/install.ts';
import type { StandingOrder } from '../support/standingWorker.ts';
import { auditOf } from '../support/tenancy.ts';
import { compileCache, Standing } from './standing.ts';

/** Three pages of users, and many events of an apply. */
const USERS = 420;
const LATENCY_MS = 5;
/** Killed side by side, each with a connection of its own. */
const LANES = 3;
/** So many in one piece of work at most: then it is let through. */
const KILLS_OF_ONE = 5;

/** CONTRIBUTING.md speaks of both. The seed of a run that failed gives the same moments again, as far as two processes can. */
const KILLS = Number(process.env['KILLS'] ?? 24);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

let install: Install;
let simulator: Simulator;
const cache = compileCache();
const standing: Standing[] = [];

beforeAll(async () => {
  install = await Install.open(connectors);
  simulator = await spawnSimulator('okta', { users: USERS, latencyMs: LATENCY_MS, plain: true, groups: 8 });
});
afterAll(async () => {
  await Promise.all(standing.map((one) => one.close()));
  cache.remove();
  await simulator.close();
  await install.close();
});

const mapping = {
  groups: ['Engineering'],
  roles: [{ group: 'Engineering', role: 'engineer' }],
  everyone: ['member'],
};

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Everything that is to be the same however often somebody was killed on the way. */
async function endOf(one: Connected) {
  const users = await one.users();
  const external = new Map(users.map((user) => [user.id as string, user.externalId]));
  const byText = (lines: readonly string[]) => lines.toSorted();
  return {
    users: byText(users.map(({ id: _, ...user }) => JSON.stringify(user))),
    events: byText(
      (await one.events()).map(
        ({ type, authUser, userVersion }) => `${type} ${external.get(authUser ?? '')} ${userVersion}`,
      ),
    ),
    applied: (await auditOf(install.database.url, one.tenant)).filter(
      ({ action }) => action === 'change.applied',
    ).length,
    waiting: byText(
      (await one.live()).map(
        ({ externalId, kind, cause, fields, rolesGained, rolesLost, state, baseVersion }) =>
          JSON.stringify([externalId, kind, cause, fields, rolesGained, rolesLost, state, baseVersion]),
      ),
    ),
  };
}

type Kind = 'full' | 'delta' | 'targeted';
const ROUNDS: readonly Kind[] = ['full', 'delta', 'targeted'];
type Work = Kind | 'apply';
/** For all lanes together. */
type Left = { kills: number };

/** One connection whose worker is killed; or, where nothing is said of moments, never. */
class Lane {
  readonly one: Connected;
  readonly #standing: Standing;
  readonly #chance: (() => number) | null;
  /** The longest that such work has taken so far, in milliseconds. */
  readonly #lasts = new Map<Work, number>();
  /** By what was under way. */
  readonly kills = { full: 0, delta: 0, targeted: 0, apply: 0 };

  constructor(one: Connected, chance: (() => number) | null) {
    this.one = one;
    this.#chance = chance;
    this.#standing = new Standing(install, cache.folder);
    standing.push(this.#standing);
  }

  async #carryOut(order: StandingOrder, kind: Work, left: Left): Promise<void> {
    const most = 1 + Math.floor((this.#chance?.() ?? 0) * KILLS_OF_ONE);
    for (let killed = 0; ; ) {
      const moment = killed < most ? this.#drawMoment(kind, left) : null;
      const done = await this.#standing.work(order, moment);
      if (done === null) {
        killed++;
        this.kills[kind]++;
        continue;
      }
      if (moment !== null) left.kills++; // it had ended before
      if (done.outcome.result === 'busy') {
        await sleep(10); // the database has not noticed yet that the last worker is gone
        continue;
      }
      expect(done.outcome.result ?? 'finished').toMatch(/^(finished|done-before)$/);
      if (killed === 0) this.#lasts.set(kind, Math.max(done.ms, this.#lasts.get(kind) ?? 0));
      return;
    }
  }

  /** When to kill, in milliseconds after the beginning; null: not at all. */
  #drawMoment(kind: Work, left: Left): number | null {
    if (this.#chance === null || left.kills === 0) return null;
    left.kills--;
    return this.#chance() * (this.#lasts.get(kind) ?? 250);
  }

  /** One run and one apply of all that it leads to. */
  async live(kind: Kind, users: readonly string[], left: Left): Promise<void> {
    const { connection, administrator } = this.one;
    const only = kind === 'targeted' ? { users: [...users] } : { full: kind === 'full' };
    const { run } = await requestRun(install, administrator, { connection, ...only });
    await this.#carryOut({ sync: connection, run }, kind, left);
    if ((await this.one.decideAll('approve', {}, { includeHeld: true })) === 0) return;
    const { apply } = await startApply(install, administrator, { connection });
    await this.#carryOut({ apply }, 'apply', left);
  }

  async kinds(): Promise<readonly string[]> {
    const { connection } = this.one;
    const { items } = await listRuns(install, this.one.administrator, { connection, limit: 500 });
    return items.map(({ kind, state, snapshot }) => `${kind} ${state} ${snapshot}`);
  }
}

/** Gives whom something happened to. */
async function somethingHappens(): Promise<readonly string[]> {
  const { control } = simulator;
  const edited = await control.edit(4);
  const came = await control.hire(3);
  const promoted = await control.promote(2);
  const gone = await control.leave(edited.ids.slice(0, 2), 'delete');
  const disabled = await control.leave(edited.ids.slice(2, 4), 'disable');
  return [...edited.ids, ...came.ids, ...promoted.ids, ...gone.ids, ...disabled.ids];
}

describe('Workers that are killed again and again', () => {
  it(`${KILLS} times, at any moment of full, delta and targeted runs and of applies, leave what undisturbed ones do, each event once`, async () => {
    const undisturbed = new Lane(await install.connectTo(simulator, mapping), null);
    const lanes: Lane[] = [];
    for (let at = 0; at < LANES; at++)
      lanes.push(new Lane(await install.connectTo(simulator, mapping), seeded(SEED + at)));
    const all = [undisturbed, ...lanes];
    const left = { kills: KILLS };
    for (let round = 0; left.kills > 0 || round < ROUNDS.length; round++) {
      const kind = ROUNDS[round % ROUNDS.length] ?? 'full';
      const touched = round === 0 ? [] : await somethingHappens();
      await Promise.all(all.map((lane) => lane.live(kind, touched, left)));
      const expected = await endOf(undisturbed.one);
      for (const { one } of lanes) expect(await endOf(one), `seed ${SEED}, round ${round}`).toEqual(expected);
    }
    expect(await install.auditIsWhole()).toBe(true);
    const runs = await Promise.all(all.map((lane) => lane.kinds()));
    const kills = lanes.map((lane) => lane.kills);
    const killed = kills.flatMap((of) => Object.values(of)).reduce((sum, count) => sum + count, 0);
    process.stdout.write(`${JSON.stringify({ seed: SEED, killed, kills })}\n`);
    expect(killed).toBe(KILLS);
    expect(new Set(runs.flat())).toEqual(
      new Set(['full finished complete', 'delta finished named', 'targeted finished named']),
    );
  }, 600_000);
});
