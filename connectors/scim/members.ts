/**
 * Who is in a group, groups within it resolved. SCIM gives a group's direct members only, so each group of the tree is read, and kept
 * for a while: a directory's groups cost one request each, however often they are in one another, and circles end.
 */
import type { ExternalId } from '../../src/domain/ids.ts';
import { failureOf, parseJson } from '../answer.ts';
import { ConnectorError, type MemberRecord, type UnreadableRecord } from '../contract.ts';
import { Shared } from '../sharing.ts';
import { unreadable } from '../unreadable.ts';
import { GroupWithMembers, ScimMember } from './schema.ts';
import { odd, refusal, type ScimService, scimErrorIn } from './service.ts';

type Direct = {
  readonly users: readonly ExternalId[];
  readonly groups: readonly ExternalId[];
  readonly unread: readonly UnreadableRecord[];
};

export type Membership = {
  readonly users: ReadonlySet<ExternalId>;
  /** Members, or groups within, of which nobody knows who they are. */
  readonly unread: readonly UnreadableRecord[];
};

/** So long what was read of a group serves the other groups that it is in. */
const KEPT_MS = 600_000;
/** Ids kept of all groups together: about 40 MB. What does not fit is read again. */
const MOST_KEPT = 500_000;

type Kept = { readonly direct: Direct; readonly untilMs: number };

export class Members {
  readonly #service: ScimService;
  readonly #kept = new Map<ExternalId, Kept>();
  readonly #asked = new Shared<ExternalId, Direct>();
  #ids = 0;

  constructor(service: ScimService) {
    this.#service = service;
  }

  /** What is asked from now on is read anew. */
  forget(): void {
    this.#kept.clear();
    this.#ids = 0;
  }

  /**
   * Throws 'not-found' and 'permission-missing' for the group itself. A group within it that is gone or hidden is a member of
   * whom nobody knows who it is.
   */
  async of(group: ExternalId, signal: AbortSignal): Promise<Membership> {
    const users = new Set<ExternalId>();
    const unread: UnreadableRecord[] = [];
    const reached = new Set([group]);
    for (const id of reached) {
      const direct = id === group ? await this.#direct(id, signal) : await this.#within(id, signal);
      for (const user of direct.users) users.add(user);
      for (const inner of direct.groups) reached.add(inner);
      unread.push(...direct.unread);
    }
    return { users, unread };
  }

  async #within(group: ExternalId, signal: AbortSignal): Promise<Direct> {
    try {
      return await this.#direct(group, signal);
    } catch (error) {
      if (!(error instanceof ConnectorError) || !CLOSED.has(error.failure.kind)) throw error;
      const problem = 'members: a group within it is gone or hidden from this credential';
      return { users: [], groups: [], unread: [{ kind: 'unreadable', externalId: null, problem }] };
    }
  }

  /** The groups that are in it, themselves; null where not all of its members can be known. */
  async groupsIn(group: ExternalId, signal: AbortSignal): Promise<readonly ExternalId[] | null> {
    const { groups, unread } = await this.#within(group, signal);
    return unread.length > 0 ? null : groups;
  }

  async #direct(group: ExternalId, signal: AbortSignal): Promise<Direct> {
    signal.throwIfAborted();
    const kept = this.#kept.get(group);
    if (kept !== undefined && kept.untilMs > Date.now()) return kept.direct;
    return this.#asked.of(group, signal, (one) => this.#ask(group, one));
  }

  async #ask(group: ExternalId, signal: AbortSignal): Promise<Direct> {
    const direct = await readGroup(this.#service, group, signal);
    const size = direct.users.length + direct.groups.length + 1;
    if (size > MOST_KEPT) return direct;
    if (this.#ids + size > MOST_KEPT) this.forget();
    this.#kept.set(group, { direct, untilMs: Date.now() + KEPT_MS });
    this.#ids += size;
    return direct;
  }
}

/** 'not-found' in the service's own words; a gateway's 404 says nothing about a group. */
export class GroupGone extends ConnectorError {}

const CLOSED: ReadonlySet<string> = new Set(['not-found', 'permission-missing']);

async function readGroup(service: ScimService, group: ExternalId, signal: AbortSignal): Promise<Direct> {
  const what = "a group's members";
  const answer = await service.get(`/Groups/${encodeURIComponent(group)}`, { attributes: 'members' }, signal);
  if (answer.status === 404) {
    if (scimErrorIn(answer) !== null) {
      const message = `The service has no such group any more: ${what}.`;
      throw new GroupGone(failureOf(answer, { message }));
    }
    const message = `The service shows no such group: ${what} (status 404).`;
    throw new ConnectorError(failureOf(answer, { message }));
  }
  if (answer.status !== 200) throw new ConnectorError(refusal(answer, { what }));
  const read = GroupWithMembers.safeParse(parseJson(answer));
  if (!read.success) throw odd(answer, `An answer about ${what} is no group.`);
  if (read.data.id !== group) throw odd(answer, `An answer about ${what} is about another group.`);
  return sorted(read.data.members ?? []);
}

/**
 * By `type`, else by `$ref`, which is looked at and never followed. Without either a member is a user: RFC 7643, section 4.2,
 * wants a type only where both kinds occur. Members of other types (devices, agents) are left out.
 */
function sorted(members: readonly unknown[]): Direct {
  const users: ExternalId[] = [];
  const groups: ExternalId[] = [];
  const unread: UnreadableRecord[] = [];
  for (const member of members) {
    const read = ScimMember.safeParse(member);
    if (!read.success) {
      unread.push(unreadable(member, read.error));
      continue;
    }
    const { value, type, $ref } = read.data;
    const kind = (type ?? /\/(Users|Groups)\/[^/]+\/?$/i.exec($ref ?? '')?.[1] ?? 'user').toLowerCase();
    if (kind === 'user' || kind === 'users') users.push(value);
    else if (kind === 'group' || kind === 'groups') groups.push(value);
  }
  return { users, groups, unread };
}

export function toMemberRecords({ users, unread }: Membership): readonly MemberRecord[] {
  return [...Array.from(users, (externalId) => ({ kind: 'user' as const, externalId })), ...unread];
}
