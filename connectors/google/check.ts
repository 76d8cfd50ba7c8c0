/** `rollcall connections test`: the calls of a pull, each once, and who has to do what where one fails. */
import {
  type CheckStep,
  type Connector,
  ConnectorError,
  type ConnectorFailure,
  type Cursor,
  type Page,
} from '../contract.ts';
import { liveUsers, toCursor } from './places.ts';

type Step = CheckStep['step'];
type Tried<T> =
  | { readonly ok: true; readonly records: readonly T[] }
  | { readonly ok: false; readonly failure: ConnectorFailure };

/**
 * Stops at the first step that fails: the later ones need what it needs. Of the users, the living are looked at, who show more of
 * what the administrator sees than the deleted.
 */
export async function* checkGoogle(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const users = await tried((cursor) => connector.fetchUsers(cursor ?? toCursor(liveUsers), signal));
  const broken = users.ok ? null : stepOf(users.failure);
  if (!users.ok && broken === 'reach') return yield failed('reach', users.failure);
  yield { step: 'reach', ok: true, detail: 'Google answers.' };
  if (!users.ok && broken === 'credential') return yield failed('credential', users.failure);
  yield {
    step: 'credential',
    ok: true,
    detail: 'Google gives the service account a token for the administrator.',
  };
  if (!users.ok) return yield failed('users', users.failure);
  yield usersStep(users.records);

  const groups = await tried((cursor) => connector.fetchGroups(cursor, signal));
  if (!groups.ok) return yield failed('groups', groups.failure);
  yield { step: 'groups', ok: true, detail: counted(groups.records, 'groups') };

  const group = groups.records.find((record) => record.kind === 'group')?.group;
  if (group === undefined) return yield { step: 'members', ok: true, detail: 'There is no group to list.' };
  const members = await tried((cursor) => connector.fetchMembers(group.externalId, cursor, signal));
  yield members.ok
    ? { step: 'members', ok: true, detail: counted(members.records, 'members of one group') }
    : failed('members', members.failure);
}

/** The first call tries three things at once. Without a status nobody answered, and the way there is at fault. */
function stepOf(failure: ConnectorFailure): Step {
  if (failure.kind === 'credentials-rejected') return 'credential';
  return failure.status === undefined || failure.kind === 'unavailable' ? 'reach' : 'users';
}

/** The administrator who is impersonated is a user too: seeing nobody means looking in the wrong place. */
function usersStep(records: readonly { readonly kind: string }[]): CheckStep {
  const detail = counted(records, 'users');
  if (records.length > 0) return { step: 'users', ok: true, detail };
  const remedy =
    'Check that the administrator named in "adminEmail" belongs to this Workspace account and has the privilege "Users › Read" for all organisational units.';
  return { step: 'users', ok: false, detail, remedy };
}

function counted(records: readonly { readonly kind: string }[], what: string): string {
  const unread = records.filter((record) => record.kind === 'unreadable').length;
  return `${records.length} ${what} on the first page${unread === 0 ? '' : `, ${unread} of them not understood`}.`;
}

/** The first page that holds anything: a page may be empty and still have a next one. */
async function tried<T>(fetchPage: (cursor: Cursor | null) => Promise<Page<T>>): Promise<Tried<T>> {
  try {
    let page = await fetchPage(null);
    while (page.records.length === 0 && page.next !== null) page = await fetchPage(page.next);
    return { ok: true, records: page.records };
  } catch (error) {
    if (error instanceof ConnectorError) return { ok: false, failure: error.failure };
    throw error;
  }
}

function failed(step: Step, { message, remedy }: ConnectorFailure): CheckStep {
  return { step, ok: false, detail: message, remedy };
}
