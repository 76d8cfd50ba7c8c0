/** One apply that two workers share, both killed again and again, and that somebody pauses in between. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApplyId } from '../../src/domain/ids.ts';
import { getApply, pauseApply, resumeApply } from '../../src/review/applies.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';
import { compileCache, Standing } from './standing.ts';

/** CONTRIBUTING.md speaks of these. The seed of a run that failed gives the same moments again, as far as two processes can. */
const USERS = Number(process.env['APPLY_USERS'] ?? 3_000);
const KILLS = Number(process.env['KILLS'] ?? 5);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const FIRST = 300;
/** About so long an apply of so many takes, in milliseconds. */
const LASTS_MS = 200 + USERS / 10;

let install: Install;
const cache = compileCache();
const workers: Standing[] = [];
beforeAll(async () => {
  install = await Install.open();
});
afterAll(async () => {
  await Promise.all(workers.map((one) => one.close()));
  cache.remove();
  await install.close();
});

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Read past everything: what is really there, of this tenant. */
async function written({ tenant }: Connected) {
  return await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query(
      `SELECT (SELECT count(*)::int FROM auth_user WHERE tenant_id = $1 AND version = 1) AS users,
         (SELECT count(*)::int FROM identity WHERE tenant_id = $1) AS links,
         (SELECT count(*)::int FROM event WHERE tenant_id = $1 AND auth_user_id IS NOT NULL) AS events,
         (SELECT count(DISTINCT change_id)::int FROM event WHERE tenant_id = $1 AND auth_user_id IS NOT NULL) AS told,
         (SELECT count(*)::int FROM audit_entry WHERE tenant_id = $1 AND action = 'change.applied') AS audited,
         (SELECT count(DISTINCT subject ->> 'id')::int FROM audit_entry WHERE tenant_id = $1 AND action = 'change.applied') AS changes`,
      [tenant],
    );
    return rows[0];
  });
}

describe('An apply that two workers share', () => {
  it(`comes to its end exactly once, ${KILLS} kills and a pause later`, async () => {
    const progressive = { first: { changes: FIRST }, pauseMinutes: 0 };
    const directory = aDirectory({ users: USERS, pageSize: 1_000 });
    const acme = await install.connect({ directory, policy: { apply: { progressive } } });
    await acme.sync();
    await acme.approveAll();
    const { connection, administrator } = acme;
    const { apply } = await startApply(install, administrator, { connection });
    const left = { kills: KILLS, killed: 0 };
    const chance = seeded(SEED);
    const two = [new Standing(install, cache.folder), new Standing(install, cache.folder)];
    workers.push(...two);
    await Promise.all([
      ...two.map((one) => untilFinished(acme, apply, { worker: one, chance, left })),
      pausedOnce(acme, apply),
    ]);
    const all = USERS;
    expect(await written(acme), `seed ${SEED}, ${left.killed} killed`).toEqual({
      ...{ users: all, links: all, events: all, told: all, audited: all, changes: all },
    });
    expect(await getApply(install, administrator, apply)).toMatchObject({
      ...{ state: 'finished', total: all, done: all, applied: all, moved: 0, failed: 0, halt: null },
    });
    expect(await install.auditIsWhole()).toBe(true);
  }, 300_000);
});

type Killing = {
  readonly worker: Standing;
  readonly chance: () => number;
  readonly left: { kills: number; killed: number };
};

async function untilFinished(
  { administrator }: Connected,
  apply: ApplyId,
  { worker, chance, left }: Killing,
): Promise<void> {
  for (;;) {
    const moment = left.kills-- > 0 ? chance() * LASTS_MS : null;
    if ((await worker.work({ apply }, moment)) === null) left.killed++;
    const { state } = await getApply(install, administrator, apply);
    if (state === 'finished') return;
    if (state === 'paused') await sleep(20);
  }
}

/** As soon as the first part is done: whoever takes the apply up does nothing then. */
async function pausedOnce({ administrator }: Connected, apply: ApplyId): Promise<void> {
  let now = await getApply(install, administrator, apply);
  for (; now.done <= FIRST; now = await getApply(install, administrator, apply)) await sleep(5);
  const paused = await pauseApply(install, administrator, { apply }).catch((error) => {
    expect(error).toMatchObject({ code: 'not-allowed-now' }); // it has come to its end meanwhile
    return null;
  });
  if (paused === null) return;
  await carryOutApply(install, apply, { signal: new AbortController().signal });
  const { state, done } = await getApply(install, administrator, apply);
  expect({ state, done }).toEqual({ state: 'paused', done: paused.done });
  await resumeApply(install, administrator, { apply });
}
