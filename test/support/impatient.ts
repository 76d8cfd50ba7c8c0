/** The real connectors, but for the time that they wait. */
import type { ConnectorDefinition } from '../../connectors/contract.ts';
import { openEntra } from '../../connectors/entra/index.ts';
import { openGoogle } from '../../connectors/google/index.ts';
import { openLdap } from '../../connectors/ldap/index.ts';
import { openOkta } from '../../connectors/okta/index.ts';
import { connectors } from '../../connectors/registry.ts';
import { openScim } from '../../connectors/scim/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';

export type Impatient = {
  readonly connectors: typeof connectors;
  /** For an answer, in milliseconds; of the connectors that are opened from now on. */
  timeoutMs: number;
};

/** Between two tries nothing is waited for: the clock moves by what would have been slept. */
export function impatient(): Impatient {
  const patience = { timeoutMs: 20_000 };
  const tuning = (): SessionTuning => {
    let ahead = 0;
    const sleep = async (ms: number) => {
      ahead += ms;
    };
    return { ...patience, maxRetries: 2, clock: () => Date.now() + ahead, sleep };
  };
  const opened = <D extends ConnectorDefinition>(
    definition: D,
    open: (options: never, tuning: SessionTuning) => ReturnType<D['open']>,
  ): D => ({ ...definition, open: (options: object) => open(options as never, tuning()) });
  return Object.assign(patience, {
    connectors: {
      ...connectors,
      entra: opened(connectors.entra, openEntra),
      okta: opened(connectors.okta, openOkta),
      google: opened(connectors.google, openGoogle),
      scim: opened(connectors.scim, openScim),
      ldap: opened(connectors.ldap, openLdap),
    },
  });
}
