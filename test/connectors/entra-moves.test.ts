/** People who are deleted and restored while a directory's users are being read, against a Graph that does what its lists say. */
import { everyUser } from './entraDirectory.ts';
import { aGraph, aUser } from './entraHost.ts';
import { followsMovesBetweenLists } from './moves.ts';

followsMovesBetweenLists(async (show) => {
  const graph = await aGraph(({ path, query, origin }) => {
    const list = path.startsWith('/directory/deletedItems/') ? 'deleted' : 'living';
    const { person, isLast } = show(list, query.get('$skiptoken') ?? '');
    if (person === null) return { body: { value: [] } };
    const { id, deleted: deletedDateTime } = person;
    const next = isLast ? {} : { '@odata.nextLink': `${origin}/v1.0${path}?$skiptoken=${id}` };
    return { body: { value: [aUser(id, { deletedDateTime })], ...next } };
  });
  return everyUser(graph.connect());
});
