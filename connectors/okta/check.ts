/** Tries what a pull needs, step by step, and says of each step who has to do what where it fails. */
import {
  type CheckStep,
  type Connector,
  ConnectorError,
  type Cursor,
  type FailureKind,
  type Page,
} from '../contract.ts';
import { liveUsers, toCursor } from './lists.ts';

/** What a failure of the very first request says about the steps before the list itself. */
const blamed = {
  unavailable: 'reach',
  'untrusted-certificate': 'reach',
  misconfigured: 'reach',
  'rate-limited': 'reach',
  'foreign-link': 'users',
  'unexpected-response': 'users',
  'not-found': 'users',
  'cursor-expired': 'users',
  'credentials-rejected': 'credential',
  'permission-missing': 'users',
} as const satisfies Record<FailureKind, CheckStep['step']>;

/** Of the users, the living are looked at: the deactivated, whom a pull reads first, show less of what the credential sees. */
export async function* checkOkta(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const users = await tried(
    firstRecords((cursor) => connector.fetchUsers(cursor ?? toCursor(liveUsers), signal)),
  );
  const at = users.ok ? 'users' : blamed[users.failure.kind];
  if (!users.ok && at === 'reach') return yield failed('reach', users.failure);
  yield { step: 'reach', ok: true, detail: 'Okta answers.' };
  if (!users.ok && at === 'credential') return yield failed('credential', users.failure);
  yield { step: 'credential', ok: true, detail: 'Okta accepts the credential.' };
  yield users.ok ? usersStep(users.value) : failed('users', users.failure);

  const groups = await tried(firstRecords((cursor) => connector.fetchGroups(cursor, signal)));
  if (!groups.ok) return yield failed('groups', groups.failure);
  yield { step: 'groups', ok: true, detail: counted(groups.value, 'Groups') };

  const group = groups.value.find((record) => record.kind === 'group')?.group;
  if (group === undefined) return;
  const members = await tried(connector.fetchMembers(group.externalId, null, signal));
  yield members.ok
    ? { step: 'members', ok: true, detail: counted(members.value.records, 'Members of one group') }
    : failed('members', members.failure);
}

/** An org has at least the administrator who connects it: seeing nobody is a lack of rights that Okta answers with 200. */
function usersStep(records: readonly { readonly kind: string }[]): CheckStep {
  const detail = counted(records, 'Users');
  if (records.length > 0) return { step: 'users', ok: true, detail };
  const remedy =
    'Give the app a role that sees all users and groups (Applications › your app › Admin roles); an API token has the rights of the administrator who made it.';
  return { step: 'users', ok: false, detail, remedy };
}

/** The first page that holds anything: a page may be empty and still have a next one. */
async function firstRecords<T>(
  fetchPage: (cursor: Cursor | null) => Promise<Page<T>>,
): Promise<readonly T[]> {
  let page = await fetchPage(null);
  while (page.records.length === 0 && page.next !== null) page = await fetchPage(page.next);
  return page.records;
}

function counted(records: readonly { readonly kind: string }[], what: string): string {
  const unread = records.filter((record) => record.kind === 'unreadable').length;
  return `${what} on the first page: ${records.length}${unread === 0 ? '' : `, not understood: ${unread}`}.`;
}

type Tried<T> = { ok: true; value: T } | { ok: false; failure: ConnectorError['failure'] };

async function tried<T>(attempt: Promise<T>): Promise<Tried<T>> {
  try {
    return { ok: true, value: await attempt };
  } catch (error) {
    if (error instanceof ConnectorError) return { ok: false, failure: error.failure };
    throw error;
  }
}

function failed(step: CheckStep['step'], { message, remedy }: ConnectorError['failure']): CheckStep {
  return { step, ok: false, detail: message, remedy };
}
