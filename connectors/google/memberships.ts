/**
 * Who of some users is in which groups, as a full pull would find it: nested groups resolved by Google, the member that stands for
 * the whole account counted for everybody.
 *
 * Google lists the groups that a user is in directly, but neither through other groups nor as part of the whole account. So
 * each group is asked instead. A small one says most with a page or two of its members. Of a large one no more pages are read
 * than there are users to ask about; then each of them is asked about alone, and the account itself.
 */
import { z } from 'zod';
import type { ExternalId } from '../../src/domain/ids.ts';
import { abreast } from '../abreast.ts';
import { ConnectorError, type MemberRecord, type Page } from '../contract.ts';
import type { Account } from './account.ts';
import { toGroupRecord, toMemberRecord } from './map.ts';
import { HasMember, Member } from './schema.ts';

export type Asking = {
  readonly users: readonly ExternalId[];
  /** null: all groups of the account. */
  readonly groups: readonly ExternalId[] | null;
  /** As members of groups name the whole account; null where that is not known. */
  readonly customerId: string | null;
};

/** Groups by user. Throws ConnectorError where one group cannot be read: nobody is out of a group that did not say so. */
export async function membershipsOf(
  account: Account,
  { users, groups, customerId }: Asking,
  signal: AbortSignal,
): Promise<ReadonlyMap<ExternalId, readonly ExternalId[]>> {
  const found = new Map<ExternalId, ExternalId[]>(users.map((user) => [user, []]));
  if (users.length === 0) return found;
  const asked = groups ?? (await allGroups(account, signal));
  const inside = await abreast(new Set(asked), (group) =>
    insidersOf(account, { group, users, customerId }, signal),
  );
  for (const { group, insiders } of inside) for (const user of insiders) found.get(user)?.push(group);
  return found;
}

async function allGroups({ lists, directory, customer }: Account, signal: AbortSignal) {
  const { objects } = await lists.all({ list: 'groups', isStart: true, signal }, (common, options) =>
    directory.groups.list({ customer, ...common }, options),
  );
  return objects.map((object) => {
    const record = toGroupRecord(object);
    if (record.kind === 'group') return record.group.externalId;
    if (record.externalId !== null) return record.externalId;
    throw unreadable('group');
  });
}

type OfGroup = {
  readonly group: ExternalId;
  readonly users: readonly ExternalId[];
  readonly customerId: string | null;
};

async function insidersOf(account: Account, asked: OfGroup, signal: AbortSignal) {
  const { group, users, customerId } = asked;
  const insiders = new Set<ExternalId>();
  let pagesLeft = users.length;
  for (let pageToken: string | null = null; ; pagesLeft -= 1) {
    const { records, next } = await membersPage(account, group, pageToken, signal);
    if (records.some(({ kind }) => kind === 'everyone')) return { group, insiders: users };
    for (const user of namedIn(records, users)) insiders.add(user);
    if (next === null || insiders.size === users.length) return { group, insiders: [...insiders] };
    if (pagesLeft === 1 && customerId !== null) {
      const rest = users.filter((user) => !insiders.has(user));
      const more = await askedAlone(account, { group, users: rest, customerId }, signal);
      if (more !== null) return { group, insiders: [...insiders, ...more] };
    }
    pageToken = next;
  }
}

/** A member that cannot be read may be any of them, unless its id says otherwise. */
function namedIn(records: readonly MemberRecord[], users: readonly ExternalId[]): readonly ExternalId[] {
  return records.flatMap((record) => {
    if (record.kind === 'everyone') return users;
    const { kind, externalId } = record;
    if (externalId !== null && !users.includes(externalId)) return [];
    if (kind === 'unreadable' || externalId === null) throw unreadable('member');
    return [externalId];
  });
}

/** Google resolves nested groups itself: the users in them come as members, beside the groups, which are left out. */
export async function membersPage(
  { lists, directory }: Account,
  group: ExternalId,
  pageToken: string | null,
  signal: AbortSignal,
): Promise<Page<MemberRecord>> {
  const which = { groupKey: group, includeDerivedMembership: true };
  const { objects, next } = await lists.page(
    { list: 'members', pageToken, isStart: false, signal },
    (common, options) => directory.members.list({ ...which, ...common }, options),
  );
  return { records: objects.map(toMemberRecord).filter((record) => record !== null), next };
}

/**
 * null where Google does not say: it answers for nested members of the group's own domain only (reference: members.hasMember).
 * Whether it counts who is in the group with the whole account it does not tell, so that the account is asked about first.
 */
async function askedAlone(
  { api, directory }: Account,
  { group, users, customerId }: OfGroup & { readonly customerId: string },
  signal: AbortSignal,
): Promise<readonly ExternalId[] | null> {
  const asked = { subject: 'members', signal } as const;
  const whole = await api.find(asked, Member, (options) =>
    directory.members.get({ groupKey: group, memberKey: customerId, fields: 'id,type' }, options),
  );
  if (whole?.type === 'CUSTOMER') return users;
  try {
    const answers = await abreast(users, async (user) => {
      const { data } = await api.ask(asked, (options) =>
        directory.members.hasMember({ groupKey: group, memberKey: user }, options),
      );
      return HasMember.parse(data).isMember ? [user] : [];
    });
    return answers.flat();
  } catch (error) {
    if (error instanceof z.ZodError) throw unreadable('member');
    if (error instanceof ConnectorError && error.failure.status === 400) return null;
    throw error;
  }
}

const unreadable = (what: string): ConnectorError =>
  new ConnectorError({
    kind: 'unexpected-response',
    message: `Google names a ${what} that cannot be read, so that nobody can be called out of its group.`,
    remedy: 'Nothing was concluded from it. If the next run says the same, report it as a defect.',
    status: 200,
  });
