/** An Okta org of a test's own making: a real HTTPS server that answers what the test says and remembers what it was asked. */
import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { Connector, Page } from '../../connectors/contract.ts';
import { OktaCredentials, OktaSettings } from '../../connectors/okta/credentials.ts';
import { openOkta } from '../../connectors/okta/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { openKeys } from '../../simulators/certificates.ts';
import { type SimulatorOptions, startSimulator } from '../../simulators/start.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { closingAfterEach } from './closing.ts';

export type Asked = {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};
export type Answered = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
};
export type Org = {
  readonly origin: string;
  readonly ca: string;
  readonly asked: readonly Asked[];
  /** Throws what `answer` threw, so that an expectation in it counts. */
  close(): Promise<void>;
};

const keys = openKeys(null);

/** A body that is no string is sent as JSON. */
export async function anOrg(
  answer: (asked: Asked, origin: string) => Answered | Promise<Answered>,
): Promise<Org> {
  const { ca, serverCertificate, serverKey } = await keys;
  const asked: Asked[] = [];
  const faults: unknown[] = [];
  const server = createServer({ cert: serverCertificate, key: serverKey }, (request, response) => {
    respond(request, response).catch((fault: unknown) => {
      faults.push(fault);
      response.destroy();
    });
  });
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '', headers } = request;
    const one: Asked = { method, path, headers, body: await text(request) };
    asked.push(one);
    const { status = 200, headers: more = {}, body = '' } = await answer(one, origin());
    const all = { 'content-type': 'application/json', ...more } as OutgoingHttpHeaders;
    response.writeHead(status, all).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const origin = () => `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: origin(),
    ca,
    asked,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      if (faults.length > 0) throw faults[0];
    },
  };
}

type Connecting = {
  readonly settings?: Partial<OktaSettings>;
  readonly credentials?: OktaCredentials;
  readonly baseUrl?: string;
  readonly tuning?: SessionTuning;
};

/** Waits of the session take no time, unless the test says how long: its clock moves on by them. */
export function connectedTo(
  org: Org,
  { settings, credentials, baseUrl, tuning }: Connecting = {},
): Connector {
  let waited = 0;
  const clock = () => Date.now() + waited;
  const sleep = async (ms: number) => {
    waited += ms;
  };
  return openOkta(
    {
      settings: { orgUrl: org.origin, ...settings },
      credentials: credentials ?? { kind: 'api-token', token: 'secret-api-token' },
      network: { baseUrl: baseUrl ?? null, ca: org.ca, proxy: null },
    },
    { sleep, clock, maxRetries: 1, ...tuning },
  );
}

/** Makers of orgs and connectors that are closed after each test of the file. */
export function closedAfterEach() {
  const closing = closingAfterEach();
  return {
    org: async (...how: Parameters<typeof anOrg>) => closing(await anOrg(...how)),
    connected: (...how: Parameters<typeof connectedTo>) => closing(connectedTo(...how)),
  };
}

/** A simulated org for one test, and connectors to it: as a service app, unless the test says `credentials`. */
export async function aSimulatedOrg(options: SimulatorOptions) {
  const simulator = await startSimulator('okta', options);
  onTestFinished(() => simulator.close());
  const connect = (settings: object = {}, credentials: object = simulator.alternativeCredentials ?? {}) => {
    const connector = openOkta({
      settings: OktaSettings.parse({ ...simulator.settings, ...settings }),
      credentials: OktaCredentials.parse(credentials),
      network: { baseUrl: null, ca: simulator.ca, proxy: null },
    });
    onTestFinished(() => connector.close());
    return connector;
  };
  return { simulator, control: simulator.control, connect };
}

export async function allPages<T>(
  fetchPage: (cursor: string | null) => Promise<Page<T>>,
): Promise<readonly T[]> {
  const records: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await fetchPage(cursor);
    records.push(...page.records);
    cursor = page.next;
  } while (cursor !== null);
  return records;
}

export function anOktaUser(id: string, more: { status?: string; profile?: Record<string, unknown> } = {}) {
  return {
    id,
    status: more.status ?? 'ACTIVE',
    profile: {
      login: `${id}@example.com`,
      email: `${id}@example.com`,
      firstName: 'Ada',
      lastName: null,
      ...more.profile,
    },
  };
}

export const externalIds = (...names: readonly string[]) => names.map((name) => ExternalId.parse(name));

export const notFound: Answered = {
  status: 404,
  body: { errorCode: 'E0000007', errorSummary: 'Not found' },
};

/** Answers the lists of users and, to all others, 404. */
export function usersOf(
  live: readonly unknown[],
  { deprovisioned = [], recent = [] }: Partial<Record<'deprovisioned' | 'recent', readonly unknown[]>> = {},
) {
  return ({ path }: Asked, origin: string): Answered => {
    const headers = { link: `<${origin}${path}>; rel="self"` };
    if (path === '/api/v1/users?limit=200') return { headers, body: live };
    if (path.startsWith('/api/v1/users?filter=status')) return { headers, body: deprovisioned };
    if (path.startsWith('/api/v1/users?filter=lastUpdated')) return { headers, body: recent };
    return notFound;
  };
}
