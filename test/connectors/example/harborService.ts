/** Harbor itself, as far as its connector knows it: an HTTPS service with people that come and go, and faults on demand. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Control, FaultName } from '../../../connectors/conformance.ts';
import { openKeys } from '../../../simulators/certificates.ts';

const PAGE_SIZE = 50;

type Person = { id: string; login: string; mail: string; name: string; status: string };
type Fault = Parameters<Control['fault']>[0] & { seen: number; struck: number };

export type HarborService = {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  readonly control: Control;
  close(): Promise<void>;
};

type Refusal = { readonly status: number; readonly headers?: () => Record<string, string> };
const REFUSALS: Partial<Record<FaultName, Refusal>> = {
  'status-401': { status: 401 },
  'status-403': { status: 403 },
  'status-404': { status: 404 },
  'status-500': { status: 500 },
  'status-503': { status: 503 },
  'throttled-silent': { status: 429 },
  'throttled-seconds': { status: 429, headers: () => ({ 'retry-after': '1' }) },
  'throttled-date': {
    status: 429,
    headers: () => ({ 'retry-after': new Date(Date.now() + 1_000).toUTCString() }),
  },
  'throttled-absurd': { status: 429, headers: () => ({ 'retry-after': '86400' }) },
};

export async function startHarbor(users: number): Promise<HarborService> {
  const { ca, serverCertificate, serverKey } = await openKeys(null);
  const token = 'harbor-3f1c9a7e';
  const people = new Map<string, Person>();
  const groups = new Map<string, Set<string>>();
  let requests: Record<string, number> = {};
  let faults: Fault[] = [];
  let hired = 0;

  const hire = (): string => {
    const id = `p${hired++}`;
    people.set(id, { id, login: id, mail: `${id}@harbor.example`, name: `Person ${id}`, status: 'ashore' });
    return id;
  };
  for (let at = 0; at < users; at += 1) hire();
  for (const name of ['crew', 'pilots', 'office']) groups.set(name, new Set([...people.keys()].slice(0, 60)));

  function strike(kind: string): Fault | undefined {
    const matching = faults.filter(({ on = 'users' }) => on === kind);
    for (const fault of matching) fault.seen += 1;
    const striking = matching.find(
      ({ seen, struck, nth = 1, times = 1 }) => seen >= nth && struck < (times ?? Infinity),
    );
    if (striking !== undefined) striking.struck += 1;
    return striking;
  }

  function listOf(path: string): readonly unknown[] | undefined {
    if (path === '/users') return [...people.values()];
    if (path === '/groups') return [...groups.keys()].map((name) => ({ id: name, name }));
    const members = groups.get(/^\/groups\/([^/]+)\/members$/.exec(path)?.[1] ?? '');
    return members === undefined ? undefined : [...members].map((id) => ({ id }));
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', origin());
    const kind = url.pathname.endsWith('/members') ? 'members' : url.pathname.slice(1);
    requests[kind] = (requests[kind] ?? 0) + 1;
    const fault = strike(kind);
    if (fault?.name === 'hang') return;
    if (fault?.name === 'connection-reset') return void response.destroy();
    const list = listOf(url.pathname);
    const refusal = refusalOf(request, fault, list);
    if (refusal !== null) response.writeHead(refusal.status, refusal.headers?.()).end('{}');
    else response.setHeader('content-type', 'application/json').end(bodyOf(list ?? [], url, fault));
  }

  function refusalOf(request: IncomingMessage, fault: Fault | undefined, list: unknown): Refusal | null {
    const ordered = fault === undefined ? undefined : REFUSALS[fault.name];
    if (ordered !== undefined) return ordered;
    if (request.headers.authorization !== `Bearer ${token}`) return { status: 401 };
    return list === undefined ? { status: 404 } : null;
  }

  function bodyOf(list: readonly unknown[], url: URL, fault: Fault | undefined): string {
    const from = Number(url.searchParams.get('from') ?? 0);
    const link = (to: number) => `${origin()}${url.pathname}?from=${to}`;
    const rest = from + PAGE_SIZE < list.length ? link(from + PAGE_SIZE) : null;
    const page = { items: list.slice(from, from + PAGE_SIZE), next: rest };
    switch (fault?.name) {
      case 'html-page':
        return '<html><body>Sign in</body></html>';
      case 'cut-off':
        return JSON.stringify(page).slice(0, -40);
      case 'list-key-missing':
        return JSON.stringify({ next: page.next });
      case 'list-key-null':
        return JSON.stringify({ ...page, items: null });
      case 'empty-first-page':
        return JSON.stringify({ items: [], next: null });
      case 'empty-middle-page':
        return JSON.stringify({ items: [], next: `${link(from)}&again` });
      case 'looping-link':
        return JSON.stringify({ ...page, next: url.href });
      case 'foreign-link':
        return JSON.stringify({ ...page, next: `${fault.origin}/users` });
      case 'unreadable-record':
        return JSON.stringify({ ...page, items: page.items.with(1, { id: `p${from + 1}`, status: 17 }) });
      case 'unreadable-id':
        return JSON.stringify({ ...page, items: page.items.with(1, { status: 17 }) });
      default:
        return JSON.stringify(page);
    }
  }

  const server = createServer({ cert: serverCertificate, key: serverKey }, answer);
  const origin = () => `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await once(server.listen(0, '127.0.0.1'), 'listening');

  const living = () => [...people.values()].filter(({ status }) => status === 'ashore');
  const setStatus = (ids: readonly string[], status: string) => {
    for (const id of ids) Object.assign(people.get(id) ?? {}, { status });
    return { ids };
  };
  const control: Control = {
    state: async () => ({
      users: {
        listed: [...people.values()].filter(({ status }) => status !== 'gone').length,
        deleted: [...people.values()].filter(({ status }) => status === 'gone').length,
      },
      groups: groups.size,
      requests: { users: 0, groups: 0, members: 0, user: 0, group: 0, token: 0, ...requests },
    }),
    fault: async (order) => faults.push({ ...order, seen: 0, struck: 0 }),
    clearFaults: async () => {
      faults = [];
    },
    resetCounters: async () => {
      requests = {};
    },
    expireTokens: () => Promise.reject(new Error('Tokens of Harbor do not expire.')),
    hire: async (count) => ({ ids: Array.from({ length: count }, hire) }),
    rename: async (count) => {
      const renamed = living().slice(0, count);
      for (const person of renamed) person.login += '-renamed';
      return { ids: renamed.map(({ id }) => id) };
    },
    leave: async (who, how) => {
      const ids =
        typeof who === 'number'
          ? living()
              .slice(0, who)
              .map(({ id }) => id)
          : who;
      return setStatus(ids, how === 'delete' ? 'gone' : 'laid-up');
    },
    restore: async (ids) => setStatus(ids, 'ashore'),
    changeGroup: () => Promise.reject(new Error('Harbor does not tell who changed.')),
  };
  return {
    url: origin(),
    ca,
    token,
    control,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
