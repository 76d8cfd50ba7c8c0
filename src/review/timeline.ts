/** What happened to one person: see src/domain/timeline.ts. */
import { z } from 'zod';
import type { ConnectionId, ExternalId } from '../domain/ids.ts';
import { parseInput } from '../domain/input.ts';
import type { Mapping } from '../domain/mapping.ts';
import { authorise, type Caller, can } from '../domain/permission.ts';
import { giversOf, roleReasons } from '../domain/roleReasons.ts';
import { inOrder, type RoleGiven, type TimelineEntry } from '../domain/timeline.ts';
import type {
  HandEntry,
  History,
  LastReading,
  PastChange,
  PastDecision,
  Person,
} from '../store/histories.ts';
import type { Store } from '../store/store.ts';
import { getUser } from '../tenancy/users.ts';

export const TimelineRequest = z.strictObject({
  user: z.string(),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(100)
    .describe('At most so many entries, the last ones.'),
});

/** The oldest first. */
export type Timeline = { readonly items: readonly TimelineEntry[] };

/** Throws `invalid-input`, `not-found`. What was done by hand is only told to whom the audit log is. */
export async function getTimeline(
  { store }: { readonly store: Store },
  caller: Caller,
  input: z.input<typeof TimelineRequest>,
): Promise<Timeline> {
  authorise(caller, 'users.read');
  authorise(caller, 'changes.read');
  const { user: id, limit } = parseInput(TimelineRequest, input);
  const user = await getUser({ store }, caller, id);
  const history = await store.histories.of(caller.tenant, { user: user.id, persons: user.identities }, limit);
  const readings = new Map<string, Reading>();
  for (const person of user.identities)
    readings.set(keyOf(person), await store.histories.lastReading(caller.tenant, person));
  const byHand = can(caller, 'audit.read') ? await store.histories.byHand(caller.tenant, user.id, limit) : [];
  return { items: inOrder([...entriesOf(history, readings), ...byHand.map(toRecorded)], limit) };
}

export type Reading = Pick<LastReading, 'read' | 'readBy' | 'adjusted'>;

/** By `keyOf` a person: how they were last read. */
export type Readings = ReadonlyMap<string, Reading>;

/** As `Readings` are keyed. */
export function keyOf({ connection, externalId }: Person): string {
  return `${connection} ${externalId}`;
}

/** In no order: see `inOrder`. */
export function entriesOf(history: History, readings: Readings): readonly TimelineEntry[] {
  return [
    ...history.changes.flatMap((change) => entriesOfChange(change, history, readings)),
    ...history.decisions.map(toDecided),
    ...history.comments.map(({ id, change, by, text, at }): TimelineEntry => {
      return { what: 'commented', at: at.toISOString(), change, comment: id, by, text };
    }),
    ...[...readings].flatMap(adjustmentOf),
    ...history.verdicts.map(({ id, verdict, by, reason, at }): TimelineEntry => {
      const what = verdict === 'same' ? 'told-same' : 'told-apart';
      return { what, at: at.toISOString(), pair: id, by, reason };
    }),
  ];
}

function adjustmentOf([key, { adjusted }]: readonly [string, Reading]): readonly TimelineEntry[] {
  if (adjusted === null) return [];
  const [connection = ''] = key.split(' ');
  return [{ what: 'adjusted', connection: connection as ConnectionId, ...adjusted }];
}

function entriesOfChange(change: PastChange, history: History, readings: Readings): readonly TimelineEntry[] {
  const { id, connection, externalId, kind, cause, fields, rolesLost, run } = change;
  const proposed: TimelineEntry = {
    what: 'proposed',
    at: change.proposedAt.toISOString(),
    change: id,
    ...{ connection, externalId, run, kind, cause, fields },
    rolesGained: change.rolesGained.map((role) =>
      given(
        role,
        change,
        history.mappings.get(run),
        readings.get(keyOf({ connection, externalId: externalId as ExternalId })),
      ),
    ),
    rolesLost,
    undoes: change.undoes,
    undoReason: change.undoReason,
  };
  return [proposed, ...endOf(change)];
}

/** What became of it, where it is over. */
function endOf(change: PastChange): readonly TimelineEntry[] {
  const { id, apply, outcome, closedAt, state, note, version, event } = change;
  if (apply !== null && outcome !== null && closedAt !== null) {
    const [by, reason] = [change.appliedBy?.name ?? null, change.outcomeReason];
    return [
      {
        what: 'carried-out',
        at: closedAt.toISOString(),
        change: id,
        apply,
        by,
        outcome,
        reason,
        version,
        event,
      },
    ];
  }
  if (state !== 'superseded' || closedAt === null) return [];
  return [{ what: 'withdrawn', at: closedAt.toISOString(), change: id, note }];
}

/**
 * Of the mapping of that run, what gave the role. Whoever was not read anew since is looked at again; of others, only what may give it is
 * known.
 */
function given(
  role: string,
  { run, proposedAt }: PastChange,
  mapping: Mapping | undefined,
  reading: Reading | undefined,
): RoleGiven {
  if (mapping === undefined || reading === undefined) return { role, because: [], certain: false };
  const { read, readBy } = reading;
  const adjusted =
    reading.adjusted !== null && reading.adjusted.at <= proposedAt.toISOString() ? reading.adjusted : null;
  if (read !== null && readBy !== null && readBy <= run) {
    const because = roleReasons(mapping, read.user, read.groups, adjusted).get(role);
    if (because !== undefined) return { role, because, certain: true };
  }
  return { role, because: giversOf(mapping, role), certain: false };
}

function toDecided(decision: PastDecision): TimelineEntry {
  const { change, id, verdict, madeBy, by, rule, reason, finding, until, approval, at } = decision;
  return {
    what: 'decided',
    at: at.toISOString(),
    ...{ change, decision: id, verdict, madeBy, by, rule, reason, finding, approval },
    until: until?.toISOString() ?? null,
  };
}

function toRecorded({ number, at, actor, action, details, role }: HandEntry): TimelineEntry {
  const named = role === null ? details : { ...details, role };
  return { what: 'recorded', at, audit: number, action, by: actor, details: named };
}
