/** One page of any of Google's lists: what is asked for, and what an answer must look like. */
import { z } from 'zod';
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import type { Api } from './api.ts';
import type { through } from './library.ts';
import { fieldsOf, ListPage } from './schema.ts';

export type List = keyof typeof fieldsOf;

/** The largest pages that Google gives (references: users.list, groups.list, members.list, activities.list, parameter maxResults). */
const PAGE_SIZE = {
  users: 500,
  groups: 200,
  members: 200,
  activities: 1_000,
} as const satisfies Record<List, number>;

/**
 * `isStart`: nothing was answered before, so that a refusal can only be about how the account is asked for. `resumed`: what is asked
 * for goes on from an answer before, so that a refusal can only be about that; always so with a page token.
 */
type Wanted = {
  readonly list: List;
  readonly pageToken: string | null;
  readonly isStart: boolean;
  readonly resumed?: boolean;
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
export type CallOfList = (common: Common, options: ReturnType<typeof through>) => Promise<{ data: unknown }>;

export type Lists = {
  page(wanted: Wanted, call: CallOfList): Promise<Found>;
  /** All pages, one after the other, with the date of the first. `goOn` sees each, the last one too, and ends the reading where it says no. */
  all(
    wanted: Omit<Wanted, 'pageToken'>,
    call: CallOfList,
    goOn?: (objects: readonly unknown[]) => boolean,
  ): Promise<Pick<Found, 'objects' | 'date'>>;
};

export function openLists(api: Api): Lists {
  const page: Lists['page'] = async ({ list, pageToken, isStart, resumed, signal }, call) => {
    const common = { maxResults: PAGE_SIZE[list], fields: fieldsOf[list] };
    const { data, date } = await api.ask(
      { subject: list, isStart, resumed: resumed ?? pageToken !== null, signal },
      (options) => call(pageToken === null ? common : { ...common, pageToken }, options),
    );
    const read = ListPage[list].safeParse(data);
    if (!read.success) throw new ConnectorError(noPage(list, z.prettifyError(read.error)));
    const { objects, nextPageToken } = read.data;
    if (nextPageToken !== null && nextPageToken === pageToken)
      throw new ConnectorError(noPage(list, 'it names itself as the next page'));
    return { objects, next: nextPageToken, date };
  };
  return {
    page,
    async all(place, call, goOn = () => true) {
      const found: unknown[] = [];
      const seen = new Set<string | null>();
      let started: string | null = null;
      for (let pageToken: string | null = null; ; ) {
        seen.add(pageToken);
        const { objects, next, date } = await page({ ...place, pageToken }, call);
        started ??= date;
        found.push(...objects);
        if (!goOn(objects) || next === null) return { objects: found, date: started };
        if (seen.has(next)) throw new ConnectorError(noPage(place.list, 'its pages lead in a circle'));
        pageToken = next;
      }
    },
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
