/** LDAP and Active Directory: the source's face. */
import type { ConnectorDefinition, Network } from '../contract.ts';
import type { SessionTuning } from '../session.ts';
import { checkLdap } from './check.ts';
import { LdapConnector } from './connector.ts';
import { LdapCredentials, LdapSettings } from './settings.ts';

type Options = {
  readonly settings: LdapSettings;
  readonly credentials: LdapCredentials;
  readonly network: Network;
};

/** `tuning` is for tests, which cannot wait as long as a pull. Throws ConnectorError 'misconfigured'. */
export function openLdap(options: Options, tuning: SessionTuning = {}): LdapConnector {
  return new LdapConnector(options, tuning);
}

export const ldapDefinition: ConnectorDefinition<LdapSettings, LdapCredentials> = {
  provider: 'ldap',
  title: 'LDAP / Active Directory',
  abilities: {
    groups: true,
    nestedGroups: true,
    orgUnits: true,
    deletedUsers: false,
    lookUp: true,
    // Of Active Directory; to a connector for another server `changes` is null, and each of its runs is a full one.
    delta: true,
    notifications: false,
  },
  settings: LdapSettings,
  credentials: LdapCredentials,
  open: ({ breaker, ...options }) => openLdap(options, { breaker }),
  check: checkLdap,
};
