/** The chain of pages of users: the deleted, the living in scope, and who has been deleted meanwhile. positions.ts tells why. */
import { type Connector, ConnectorError, type Page, type UserRecord } from '../contract.ts';
import type { Account } from './account.ts';
import type { ConnectionScope, ScopeNow } from './connectionScope.ts';
import { deletedBefore, toUserRecord, withUnknownScope } from './map.ts';
import { deletedUsers, positionBehind, sinceOf, toPosition, type UsersPosition } from './positions.ts';
import { renamedUnits } from './refusals.ts';

/** None for a record out of scope. */
function inScope(judge: ScopeNow['judge'], record: UserRecord): readonly UserRecord[] {
  const verdict = record.kind === 'user' ? judge(record.user) : 'in';
  if (verdict === 'unknown') return [withUnknownScope(record)];
  return verdict === 'in' ? [record] : [];
}

export function usersOver({ lists, directory }: Account, scope: ConnectionScope): Connector['fetchUsers'] {
  /** Kept from page to page of one list; another process asks again. */
  let known: ScopeNow | null = null;

  /** A list that began under other names of units would leave out whoever it meets under a new one. */
  async function scopeOf(at: UsersPosition, signal: AbortSignal): Promise<ScopeNow> {
    const begins = at.pageToken === null;
    if (begins || known === null) known = await scope.now(signal);
    if (!begins && known.mark !== at.mark) throw new ConnectorError(renamedUnits);
    return known;
  }

  async function read(at: UsersPosition, signal: AbortSignal) {
    const showDeleted = at.list === 'live' ? {} : { showDeleted: 'true' };
    const place = { list: 'users', pageToken: at.pageToken, isStart: at.since === null, signal } as const;
    return lists.page(place, (common, options) =>
      directory.users.list({ ...scope.which, projection: 'full', ...showDeleted, ...common }, options),
    );
  }

  async function living(at: UsersPosition, signal: AbortSignal): Promise<Page<UserRecord>> {
    const { mark, judge } = await scopeOf(at, signal);
    const { objects, next, date } = await read(at, signal);
    if (next === null && mark !== '' && (await scope.now(signal)).mark !== mark)
      throw new ConnectorError(renamedUnits);
    const all = objects.map((object) => toUserRecord(object, 'live'));
    const records = scope.isWhole ? all : all.flatMap((record) => inScope(judge, record));
    return { records, next: positionBehind(at, next, at.since ?? sinceOf(date), mark) };
  }

  /**
   * Of the deleted whom the third list names again, only those deleted since the first are passed on: the others have not moved,
   * or they are in the second list and then in the third with a later time.
   */
  async function deleted(at: UsersPosition, signal: AbortSignal): Promise<Page<UserRecord>> {
    const { objects, next, date } = await read(at, signal);
    const since = at.since ?? sinceOf(date);
    const news = at.list === 'deleted-again' ? objects.filter((one) => !deletedBefore(one, since)) : objects;
    return {
      records: news.map((object) => toUserRecord(object, 'deleted')),
      next: positionBehind(at, next, since, ''),
    };
  }

  return async (cursor, signal) => {
    const at = cursor === null ? deletedUsers : toPosition(cursor);
    return at.list === 'live' ? living(at, signal) : deleted(at, signal);
  };
}
