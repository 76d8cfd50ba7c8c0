/** People who are deleted and restored while an account's users are being read, against an account that does what its lists say. */
import { never } from './aSession.ts';
import { aUser, closedAfterEach, usersBody } from './googleAccount.ts';
import { followsMovesBetweenLists } from './moves.ts';
import { allPages } from './oktaOrg.ts';

const { account, connected } = closedAfterEach();

followsMovesBetweenLists(async (show) => {
  const google = await account(({ query: { showDeleted, pageToken = '' } }) => {
    const { person, isLast } = show(showDeleted === 'true' ? 'deleted' : 'living', pageToken);
    if (person === null) return { body: usersBody([]) };
    const { id, deleted: deletionTime } = person;
    const shown = aUser(id, deletionTime === null ? {} : { deletionTime });
    return { body: usersBody([shown], isLast ? undefined : id) };
  });
  return allPages((cursor) => connected(google).fetchUsers(cursor, never));
});
