/** A Workspace account of a test's own making: a real HTTPS server that gives tokens and answers lists as the test says. */
import { onTestFinished } from 'vitest';
import type { Connector } from '../../connectors/contract.ts';
import { GoogleSettings } from '../../connectors/google/credentials.ts';
import { googleDefinition, openGoogle } from '../../connectors/google/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { openKeys } from '../../simulators/certificates.ts';
import { type SimulatorOptions, startSimulator } from '../../simulators/start.ts';
import { closingAfterEach } from './closing.ts';
import { type Answered as AnsweredByHost, anOrg } from './oktaOrg.ts';

export type Asked = {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};
export type Answered = AnsweredByHost;
export type Account = {
  readonly origin: string;
  readonly ca: string;
  /** The service account's key. */
  readonly privateKey: string;
  /** Requests to the Directory API, and those for a token. */
  readonly asked: readonly Asked[];
  readonly tokenRequests: readonly Asked[];
  close(): Promise<void>;
};
type Answer = (asked: Asked) => Answered | Promise<Answered>;

const keys = openKeys(null);

/** Gives tokens `token-1`, `token-2`, … unless the test answers in place of the token endpoint. */
async function anAccount(answer: Answer, answerToken?: Answer): Promise<Account> {
  const { clientKey } = await keys;
  const asked: Asked[] = [];
  const tokenRequests: Asked[] = [];
  const giveToken = (): Answered => ({
    body: { access_token: `token-${tokenRequests.length}`, expires_in: 3599, token_type: 'Bearer' },
  });
  const { origin, ca, close } = await anOrg(({ path, headers, body }) => {
    const { pathname, searchParams } = new URL(path, 'https://ignored');
    const one = { path: pathname, query: Object.fromEntries(searchParams), headers, body };
    const isToken = pathname.endsWith('/token');
    (isToken ? tokenRequests : asked).push(one);
    return (isToken ? (answerToken ?? giveToken) : answer)(one);
  });
  return { origin, ca, privateKey: clientKey, asked, tokenRequests, close };
}

type Connecting = {
  /** Besides the administrator's address. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly clientId?: string;
  /** null: none, so that Google itself is asked. */
  readonly baseUrl?: string | null;
  readonly ca?: string | null;
  readonly proxy?: string;
  readonly tuning?: SessionTuning;
};

/** Waits of the session take no time, unless the test says how long: its clock moves on by them. */
function connectedTo(
  account: Account,
  { settings, clientId, tuning, ...network }: Connecting = {},
): Connector {
  let waited = 0;
  const clock = () => Date.now() + waited;
  const sleep = async (ms: number) => {
    waited += ms;
  };
  return openGoogle(
    {
      settings: GoogleSettings.parse({ adminEmail: 'sync-admin@example.com', ...settings }),
      credentials: {
        kind: 'service-account',
        clientEmail: 'rollcall@project.iam.gserviceaccount.com',
        privateKey: account.privateKey,
        ...(clientId === undefined ? {} : { clientId }),
      },
      network: { baseUrl: account.origin, ca: account.ca, proxy: null, ...network },
    },
    { sleep, clock, maxRetries: 1, ...tuning },
  );
}

/** A simulated account for one test, and connectors to it. */
export async function aSimulatedAccount(options: SimulatorOptions) {
  const simulator = await startSimulator('google', options);
  onTestFinished(() => simulator.close());
  const connect = (settings: object = {}, tuning: SessionTuning = {}) => {
    const connector = openGoogle(
      {
        settings: googleDefinition.settings.parse({ ...simulator.settings, ...settings }),
        credentials: googleDefinition.credentials.parse(simulator.credentials),
        network: { baseUrl: simulator.origin, ca: simulator.ca, proxy: null },
      },
      tuning,
    );
    onTestFinished(() => connector.close());
    return connector;
  };
  return { simulator, control: simulator.control, connect };
}

export const usersBody = (users: readonly unknown[] | undefined, nextPageToken?: string) => ({
  kind: 'admin#directory#users',
  users,
  nextPageToken,
});

export const aUser = (id: string, more: Readonly<Record<string, unknown>> = {}) => ({
  id,
  primaryEmail: `u${id}@example.com`,
  suspended: false,
  archived: false,
  ...more,
});

/** An error as the Directory API words it. */
export const refusal = (status: number, reason: string, message = 'Refused'): Answered => ({
  status,
  body: { error: { code: status, message, errors: [{ domain: 'global', reason, message }] } },
});

/** Makers of accounts and connectors that are closed after each test of the file. */
export function closedAfterEach() {
  const closing = closingAfterEach();
  return {
    account: async (...how: Parameters<typeof anAccount>) => closing(await anAccount(...how)),
    connected: (...how: Parameters<typeof connectedTo>) => closing(connectedTo(...how)),
    closing,
  };
}

/** An empty page of users. */
export const nobody: Answered = { body: { kind: 'admin#directory#users' } };
