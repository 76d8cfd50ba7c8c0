/** One tenant's configured link to one directory. Its credentials are no part of it: they are only ever handed to a connector. */
import { canonical, type Json } from './canonical.ts';
import type { Provider } from './directory.ts';
import type { ConnectionId, TenantId } from './ids.ts';
import type { Mapping } from './mapping.ts';
import type { Policy } from './policy.ts';
import { Problem } from './problem.ts';

export const CONNECTION_STATES = ['active', 'paused'] as const;
export type ConnectionState = (typeof CONNECTION_STATES)[number];

/** How the provider is reached; see `Network` in connectors/contract.ts. */
export type ConnectionNetwork = {
  readonly baseUrl: string | null;
  readonly ca: string | null;
  /** On a connection that is shown: without user and password. */
  readonly proxy: string | null;
  /** Of the provider's rate limits, what this connection may use; where it is not said, a half. */
  readonly share?: number | undefined;
};

/** As a network is shown: without the login of its proxy. */
export function withoutLogin(network: ConnectionNetwork): ConnectionNetwork {
  if (network.proxy === null) return network;
  return { ...network, proxy: Object.assign(new URL(network.proxy), { username: '', password: '' }).href };
}

export function hasLogin({ proxy }: Pick<ConnectionNetwork, 'proxy'>): boolean {
  return proxy !== null && withoutLogin({ baseUrl: null, ca: null, proxy }).proxy !== proxy;
}

/**
 * Whether credentials would be sent to another place, or another way, than the one that they were entered for. How fast is another
 * matter. What is not given stays as it is.
 */
export function leadsElsewhere(
  before: Pick<Connection, 'settings' | 'network'>,
  {
    settings,
    network,
  }: { readonly settings?: Json | undefined; readonly network?: ConnectionNetwork | undefined },
): boolean {
  const route = ({ baseUrl, ca, proxy }: ConnectionNetwork) => canonical({ baseUrl, ca, proxy });
  return (
    (settings !== undefined && canonical(settings) !== canonical(before.settings)) ||
    (network !== undefined && route(withoutLogin(network)) !== route(before.network))
  );
}

export type Connection = {
  readonly id: ConnectionId;
  readonly tenant: TenantId;
  readonly name: string;
  readonly provider: Provider;
  /** In the provider's words; its connector knows them. */
  readonly settings: Json;
  readonly network: ConnectionNetwork;
  readonly mapping: Mapping;
  readonly policy: Policy;
  /** Cron expression of five fields in `timeZone`; null: only on demand. */
  readonly schedule: string | null;
  readonly timeZone: string;
  readonly state: ConnectionState;
  /** `iss` of the tokens that the directory's users sign in with; null: not known. */
  readonly issuer: string | null;
  /** null: the credential does not say. */
  readonly credentialExpiresAt: Date | null;
  /** Of the change set: grows with every plan that alters it. */
  readonly changeRevision: number;
  /** Grows when settings, credentials or network change, but for the share: another part of the directory may then be visible. */
  readonly accessVersion: number;
  readonly version: number;
  readonly createdAt: Date;
};

/** What is known of a connection whose stored configuration this version of Rollcall cannot read. Nothing can be done with it. */
export type UnreadableConnection = Pick<Connection, 'id' | 'tenant' | 'name' | 'createdAt'> & {
  readonly provider: string;
  readonly state: 'unreadable';
  /** Which parts of it are not what they should be, without their values. */
  readonly problem: string;
};

/** What a connection that rests is asked for. */
export function paused(id: ConnectionId): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: 'The connection is paused.',
    remedy: `Set its state to active first (rollcall connections update ${id} --resume).`,
  });
}

export function unreadable({ id, problem }: UnreadableConnection): Problem {
  return new Problem({
    code: 'unreadable-connection',
    message: `The stored configuration of connection ${id} cannot be read: ${problem}.`,
    remedy: 'Start the version of Rollcall that stored it, or correct in the database what is named.',
  });
}

/** One that cannot be read stands in a list beside the others, and keeps nobody from theirs. */
export type ListedConnection = Connection | UnreadableConnection;
