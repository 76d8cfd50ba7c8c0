/** Turns a run's snapshot into changes: the rows that differ, what each means, what is to be held. All of it, or nothing. */

import { contested } from '../domain/addresses.ts';
import { adjusted } from '../domain/adjustment.ts';
import { type DesiredAuthUser, desiredHashOf } from '../domain/authUser.ts';
import { fingerprintOf } from '../domain/canonical.ts';
import type { ProposedChange } from '../domain/change.ts';
import { checkProposal } from '../domain/checkPlan.ts';
import type { Clock } from '../domain/clock.ts';
import { evaluateGuards, type Finding } from '../domain/guard.ts';
import type { ExternalId } from '../domain/ids.ts';
import { type CompiledMapping, isMapped, type MapInDoubt } from '../domain/mapping.ts';
import { type CompiledMatching, compileMatching, matchKeysOf } from '../domain/matching.ts';
import {
  foundFor,
  type PlanContext,
  planAbsent,
  planGraceOver,
  planSeen,
  type Seen,
} from '../domain/plan.ts';
import type { RunCounts, TakenRun } from '../domain/run.ts';
import { OF_THE_MAPPING } from '../domain/written.ts';
import type { LeftRow } from '../store/leftRows.ts';
import type { Agreed, Plan, Planning } from '../store/planning.ts';
import type { DifferingRow } from '../store/planRows.ts';
import { compileInTime } from './mappingTime.ts';

export type PlanDeps = { readonly planning: Planning; readonly clock: Clock };

/** Throws `RunTakenOver` when another process works on the run by now. */
export function plan(deps: PlanDeps, run: TakenRun): Promise<RunCounts> {
  return deps.planning.inPlan(run, async (plan) => {
    return await plan.finish(await fill(plan, run, deps.clock.now()), deps.clock.now());
  });
}

/** All but the end: the plan's changes stand in the change set, and what guards found is held. `at`: when it is made. */
export async function fill(plan: Plan, run: TakenRun, at: Date): Promise<readonly Finding[]> {
  const { lastComplete, noticing } = plan.facts;
  noticing.at(at);
  const context: PlanContext = {
    tenant: run.tenant,
    places: plan.facts.places,
    verifiedDomains: plan.facts.verifiedDomains,
    matching: compileMatching(plan.facts.policy.matching),
    readingChanged: lastComplete !== null && lastComplete.readingFingerprint !== run.readingFingerprint,
    mappingChanged:
      lastComplete !== null && fingerprintOf(lastComplete.mapping) !== fingerprintOf(run.mapping),
    keepsLeavers: plan.leavers.keeps,
  };
  const mapping = compileInTime(run.mapping);
  const inDoubt = mapping.inDoubt(plan.facts.unreadGroups);
  const { unlistedGroups } = plan.facts;
  if (inDoubt?.scope === true) await plan.leaveExcluded(SCOPE_UNSURE);
  else if (unlistedGroups.length > 0) await plan.leaveExcluded(scopeUnlisted(unlistedGroups));
  await proposeSeen(plan, { mapping, inDoubt }, context, at);
  await proposeAbsent(plan, context, at);
  await proposeGraceOver(plan, context, at);
  await settleAddresses(plan);
  await plan.merge();
  const { counted, overrides } = await plan.count(at);
  const findings = evaluateGuards(counted, plan.facts.policy.guards, overrides);
  await plan.hold(findings);
  await plan.judge(at);
  return findings;
}

type Mappings = { readonly mapping: CompiledMapping; readonly inDoubt: MapInDoubt | null };

async function proposeSeen(plan: Plan, mappings: Mappings, context: PlanContext, at: Date): Promise<void> {
  for await (const rows of plan.differing()) {
    const proposals: ProposedChange[] = [];
    const agreed: Agreed[] = [];
    const differing = await withAlike(plan, await readable(plan, rows, mappings), context.matching);
    for (const seen of differing) {
      const change = planSeen(seen, context);
      if (change !== null) {
        checkProposal(change, {
          snapshot: plan.facts.snapshot,
          seen: true,
          told: false,
          candidates: foundFor(seen),
          placeUnknown: seen.desired.placeUnknown ?? false,
        });
        proposals.push(change);
      } else if (seen.linked !== null && mappings.inDoubt === null) {
        const { externalId, desiredHash: hash, linked } = seen;
        agreed.push({ externalId, hash, version: linked.version, before: linked.agreedVersion });
      }
    }
    await plan.propose(proposals);
    await plan.agree(agreed);
    if (!plan.leavers.none) await noteSuspended(plan, differing, at);
  }
}

/** Of those who are suspended: who is back, in whatever state, and who is away although the directory names them. */
async function noteSuspended(plan: Plan, seen: readonly Seen[], at: Date): Promise<void> {
  const suspended = seen.filter(({ linked }) => linked?.state === 'suspended');
  if (suspended.length === 0) return;
  await plan.stored();
  const isAway = ({ desired }: Seen) => desired.state === 'deleted';
  const idsOf = (users: readonly Seen[]) => users.map(({ externalId }) => externalId);
  await plan.leavers.back(idsOf(suspended.filter((user) => !isAway(user))));
  if (plan.leavers.keeps) await plan.leavers.stayNamed(idsOf(suspended.filter(isAway)), at);
}

/** Without those whom nothing can be made of, be it for groups that could not be read: for them, nothing follows. */
async function readable(
  plan: Plan,
  rows: readonly DifferingRow[],
  { mapping, inDoubt }: Mappings,
): Promise<readonly Seen[]> {
  const left: LeftRow[] = [];
  const seen = rows.flatMap((row): readonly Seen[] => {
    const { user, groups, linked, externalId } = row;
    const desired = inDoubt === null ? mapping.map(user, groups) : inDoubt.map(user, groups, linked);
    if (isMapped(desired)) return [toSeen(row, withAdjustment(plan, externalId, desired), inDoubt)];
    left.push({ externalId, problem: desired.state === 'unreadable' ? desired.problem : READ_ANEW });
    return [];
  });
  await plan.leave(left);
  return seen;
}

/** The hash stays that of what the directory and the mapping say: as long as they say the same, nobody is looked at again. */
function withAdjustment({ facts }: Plan, externalId: ExternalId, desired: DesiredAuthUser): DesiredAuthUser {
  const adjustment = facts.adjustments.get(externalId);
  return adjustment === undefined ? desired : adjusted(desired, adjustment, facts.places);
}

const READ_ANEW = 'was read again meanwhile, and is out of scope now';

/** With the auth users that matching rules may name, looked up for all of them at once. */
async function withAlike(
  plan: Plan,
  all: readonly Seen[],
  matching: CompiledMatching,
): Promise<readonly Seen[]> {
  const sought = all.flatMap(({ externalId, linked, desired, desiredHash }) => {
    const keys = linked === null && desired.state === 'active' ? matchKeysOf(desired.fields, matching) : null;
    return keys === null ? [] : [{ externalId, desiredHash, ...keys }];
  });
  const found = await plan.alike(sought);
  return all.map((seen) => ({ ...seen, alike: found.get(seen.externalId) ?? [] }));
}

/** In doubt the hash is of what is wanted then, so that the next run, which may read all groups, looks at the user again. */
function toSeen(row: DifferingRow, desired: DesiredAuthUser, inDoubt: MapInDoubt | null): Seen {
  return inDoubt === null ? { ...row, desired } : { ...row, desired, desiredHash: desiredHashOf(desired) };
}

async function proposeAbsent(plan: Plan, context: PlanContext, at: Date): Promise<void> {
  const { snapshot } = plan.facts;
  if (snapshot.kind === 'partial') return;
  for await (const rows of plan.unseen()) {
    const proposals = rows.flatMap((row) => planAbsent(row, context, snapshot) ?? []);
    const suspended = rows.filter(({ linked }) => linked.state === 'suspended');
    if (context.keepsLeavers && suspended.length > 0) {
      await plan.stored();
      await plan.leavers.stay(suspended, at);
    }
    const told = new Set(rows.flatMap((row) => (row.told === null ? [] : [row.externalId])));
    for (const change of proposals) {
      const of = { seen: false, told: told.has(change.externalId), candidates: [], placeUnknown: false };
      checkProposal(change, { snapshot, ...of });
    }
    await plan.propose(proposals);
  }
}

/** Whoever has been away for as long as leavers are kept; nothing follows from time where the run has not read everything. */
async function proposeGraceOver(plan: Plan, context: PlanContext, at: Date): Promise<void> {
  const { snapshot } = plan.facts;
  if (plan.leavers.none || snapshot.kind === 'partial') return;
  await plan.stored();
  for await (const leavers of plan.leavers.due(at)) {
    const proposals = leavers.map((leaver) => planGraceOver(leaver, context));
    const known = { seen: false, told: false, candidates: [], placeUnknown: false, graceOver: true };
    for (const change of proposals) checkProposal(change, { snapshot, ...known });
    await plan.propose(proposals);
    await plan.stored();
  }
}

const SCOPE_UNSURE = `${OF_THE_MAPPING}scope: groups that it names could not be read`;

/** As where a group is called otherwise than the scope says: who is out of it may be in it. */
const scopeUnlisted = (groups: readonly string[]) =>
  `${OF_THE_MAPPING}scope: the directory lists no group ${groups.join(', ')}, which it names`;

/** Whoever comes to an address that is not to be had waits for a person: that shows only when all is proposed. */
async function settleAddresses(plan: Plan): Promise<void> {
  for await (const rows of plan.contested()) {
    await plan.propose(rows.map(({ change, contest }) => contested(change, contest)));
  }
}
