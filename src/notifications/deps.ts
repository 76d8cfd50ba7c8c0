/** What telling people takes. */
import type { BlockList } from 'node:net';
import type { MailServer } from '../domain/channel.ts';
import type { Clock } from '../domain/clock.ts';
import type { Store } from '../store/store.ts';

export type Outgoing = {
  /** The install's mail server; null: channels have their own, or none. */
  readonly mail: { readonly server: MailServer; readonly password: string | null } | null;
  /** Private networks that messages may go to. */
  readonly allowed: BlockList;
};

export type NotificationDeps = {
  readonly store: Store;
  readonly clock: Clock;
  /** Where people reach the API, without a slash at the end; null: not known, and messages have no links. */
  readonly publicUrl: () => string | null;
  readonly outgoing: Outgoing;
};
