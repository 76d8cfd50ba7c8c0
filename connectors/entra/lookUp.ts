/**
 * How named users are now, twenty reads in a request. Who is not among the living is looked for among the deleted; who is in
 * neither is asked for once more, because somebody may have been restored between the two answers.
 */
import type { ExternalId } from '../../src/domain/ids.ts';
import { parseJson, type SessionResponse } from '../answer.ts';
import type { FoundUser, UnreadableRecord } from '../contract.ts';
import type { Graph, ListRequest } from './graph.ts';
import { readDeletedUser, readMemberOf, readUser } from './map.ts';
import { saysNotThere } from './refusals.ts';
import { EntraList } from './schema.ts';
import type { Scope } from './scope.ts';

type Id = ExternalId;

export type People = {
  readonly users: ListRequest;
  readonly deletedUsers: ListRequest;
  readonly extensions: readonly string[];
  readonly scope: Scope;
};

/** One question, answered for all of `ids`. `groups`: those that matter; null for all. */
type Question = {
  readonly graph: Graph;
  readonly people: People;
  readonly groups: readonly Id[] | null;
  readonly signal: AbortSignal;
};

const MEMBERS = 'GroupMember.Read.All';

/** Throws where it cannot be known how one of them is. */
export async function lookUpUsers(ids: readonly Id[], question: Question): Promise<readonly FoundUser[]> {
  const wanted = [...new Set(ids)];
  const living = await amongTheLiving(wanted, question);
  const missing = wanted.filter((id) => !living.has(id));
  const deleted = await amongTheDeleted(missing, question);
  const nowhere = missing.filter((id) => !deleted.has(id));
  const gone = await stillNowhere(nowhere, question);
  const restored = nowhere.filter((id) => !gone.has(id));
  const again = await amongTheLiving(restored, question);
  const moving = restored.filter((id) => !again.has(id)).map(notSettled);
  const there = await inScope(new Map([...living, ...again]), question);
  return [...there, ...deleted.values(), ...gone.values(), ...moving];
}

const notSettled = (externalId: Id): UnreadableRecord => ({
  kind: 'unreadable',
  externalId,
  problem: 'Graph finds the user in one answer and not in the next',
});

/** Asks about each, twenty in a request. */
async function askFor(
  ids: readonly Id[],
  { graph, signal }: Question,
  permission: string,
  pathOf: (key: string) => string,
): Promise<Map<Id, SessionResponse>> {
  const parts = ids.map((id) => ({ path: pathOf(encodeURIComponent(id)) }));
  const answers = ids.length === 0 ? [] : await graph.batch(parts, permission, signal);
  return new Map(answers.flatMap((answer, at) => ids.slice(at, at + 1).map((id) => [id, answer] as const)));
}

const selectOf = ({ select }: ListRequest) => `$select=${select.join(',')}`;

async function amongTheLiving(ids: readonly Id[], question: Question): Promise<Map<Id, FoundUser>> {
  const { users } = question.people;
  const ask = `${selectOf(users)}&$expand=${users.expand}`;
  const [answers, memberOf] = await Promise.all([
    askFor(ids, question, users.permission, (key) => `/users/${key}?${ask}`),
    question.groups?.length === 0
      ? new Map<Id, SessionResponse>()
      : askFor(ids, question, MEMBERS, (key) => `/users/${key}/transitiveMemberOf?$select=id&$top=999`),
  ]);
  const found = new Map<Id, FoundUser>();
  for (const [id, answer] of answers) {
    const groups = memberOf.get(id);
    if (saysNotThere(answer) || (groups !== undefined && saysNotThere(groups))) continue;
    found.set(id, await livingUser(id, answer, groups, question));
  }
  return found;
}

async function livingUser(
  id: Id,
  answer: SessionResponse,
  memberOf: SessionResponse | undefined,
  question: Question,
): Promise<FoundUser> {
  const { graph, people } = question;
  if (answer.status !== 200) throw graph.refuse(answer, people.users.permission);
  const record = readUser(parseJson(answer), people.extensions);
  if (record.kind === 'unreadable') return { ...record, externalId: id };
  if (record.user.externalId !== id)
    return { kind: 'unreadable', externalId: id, problem: 'id: of another user' };
  const groups = memberOf === undefined ? [] : await groupsIn(memberOf, question);
  if (groups === null) return { kind: 'unreadable', externalId: id, problem: 'memberOf: cannot be read' };
  const wanted = question.groups === null ? null : new Set(question.groups);
  return { ...record, groups: wanted === null ? groups : groups.filter((group) => wanted.has(group)) };
}

/** Who is in more groups than one page holds costs requests of their own. */
async function groupsIn(answer: SessionResponse, { graph, signal }: Question): Promise<readonly Id[] | null> {
  if (answer.status !== 200) throw graph.refuse(answer, MEMBERS);
  const first = EntraList.safeParse(parseJson(answer));
  if (!first.success) return null;
  const items = [...first.data.value];
  const request: ListRequest = { path: '/users', select: ['id'], permission: MEMBERS };
  for (let link = first.data['@odata.nextLink'] ?? null; link !== null; ) {
    const page = await graph.list(request, link, signal);
    items.push(...page.items);
    link = page.next;
  }
  return readMemberOf(items);
}

/** Of a group only the direct members are assigned, so that what somebody is in through another group does not count. */
async function inScope(found: Map<Id, FoundUser>, question: Question): Promise<readonly FoundUser[]> {
  const { scope } = question.people;
  const assigned = found.size === 0 ? null : await scope.assigned(question.signal);
  const asked = [...found.keys()].filter((id) => assigned !== null && !assigned.users.has(id));
  const direct = await askFor(
    asked,
    question,
    MEMBERS,
    (key) => `/users/${key}/memberOf?$select=id&$top=999`,
  );
  const judged: FoundUser[] = [];
  for (const [externalId, one] of found) {
    const answer = direct.get(externalId);
    const groups = answer === undefined || saysNotThere(answer) ? [] : await groupsIn(answer, question);
    const isAssigned = answer === undefined || groups?.some((group) => assigned?.groups.has(group));
    if (one.kind === 'user' && !scope.wantsKind(one.user)) judged.push({ kind: 'out-of-scope', externalId });
    else if (one.kind === 'unreadable' || isAssigned) judged.push(one);
    else if (groups === null)
      judged.push({ kind: 'unreadable', externalId, problem: 'memberOf: cannot be read' });
    else judged.push({ kind: 'out-of-scope', externalId });
  }
  return judged;
}

async function amongTheDeleted(ids: readonly Id[], question: Question): Promise<Map<Id, FoundUser>> {
  const { graph, people } = question;
  const { permission } = people.deletedUsers;
  const answers = await askFor(
    ids,
    question,
    permission,
    (key) => `/directory/deletedItems/${key}/microsoft.graph.user?${selectOf(people.deletedUsers)}`,
  );
  const found = new Map<Id, FoundUser>();
  for (const [id, answer] of answers) {
    if (saysNotThere(answer)) continue;
    if (answer.status !== 200) throw graph.refuse(answer, permission);
    const record = readDeletedUser(parseJson(answer), people.extensions);
    if (record.kind === 'unreadable') found.set(id, { ...record, externalId: id });
    else if (people.scope.wantsKind(record.user)) found.set(id, { ...record, groups: [] });
    else found.set(id, { kind: 'out-of-scope', externalId: id });
  }
  return found;
}

async function stillNowhere(ids: readonly Id[], question: Question): Promise<Map<Id, FoundUser>> {
  const { permission } = question.people.users;
  const answers = await askFor(ids, question, permission, (key) => `/users/${key}?$select=id`);
  const gone = new Map<Id, FoundUser>();
  for (const [externalId, answer] of answers) {
    if (saysNotThere(answer)) gone.set(externalId, { kind: 'gone', externalId });
    else if (answer.status !== 200) throw question.graph.refuse(answer, permission);
  }
  return gone;
}
