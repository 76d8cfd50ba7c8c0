/** What people enter about a channel. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { SMTP_TLS, type Telling } from '../domain/channel.ts';
import { TenantId } from '../domain/ids.ts';
import { invalidInput, Name } from '../domain/input.ts';
import { NOTICE_KINDS } from '../domain/notice.ts';
import { PageOptions, TopTenant } from '../domain/page.ts';
import { TimeZone } from '../domain/timeZone.ts';
import { Certificates, Schedule } from '../tenancy/connectionInput.ts';

const Address = z.email('is not an e-mail address').max(254);
const Ca = Certificates.nullable().default(null).describe("PEM certificates to trust besides the system's.");

const Host = z
  .string()
  .max(253)
  .refine(
    (text) => isIP(text) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text),
    'is not the name of a host',
  );

const Server = z
  .strictObject({
    host: Host,
    port: z.int().min(1).max(65_535).default(587),
    tls: z
      .enum(SMTP_TLS)
      .default('starttls')
      .describe('implicit: from the first byte, as on port 465. Without TLS nothing is sent.'),
    user: z.string().min(1).max(500).nullable().default(null).describe('null: without a login.'),
    password: z.string().min(1).max(2_000).nullable().default(null).describe('Written and never shown.'),
    from: Address.describe('The sender.'),
    ca: Ca,
  })
  .refine(({ user, password }) => (user === null) === (password === null), {
    message: 'user and password belong together',
    path: ['password'],
  })
  .meta({ id: 'MailServer' });

const Webhook = z
  .url({ protocol: /^https$/, error: 'must be an https address' })
  .max(2_000)
  .refine((url) => {
    const { username, password, hash } = new URL(url);
    return `${username}${password}${hash}` === '';
  }, 'must be an address without user and without #');

const chat = <Type extends 'slack' | 'teams'>(type: Type) =>
  z.strictObject({
    type: z.literal(type),
    url: Webhook.describe('Of the incoming webhook. Whoever has it can post there: written and never shown.'),
    ca: Ca,
  });

const To = z.array(Address).min(1).max(20);

const Destination = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('email'),
      to: To,
      server: Server.nullable().default(null).describe("null: the install's mail server."),
    }),
    chat('slack'),
    chat('teams'),
  ])
  .meta({ id: 'NewDestination' });

const Kinds = z.array(z.enum(NOTICE_KINDS)).max(NOTICE_KINDS.length);

export const NewChannel = z.strictObject({
  tenant: TenantId.nullable()
    .default(null)
    .describe('It hears of this tenant and of all below it. null: your own.'),
  name: Name,
  destination: Destination,
  immediately: Kinds.optional().describe(
    'Told within about a minute. Without both lists: all kinds, in the digest where there is a schedule.',
  ),
  inDigest: Kinds.optional().describe('Told in the next digest.'),
  schedule: Schedule.nullable()
    .default(null)
    .describe('When digests are sent: cron expression of five fields. One without news is not sent.'),
  timeZone: TimeZone.default('UTC'),
  namesPeople: z
    .boolean()
    .default(false)
    .describe('Name a few of the people whom changes concern. Otherwise there are counts and ids alone.'),
});

/** What is not given stays as it is. */
export const ChangedChannel = z.strictObject({
  notificationChannel: z.string(),
  name: Name.optional(),
  destination: z
    .discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('email'),
        to: To.optional(),
        server: Server.nullable()
          .optional()
          .describe('With its password, as for a new one. Missing: it stays.'),
      }),
      chat('slack'),
      chat('teams'),
    ])
    .meta({ id: 'ChangedDestination' })
    .optional()
    .describe('Of the same type as before.'),
  immediately: Kinds.optional(),
  inDigest: Kinds.optional(),
  schedule: Schedule.nullable().optional(),
  timeZone: TimeZone.optional(),
  namesPeople: z.boolean().optional(),
});

/** Throws `invalid-input` for what cannot be meant. */
export function refuseContradictions({ immediately, inDigest, schedule }: Omit<Telling, 'timeZone'>): void {
  const twice = immediately.find((kind) => inDigest.includes(kind));
  const wrong = [
    ...(twice === undefined
      ? []
      : [{ path: 'inDigest', message: `names ${twice}, which is told immediately` }]),
    ...(inDigest.length > 0 && schedule === null
      ? [{ path: 'schedule', message: 'is missing: it says when the digest is sent' }]
      : []),
    ...(inDigest.length === 0 && schedule !== null
      ? [{ path: 'schedule', message: 'is given, and nothing is told in a digest' }]
      : []),
  ];
  if (wrong.length > 0) throw invalidInput(wrong);
}

export const ListChannels = PageOptions.extend({ tenant: TopTenant });

export const ListNotifications = PageOptions.extend({
  tenant: TopTenant,
  channel: z.string().optional().describe('Only to this channel: its id.'),
  state: z.enum(['waiting', 'sent', 'failed']).optional().describe('Only messages in this state.'),
});

/** Those that were asked for, or all. */
export function kindsOf({
  immediately,
  inDigest,
  schedule,
}: Pick<z.output<typeof NewChannel>, 'immediately' | 'inDigest' | 'schedule'>): Pick<
  Telling,
  'immediately' | 'inDigest'
> {
  if (immediately !== undefined || inDigest !== undefined)
    return { immediately: immediately ?? [], inDigest: inDigest ?? [] };
  return schedule === null
    ? { immediately: NOTICE_KINDS, inDigest: [] }
    : { immediately: [], inDigest: NOTICE_KINDS };
}
