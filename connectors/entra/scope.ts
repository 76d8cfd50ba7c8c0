/** Whom the connection's settings leave out: guests by choice, and everybody who is not assigned to one enterprise application. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import type { ExternalId } from '../../src/domain/ids.ts';
import { parseJson } from '../answer.ts';
import { ConnectorError, type UserRecord } from '../contract.ts';
import type { Graph, ListRequest } from './graph.ts';
import { readMember } from './map.ts';
import { saysNotThere } from './refusals.ts';
import { Assignment, EntraList } from './schema.ts';

export const ScopeSettings = z.object({
  /** Whether people of other organisations who were invited count. */
  guests: z.enum(['include', 'exclude']).default('include'),
  /** Only users who are assigned to this enterprise application, themselves or as direct members of an assigned group. */
  appScope: z
    .strictObject({
      servicePrincipalId: z.guid(
        "give the enterprise application's Object ID (a GUID), not its Application ID",
      ),
    })
    .nullable()
    .default(null),
});
export type ScopeSettings = z.infer<typeof ScopeSettings>;

/** The permission of the list of assignments ("List appRoleAssignments granted for a service principal"). */
export const ASSIGNMENTS = 'Application.Read.All';

/** To whom the application is assigned: users, and groups whose direct members are assigned through them. */
export type Assigned = { readonly users: ReadonlySet<ExternalId>; readonly groups: ReadonlySet<ExternalId> };

export type Scope = {
  /** No setting leaves anybody out. */
  readonly isWhole: boolean;
  wantsKind(user: DirectoryUser): boolean;
  /** null where assignments do not matter. */
  assigned(signal: AbortSignal): Promise<Assigned | null>;
  /** Stands for the assignments, of whose changes no feed tells; null where they do not matter. */
  fingerprint(signal: AbortSignal): Promise<string | null>;
  /** Judges the records of a list of the living. `isStart`: the list begins, so that assignments are read anew. */
  filter(isStart: boolean, signal: AbortSignal): Promise<(record: UserRecord) => boolean>;
};

export function scopeOver(graph: Graph, { guests, appScope }: ScopeSettings): Scope {
  const wantsKind = (user: DirectoryUser) => guests === 'include' || user.userType !== 'guest';
  const assigned = async (signal: AbortSignal) =>
    appScope === null ? null : readAssigned(graph, appScope.servicePrincipalId, signal);
  /** Kept from page to page of one list, for it costs as many requests as there are assigned groups; another process reads it again. */
  let everyone: ReadonlySet<ExternalId> | null = null;
  return {
    isWhole: guests === 'include' && appScope === null,
    wantsKind,
    assigned,
    async fingerprint(signal) {
      const now = await assigned(signal);
      return now === null ? null : digestOf(now);
    },
    async filter(isStart, signal) {
      if (isStart) everyone = null;
      if (everyone === null && appScope !== null) {
        everyone = await everyoneAssigned(
          graph,
          await readAssigned(graph, appScope.servicePrincipalId, signal),
          signal,
        );
      }
      const named = everyone;
      return (record) => {
        const id = record.kind === 'user' ? record.user.externalId : record.externalId;
        if (record.kind === 'user' && !wantsKind(record.user)) return false;
        return named === null || id === null || named.has(id);
      };
    },
  };
}

async function readAssigned(graph: Graph, id: string, signal: AbortSignal): Promise<Assigned> {
  const path = `/servicePrincipals/${id}/appRoleAssignedTo`;
  const request = { path, select: ['principalId', 'principalType'], permission: ASSIGNMENTS };
  const users = new Set<ExternalId>();
  const groups = new Set<ExternalId>();
  for (const item of await allOf(graph, request, null, signal).catch(withoutApplication)) {
    const { data } = Assignment.safeParse(item);
    if (data === undefined) throw unreadable();
    const kind = data.principalType.toLowerCase();
    if (kind === 'user') users.add(data.principalId);
    if (kind === 'group') groups.add(data.principalId);
  }
  return { users, groups };
}

/** Not knowing the application is not the same as nobody being assigned to it. */
function withoutApplication(error: unknown): never {
  if (!(error instanceof ConnectorError) || error.failure.kind !== 'not-found') throw error;
  throw new ConnectorError({
    ...error.failure,
    kind: 'misconfigured',
    message: 'The directory has no enterprise application with the Object ID that appScope gives.',
    remedy:
      'Entra admin center › Enterprise applications › the application › Overview: copy its Object ID. That of the app registration, and the Application ID, are others.',
  });
}

async function everyoneAssigned(
  graph: Graph,
  { users, groups }: Assigned,
  signal: AbortSignal,
): Promise<ReadonlySet<ExternalId>> {
  const everyone = new Set(users);
  const permission = 'GroupMember.Read.All';
  const parts = [...groups].map((id) => ({
    path: `/groups/${encodeURIComponent(id)}/members?$select=id&$top=999`,
  }));
  for (const answer of parts.length === 0 ? [] : await graph.batch(parts, permission, signal)) {
    if (saysNotThere(answer)) continue; // nobody is assigned through a group that is gone
    if (answer.status !== 200) throw graph.refuse(answer, permission);
    const first = EntraList.safeParse(parseJson(answer)).data;
    if (first === undefined) throw unreadable();
    addUsers(everyone, first.value);
    const request = { path: '/groups', select: ['id'], permission };
    const link = first['@odata.nextLink'] ?? null;
    if (link !== null) addUsers(everyone, await allOf(graph, request, link, signal));
  }
  return everyone;
}

/** Devices, contacts and nested groups among the members are nobody. */
function addUsers(everyone: Set<ExternalId>, items: readonly unknown[]): void {
  for (const member of items.map(readMember)) {
    if (member?.kind === 'unreadable') throw unreadable();
    if (member?.kind === 'user') everyone.add(member.externalId);
  }
}

/** The items of all pages from this link on; null: from the beginning. */
async function allOf(
  graph: Graph,
  request: ListRequest,
  from: string | null,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  let link = from;
  do {
    const page = await graph.list(request, link, signal);
    items.push(...page.items);
    link = page.next;
  } while (link !== null);
  return items;
}

function digestOf({ users, groups }: Assigned): string {
  const all = JSON.stringify([[...users].sort(), [...groups].sort()]);
  return createHash('sha256').update(all).digest('base64url');
}

function unreadable(): ConnectorError {
  return new ConnectorError({
    kind: 'unexpected-response',
    message: 'Who is assigned to the application (appScope) cannot be read completely.',
    remedy: 'Run again later; if it stays, report this as a defect.',
  });
}
