/**
 * What a connection would bring, before its first run: some people as they would be mapped, how long a full pull takes, and what
 * will not work and why. It reads a few pages and stores nothing. The people are for whoever asked, and for no log.
 */
import {
  type CheckStep,
  type Connector,
  type ConnectorDefinition,
  ConnectorError,
  type Cursor,
  type Page,
  type UserRecord,
} from '../../connectors/contract.ts';
import type { DesiredAuthUser } from '../domain/authUser.ts';
import type { Clock } from '../domain/clock.ts';
import { customValue, type DirectoryUser, type GroupRef } from '../domain/directory.ts';
import type { ExternalId } from '../domain/ids.ts';
import {
  type CompiledMapping,
  compileMapping,
  isMapped,
  type Mapped,
  type Mapping,
} from '../domain/mapping.ts';
import type { Place, Places } from '../domain/place.ts';
import { type Branch, treeOf } from '../domain/placeTree.ts';
import { compileInTime } from '../sync/mappingTime.ts';

export type SampleUser = Omit<DesiredAuthUser, 'placed' | 'firstValues'> & {
  readonly externalId: ExternalId;
  /** Names below the connection's tenant, joined by slashes; null: that tenant itself. */
  readonly tenant: Place;
};

/** `what` will not work, or not as somebody may expect, and `why`, or what helps. */
export type Shortcoming = { readonly what: string; readonly why: string };

export type Preview = {
  /** Five at the most, the active before the others. */
  readonly sample: readonly SampleUser[];
  /** What the mapping makes of the active among `peopleInTree`: each tenant behind the one above it. */
  readonly tree: readonly Branch[];
  readonly peopleInTree: number;
  /** Whether the sample shows the roles that follow from groups too. */
  readonly groupRolesShown: boolean;
  /** How many users a full pull would name; null: unknown. */
  readonly users: number | null;
  /** Of a full pull at the pace of the first pages, waiting for the provider's limits not counted; null: unknown. */
  readonly seconds: number | null;
  readonly shortcomings: readonly Shortcoming[];
};

const SAMPLE = 5;
/** Who is looked up for the tree, where something follows from groups: each may cost a request or two. */
const LOOKED_UP = 25;
/** Of users: enough to find some who are active where a directory begins with the deleted, and to know a small one whole. */
const USER_PAGES = 4;
const GROUP_PAGES = 20;
/** Without look-ups: how many groups are asked for their first members. */
const GROUPS_ASKED = 10;

type Tried = {
  readonly connector: Connector;
  readonly definition: Pick<ConnectorDefinition, 'abilities'>;
  readonly mapping: Mapping;
  /** Below the connection's tenant. */
  readonly places: Places;
  readonly steps: readonly CheckStep[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
};

/** After the steps that a pull cannot do without have passed. Throws the signal's reason; what the provider refuses is left out and named. */
export async function previewConnection(tried: Tried): Promise<Preview> {
  const { connector, signal } = tried;
  const compiled = compileInTime(tried.mapping);
  const refused: Shortcoming[] = [];
  const orNull = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      refused.push({ what, why: error.failure.message });
      return null;
    }
  };
  const users = await orNull('No sample of users can be shown.', () =>
    readPages(tried, USER_PAGES, (cursor) => connector.fetchUsers(cursor, signal)),
  );
  const groups = await orNull('What follows from groups cannot be foreseen.', () => readGroups(tried));
  const evidence = await orNull('How many users there are is not known.', () => connector.evidence(signal));
  const everybody = activeFirst(users?.records ?? []);
  const people = everybody.slice(0, numberIn(tried, compiled));
  const memberships =
    groups === null
      ? null
      : await orNull('The roles that follow from groups are left out of the sample.', () =>
          membershipsOf(tried, people, groups.needed, compiled.groups),
        );
  const doubt = memberships === null ? compiled.inDoubt(NO_GROUP_KNOWN) : null;
  const all = people.map((user) => {
    const mapped = compiled.map(user, memberships?.get(user.externalId) ?? []);
    const unsure = isMapped(mapped) || doubt === null ? mapped : doubt.map(user, [], null);
    return { externalId: user.externalId, mapped: unsure };
  });
  const mapped = all.flatMap(({ externalId, mapped: one }) =>
    isMapped(one) ? [{ externalId, ...one }] : [],
  );
  const count = users?.isWhole === true ? peopleIn(users.records) : (evidence?.users ?? null);
  return {
    sample: mapped
      .slice(0, SAMPLE)
      .map(({ placed, firstValues: _, ...user }) => ({ ...user, tenant: placed?.path ?? null })),
    tree: treeOf(mapped, tried.places),
    peopleInTree: mapped.length,
    groupRolesShown: memberships !== null || compiled.groups.length === 0,
    users: count,
    seconds: users === null || groups === null ? null : estimate(users, groups, count),
    shortcomings: [
      ...refused,
      ...shortcomingsOf(tried, groups),
      ...leftOut(all.map(({ mapped: one }) => one)),
      ...unfilled(compiled.custom, users?.records ?? []),
    ],
  };
}

const NO_GROUP_KNOWN = { membersUnknown: [], someUnreadable: true, read: [] };

/** Whom the mapping makes nothing of, among those who were read. */
function leftOut(all: readonly Mapped[]): readonly Shortcoming[] {
  const outside = all.filter(({ state }) => state === 'out-of-scope').length;
  const problems = Map.groupBy(
    all.flatMap((one) => (one.state === 'unreadable' ? one.problem : [])),
    (problem) => problem,
  );
  return [
    ...(outside === 0
      ? []
      : [{ what: `${outside} of the ${all.length} people who were read are out of scope.`, why: SCOPE }]),
    ...[...problems].map(([problem, { length }]) => ({
      what: `Of ${length} of the ${all.length} people who were read, nothing can be made out.`,
      why: problem,
    })),
  ];
}

const SCOPE = 'The scope of the mapping does not hold for them: those of them who have an auth user leave.';

/** Custom attributes that are not read, or are called otherwise, look like this; so do those that few people have. */
function unfilled(custom: readonly string[], records: readonly UserRecord[]): readonly Shortcoming[] {
  const users = records.flatMap((record) => (record.kind === 'user' ? [record.user] : []));
  if (users.length === 0) return [];
  return custom
    .filter((name) => users.every((user) => customValue(user, name) === null))
    .map((name) => ({
      what: `Nobody of the ${users.length} people who were read has the custom attribute ${name}, which the mapping uses.`,
      why: 'It may be called otherwise, or be one that the settings of the connection have to name.',
    }));
}

type Read<T> = {
  readonly records: readonly T[];
  /** Of the pages that hold anything. */
  readonly pages: number;
  readonly ms: number;
  /** There is no page behind these. */
  readonly isWhole: boolean;
};

async function readPages<T>(
  { clock }: Tried,
  most: number,
  fetch: (cursor: Cursor | null) => Promise<Page<T>>,
): Promise<Read<T>> {
  const records: T[] = [];
  const read = { pages: 0, ms: 0 };
  let cursor: Cursor | null = null;
  for (let asked = 0; asked < most; asked += 1) {
    const started = clock.now().getTime();
    const page: Page<T> = await fetch(cursor);
    if (page.records.length > 0) {
      read.pages += 1;
      read.ms += clock.now().getTime() - started;
      records.push(...page.records);
    }
    cursor = page.next;
    if (cursor === null) break;
  }
  return { ...read, records, isWhole: cursor === null };
}

/** Who moves between a provider's lists is named twice. */
function peopleIn(records: readonly UserRecord[]): number {
  return new Set(records.map((record) => (record.kind === 'user' ? record.user : record).externalId)).size;
}

function activeFirst(records: readonly UserRecord[]): readonly DirectoryUser[] {
  const users = records.flatMap((record) => (record.kind === 'user' ? [record.user] : []));
  const active = users.filter(({ state }) => state === 'active');
  const others = users.filter(({ state }) => state !== 'active');
  return [...active, ...others];
}

/** Where nothing follows from groups, everybody who was read costs nothing more. */
function numberIn({ connector }: Tried, { groups }: CompiledMapping): number {
  if (groups.length === 0) return Number.POSITIVE_INFINITY;
  return connector.lookUp === null ? SAMPLE : LOOKED_UP;
}

type Groups = {
  /** Those whose members a pull reads. */
  readonly needed: readonly GroupRef[];
  readonly all: readonly GroupRef[];
  readonly isWhole: boolean;
  readonly ms: number;
};

async function readGroups(tried: Tried): Promise<Groups> {
  const { connector, definition, mapping, signal } = tried;
  if (!definition.abilities.groups) return { needed: [], all: [], isWhole: true, ms: 0 };
  const read = await readPages(tried, GROUP_PAGES, (cursor) => connector.fetchGroups(cursor, signal));
  const all = read.records.flatMap((record) =>
    record.kind === 'group' ? [{ externalId: record.group.externalId, name: record.group.name }] : [],
  );
  const { reads } = compileMapping(mapping);
  return { needed: all.filter(reads), all, isWhole: read.isWhole, ms: read.ms };
}

/** null where more groups matter than can be asked without look-ups. */
async function membershipsOf(
  { connector, signal }: Tried,
  people: readonly DirectoryUser[],
  needed: readonly GroupRef[],
  named: readonly string[],
): Promise<ReadonlyMap<string, readonly GroupRef[]> | null> {
  const giving = new Set(named);
  const groups = needed.filter(({ externalId, name }) => giving.has(externalId) || giving.has(name));
  if (people.length === 0 || groups.length === 0) return new Map();
  const ids = people.map(({ externalId }) => externalId);
  if (connector.lookUp !== null) {
    const found = await connector.lookUp(
      ids,
      groups.map(({ externalId }) => externalId),
      signal,
    );
    return new Map(
      found.flatMap((one) =>
        one.kind === 'user'
          ? [[one.user.externalId, groups.filter(({ externalId }) => one.groups.includes(externalId))]]
          : [],
      ),
    );
  }
  if (groups.length > GROUPS_ASKED) return null;
  return await membersAmong(connector, ids, groups, signal);
}

/** Only groups of one page tell of everybody whether they are in it. */
async function membersAmong(
  connector: Connector,
  ids: readonly ExternalId[],
  groups: readonly GroupRef[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly GroupRef[]> | null> {
  const memberships = new Map<string, GroupRef[]>(ids.map((id) => [id, []]));
  for (const group of groups) {
    const { records, next } = await connector.fetchMembers(group.externalId, null, signal);
    const everyone = records.some((record) => record.kind === 'everyone');
    const members = new Set(records.flatMap((record) => (record.kind === 'user' ? [record.externalId] : [])));
    if (!everyone && next !== null && ids.some((id) => !members.has(id))) return null;
    for (const id of ids) if (everyone || members.has(id)) memberships.get(id)?.push(group);
  }
  return memberships;
}

/** A group whose members are read costs a page at least. null where users or groups are not counted. */
function estimate(users: Read<UserRecord>, groups: Groups, count: number | null): number | null {
  if (count === null || !groups.isWhole) return null;
  if (users.pages === 0) return Math.ceil(groups.ms / 1000);
  const pageMs = users.ms / users.pages;
  const pages = Math.ceil(count / (users.records.length / users.pages));
  return Math.ceil((pages * pageMs + groups.ms + groups.needed.length * pageMs) / 1000);
}

function shortcomingsOf(
  { definition, mapping, steps }: Tried,
  groups: Groups | null,
): readonly Shortcoming[] {
  const { abilities } = definition;
  const failed = steps
    .filter((step) => step.optional === true && !step.ok)
    .map(({ detail, remedy }) => ({ what: detail, why: remedy ?? '' }));
  const unable: readonly (readonly [boolean, string, string])[] = [
    [abilities.delta, 'Every run reads the whole directory.', 'The directory does not tell who has changed.'],
    [abilities.lookUp, 'Single users cannot be looked at again.', 'The directory gives lists only.'],
    [
      abilities.notifications,
      'Runs start by schedule or on demand.',
      'The directory does not call when something changes.',
    ],
    [
      abilities.deletedUsers,
      'Only a complete pull finds who was deleted.',
      'The directory does not name the deleted.',
    ],
    [
      abilities.groups || compileMapping(mapping).groups.length === 0,
      'Nothing follows from a group.',
      'The directory has no groups.',
    ],
  ];
  return [
    ...failed,
    ...unable.flatMap(([able, what, why]) => (able ? [] : [{ what, why }])),
    ...(groups?.isWhole === true && abilities.groups ? unlisted(mapping, groups.all) : []),
  ];
}

/** Groups that the mapping names and the directory does not list. */
function unlisted(mapping: Mapping, all: readonly GroupRef[]): readonly Shortcoming[] {
  const known = new Set(all.flatMap(({ externalId, name }) => [externalId as string, name]));
  const why = 'The directory lists no group of this id or name.';
  const { roles, rules = [] } = mapping;
  const elsewhere = new Set([...roles.map(({ group }) => group), ...rules.map(({ when }) => when.group)]);
  const whats = [
    ...roles.flatMap(({ group, role }) =>
      known.has(group) ? [] : `Nobody gets the role ${role} by the group ${group}.`,
    ),
    ...rules.flatMap(({ when: { group } }, at) =>
      group === undefined || known.has(group)
        ? []
        : `Rule ${at + 1} is about nobody: it names the group ${group}.`,
    ),
    ...compileMapping(mapping).groups.flatMap((group) =>
      known.has(group) || elsewhere.has(group)
        ? []
        : `An expression of the mapping looks for the group ${group}, which nobody is in.`,
    ),
  ];
  return whats.map((what) => ({ what, why }));
}
