/** A simulated Entra ID directory for one test, and connectors to it. */
import { onTestFinished } from 'vitest';
import {
  type Connector,
  type Cursor,
  Network,
  type Page,
  type UserRecord,
} from '../../connectors/contract.ts';
import { entraDefinition, openEntra } from '../../connectors/entra/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { never } from './aSession.ts';

export type Connecting = {
  readonly settings?: object;
  readonly credentials?: object;
  readonly tuning?: SessionTuning;
};

export function connectingTo(simulator: Simulator, { settings = {}, credentials = {} }: Connecting = {}) {
  return {
    settings: entraDefinition.settings.parse({ ...simulator.settings, ...settings }),
    credentials: entraDefinition.credentials.parse({ ...simulator.credentials, ...credentials }),
    network: Network.parse({ baseUrl: simulator.origin, ca: simulator.ca }),
  };
}

export async function simulated(
  options: Parameters<typeof startSimulator>[1] = { users: 20 },
): Promise<Simulator> {
  const simulator = await startSimulator('entra', options);
  onTestFinished(() => simulator.close());
  return simulator;
}

/** Does not try again, unless `tuning` says so. */
export function connected(simulator: Simulator, connecting: Connecting = {}): Connector {
  const connector = openEntra(connectingTo(simulator, connecting), { maxRetries: 0, ...connecting.tuning });
  onTestFinished(() => connector.close());
  return connector;
}

/** All pages of users, one after another. */
export async function everyUser(connector: Connector): Promise<readonly UserRecord[]> {
  const found: UserRecord[] = [];
  let cursor: Cursor | null = null;
  do {
    const page: Page<UserRecord> = await connector.fetchUsers(cursor, never);
    found.push(...page.records);
    cursor = page.next;
  } while (cursor !== null);
  return found;
}
