/** A simulated Entra ID directory for one test, and connectors to it. */
import { onTestFinished } from 'vitest';
import { type Connector, Network } from '../../connectors/contract.ts';
import { entraDefinition, openEntra } from '../../connectors/entra/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';

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
