/** A directory in memory that keeps the connector contract, and breaks it in the ways that providers do when a test says so. */
import { z } from 'zod';
import {
  type Changes,
  type Connector,
  type ConnectorDefinition,
  ConnectorError,
  type Cursor,
  type Evidence,
  type FailureKind,
  type FoundUser,
  type GroupRecord,
  type MemberRecord,
  type Page,
  type UserRecord,
} from '../../connectors/contract.ts';
import { type CustomValue, DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';

export type List = 'users' | 'groups' | 'members' | 'changes' | 'look-up';

/** What a test says about a user; all else is made up from the id. */
export type SomeDirectoryUser = { readonly id: string } & Partial<Omit<DirectoryUser, 'externalId'>>;

export type SomeGroup = {
  readonly id: string;
  /** Made up from the id where it is not given. */
  readonly name?: string;
  /** `everyone`: the provider says so instead of listing them. */
  readonly members: readonly string[] | 'everyone';
};

export type Faults = {
  /** Page `page` (from 1) of a list fails with an error of this kind, as long as the fault is there. */
  readonly fails?: {
    readonly page: number;
    readonly list?: List;
    /** Of members: of this group only. */
    readonly group?: string;
    readonly kind?: FailureKind;
  };
  readonly emptyFirstPage?: boolean;
  /** The next link of this page of users leads to the first page again. */
  readonly loopsAfterPage?: number;
  /** Users whose record cannot be understood, but for its id. */
  readonly unreadable?: readonly string[];
  /** Users whose record cannot be understood, not even its id. */
  readonly nameless?: readonly string[];
  /** Groups whose record cannot be understood. */
  readonly unreadableGroups?: readonly string[];
  /** Groups with a member record that cannot be understood, in the place of their first member. */
  readonly unreadableMembers?: readonly string[];
  /** Users who are listed a second time, as the last ones, as `again` says. */
  readonly listedTwice?: readonly SomeDirectoryUser[];
  /** Every cursor from before this connector was opened is refused. */
  readonly oldCursorsExpire?: boolean;
  /** This page of users never comes: the request ends with the signal. */
  readonly hangsOnPage?: number;
  /** The provider keeps a feed of changes. Without it, it has only its lists. */
  readonly hasFeed?: boolean;
  /** The provider can be asked for one user; so can one with a feed. */
  readonly canLookUp?: boolean;
  /** Not listed, and left out by the settings: says so when it is asked for. */
  readonly outOfScope?: readonly string[];
  /** Moves while it is listed, so that no page names it. */
  readonly slipsThrough?: readonly string[];
  /** The feed answers so from its first page on. */
  readonly feed?: 'expired' | 'refused' | 'unavailable' | 'unreadable' | 'a-group' | 'circular' | 'endless';
  /** The feed never names these users. */
  readonly keptFromFeed?: readonly string[];
  /** The feed names these groups with each page, as those whose members have changed. */
  readonly changedGroups?: readonly string[];
  /** The feed calls these groups new, or called otherwise; null: it does not say what. */
  readonly renamedGroups?: Readonly<Record<string, string | null>>;
  /** Look-ups answer so. */
  readonly lookUps?: 'refused' | 'unavailable' | 'silent' | 'contradictory';
  /** A failure: the provider refuses to tell. */
  readonly evidence?: Evidence | FailureKind;
  /** Called before a page is given, whatever list it is of. */
  readonly beforePage?: (list: List, page: number) => Promise<void> | void;
};

export type Request = { readonly list: List; readonly group: string | null; readonly page: number };

/** Where each opened connector's cursors come from, so that those of an earlier one can be told. */
let opened = 0;

export class TestDirectory {
  #users: DirectoryUser[];
  #groups: Map<string, SomeGroup>;
  pageSize: number;
  faults: Faults = {};
  /** Every page that was asked for, in order. */
  readonly requests: Request[] = [];
  /** Whom something happened to, in order: what a feed names. */
  readonly #happened: string[] = [];

  constructor(users: readonly SomeDirectoryUser[], groups: readonly SomeGroup[], pageSize: number) {
    this.#users = users.map(asDirectoryUser);
    this.#groups = new Map();
    for (const { id, members, name } of groups) this.group(id, members, name);
    this.pageSize = pageSize;
  }

  /** As the provider would have it now, in the order of its list. */
  get users(): readonly DirectoryUser[] {
    return this.#users;
  }

  get groups(): readonly SomeGroup[] {
    return [...this.#groups.values()];
  }

  add(...users: readonly SomeDirectoryUser[]): void {
    this.#users.push(...users.map(asDirectoryUser));
    this.#happened.push(...users.map((user) => user.id));
  }

  /** Users that are not there stay away. */
  edit(id: string, change: Partial<Omit<DirectoryUser, 'externalId'>>): void {
    this.#happened.push(id);
    this.#users = this.#users.map((user) =>
      user.externalId === id ? cleaned({ ...user, ...change }) : user,
    );
  }

  remove(...ids: readonly string[]): void {
    this.#happened.push(...ids);
    this.#users = this.#users.filter((user) => !ids.includes(user.externalId));
  }

  reorder(byIndex: (index: number) => number): void {
    const order = this.#users.map((user, at) => ({ user, rank: byIndex(at) }));
    this.#users = order.sort((one, other) => one.rank - other.rank).map(({ user }) => user);
  }

  /** A new group, or other members of one that there is. */
  group(id: string, members: SomeGroup['members'], name?: string): void {
    const before = this.#groups.get(id)?.members ?? [];
    const either = new Set([...before, ...members]);
    const both = [...either].filter((user) => before.includes(user) && members.includes(user));
    this.#happened.push(...[...either].filter((user) => !both.includes(user)));
    this.#groups.set(id, { id, members, name: name ?? this.#groups.get(id)?.name ?? `Group ${id}` });
  }

  /** A connector, as a process that begins to work would open it. */
  open(): Connector {
    opened += 1;
    const session = opened;
    return {
      provider: 'okta',
      fetchUsers: (cursor, signal) => this.#page('users', null, this.#userRecords(), cursor, signal, session),
      fetchGroups: (cursor, signal) =>
        this.#page('groups', null, this.#groupRecords(), cursor, signal, session),
      fetchMembers: (group, cursor, signal) =>
        this.#page('members', group, this.#memberRecords(group), cursor, signal, session),
      evidence: async () => {
        const { evidence = { users: null, permissions: null } } = this.faults;
        if (typeof evidence === 'string') throw failure(evidence);
        return evidence;
      },
      lookUp: this.#can('canLookUp') ? (ids, groups) => this.#lookUp(ids, groups) : null,
      changes: this.#can('hasFeed') ? this.#changes() : null,
      usage: () => ({ requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 }),
      close: async () => {},
    };
  }

  #can(ability: 'hasFeed' | 'canLookUp'): boolean {
    return this.faults.hasFeed === true || this.faults[ability] === true;
  }

  #changes(): Changes {
    const happened = this.#happened;
    return {
      tokenLifetimeMs: 7 * 24 * 60 * 60_000,
      begin: async () => String(happened.length),
      fetch: async (token, cursor) => {
        const { feed = '', changedGroups = [], renamedGroups = {}, keptFromFeed = [] } = this.faults;
        const from = Number(cursor ?? token);
        this.requests.push({ list: 'changes', group: null, page: from });
        await this.faults.beforePage?.('changes', from);
        const refusal = FEED_REFUSALS[feed];
        if (refusal !== undefined) throw failure(refusal);
        const to = Math.min(from + this.pageSize, happened.length);
        const named = happened.slice(from, to).filter((id) => !keptFromFeed.includes(id));
        const users = named.map((id) => ExternalId.parse(id));
        const groups = [...(feed === 'a-group' ? ['some-group'] : []), ...changedGroups].map((id) =>
          ExternalId.parse(id),
        );
        const renamed = Object.entries(renamedGroups).map(([id, name]) => {
          return { externalId: ExternalId.parse(id), name };
        });
        const unreadable = feed === 'unreadable' ? 1 : 0;
        const stray = FEED_STRAYS[feed]?.(from);
        const told = { users, groups, renamed, unreadable };
        if (stray !== undefined) return { ...told, next: stray, token: null };
        const more = to < happened.length;
        return { ...told, next: more ? String(to) : null, token: more ? null : String(to) };
      },
    };
  }

  async #lookUp(ids: readonly ExternalId[], groups: readonly ExternalId[] | null): Promise<FoundUser[]> {
    const { lookUps, outOfScope = [], unreadable = [] } = this.faults;
    this.requests.push({ list: 'look-up', group: null, page: ids.length });
    await this.faults.beforePage?.('look-up', ids.length);
    if (lookUps === 'refused') throw failure('permission-missing');
    if (lookUps === 'unavailable') throw failure('unavailable');
    if (lookUps === 'silent') return [];
    if (lookUps === 'contradictory')
      return ids.flatMap((externalId): FoundUser[] => [
        { kind: 'out-of-scope', externalId },
        { kind: 'gone', externalId },
      ]);
    return ids.map((externalId): FoundUser => {
      const user = this.#users.find((one) => one.externalId === externalId);
      if (unreadable.includes(externalId))
        return { kind: 'unreadable', externalId, problem: 'displayName: not a text' };
      if (user === undefined) return { kind: 'gone', externalId };
      if (outOfScope.includes(externalId)) return { kind: 'out-of-scope', externalId };
      const within = this.groups.filter(
        ({ members }) => members === 'everyone' || members.includes(externalId),
      );
      const found = within.map(({ id }) => ExternalId.parse(id));
      return { kind: 'user', user, groups: found.filter((id) => groups === null || groups.includes(id)) };
    });
  }

  #userRecords(): readonly UserRecord[] {
    const {
      unreadable = [],
      nameless = [],
      listedTwice = [],
      outOfScope = [],
      slipsThrough = [],
    } = this.faults;
    const unlisted = [...outOfScope, ...slipsThrough];
    const listed = this.#users.filter((user) => !unlisted.includes(user.externalId));
    const users = [...listed, ...listedTwice.map(asDirectoryUser)];
    return users.map((user): UserRecord => {
      if (nameless.includes(user.externalId)) return { kind: 'unreadable', externalId: null, problem: 'id' };
      if (unreadable.includes(user.externalId)) {
        return { kind: 'unreadable', externalId: user.externalId, problem: 'displayName: not a text' };
      }
      return { kind: 'user', user };
    });
  }

  #groupRecords(): readonly GroupRecord[] {
    const { unreadableGroups = [] } = this.faults;
    return this.groups.map(({ id, name }): GroupRecord => {
      const externalId = ExternalId.parse(id);
      if (unreadableGroups.includes(id))
        return { kind: 'unreadable', externalId, problem: 'name: not a text' };
      return { kind: 'group', group: { externalId, name: name ?? `Group ${id}`, email: null } };
    });
  }

  #memberRecords(id: string): readonly MemberRecord[] {
    const members = this.#groups.get(id)?.members ?? [];
    if (members === 'everyone') return [{ kind: 'everyone' }];
    const broken = this.faults.unreadableMembers?.includes(id) ?? false;
    return members.map((member, at): MemberRecord => {
      if (broken && at === 0) return { kind: 'unreadable', externalId: null, problem: 'id' };
      return { kind: 'user', externalId: ExternalId.parse(member) };
    });
  }

  async #page<T>(
    list: List,
    group: string | null,
    records: readonly T[],
    cursor: Cursor | null,
    signal: AbortSignal,
    session: number,
  ): Promise<Page<T>> {
    const { fails, hangsOnPage, oldCursorsExpire, beforePage, emptyFirstPage, loopsAfterPage } = this.faults;
    const [madeBy = session, page = 1] = cursor === null ? [] : cursor.split('/').map(Number);
    this.requests.push({ list, group, page });
    signal.throwIfAborted();
    await beforePage?.(list, page);
    if (oldCursorsExpire === true && madeBy !== session) throw failure('cursor-expired');
    const { page: failing, list: of = 'users', group: only = group, kind = 'unavailable' } = fails ?? {};
    if (failing === page && of === list && only === group) throw failure(kind);
    if (list === 'users' && hangsOnPage === page) await untilAborted(signal);
    if (list === 'users' && emptyFirstPage === true && page === 1) return { records: [], next: null };
    const from = (page - 1) * this.pageSize;
    const more = from + this.pageSize < records.length;
    const loops = list === 'users' && loopsAfterPage === page;
    const next = loops ? 1 : page + 1;
    return {
      records: records.slice(from, from + this.pageSize),
      next: more || loops ? `${session}/${next}` : null,
    };
  }
}

/** `users: 3` are u1, u2 and u3. */
export function aDirectory({
  users = 3,
  groups = [],
  pageSize = 100,
  ...faults
}: {
  readonly users?: number | readonly SomeDirectoryUser[];
  readonly groups?: readonly SomeGroup[];
  readonly pageSize?: number;
} & Faults = {}): TestDirectory {
  const listed =
    typeof users === 'number' ? Array.from({ length: users }, (_, at) => ({ id: `u${at + 1}` })) : users;
  const directory = new TestDirectory(listed, groups, pageSize);
  directory.faults = faults;
  return directory;
}

/** What a registry would say about directories in memory: a connection's settings name the one that is meant. */
export function definitionOf(directories: ReadonlyMap<string, TestDirectory>): ConnectorDefinition {
  return {
    provider: 'okta',
    title: 'A directory in memory',
    abilities: {
      groups: true,
      nestedGroups: false,
      orgUnits: false,
      deletedUsers: false,
      lookUp: true,
      delta: true,
      notifications: false,
    },
    settings: DirectoryName,
    credentials: DirectoryName,
    open: ({ settings }) => {
      const { directory } = DirectoryName.parse(settings);
      const found = directories.get(directory);
      if (found === undefined) throw failure('misconfigured');
      return found.open();
    },
    async *check() {
      yield { step: 'reach', ok: true, detail: 'in memory' };
    },
  };
}

const FEED_REFUSALS: Readonly<Record<string, FailureKind>> = {
  expired: 'cursor-expired',
  refused: 'permission-missing',
  unavailable: 'unavailable',
};

const FEED_STRAYS: Readonly<Record<string, (from: number) => string>> = {
  circular: () => 'again',
  endless: (from) => String(from + 1),
};

const DirectoryName = z.object({ directory: z.string() });

/** As a connector's map makes it: every text cleaned, so that no difference comes back with every run. */
function asDirectoryUser({ id, ...given }: SomeDirectoryUser): DirectoryUser {
  const address = `${id.toLowerCase()}@example.test`;
  return cleaned({
    externalId: ExternalId.parse(id),
    state: 'active',
    userName: given.email === undefined ? address : given.email,
    email: address,
    displayName: `User ${id}`,
    givenName: null,
    familyName: null,
    jobTitle: null,
    department: null,
    division: null,
    costCenter: null,
    company: null,
    employeeId: null,
    employeeType: null,
    officeLocation: null,
    phone: null,
    mobilePhone: null,
    locale: null,
    orgUnit: null,
    userType: 'member',
    manager: null,
    aliases: [],
    custom: {},
    ...given,
  });
}

function cleaned(user: DirectoryUser): DirectoryUser {
  const { externalId, custom, aliases, ...texts } = user;
  const clean = Object.entries(texts).map(([name, value]) => [name, cleanText(value)]);
  const customs = Object.entries(custom).flatMap(([name, value]): (readonly [string, CustomValue])[] => {
    if (Array.isArray(value)) return [[name, value.flatMap((one) => cleanText(one) ?? [])]];
    const one = typeof value === 'string' ? cleanText(value) : value;
    return one === null ? [] : [[name, one]];
  });
  return DirectoryUser.parse({
    ...Object.fromEntries(clean),
    externalId,
    aliases: aliases.flatMap((alias) => cleanText(alias) ?? []),
    custom: Object.fromEntries(customs),
  });
}

function failure(kind: FailureKind): ConnectorError {
  return new ConnectorError({
    kind,
    message: `The directory in memory is ${kind}.`,
    remedy: 'Ask the test.',
  });
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
