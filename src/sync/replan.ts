/** Makes the plan of a finished run again, from what it left, and says whether the same follows: see src/domain/replan.ts. Nothing is written. */
import { createHash } from 'node:crypto';
import { setImmediate as breath } from 'node:timers/promises';
import { adjusted } from '../domain/adjustment.ts';
import { RunId } from '../domain/ids.ts';
import { notFound, parseId } from '../domain/input.ts';
import { compileMapping } from '../domain/mapping.ts';
import { compileMatching } from '../domain/matching.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { PlanContext } from '../domain/plan.ts';
import { Problem } from '../domain/problem.ts';
import {
  type Different,
  differences,
  type Replan,
  type ReplannedPerson,
  replanOne,
  type Unknown,
} from '../domain/replan.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { KeptRun } from '../store/replans.ts';
import type { Store } from '../store/store.ts';

/** People who are named one by one. */
const SHOWN = 100;

export type ReplannedRun = {
  readonly run: RunId;
  readonly connection: string;
  readonly snapshot: Snapshot['kind'];
  /** Nothing follows otherwise than it is recorded, as far as it can be said. */
  readonly ok: boolean;
  /** Everybody whom the run spoke of. */
  readonly people: number;
  /** Of these, those of whom nothing follows and nothing was proposed. */
  readonly nothing: number;
  /** Those of whom the same change follows: upon the auth user as it is; or, where an apply or a person has changed it since, as the change says that it was. */
  readonly same: { readonly now: number; readonly record: number };
  /** Those of whom it cannot be said, by why. */
  readonly unknown: Readonly<Partial<Record<Unknown, number>>>;
  readonly different: number;
  /** The first hundred of these. */
  readonly differences: readonly {
    readonly externalId: string;
    readonly change: string | null;
    readonly because: Different;
    readonly says: string;
  }[];
  /** SHA-256 over external id and fingerprint of each change that follows, in the order of the ids: the same whenever the same follows. */
  readonly digest: string;
};

/** Throws `not-found`; `not-allowed-now` where nothing is kept any more of what the run has read. */
export async function replanRun(
  { store }: { readonly store: Store },
  caller: Caller,
  id: string,
): Promise<ReplannedRun> {
  authorise(caller, 'runs.read');
  authorise(caller, 'changes.read');
  const wanted = parseId(RunId, id);
  const run = wanted === null ? null : await store.runs.get(caller.tenant, wanted);
  if (run === null) throw notFound('run');
  const done = await store.replans.ofOneMoment({ id: run.id, tenant: run.tenant }, replanAll);
  if (done === null) throw new Problem(run.state === 'finished' ? NOT_KEPT : NOT_FINISHED);
  return done;
}

const NOT_FINISHED = {
  code: 'not-allowed-now',
  message: 'This run has no plan.',
  remedy: 'Name a run that has finished: `rollcall runs` lists them.',
} as const;

const NOT_KEPT = {
  code: 'not-allowed-now',
  message: 'What this run has read is not kept any more.',
  remedy:
    'Name the last complete run of the connection, or the last one that read whom the provider named as changed: only of these is it kept. What an older run proposed is in its changes, and in evidence packs.',
} as const;

async function replanAll(
  run: KeptRun,
  pages: AsyncIterable<readonly ReplannedPerson[]>,
): Promise<ReplannedRun> {
  const replan = replanOf(run);
  const tally = new Tally();
  for await (const people of pages) {
    for (const person of people) tally.add(person, replan);
    await breath(); // others are served in between
  }
  return tally.of(run);
}

function replanOf({ facts, mapping, tenant, changedSince }: KeptRun): Replan {
  const compiled = compileMapping(mapping);
  const inDoubt = compiled.inDoubt(facts.unreadGroups);
  const context: PlanContext = {
    tenant,
    places: facts.places,
    verifiedDomains: facts.verifiedDomains,
    matching: compileMatching(facts.policy.matching),
    keepsLeavers: facts.policy.leavers.graceDays > 0,
    // They are the cause of a change and no part of its content.
    ...{ readingChanged: false, mappingChanged: false },
  };
  return {
    map: (user, groups, linked) =>
      inDoubt === null ? compiled.map(user, groups) : inDoubt.map(user, groups, linked),
    adjust: (externalId, desired) => {
      const adjustment = facts.adjustments.get(externalId);
      return adjustment === undefined ? desired : adjusted(desired, adjustment, facts.places);
    },
    inDoubt: inDoubt !== null,
    context,
    changedSince,
    proof: facts.snapshot.kind === 'partial' ? null : facts.snapshot,
  };
}

/** What came of everybody so far. */
class Tally {
  readonly #hash = createHash('sha256');
  readonly #same = { now: 0, record: 0 };
  readonly #unknown: Partial<Record<Unknown, number>> = {};
  readonly #differences: ReplannedRun['differences'][number][] = [];
  #people = 0;
  #nothing = 0;
  #different = 0;

  add(person: ReplannedPerson, replan: Replan): void {
    const { externalId, recorded } = person;
    const found = replanOne(person, replan);
    this.#people += 1;
    switch (found.result) {
      case 'nothing':
        this.#nothing += 1;
        return;
      case 'same':
        this.#same[found.from] += 1;
        this.#hash.update(`${externalId} ${found.fingerprint}\n`);
        return;
      case 'unknown':
        this.#unknown[found.because] = (this.#unknown[found.because] ?? 0) + 1;
        return;
      case 'different':
        this.#different += 1;
        if (this.#differences.length === SHOWN) return;
        this.#differences.push({
          ...{ externalId, change: recorded?.id ?? null },
          ...{ because: found.because, says: differences[found.because] },
        });
    }
  }

  of({ id, connection, facts }: KeptRun): ReplannedRun {
    return {
      ...{ run: id, connection, snapshot: facts.snapshot.kind, ok: this.#different === 0 },
      ...{ people: this.#people, nothing: this.#nothing, same: this.#same, unknown: this.#unknown },
      ...{ different: this.#different, differences: this.#differences, digest: this.#hash.digest('hex') },
    };
  }
}
