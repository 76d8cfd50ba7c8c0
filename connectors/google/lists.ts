/** One page of any of Google's lists: what is asked for, a refused token replaced once, and what an answer must look like. */
import { z } from 'zod';
import { parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import { type LibraryRequest, type Send, settled, through } from './library.ts';
import { apiRefusal, type List } from './refusals.ts';
import { fieldsOf, ListPage } from './schema.ts';
import type { Tokens } from './token.ts';

/** The largest pages that Google gives (reference: users.list, groups.list, members.list, parameter maxResults). */
const PAGE_SIZE = { users: 500, groups: 200, members: 200 } as const satisfies Record<List, number>;

/** `isStart`: nothing was answered before, so that a refusal can only be about how the account is asked for. */
type Place = {
  readonly list: List;
  readonly pageToken: string | null;
  readonly isStart: boolean;
  readonly signal: AbortSignal;
};
type Common = { readonly maxResults: number; readonly fields: string; readonly pageToken?: string };
/** `date`: the answer's own, as it stands in its header. */
type Found = {
  readonly objects: readonly unknown[];
  readonly next: string | null;
  readonly date: string | null;
};

/** `call` is the library's own list method, given the parameters that all lists share and the way to the session. */
export type ReadPage = (
  place: Place,
  call: (common: Common, options: ReturnType<typeof through>) => Promise<{ data: unknown }>,
) => Promise<Found>;

export function openLists(send: Send, tokens: Tokens, clientId: string | null): ReadPage {
  async function exchange(request: LibraryRequest, place: Place): Promise<SessionResponse> {
    const { list, pageToken, isStart, signal } = place;
    const headers = async () => {
      const token = await tokens.current(signal);
      return { ...request.headers, authorization: `Bearer ${token}` };
    };
    let response = await send({ ...request, headers, signal });
    if (response.status === 401) {
      tokens.discard();
      response = await send({ ...request, headers, signal });
    }
    if (response.status === 200) return response;
    throw new ConnectorError(apiRefusal(response, { list, isStart, resumed: pageToken !== null, clientId }));
  }

  return async (place, call) => {
    const { list, pageToken, signal } = place;
    const common = { maxResults: PAGE_SIZE[list], fields: fieldsOf[list] };
    let date: string | null = null;
    const options = through(async (request) => {
      const response = await exchange(request, place);
      date = response.headers.get('date');
      return parseJson(response);
    });
    const { data } = await settled(
      call(pageToken === null ? common : { ...common, pageToken }, options),
      signal,
    );
    const page = ListPage[list].safeParse(data);
    if (!page.success) throw new ConnectorError(noPage(list, z.prettifyError(page.error)));
    const { objects, nextPageToken } = page.data;
    if (nextPageToken !== null && nextPageToken === pageToken)
      throw new ConnectorError(noPage(list, 'it names itself as the next page'));
    return { objects, next: nextPageToken, date };
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
