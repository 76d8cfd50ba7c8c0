/**
 * A channel: where a tenant wants to hear of what needs a person, in it and in all tenants below it. Without channels nobody is told
 * anything.
 */
import { z } from 'zod';
import type { TenantId } from './ids.ts';
import type { NoticeKind } from './notice.ts';

export const ChannelId = z.uuid().brand<'ChannelId'>();
export type ChannelId = z.infer<typeof ChannelId>;

export const CHANNEL_TYPES = ['email', 'slack', 'teams'] as const;
export type ChannelType = (typeof CHANNEL_TYPES)[number];

export const SMTP_TLS = ['starttls', 'implicit'] as const;

/** Where mail is handed in. TLS is asked for in any case: from the first byte, or by STARTTLS before anything else. */
export type MailServer = {
  readonly host: string;
  readonly port: number;
  readonly tls: (typeof SMTP_TLS)[number];
  /** null: without a login. With one there is a password, which is a secret. */
  readonly user: string | null;
  /** The sender. */
  readonly from: string;
  /** PEM certificates to trust besides the system's. */
  readonly ca: string | null;
};

/** Where messages go: what of it is no secret. */
export type Destination =
  | {
      readonly type: 'email';
      readonly to: readonly string[];
      /** null: the install's. */
      readonly server: MailServer | null;
    }
  | {
      readonly type: 'slack' | 'teams';
      /** Of the webhook, whose whole address is a secret. */
      readonly host: string;
      readonly ca: string | null;
    };

/** What it is told, and when. A kind in neither list is not told. */
export type Telling = {
  readonly immediately: readonly NoticeKind[];
  readonly inDigest: readonly NoticeKind[];
  /** When digests are sent: cron expression of five fields in `timeZone`; null: there are none. */
  readonly schedule: string | null;
  readonly timeZone: string;
};

export type Channel = Telling & {
  readonly id: ChannelId;
  readonly tenant: TenantId;
  readonly name: string;
  readonly destination: Destination;
  /** Whether people are named in its messages; otherwise they are counted. */
  readonly namesPeople: boolean;
  /** When the next digest is due; null: none is. */
  readonly digestAt: Date | null;
  readonly createdAt: Date;
};
