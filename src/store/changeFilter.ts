/** Which changes are meant: the same words for listing, grouping and deciding. */
import type { Cause, ChangeKind, ChangeState } from '../domain/change.ts';
import type { Guard } from '../domain/guard.ts';
import type { ApplyId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import type { RiskLevel } from '../domain/risk.ts';
import { SUBTREE } from './scope.ts';

export type ChangeFilter = {
  /** Its whole subtree. */
  readonly tenant?: TenantId | undefined;
  readonly connection?: ConnectionId | undefined;
  /** Which carried it out, or was to. */
  readonly apply?: ApplyId | undefined;
  readonly states?: readonly ChangeState[] | undefined;
  /** Part of the name, address, user name or external id; case does not matter. */
  readonly search?: string | undefined;
  /** The guard that holds it; '': none does. */
  readonly guard?: Guard | '' | undefined;
  /** The rule of a policy that has the say on it; '': none has. */
  readonly rule?: string | undefined;
  /** Who is to look at it; '': nobody was told to. */
  readonly assignee?: PrincipalId | '' | undefined;
  /** Those that were noted to have waited for longer than a policy wants them to. */
  readonly deadline?: 'over' | undefined;
} & GroupFilter;

/** What all changes of a group have in common. '' stands for none. */
export type GroupFilter = {
  readonly kinds?: readonly ChangeKind[] | undefined;
  readonly cause?: Cause | undefined;
  readonly risks?: readonly RiskLevel[] | undefined;
  readonly difference?: string | undefined;
  /** All of these; likewise the roles. */
  readonly fields?: readonly string[] | undefined;
  readonly department?: string | undefined;
  readonly orgUnit?: string | undefined;
  readonly rolesGained?: readonly string[] | undefined;
  readonly rolesLost?: readonly string[] | undefined;
};

/** What to call the person of `change c`. */
export const NAME = `coalesce(c.after #>> '{fields,displayName}', c.before #>> '{fields,displayName}', c.after #>> '{fields,email}',
  c.before #>> '{fields,email}', c.after #>> '{fields,userName}', c.before #>> '{fields,userName}', c.external_id)`;

/** Parameters of a statement as they come. */
export class Parameters {
  readonly values: unknown[];

  constructor(...values: readonly unknown[]) {
    this.values = [...values];
  }

  /** `$1`, `$2`, … */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** `where` speaks of `change c`; its parameters are `values`. */
export function conditions(within: TenantId, filter: ChangeFilter): { where: string; values: unknown[] } {
  const parameters = new Parameters(within);
  const { tenant, connection, apply, states, search, guard, rule, assignee, deadline } = filter;
  const parts = [`c.tenant_id IN ${SUBTREE('$1::uuid')}`];
  if (tenant !== undefined) parts.push(`c.tenant_id IN ${SUBTREE(`${parameters.add(tenant)}::uuid`)}`);
  if (connection !== undefined) parts.push(`c.connection_id = ${parameters.add(connection)}::uuid`);
  if (apply !== undefined) parts.push(`c.apply_id = ${parameters.add(apply)}::uuid`);
  if (states !== undefined) parts.push(`c.state = ANY (${parameters.add(states)}::text[])`);
  const ofGroup = groupConditions(filter, parameters);
  if (ofGroup.length > 0) {
    // Of the connection's own: without this, PostgreSQL would look over the groups of all.
    if (connection !== undefined) ofGroup.push(`g.connection_id = ${parameters.add(connection)}::uuid`);
    parts.push(`c.group_id IN (SELECT g.id FROM change_group g WHERE ${ofGroup.join(' AND ')})`);
  }
  if (guard !== undefined) parts.push(heldBy(guard, parameters));
  if (rule !== undefined) parts.push(judgedBy(rule, parameters));
  if (assignee !== undefined) parts.push(assignedTo(assignee, parameters));
  if (deadline !== undefined) parts.push(OVERDUE);
  if (search !== undefined) parts.push(matches(search, parameters));
  return { where: parts.join(' AND '), values: parameters.values };
}

/** They speak of `change_group g`; none where the filter asks for nothing that groups know. */
export function groupConditions(filter: ChangeFilter, parameters: Parameters): string[] {
  const parts: string[] = [];
  const text = (value: string) => `${parameters.add(value)}::text`;
  const isOrNone = (column: string, value: string | undefined) => {
    if (value !== undefined)
      parts.push(value === '' ? `g.${column} IS NULL` : `g.${column} = ${text(value)}`);
  };
  const hasOrNone = (column: string, values: readonly string[] = []) => {
    const named = values.filter((value) => value !== '');
    if (values.length > named.length) parts.push(`g.${column} = '{}'`);
    if (named.length > 0) parts.push(`g.${column} @> ${parameters.add(named)}::text[]`);
  };
  if (filter.kinds !== undefined) parts.push(`g.kind = ANY (${parameters.add(filter.kinds)}::text[])`);
  if (filter.risks !== undefined) parts.push(`g.risk = ANY (${parameters.add(filter.risks)}::text[])`);
  if (filter.cause !== undefined) parts.push(`g.cause = ${text(filter.cause)}`);
  if (filter.difference !== undefined) parts.push(`g.difference_key = ${text(filter.difference)}`);
  isOrNone('department', filter.department);
  isOrNone('org_unit', filter.orgUnit);
  hasOrNone('fields', filter.fields);
  hasOrNone('roles_gained', filter.rolesGained);
  hasOrNone('roles_lost', filter.rolesLost);
  return parts;
}

const GUARD = `(SELECT d.finding ->> 'guard' FROM decision d WHERE d.id = c.decision_id)`;

/** Of `change c`: whether this guard holds it; '': none does. */
export function heldBy(guard: string, parameters: Parameters): string {
  const held = `c.state = 'held' AND ${GUARD}`;
  return guard === '' ? `(${held} IS NOT NULL) IS NOT TRUE` : `${held} = ${parameters.add(guard)}::text`;
}

/** Of `change c`: whether this rule of a policy has the say on it, at whatever level it stands; '': no rule has. */
export function judgedBy(rule: string, parameters: Parameters): string {
  const judged = 'EXISTS (SELECT FROM policy_verdict v WHERE v.id = c.verdict_id AND v.rule';
  return rule === '' ? `NOT ${judged} <> '')` : `${judged} = ${parameters.add(rule)}::text)`;
}

/** Of `change c`: whether it was noted that it waits past its deadline. */
export const OVERDUE = `(c.overdue_at IS NOT NULL AND c.state IN ('open', 'held'))`;

/** Of `change c`: whether this principal is to look at it; '': nobody is. */
export function assignedTo(assignee: PrincipalId | '', parameters: Parameters): string {
  if (assignee === '') return 'NOT EXISTS (SELECT FROM assignment s WHERE s.change_id = c.id)';
  return `c.id IN (SELECT s.change_id FROM assignment s WHERE s.principal_id = ${parameters.add(assignee)}::uuid)`;
}

/** Of `change c`: whether somebody is meant by this part of a name or an address. */
export function matches(search: string, parameters: Parameters): string {
  return `strpos(lower(concat_ws(' ', ${NAME}, c.after #>> '{fields,email}', c.before #>> '{fields,email}',
    c.after #>> '{fields,userName}', c.before #>> '{fields,userName}', c.external_id)), lower(${parameters.add(search)}::text)) > 0`;
}
