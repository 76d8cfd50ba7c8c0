/** A client for applications: typed calls of the API, authorizations that are fetched again only when they changed, the event feed. */
import {
  type Authorization,
  type AuthorizationEntry,
  type Event,
  type Operations,
  operations,
} from './api.ts';

export type { Authorization, AuthorizationEntry, Event, Operations } from './api.ts';

export type ClientOptions = {
  /** Where Rollcall is, such as https://rollcall.example.com. */
  readonly url: string;
  /** An API key (`rc_…`), or a function that gives what goes into `Authorization: Bearer` (see accessTokens). */
  readonly key: string | (() => Promise<string>);
  /** How many authorizations are kept at most (10,000). */
  readonly kept?: number;
  readonly fetch?: typeof fetch;
};

/** What Rollcall says when it does not do something (RFC 9457). */
export class RollcallProblem extends Error {
  override readonly name = 'RollcallProblem';
  readonly status: number;
  /** What programs look at, such as `not-found`; null: the answer was none of Rollcall's. */
  readonly code: string | null;
  readonly remedy: string | null;
  readonly fields: readonly { readonly path: string; readonly message: string }[];
  /** Under which the server has logged the request. */
  readonly request: string | null;

  constructor(status: number, body: unknown) {
    const said = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
    const text = (name: string) => (typeof said[name] === 'string' ? said[name] : null);
    super(text('detail') ?? text('error_description') ?? `The answer was ${status}.`);
    this.status = status;
    this.code = text('code') ?? text('error');
    this.remedy = text('remedy');
    this.fields = Array.isArray(said['fields']) ? said['fields'] : [];
    this.request = text('instance');
  }
}

type Input<Name extends keyof Operations> = Operations[Name]['input'];
type Answer<Name extends keyof Operations> = Operations[Name]['answer'];

export class Rollcall {
  readonly #url: string;
  readonly #key: () => Promise<string>;
  readonly #kept: number;
  readonly #fetch: typeof fetch;
  /** The least recently asked for first. */
  readonly #authorizations = new Map<string, Authorization>();

  constructor({ url, key, kept = 10_000, fetch: fetching = fetch }: ClientOptions) {
    this.#url = url.replace(/\/+$/, '');
    this.#key = typeof key === 'string' ? async () => key : key;
    this.#kept = kept;
    this.#fetch = fetching;
  }

  /** Any operation of the API, by its name. Throws `RollcallProblem`, and what `fetch` throws. */
  async call<Name extends keyof Operations>(
    name: Name,
    input: Input<Name>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Answer<Name>> {
    return (await this.#send(name, input as Record<string, unknown>, options)).body as Answer<Name>;
  }

  /**
   * What a user may do now. What is known is asked about by its version: only what has changed comes over the wire again.
   * Throws `RollcallProblem`: `not-found` for a user who is none.
   */
  async authorization(user: string, tenant?: string): Promise<Authorization> {
    const of = `${user}/${tenant ?? ''}`;
    const known = this.#authorizations.get(of);
    const input = { user, ...(tenant === undefined ? {} : { tenant }) };
    const { status, body } = await this.#send('getAuthorization', input, { version: known?.version });
    const current = status === 304 && known !== undefined ? known : (body as Authorization);
    this.#authorizations.delete(of);
    this.#authorizations.set(of, current);
    const [oldest] = this.#authorizations.keys();
    if (this.#authorizations.size > this.#kept && oldest !== undefined) this.#authorizations.delete(oldest);
    return current;
  }

  /** Whom a provider has let in: by `iss` and `sub` of the ID token (with Entra ID `oid`). null: nobody that Rollcall knows. */
  async userBySignIn(issuer: string, subject: string): Promise<Answer<'findUserByIdentity'> | null> {
    try {
      return await this.call('findUserByIdentity', { issuer, subject });
    } catch (error) {
      if (error instanceof RollcallProblem && error.code === 'not-found') return null;
      throw error;
    }
  }

  /**
   * All events from `after` (a cursor; null: from the beginning) on, and then those to come, until the signal says so. Store `cursor` of
   * each event along with what it led to: whoever goes on from there misses none and sees none twice.
   * Throws `RollcallProblem`, and what `fetch` throws: begin again after a while.
   */
  async *events(
    after: string | null,
    { signal, pauseMs = 2_000 }: { readonly signal?: AbortSignal; readonly pauseMs?: number } = {},
  ): AsyncGenerator<Event, void> {
    let cursor = after;
    const options = signal === undefined ? {} : { signal };
    while (signal?.aborted !== true) {
      const from = cursor === null ? {} : { after: cursor };
      const page = await this.call('listEvents', { limit: 500, ...from }, options).catch((error: unknown) => {
        if (signal?.aborted === true) return null;
        throw error;
      });
      if (page === null) return;
      for (const event of page.items) {
        yield event;
        cursor = event.cursor;
      }
      if (page.next === null) await pause(pauseMs, signal);
    }
  }

  async #send(
    name: keyof Operations,
    input: Readonly<Record<string, unknown>>,
    { signal, version }: { readonly signal?: AbortSignal; readonly version?: string | undefined },
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const { method, path, query, body } = operations[name];
    const left = new Map(Object.entries(input).filter(([, value]) => value !== undefined));
    const at = path.replaceAll(/\{(\w+)\}/g, (_, member: string) =>
      encodeURIComponent(String(taken(left, member))),
    );
    const asked = new URLSearchParams(query.flatMap((member) => pairsOf(member, taken(left, member))));
    const answer = await this.#fetch(`${this.#url}${at}${asked.size === 0 ? '' : `?${asked}`}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.#key()}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(version === undefined ? {} : { 'if-none-match': `"${version}"` }),
      },
      ...(body ? { body: JSON.stringify(Object.fromEntries(left)) } : {}),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await answer.text();
    const isJson = /\bjson\b/.test(answer.headers.get('content-type') ?? '');
    const said: unknown = isJson && text !== '' ? JSON.parse(text) : null;
    if (answer.ok || answer.status === 304) return { status: answer.status, body: said };
    throw new RollcallProblem(answer.status, said);
  }
}

function taken(members: Map<string, unknown>, name: string): unknown {
  const value = members.get(name);
  members.delete(name);
  return value;
}

function pairsOf(name: string, value: unknown): [string, string][] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)]);
}

/** Ends early, without an error, when the signal says so. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((done) => {
    const timer = setTimeout(end, ms);
    function end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      done();
    }
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end);
  });
}

/** What holds for whatever carries this data key: the entry with the longest key that it begins with. */
export function entryFor(
  entries: readonly AuthorizationEntry[],
  dataKey: string,
): AuthorizationEntry | undefined {
  let found: AuthorizationEntry | undefined;
  for (const entry of entries) {
    const isNearer = found === undefined || entry.dataKey.length > found.dataKey.length;
    if (isNearer && dataKey.startsWith(entry.dataKey)) found = entry;
  }
  return found;
}

/** Whether a permission holds for whatever carries this data key. */
export function allows(entries: readonly AuthorizationEntry[], dataKey: string, permission: string): boolean {
  return entryFor(entries, dataKey)?.permissions.includes(permission) ?? false;
}

/** The keys that begin with `within`, but for those that begin with one of `except`. */
export type Reach = { readonly within: string; readonly except: readonly string[] };

/** Where a permission holds: whatever is in one of these. For a query, each is a range of keys: see `boundsOf`. */
export function reachOf(entries: readonly AuthorizationEntry[], permission: string): readonly Reach[] {
  const has = (entry: AuthorizationEntry | undefined) => entry?.permissions.includes(permission) ?? false;
  const above = (entry: AuthorizationEntry) =>
    entryFor(
      entries.filter((one) => one.dataKey.length < entry.dataKey.length),
      entry.dataKey,
    );
  const turns = entries.filter((entry) => has(entry) !== has(above(entry)));
  return turns.filter(has).map(({ dataKey }) => ({
    within: dataKey,
    except: turns.filter((one) => !has(one) && one.dataKey.startsWith(dataKey)).map((one) => one.dataKey),
  }));
}

/**
 * Keys that begin with this one stand together in an index by bytes: they are not before `from`, and before `until`. null: there is no
 * end, since all keys begin with the root's.
 */
export function boundsOf(dataKey: string): { readonly from: string; readonly until: string | null } {
  // '/' is the byte after '.', with which every key ends.
  return { from: dataKey, until: dataKey === '' ? null : `${dataKey.slice(0, -1)}/` };
}
