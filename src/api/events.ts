/** The feed of events: what applications hear about applied changes. */
import { z } from 'zod';
import { FeedOptions } from '../domain/page.ts';
import { listEvents } from '../review/changes.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const Event = z
  .object({
    id: z.uuid(),
    cursor: z.string().describe('Handed in as `after`, goes on behind this event, now or later.'),
    tenant: z.uuid().describe('Of an event that is for all tenants: the caller’s own.'),
    authUser: z.uuid().nullable().describe('null: the event is about the tenant itself, or for all tenants.'),
    change: z.uuid().nullable().describe('null: it does not come from a directory.'),
    type: z.string(),
    userVersion: z.number().int().nullable().describe('Orders the events of one user.'),
    data: z
      .record(z.string(), z.unknown())
      .describe('Names of the fields that changed, roles gained and lost. Values are read from the user.'),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Event' });

export const events = [
  route({
    method: 'GET',
    path: '/v1/events',
    operation: 'listEvents',
    summary: 'Read the feed of events, oldest first',
    needs: 'events.read',
    input: FeedOptions,
    status: 200,
    answer: pageOf(Event),
    handle: ({ deps, caller, input }) => listEvents(deps, caller, input),
  }),
];
