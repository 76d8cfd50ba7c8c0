/**
 * Graph's two change feeds as one ("Use delta query to track changes in Microsoft Graph data"): users first, then groups, whose
 * entries tell who joined and left. A feed only says whom to look at again, so it is asked for as little as Graph will
 * give (`Prefer: return=minimal`): a property that is there then has changed.
 */
import { z } from 'zod';
import type { ExternalId } from '../../src/domain/ids.ts';
import { parseJson } from '../answer.ts';
import { type Changes, type ChangesPage, ConnectorError, type Cursor, type DeltaToken } from '../contract.ts';
import type { Graph, GraphPage, ListRequest } from './graph.ts';
import { groupName, readMemberOf } from './map.ts';
import { DeltaGroup, DeltaMember, DeltaUser, EntraList } from './schema.ts';

/** "Delta query": seven days for directory objects. Short of that, so that a run that has begun also ends. */
const TOKEN_LIFETIME_MS = 6 * 86_400_000;

const headers = { Prefer: 'return=minimal' };
const FEEDS = {
  users: { path: '/users/delta', select: [], headers, isFeed: true, permission: 'User.Read.All' },
  groups: { path: '/groups/delta', select: [], headers, isFeed: true, permission: 'GroupMember.Read.All' },
} as const satisfies Record<string, ListRequest>;

/** Links of Graph's; `scope` stands for what no feed tells of: whom the settings leave out. */
const Token = z.object({ users: z.string(), groups: z.string(), scope: z.string().nullable() });
type Token = z.infer<typeof Token>;
/** `users`: the link that the users' feed has ended with, once the groups are being read. */
const FeedPosition = z.object({ list: z.enum(['users', 'groups']), link: z.string(), users: z.string() });
type FeedPosition = z.infer<typeof FeedPosition>;

/**
 * `userProperties`: a change of any other does not bring a user into the feed. `scopeNow`: what the users in scope follow from
 * besides their own properties; when it is another than with the token, only a full pull tells who has come and gone.
 */
export function changesOver(
  graph: Graph,
  userProperties: readonly string[],
  scopeNow: (signal: AbortSignal) => Promise<string | null>,
): Changes {
  const selected = { users: [...userProperties, 'manager'], groups: ['displayName', 'mail', 'members'] };
  return {
    tokenLifetimeMs: TOKEN_LIFETIME_MS,
    async begin(signal) {
      const scope = await scopeNow(signal);
      const parts = (['users', 'groups'] as const).map((list) => ({
        path: `${FEEDS[list].path}?$deltatoken=latest&$select=${selected[list].join(',')}`,
      }));
      const [users, groups] = await graph.batch(parts, FEEDS.users.permission, signal);
      const linkOf = async (list: 'users' | 'groups', answer: typeof users) => {
        if (answer?.status === 200) return lastLink(graph, FEEDS[list], parseJson(answer), signal);
        throw answer === undefined ? broken() : graph.refuse(answer, FEEDS[list].permission);
      };
      const token: Token = {
        users: await linkOf('users', users),
        groups: await linkOf('groups', groups),
        scope,
      };
      return JSON.stringify(token);
    },
    async fetch(token, cursor, signal) {
      const from = tokenOf(graph, token);
      if (cursor === null && from.scope !== (await scopeNow(signal))) throw outlived();
      const at =
        cursor === null ? { list: 'users' as const, link: from.users, users: '' } : positionOf(cursor);
      const page = await graph.list(FEEDS[at.list], at.link, signal);
      const named =
        at.list === 'users' ? changedUsers(page.items) : await changedGroups(graph, page.items, signal);
      return { ...named, ...whereNext(from, at, page) };
    },
  };
}

/** A token of another base URL or cloud is worth as little as one that has run out. */
function tokenOf(graph: Graph, token: DeltaToken): Token {
  try {
    const parsed = Token.parse(JSON.parse(token));
    graph.admit(parsed.users);
    graph.admit(parsed.groups);
    return parsed;
  } catch (error) {
    throw outlived(error);
  }
}

function positionOf(cursor: Cursor): FeedPosition {
  try {
    return FeedPosition.parse(JSON.parse(cursor));
  } catch (error) {
    throw outlived(error);
  }
}

function outlived(cause?: unknown): ConnectorError {
  const failure = {
    kind: 'cursor-expired',
    message:
      'What the users in scope follow from has changed, or the token for changes is none of this directory.',
    remedy: 'Nobody has to act: a full pull follows.',
  } as const;
  return new ConnectorError(failure, { cause: cause instanceof z.ZodError ? undefined : cause });
}

function broken(): ConnectorError {
  return new ConnectorError({
    kind: 'unexpected-response',
    message: "Graph's answer about changes leads neither to a next page nor to the next reading.",
    remedy: 'Run again later; if it stays, report this as a defect.',
  });
}

/** Usually the only page: with `latest` Graph says nothing of what has been. */
async function lastLink(
  graph: Graph,
  feed: ListRequest,
  first: unknown,
  signal: AbortSignal,
): Promise<string> {
  const parsed = EntraList.safeParse(first);
  let next = parsed.data?.['@odata.nextLink'] ?? null;
  let last = parsed.data?.['@odata.deltaLink'] ?? null;
  while (last === null && next !== null) {
    const page: GraphPage = await graph.list(feed, next, signal);
    next = page.next;
    last = page.delta;
  }
  if (last === null) throw broken();
  graph.admit(last);
  return last;
}

function whereNext(from: Token, at: FeedPosition, page: GraphPage): Pick<ChangesPage, 'next' | 'token'> {
  if (page.next !== null) return { next: JSON.stringify({ ...at, link: page.next }), token: null };
  if (page.delta === null) throw broken();
  if (at.list === 'users') {
    const next: FeedPosition = { list: 'groups', link: from.groups, users: page.delta };
    return { next: JSON.stringify(next), token: null };
  }
  const token: Token = { users: at.users, groups: page.delta, scope: from.scope };
  return { next: null, token: JSON.stringify(token) };
}

type Named = Omit<ChangesPage, 'next' | 'token'>;

/** Changed, deleted or restored: how they are now, a look-up tells. */
function changedUsers(items: readonly unknown[]): Named {
  const read = items.map((item) => DeltaUser.safeParse(item).data?.id);
  const users = new Set(read.filter((id) => id !== undefined));
  const unreadable = read.filter((id) => id === undefined).length;
  return { users: [...users], groups: [], renamed: [], unreadable };
}

/** What the entries of one page say, before anybody has asked what lies above a nested group. */
class Found {
  readonly users = new Set<ExternalId>();
  readonly groups = new Set<ExternalId>();
  /** New, or something other than their members has changed. */
  readonly renamed = new Map<ExternalId, string | null>();
  /** In whose members a group has come or gone: then something has changed in all groups above as well. */
  readonly nesting = new Set<ExternalId>();
  unreadable = 0;

  add(item: unknown): void {
    const { data: group } = DeltaGroup.safeParse(item);
    if (group === undefined) {
      this.unreadable += 1;
      return;
    }
    const { id, 'members@delta': members, '@removed': removed } = group;
    if (removed !== undefined) this.#remove(id, removed.reason);
    else if (members === undefined || hasOwnChange(item)) this.renamed.set(id, groupName(item));
    for (const member of members ?? []) this.#addMember(id, member);
  }

  /**
   * Nobody can say any more in which groups it was: its members have lost those as well. Only Microsoft 365 groups can be restored
   * (reason `changed`), and they are never inside another group.
   */
  #remove(id: ExternalId, reason: string | null | undefined): void {
    this.groups.add(id);
    if (reason !== 'changed') this.unreadable += 1;
  }

  /** `@removed` says here that the member has left the group, whatever its reason says. */
  #addMember(group: ExternalId, item: unknown): void {
    const { data: member } = DeltaMember.safeParse(item);
    if (member === undefined) {
      this.unreadable += 1;
      return;
    }
    const kind = member['@odata.type']?.toLowerCase();
    if (kind === '#microsoft.graph.user' || kind === undefined) this.users.add(member.id);
    if (kind === '#microsoft.graph.group' || kind === undefined) this.nesting.add(group);
  }
}

/** Anything but its id, its members and OData's own notes: a new name, or a new group. */
function hasOwnChange(item: unknown): boolean {
  return Object.keys(item as object).some((key) => key !== 'id' && !key.includes('@'));
}

async function changedGroups(graph: Graph, items: readonly unknown[], signal: AbortSignal): Promise<Named> {
  const found = new Found();
  for (const item of items) found.add(item);
  const above = await groupsAbove(graph, [...found.nesting], signal);
  const groups = new Set([...found.groups, ...found.nesting, ...above.groups]);
  const renamed = [...found.renamed].map(([externalId, name]) => ({ externalId, name }));
  const unreadable = found.unreadable + above.unreadable;
  return { users: [...found.users], groups: [...groups], renamed, unreadable };
}

/** All groups that these are in, directly or not; unreadable where that cannot be told. */
async function groupsAbove(graph: Graph, nested: readonly ExternalId[], signal: AbortSignal) {
  if (nested.length === 0) return { groups: [], unreadable: 0 };
  const { permission } = FEEDS.groups;
  const parts = nested.map((id) => ({
    path: `/groups/${encodeURIComponent(id)}/transitiveMemberOf?$select=id&$top=999`,
  }));
  const answers = await graph.batch(parts, permission, signal);
  const read = answers.map((answer) => {
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw graph.refuse(answer, permission);
    const list = EntraList.safeParse(parseJson(answer)).data;
    const isWhole = list !== undefined && (list['@odata.nextLink'] ?? null) === null;
    return isWhole ? readMemberOf(list.value) : null;
  });
  const known = read.filter((groups) => groups !== null);
  return { groups: known.flat(), unreadable: read.length - known.length };
}
