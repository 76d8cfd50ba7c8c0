/** Connectors to simulated SCIM services with quirks, and to ones of a test's own making. */
import { onTestFinished } from 'vitest';
import type { Connector, UserRecord } from '../../connectors/contract.ts';
import { ScimCredentials, ScimSettings } from '../../connectors/scim/credentials.ts';
import { openScim } from '../../connectors/scim/index.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulators/start.ts';
import { never } from './aSession.ts';
import { type Answered, type Asked, allPages, anOrg, type Org } from './oktaOrg.ts';

const patient = { sleep: async () => {}, maxRetries: 1 };

export type Opening = {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly credentials?: Readonly<Record<string, unknown>>;
};

/** Ends with the test. `connect` opens another connector to the same service. */
export async function simulatedService(
  options: SimulatorOptions = {},
): Promise<{ simulator: Simulator; connect(opening?: Opening): Connector }> {
  const simulator = await startSimulator('scim', { plain: true, ...options });
  onTestFinished(() => simulator.close());
  const connect = ({ settings, credentials = simulator.credentials }: Opening = {}): Connector =>
    opened(simulator.ca, { settings: { ...simulator.settings, ...settings }, credentials });
  return { simulator, connect };
}

/** A service that answers as told; ends with the test, and throws what `answer` threw. */
export async function aService(
  answer: (asked: Asked, origin: string) => Answered | Promise<Answered>,
): Promise<Org & { connect(opening?: Opening): Connector }> {
  const service = await anOrg(answer);
  onTestFinished(() => service.close());
  const connect = ({ settings, credentials = { kind: 'api-token', token: 'secret-token' } }: Opening = {}) =>
    opened(service.ca, { settings: { scimUrl: `${service.origin}/v2`, ...settings }, credentials });
  return { ...service, connect };
}

function opened(ca: string, { settings, credentials }: Required<Opening>): Connector {
  const connector = openScim(
    {
      settings: ScimSettings.parse(settings),
      credentials: ScimCredentials.parse(credentials),
      network: { baseUrl: null, ca, proxy: null },
    },
    patient,
  );
  onTestFinished(() => connector.close());
  return connector;
}

export async function usersOf(connector: Connector): Promise<readonly UserRecord[]> {
  return allPages((cursor) => connector.fetchUsers(cursor, never));
}

/** Each once, sorted; throws where one cannot be read. */
export async function idsOf(connector: Connector): Promise<readonly string[]> {
  const ids = (await usersOf(connector)).map((record) => {
    if (record.kind !== 'user') throw new Error(record.problem);
    return record.user.externalId as string;
  });
  return [...new Set(ids)].sort();
}

export const listResponse = (total: number, records: readonly unknown[] | null | undefined): Answered => ({
  body: {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
    totalResults: total,
    ...(records === undefined ? {} : { Resources: records }),
  },
});

export const scimError = (status: number, scimType?: string): Answered => ({
  status,
  body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: String(status), scimType },
});

export function queryOf({ path }: Asked): URLSearchParams {
  return new URL(path, 'https://127.0.0.1').searchParams;
}
