/** One tenant's configured link to one directory. Its credentials are no part of it: they are only ever handed to a connector. */
import type { Json } from './canonical.ts';
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
  /** Of the change set: grows with every plan that alters it. */
  readonly changeRevision: number;
  /** Grows when settings, credentials or network change: another part of the directory may then be visible. */
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

export function unreadable({ id, problem }: UnreadableConnection): Problem {
  return new Problem({
    code: 'unreadable-connection',
    message: `The stored configuration of connection ${id} cannot be read: ${problem}.`,
    remedy: 'Start the version of Rollcall that stored it, or correct in the database what is named.',
  });
}

/** One that cannot be read stands in a list beside the others, and keeps nobody from theirs. */
export type ListedConnection = Connection | UnreadableConnection;
