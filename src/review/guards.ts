/** Guards of a connection: what they allow and found, and letting more through for a time, which is a decision of its own. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { Connection } from '../domain/connection.ts';
import { explainFinding, type Finding, GUARDS, OVERRIDABLE_GUARDS } from '../domain/guard.ts';
import { ConnectionId, GuardOverrideId } from '../domain/ids.ts';
import { invalidInput, notFound, parseId, parseInput, Reason, Until } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { GuardLimits } from '../domain/policy.ts';
import type { GuardOverride } from '../store/guardOverrides.ts';
import type { Store } from '../store/store.ts';

export type GuardDeps = { readonly store: Store; readonly clock: Clock };

/** Nobody sees further: what has to last longer belongs into the policy. */
const LONGEST_DAYS = 90;
const DAY_MS = 86_400_000;

export const NewGuardOverride = z.strictObject({
  connection: z.string().describe('Its id.'),
  guard: z.enum(GUARDS).describe('The one whose limit is set aside.'),
  allowed: z
    .int()
    .min(0)
    .max(1_000_000_000)
    .nullable()
    .describe('Up to so many go, where the policy would let fewer through; null: all.'),
  until: Until.describe('How long; at most 90 days.'),
  reason: Reason.describe('For whoever asks later.'),
});

/**
 * From the next plan on, what the guard holds up to `allowed` is open again, and nothing new is held, until the time is up. Takes the
 * place of the one that is there.
 * Throws `invalid-input`, also for a guard whose changes are let go one by one only, `not-found`.
 */
export async function overrideGuard(
  deps: GuardDeps,
  caller: Caller,
  input: z.input<typeof NewGuardOverride>,
): Promise<GuardOverride> {
  authorise(caller, 'guards.override');
  const { guard, allowed, reason, until: end, ...wanted } = parseInput(NewGuardOverride, input);
  const now = deps.clock.now();
  const until = new Date(end);
  if (!OVERRIDABLE_GUARDS.includes(guard)) {
    const message = `${guard} is overridden for nobody: what it holds is let go by name, one change after the other`;
    throw invalidInput([{ path: 'guard', message }]);
  }
  if (until <= now) throw invalidInput([{ path: 'until', message: 'is past already' }]);
  if (until.getTime() > now.getTime() + LONGEST_DAYS * DAY_MS) {
    const message = `is more than ${LONGEST_DAYS} days away`;
    throw invalidInput([{ path: 'until', message }], 'Change the limits in the policy of the connection.');
  }
  const connection = await connectionOf(deps, caller, wanted.connection);
  const id = GuardOverrideId.parse(v7());
  return await deps.store.guardOverrides.insert(
    caller.tenant,
    { id, connection: connection.id, tenant: connection.tenant, guard, allowed, reason, until },
    { principal: caller.principal, actor: caller.actor, at: now },
  );
}

/** Ends it before its time: the next plan holds again what it finds. Throws `not-found` where none of this id holds. */
export async function endGuardOverride(deps: GuardDeps, caller: Caller, id: string): Promise<void> {
  authorise(caller, 'guards.override');
  const known = parseId(GuardOverrideId, id);
  const by = { actor: caller.actor, at: deps.clock.now() };
  const ended = known !== null && (await deps.store.guardOverrides.end(caller.tenant, known, by));
  if (!ended) throw notFound('guard override');
}

export type Guards = {
  readonly limits: GuardLimits;
  readonly overrides: readonly GuardOverride[];
  /** Of the last plan. */
  readonly findings: readonly (Finding & { readonly explanation: string })[];
  /** What the policy names and nobody has, or is, called so. */
  readonly unknown: {
    /** Passed over. */
    readonly users: readonly string[];
    /** Whoever would lose something waits for a person until these are there, or out of the policy. */
    readonly roles: readonly string[];
  };
};

/** Throws `not-found`. */
export async function getGuards(deps: GuardDeps, caller: Caller, id: string): Promise<Guards> {
  authorise(caller, 'connections.read');
  const connection = await connectionOf(deps, caller, id);
  const { policy } = connection;
  const { guardOverrides } = deps.store;
  const findings = await guardOverrides.lastFindings(caller.tenant, connection.id);
  return {
    limits: policy.guards,
    overrides: await guardOverrides.active(caller.tenant, [connection.id], deps.clock.now()),
    findings: findings.map((finding) => ({ ...finding, explanation: explainFinding(finding) })),
    unknown: await guardOverrides.unknownNames(caller.tenant, connection.tenant, policy),
  };
}

async function connectionOf(deps: GuardDeps, caller: Caller, id: string): Promise<Connection> {
  const known = parseId(ConnectionId, id);
  const connection = known === null ? null : await deps.store.connections.get(caller.tenant, known);
  if (connection === null) throw notFound('connection');
  return connection;
}
