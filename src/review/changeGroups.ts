/** Changes by what they have in common: one line for many, and the filter that opens it or decides on it. */
import { z } from 'zod';
import { CHANGE_STATES, type ChangeKind } from '../domain/change.ts';
import { GROUPINGS, type Grouping } from '../domain/changeGroup.ts';
import { parseInput } from '../domain/input.ts';
import { GroupPage, groupCursor } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { RiskLevel } from '../domain/risk.ts';
import type { ChangesAlike, SeenRevision } from '../store/groupedChanges.ts';
import { ChangeCriteria, PENDING, type ReviewDeps, toStoredFilter, Whose } from './changes.ts';

export const GroupFilter = ChangeCriteria.extend({
  ...GroupPage.shape,
  ...Whose.shape,
  by: z
    .enum(GROUPINGS)
    .default('difference')
    .describe('What those of a group have in common; without it, that they do the same.'),
  state: z
    .array(z.enum(CHANGE_STATES).exclude(['applied', 'superseded']))
    .default([...PENDING])
    .describe('Only those in these states; without it those in which a change still waits.'),
});

/** `filter`: lists the very changes of the group, and decides on them. */
export type ChangeGroup = ChangesAlike & { readonly filter: ChangeCriteria };

export type ChangeGroupList = {
  readonly by: Grouping;
  readonly changes: number;
  readonly groups: number;
  readonly lookedAt: number | null;
  readonly revisions: readonly SeenRevision[];
  readonly items: readonly ChangeGroup[];
  readonly next: string | null;
};

/** The largest groups first. Throws `invalid-input`. */
export async function groupChanges(
  deps: ReviewDeps,
  caller: Caller,
  input: unknown,
): Promise<ChangeGroupList> {
  authorise(caller, 'changes.read');
  const { by, limit, after, tenant, connection, state, ...criteria } = parseInput(GroupFilter, input);
  const filter = { tenant, connection, states: state, ...toStoredFilter(caller, criteria) };
  const { items, next, ...found } = await deps.store.changeGroups.list(caller.tenant, by, filter, {
    limit,
    after,
  });
  return {
    by,
    ...found,
    items: items.map((item) => ({ ...item, filter: { ...criteria, ...criterion(by, item.key, criteria) } })),
    next: next === null ? null : groupCursor(next),
  };
}

/** Where several may be asked for, the group's own beside those that were: each of its changes has them all. */
function criterion(by: Grouping, key: string, asked: ChangeCriteria): ChangeCriteria {
  switch (by) {
    case 'kind':
      return { kind: [key as ChangeKind] };
    case 'risk':
      return { risk: [key as RiskLevel] };
    case 'cause':
      return { cause: key as NonNullable<ChangeCriteria['cause']> };
    case 'guard':
      return { guard: key as NonNullable<ChangeCriteria['guard']> };
    case 'org-unit':
      return { orgUnit: key };
    case 'role-gained':
      return { roleGained: withKey(asked.roleGained, key) };
    case 'role-lost':
      return { roleLost: withKey(asked.roleLost, key) };
    case 'field':
      return { field: withKey(asked.field, key) };
    case 'difference':
    case 'department':
      return { [by]: key };
    // A connection's change set is named beside the filter.
    case 'connection':
      return {};
  }
}

const withKey = (asked: readonly string[] = [], key: string) => [...new Set([...asked, key])];
