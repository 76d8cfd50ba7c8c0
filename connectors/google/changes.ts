/**
 * Who changed, by the admin audit log (Reports API, activities.list). The log has its entries late, at times by an hour, and some
 * never: it says whom to look at again, and the full pull stays the truth. Each reading goes back by an overlap behind the last
 * one; entries that were seen then are known by their keys, which the token carries.
 */
import { z } from 'zod';
import { abreast } from '../abreast.ts';
import { type Changes, type ChangesPage, ConnectorError } from '../contract.ts';
import type { Account } from './account.ts';
import { type Concern, type Entry, toEntry } from './activity.ts';
import { bearersOf, groupsAround } from './addresses.ts';
import type { CallOfList } from './lists.ts';
import { expiredChanges } from './refusals.ts';

/** Google: "normally a couple of minutes"; entries have been seen to come most of an hour late. */
const OVERLAP_MS = 2 * 3_600_000;
/** The lists may show a change later than the log does. */
const UNSETTLED_MS = 10 * 60_000;
/** Google keeps the log for 180 days; after a week a full pull is due anyway. */
const LIFETIME_MS = 7 * 24 * 3_600_000;
/** Of more entries the oldest are forgotten, and their people named once more than needed. */
const MOST_SEEN = 2_000;
/** Each is a request; a full pull is cheaper than looking up more. */
const MOST_ADDRESSES = 200;

/** `since`: when the reading before began, in milliseconds since 1970 by Google's clock. `seen`: entries within the overlap. */
const Token = z.strictObject({ since: z.int().positive(), seen: z.array(z.string()) });
type Token = z.infer<typeof Token>;
/** `until`: when this reading began; `seen`: what it has seen so far. */
const FeedPosition = z.strictObject({
  until: z.int().positive(),
  seen: z.array(z.string()),
  pageToken: z.string(),
});
type FeedPosition = z.infer<typeof FeedPosition>;

export function changesOf(account: Account): Changes {
  return {
    tokenLifetimeMs: LIFETIME_MS,
    /** What the log holds by now a full pull that begins now will find: it is noted as seen, unless it is quite new. */
    async begin(signal) {
      const since = Date.now() - OVERLAP_MS; // this machine's clock is right within minutes, or Google would give it no token
      const { objects, date } = await account.lists.all(
        { list: 'activities', isStart: false, signal },
        logSince(account, since),
      );
      const until = answeredAt(date);
      const settled = objects.map(toEntry).filter(({ time }) => isSettled(time, until));
      const token: Token = { since: until, seen: withKeys([], settled, until) };
      return JSON.stringify(token);
    },
    async fetch(token, cursor, signal): Promise<ChangesPage> {
      const { since, seen: known } = parsed(Token, token);
      const place = cursor === null ? null : parsed(FeedPosition, cursor);
      const page = await account.lists.page(
        { list: 'activities', isStart: false, resumed: true, pageToken: place?.pageToken ?? null, signal },
        logSince(account, since - OVERLAP_MS),
      );
      const until = place?.until ?? answeredAt(page.date);
      if (until - since > LIFETIME_MS) throw new ConnectorError(expiredChanges);
      const entries = page.objects.map(toEntry);
      const fresh = firstMentions(entries, new Set([...known, ...(place?.seen ?? [])]));
      const who = await whoIsMeant(account, fresh, signal);
      const seen = withKeys(place?.seen ?? [], entries, until);
      return {
        ...who,
        next:
          page.next === null
            ? null
            : JSON.stringify({ until, seen, pageToken: page.next } satisfies FeedPosition),
        token: page.next === null ? JSON.stringify({ since: until, seen } satisfies Token) : null,
      };
    },
  };
}

/** An entry without a time would otherwise call for one full pull after the other. */
const isSettled = (time: number, until: number): boolean =>
  time < until - UNSETTLED_MS || time === Number.POSITIVE_INFINITY;

function logSince({ reports, customer }: Account, startMs: number): CallOfList {
  const which = {
    userKey: 'all',
    applicationName: 'admin',
    startTime: new Date(startMs).toISOString(),
    ...(customer === 'my_customer' ? {} : { customerId: customer }),
  };
  return (common, options) => reports.activities.list({ ...which, ...common }, options);
}

function answeredAt(date: string | null): number {
  const answered = Date.parse(date ?? '');
  if (!Number.isNaN(answered)) return answered;
  throw new ConnectorError({
    kind: 'unexpected-response',
    message: "Google's answer does not say what time it is, so that nothing can go on from it.",
    remedy: 'If a proxy takes the Date header away, let it through. Otherwise report this as a defect.',
    status: 200,
  });
}

/** The keys of entries that the next reading will meet again, the newest first as the log has them. */
function withKeys(keys: readonly string[], entries: readonly Entry[], until: number): string[] {
  const within = entries.filter(({ time }) => time >= until - OVERLAP_MS).map(({ key }) => key);
  return [...new Set([...keys, ...within])].slice(0, MOST_SEEN);
}

function firstMentions(entries: readonly Entry[], seen: Set<string>): readonly Concern[] {
  return entries.flatMap((entry) => {
    if (seen.has(entry.key)) return [];
    seen.add(entry.key);
    return entry.concerns;
  });
}

async function whoIsMeant(account: Account, concerns: readonly Concern[], signal: AbortSignal) {
  const addresses = [...new Set(concerns.flatMap((concern) => concern.addresses))];
  if (addresses.length > MOST_ADDRESSES)
    return { users: [], groups: [], renamed: [], unreadable: concerns.length };
  const bearers = await bearersOf(account, addresses, signal);
  const found = concerns.map((concern) => concern.addresses.flatMap((one) => bearers.get(one) ?? []));
  const anonymous = concerns.filter((_, at) => found[at]?.length === 0);
  // A group that joined or left another one, the whole account, or somebody of another company: only the group is known.
  const inGroups = new Set(anonymous.flatMap(({ group }) => group ?? []));
  const around = await abreast(inGroups, (group) => groupsAround(account, group, signal));
  return {
    users: [...new Set(found.flat())],
    groups: [...new Set(around.flatMap((groups) => groups ?? []))],
    renamed: [], // a new group or name counts as unreadable (activity.ts)
    unreadable:
      anonymous.filter(({ group }) => group === null).length + around.filter((one) => one === null).length,
  };
}

/** A token or cursor of nobody's making makes a full pull necessary. */
function parsed<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new ConnectorError(expiredChanges);
  }
}
