/** What an administrator looks at before deciding. */
import { z } from 'zod';
import {
  type Cause,
  CHANGE_KINDS,
  CHANGE_SETS,
  CHANGE_STATES,
  type ChangeKind,
  causes,
  setOf,
} from '../domain/change.ts';
import { LONGEST_NAME } from '../domain/changeGroup.ts';
import type { Clock } from '../domain/clock.ts';
import { GUARDS } from '../domain/guard.ts';
import { ApplyId, ChangeId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { FeedOptions, type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { RISKS } from '../domain/risk.ts';
import type { ChangeFilter as StoredFilter } from '../store/changeFilter.ts';
import type { ChangeView, Summary } from '../store/changes.ts';
import type { EventView } from '../store/events.ts';
import type { Store } from '../store/store.ts';

export type ReviewDeps = { readonly store: Store };

/** States in which a change still waits for somebody or something. */
export const PENDING = ['open', 'held', 'approved', 'failed'] as const;

/** Of whom. */
export const Whose = z.strictObject({
  tenant: TenantId.optional().describe('Only of this tenant and those below it.'),
  connection: ConnectionId.optional().describe('Only of this connection.'),
});

const NameOrNone = z.string().max(LONGEST_NAME);
const Names = z.array(NameOrNone).max(50);

/** Which changes are meant, apart from whose. */
export const ChangeCriteria = z.strictObject({
  set: z.enum(CHANGE_SETS).optional().describe('Only those of this set.'),
  kind: z.array(z.enum(CHANGE_KINDS)).optional().describe('Only those of these kinds.'),
  cause: z
    .enum(Object.keys(causes) as [Cause, ...Cause[]])
    .optional()
    .describe('Only those with this cause.'),
  risk: z.array(z.enum(RISKS)).optional().describe('Only those of these risks.'),
  field: Names.optional().describe(
    'Only those that change all of these fields; empty: those that change none.',
  ),
  department: NameOrNone.optional().describe(
    'Only of people in this department afterwards, or before they leave; empty: in none.',
  ),
  orgUnit: NameOrNone.optional().describe('Only of people in this organisational unit; empty: in none.'),
  roleGained: Names.optional().describe(
    'Only those that give all of these roles; empty: those that give none.',
  ),
  roleLost: Names.optional().describe(
    'Only those that take all of these roles; empty: those that take none.',
  ),
  difference: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'is not the `difference` of a change')
    .optional()
    .describe('Only those that do the same: the `difference` of one of them.'),
  guard: z
    .enum([...GUARDS, ''])
    .optional()
    .describe('Only those that this guard holds; empty: that none does.'),
  rule: z
    .string()
    .max(100)
    .optional()
    .describe(
      'Only those that the policy rule of this name has the say on, whatever became of them; empty: no rule has.',
    ),
  assignee: z
    .union([PrincipalId, z.enum(['me', ''])], {
      error: 'is neither the id of a principal, nor me, nor empty',
    })
    .optional()
    .describe('Only those that this principal is to look at; me: the caller; empty: nobody is.'),
  deadline: z
    .enum(['over'])
    .optional()
    .describe('over: only those that were not decided within the deadline that a policy gives.'),
  search: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Part of a name, address or external id, in any case.'),
});
export type ChangeCriteria = z.infer<typeof ChangeCriteria>;

export const ChangeFilter = ChangeCriteria.extend({
  ...PageOptions.shape,
  ...Whose.shape,
  apply: ApplyId.optional().describe('Only those that this apply carried out, or was to.'),
  state: z
    .array(z.enum(CHANGE_STATES))
    .optional()
    .describe(
      'Only those in these states; without it those in which a change still waits, and of an apply all.',
    ),
});

/** Oldest first. */
export async function listChanges(
  deps: ReviewDeps,
  caller: Caller,
  input: unknown,
): Promise<Listed<ChangeView>> {
  authorise(caller, 'changes.read');
  const { limit, after, tenant, connection, apply, state, ...criteria } = parseInput(ChangeFilter, input);
  const states = state ?? (apply === undefined ? PENDING : undefined);
  const filter = { tenant, connection, apply, states, ...toStoredFilter(caller, criteria) };
  return await deps.store.changes.list(caller.tenant, filter, { limit, after });
}

/** In the words of the store: of a set and of kinds, the kinds that both have; `me` is the caller. */
export function toStoredFilter(caller: Caller, criteria: ChangeCriteria): StoredFilter {
  const { set, kind, risk, field, roleGained, roleLost, assignee, ...others } = criteria;
  return {
    ...others,
    kinds: kindsOf(set, kind),
    risks: risk,
    fields: field,
    rolesGained: roleGained,
    rolesLost: roleLost,
    assignee: assignee === 'me' ? caller.principal : assignee,
  };
}

function kindsOf(
  set: ChangeCriteria['set'],
  kinds: readonly ChangeKind[] | undefined,
): readonly ChangeKind[] | undefined {
  if (set === undefined) return kinds;
  return (kinds ?? CHANGE_KINDS).filter((kind) => setOf[kind] === set);
}

/** Throws `not-found`. */
export async function getChange(deps: ReviewDeps, caller: Caller, id: string): Promise<ChangeView> {
  authorise(caller, 'changes.read');
  const change = parseId(ChangeId, id);
  const found = change === null ? null : await deps.store.changes.get(caller.tenant, change);
  if (found === null) throw notFound('change');
  return found;
}

/** Pending changes by set, one line a connection. */
export async function summarise(
  deps: ReviewDeps & { readonly clock: Clock },
  caller: Caller,
  input: unknown,
): Promise<readonly Summary[]> {
  authorise(caller, 'changes.read');
  return await deps.store.changes.summarise(caller.tenant, parseInput(Whose, input), deps.clock.now());
}

/** Events of the caller's subtree after a cursor, in the order in which they were committed. */
export async function listEvents(
  deps: ReviewDeps,
  caller: Caller,
  input: unknown,
): Promise<Listed<EventView>> {
  authorise(caller, 'events.read');
  return await deps.store.events.list(caller.tenant, parseInput(FeedOptions, input));
}
