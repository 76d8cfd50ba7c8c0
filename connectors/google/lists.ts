/** One page of any of Google's lists: what is asked for, a refused token replaced once, and what an answer must look like. */
import { z } from 'zod';
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import { parseJson } from '../session.ts';
import { type LibraryRequest, type Send, settled, through } from './library.ts';
import { apiRefusal, type List } from './refusals.ts';
import { fieldsOf, ListPage } from './schema.ts';
import type { Tokens } from './token.ts';

/** The largest pages that Google gives (reference: users.list, groups.list, members.list, parameter maxResults). */
const PAGE_SIZE = { users: 500, groups: 200, members: 200 } as const satisfies Record<List, number>;

type Place = { readonly list: List; readonly pageToken: string | null; readonly signal: AbortSignal };
type Common = { readonly maxResults: number; readonly fields: string; readonly pageToken?: string };
type Found = { readonly objects: readonly unknown[]; readonly next: string | null };

/** `call` is the library's own list method, given the parameters that all lists share and the way to the session. */
export type ReadPage = (
  place: Place,
  call: (common: Common, options: ReturnType<typeof through>) => Promise<{ data: unknown }>,
) => Promise<Found>;

export function openLists(send: Send, tokens: Tokens, clientId: string | null): ReadPage {
  async function exchange(request: LibraryRequest, { list, pageToken, signal }: Place): Promise<unknown> {
    const headers = async () => {
      const token = await tokens.current(signal);
      return { ...request.headers, authorization: `Bearer ${token}` };
    };
    let response = await send({ ...request, headers, signal });
    if (response.status === 401) {
      tokens.discard();
      response = await send({ ...request, headers, signal });
    }
    if (response.status === 200) return parseJson(response);
    throw new ConnectorError(apiRefusal(response, { list, resumed: pageToken !== null, clientId }));
  }

  return async (place, call) => {
    const { list, pageToken, signal } = place;
    const common = { maxResults: PAGE_SIZE[list], fields: fieldsOf[list] };
    const options = through((request) => exchange(request, place));
    const { data } = await settled(
      call(pageToken === null ? common : { ...common, pageToken }, options),
      signal,
    );
    const page = ListPage[list].safeParse(data);
    if (!page.success) throw new ConnectorError(noPage(list, z.prettifyError(page.error)));
    const { objects, nextPageToken } = page.data;
    if (nextPageToken !== null && nextPageToken === pageToken)
      throw new ConnectorError(noPage(list, 'it names itself as the next page'));
    return { objects, next: nextPageToken };
  };
}

function noPage(list: List, problem: string): ConnectorFailure {
  return {
    kind: 'unexpected-response',
    message: `Google's answer is no page of ${list}: ${problem}.`,
    remedy: 'Nothing was concluded from it. If the next run says the same, report it as a defect.',
    status: 200,
  };
}
