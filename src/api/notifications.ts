/** Channels that people are told by, and what they were told. */
import { z } from 'zod';
import { SMTP_TLS } from '../domain/channel.ts';
import { NOTICE_KINDS } from '../domain/notice.ts';
import {
  ChangedChannel,
  ListChannels,
  ListNotifications,
  NewChannel,
} from '../notifications/channelInput.ts';
import {
  addChannel,
  findChannel,
  listChannels,
  listNotifications,
  removeChannel,
  testChannel,
  updateChannel,
} from '../notifications/channels.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Kinds = z.array(z.enum(NOTICE_KINDS));
const State = z.enum(['waiting', 'sent', 'failed']);

const chat = <Type extends 'slack' | 'teams'>(type: Type) =>
  z.object({
    type: z.literal(type),
    host: z.string().describe('Of the webhook, whose whole address is not shown.'),
    ca: z.string().nullable(),
  });

const Destination = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('email'),
      to: z.array(z.string()),
      server: z
        .object({
          host: z.string(),
          port: z.number().int(),
          tls: z.enum(SMTP_TLS),
          user: z.string().nullable().describe('With one there is a password, which is not shown.'),
          from: z.string(),
          ca: z.string().nullable(),
        })
        .nullable()
        .describe("null: the install's mail server."),
    }),
    chat('slack'),
    chat('teams'),
  ])
  .meta({ id: 'Destination' });

const NotificationChannel = z
  .object({
    id: z.uuid(),
    tenant: z.uuid().describe('It hears of this tenant and of all below it.'),
    name: z.string(),
    destination: Destination,
    immediately: Kinds.describe('Told within about a minute.'),
    inDigest: Kinds.describe('Told in the next digest.'),
    schedule: z.string().nullable().describe('When digests are sent; null: there are none.'),
    timeZone: z.string(),
    namesPeople: z.boolean().describe('A few of the people whom changes concern are named.'),
    digestAt: Moment.nullable().describe('When the next digest is due, if it has news then.'),
    last: z
      .object({ state: State, at: Moment, problem: z.string().nullable() })
      .nullable()
      .describe('How the last message to it fared; null: there was none in the last thirty days.'),
    createdAt: Moment,
  })
  .meta({ id: 'NotificationChannel' });

const Notification = z
  .object({
    id: z.uuid().describe('A mail has it in its Message-ID, a webhook in the header Idempotency-Key.'),
    tenant: z.uuid(),
    channel: z.uuid(),
    channelName: z.string(),
    message: z.object({
      title: z.string(),
      lines: z.array(
        z.object({
          kind: z.enum(NOTICE_KINDS),
          text: z.string(),
          path: z.string().describe('Path and query of the API that list what it tells of.'),
          command: z.string().describe('The command that shows the same.'),
          isNew: z.boolean().describe('false: it was told before, and still stood.'),
        }),
      ),
      more: z.number().int().describe('Lines that there was no room for.'),
    }),
    state: State.describe('failed: given up.'),
    attempts: z.number().int(),
    dueAt: Moment.describe('Of one that waits: when it is tried next.'),
    problem: z.string().nullable().describe('Why the last attempt failed.'),
    createdAt: Moment,
    sentAt: Moment.nullable(),
  })
  .meta({ id: 'Notification' });

const byId = z.object({ notificationChannel: z.uuid() });

export const notifications = [
  route({
    method: 'GET',
    path: '/v1/notification-channels',
    operation: 'listNotificationChannels',
    summary: 'List notification channels',
    description: 'Without what is secret of them.',
    needs: 'notifications.read',
    input: ListChannels,
    status: 200,
    answer: pageOf(NotificationChannel),
    handle: ({ deps, caller, input }) => listChannels(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/notification-channels',
    operation: 'addNotificationChannel',
    summary: 'Add a notification channel',
    description:
      'By e-mail, Slack or Teams. Without channels nobody is told anything; a new one is told what is so now.',
    needs: 'notifications.write',
    input: NewChannel,
    status: 201,
    answer: NotificationChannel,
    location: ({ id }) => `/v1/notification-channels/${id}`,
    handle: ({ deps, caller, input }) => addChannel(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/notification-channels/{notificationChannel}',
    operation: 'getNotificationChannel',
    summary: 'Get a notification channel',
    needs: 'notifications.read',
    input: byId,
    status: 200,
    answer: NotificationChannel,
    handle: ({ deps, caller, input }) => findChannel(deps, caller, input.notificationChannel),
  }),
  route({
    method: 'PATCH',
    path: '/v1/notification-channels/{notificationChannel}',
    operation: 'updateNotificationChannel',
    summary: 'Change a notification channel',
    description: 'What is not given stays as it is, and so does what it was told.',
    needs: 'notifications.write',
    input: ChangedChannel,
    status: 200,
    answer: NotificationChannel,
    handle: ({ deps, caller, input }) => updateChannel(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/notification-channels/{notificationChannel}/test',
    operation: 'testNotificationChannel',
    summary: 'Send a message that says that it is a test',
    needs: 'notifications.write',
    input: byId,
    status: 200,
    answer: z.object({
      ok: z.boolean().describe('The receiver has taken it.'),
      problem: z.string().nullable().describe('Why not; or who of several was refused.'),
    }),
    handle: ({ deps, caller, input, signal }) => testChannel(deps, caller, input.notificationChannel, signal),
  }),
  route({
    method: 'DELETE',
    path: '/v1/notification-channels/{notificationChannel}',
    operation: 'removeNotificationChannel',
    summary: 'Remove a notification channel',
    description: 'With what it was told, and what it was still to be told.',
    needs: 'notifications.write',
    input: byId,
    status: 204,
    handle: ({ deps, caller, input }) => removeChannel(deps, caller, input.notificationChannel),
  }),
  route({
    method: 'GET',
    path: '/v1/notifications',
    operation: 'listNotifications',
    summary: 'List notifications',
    description: 'What channels were told in the last thirty days, newest first, and how each message fared.',
    needs: 'notifications.read',
    input: ListNotifications,
    status: 200,
    answer: pageOf(Notification),
    handle: ({ deps, caller, input }) => listNotifications(deps, caller, input),
  }),
];
