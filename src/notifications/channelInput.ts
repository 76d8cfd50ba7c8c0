/** What people enter about a channel. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { SMTP_TLS, type Telling } from '../domain/channel.ts';
import { TenantId } from '../domain/ids.ts';
import { Name } from '../domain/input.ts';
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

const Destination = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('email'),
      to: z.array(Address).min(1).max(20),
      server: Server.nullable().default(null).describe("null: the install's mail server."),
    }),
    chat('slack'),
    chat('teams'),
  ])
  .meta({ id: 'NewDestination' });

const Kinds = z.array(z.enum(NOTICE_KINDS)).max(NOTICE_KINDS.length);

export const NewChannel = z
  .strictObject({
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
  })
  .superRefine(({ immediately = [], inDigest, schedule }, context) => {
    const say = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const twice = immediately.find((kind) => inDigest?.includes(kind));
    if (twice !== undefined) say('inDigest', `names ${twice}, which is told immediately`);
    if (inDigest !== undefined && inDigest.length > 0 && schedule === null)
      say('schedule', 'is missing: it says when the digest is sent');
    const none = inDigest === undefined ? immediately.length > 0 : inDigest.length === 0;
    if (schedule !== null && none) say('schedule', 'is given, and nothing is told in a digest');
  });

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
