/** Making, trying and removing channels. */
import { v7 } from 'uuid';
import type { z } from 'zod';
import type { AuditEntry } from '../domain/audit.ts';
import { type Channel, ChannelId, type Destination } from '../domain/channel.ts';
import type { TenantId } from '../domain/ids.ts';
import { invalidInput, MOST_NAMESAKES, notFound, onlyOne, parseId, parseInput } from '../domain/input.ts';
import type { Listed } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { LastMessage } from '../store/channels.ts';
import type { Notification } from '../store/notifications.ts';
import type { Store } from '../store/store.ts';
import { nextStart } from '../sync/startTimes.ts';
import {
  ChangedChannel,
  kindsOf,
  ListChannels,
  ListNotifications,
  NewChannel,
  refuseContradictions,
} from './channelInput.ts';
import type { NotificationDeps } from './deps.ts';
import { oneLine } from './formats.ts';
import { footerOf, transmit } from './transmit.ts';

export type ShownChannel = Channel & { readonly last: LastMessage | null };

/** Throws `invalid-input`, `not-found` for the tenant, `name-taken`, `bad-configuration` where no mail server is known. */
export async function addChannel(
  { store, clock, outgoing }: NotificationDeps,
  caller: Caller,
  input: z.input<typeof NewChannel>,
): Promise<ShownChannel> {
  authorise(caller, 'notifications.write');
  const given = parseInput(NewChannel, input);
  const { name, schedule, timeZone, namesPeople } = given;
  const { destination, secret } = apart(given.destination);
  refuseMailless(destination, outgoing);
  const kinds = kindsOf(given);
  refuseContradictions({ ...kinds, schedule });
  const at = clock.now();
  const channel: Channel = {
    id: ChannelId.parse(v7()),
    tenant: given.tenant ?? caller.tenant,
    name,
    destination,
    ...kinds,
    schedule,
    timeZone,
    namesPeople,
    digestAt: firstDigest({ schedule, timeZone }, at),
    createdAt: at,
  };
  const entry = telling(caller, 'notification-channel.added', channel);
  if (!(await store.channels.add(caller.tenant, { ...channel, secret }, { at, entry })))
    throw notFound('tenant');
  return { ...channel, last: null };
}

/**
 * What it was told stays told. Throws `invalid-input`, `not-found`, `name-taken`, `bad-configuration` where no mail server is known.
 */
export async function updateChannel(
  { store, clock, outgoing }: NotificationDeps,
  caller: Caller,
  input: z.input<typeof ChangedChannel>,
): Promise<ShownChannel> {
  authorise(caller, 'notifications.write');
  const { notificationChannel, destination: moved, ...given } = parseInput(ChangedChannel, input);
  const id = parseId(ChannelId, notificationChannel);
  const patch = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const fields = [...Object.keys(patch), ...(moved === undefined ? [] : ['destination'])].sort();
  const at = clock.now();
  const decide = (before: Channel) => {
    const { destination, secret } = movedTo(before.destination, moved);
    const after: Channel = { ...before, ...patch, ...kindsAfter(before, given), destination };
    refuseMailless(destination, outgoing);
    refuseContradictions(after);
    const isRetimed = after.schedule !== before.schedule || after.timeZone !== before.timeZone;
    const channel = isRetimed ? { ...after, digestAt: firstDigest(after, at) } : after;
    if (fields.length === 0) return null;
    return { channel, secret, entry: telling(caller, 'notification-channel.updated', channel, { fields }) };
  };
  const updated = id === null ? null : await store.channels.update(caller.tenant, id, at, decide);
  if (updated === null) throw notFound('notification channel');
  return updated;
}

/** A kind that one of the lists is given with leaves the other, where that is not given too. */
function kindsAfter(
  before: Pick<Channel, 'immediately' | 'inDigest'>,
  { immediately, inDigest }: Pick<z.output<typeof ChangedChannel>, 'immediately' | 'inDigest'>,
): Pick<Channel, 'immediately' | 'inDigest'> {
  return {
    immediately: immediately ?? before.immediately.filter((kind) => !inDigest?.includes(kind)),
    inDigest: inDigest ?? before.inDigest.filter((kind) => !immediately?.includes(kind)),
  };
}

/** `secret: undefined`: the one that is stored stays. A password goes to no other server than the one that it was entered for. */
function movedTo(
  before: Destination,
  moved: z.output<typeof ChangedChannel>['destination'],
): { readonly destination: Destination; readonly secret: string | null | undefined } {
  if (moved === undefined) return { destination: before, secret: undefined };
  if (moved.type !== before.type)
    throw invalidInput([
      { path: 'destination.type', message: `is ${before.type} and stays so: add another channel` },
    ]);
  if (moved.type !== 'email') return apart(moved);
  const { to = [], server } = moved;
  const stays = before.type === 'email' ? before : { to: [], server: null };
  const recipients = moved.to === undefined ? stays.to : to;
  if (server === undefined)
    return { destination: { type: 'email', to: recipients, server: stays.server }, secret: undefined };
  return apart({ type: 'email', to: [...recipients], server });
}

/** Throws `invalid-input` for a schedule that never comes (31 February). */
function firstDigest(telling: Pick<Channel, 'schedule' | 'timeZone'>, at: Date): Date | null {
  const first = nextDigest(telling, at);
  if (first === null && telling.schedule !== null)
    throw invalidInput([{ path: 'schedule', message: 'never comes' }]);
  return first;
}

/** null: none comes. */
export function nextDigest(
  { schedule, timeZone }: Pick<Channel, 'schedule' | 'timeZone'>,
  at: Date,
): Date | null {
  const next = schedule === null ? null : nextStart({ schedule, timeZone, offsetMs: 0 }, at.getTime());
  return next === null ? null : new Date(next);
}

/** What is shown, and what never is. */
function apart(given: z.output<typeof NewChannel>['destination']): {
  readonly destination: Destination;
  readonly secret: string | null;
} {
  switch (given.type) {
    case 'email': {
      if (given.server === null) return { destination: { ...given, server: null }, secret: null };
      const { password, ...server } = given.server;
      return { destination: { ...given, server }, secret: password };
    }
    case 'slack':
    case 'teams': {
      const { type, url, ca } = given;
      return { destination: { type, host: new URL(url).host, ca }, secret: url };
    }
  }
}

function refuseMailless(destination: Destination, { mail }: NotificationDeps['outgoing']): void {
  if (destination.type !== 'email' || destination.server !== null || mail !== null) return;
  throw new Problem({
    code: 'bad-configuration',
    message: 'No mail server is known: the channel names none, and this install has none.',
    remedy:
      'Give the channel a mail server of its own, or have ROLLCALL_SMTP_URL and ROLLCALL_SMTP_FROM set.',
  });
}

/** null: the caller's own. Throws `not-found`. */
async function topOf(store: Store, caller: Caller, tenant: TenantId | null): Promise<TenantId> {
  const found = await store.tenants.get(caller.tenant, tenant ?? caller.tenant);
  if (found === null) throw notFound('tenant');
  return found.id;
}

/** Without what is secret. Throws `invalid-input`, `not-found` for the tenant. */
export async function listChannels(
  { store }: Pick<NotificationDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListChannels> = {},
): Promise<Listed<ShownChannel>> {
  authorise(caller, 'notifications.read');
  const { tenant, ...page } = parseInput(ListChannels, input);
  const id = await topOf(store, caller, tenant);
  return await store.channels.list(caller.tenant, { ...page, tenant: id });
}

/** By id, or by a name that only one of the caller's subtree has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findChannel(
  { store }: Pick<NotificationDeps, 'store'>,
  caller: Caller,
  nameOrId: string,
): Promise<ShownChannel> {
  authorise(caller, 'notifications.read');
  const known = parseId(ChannelId, nameOrId);
  if (known !== null) {
    const found = await store.channels.get(caller.tenant, known);
    if (found === null) throw notFound('notification channel');
    return found;
  }
  const named = await store.channels.named(caller.tenant, nameOrId, MOST_NAMESAKES);
  return onlyOne('notification channel', named, ({ tenant }) => `of tenant ${tenant}`, nameOrId);
}

/** What a test came to. */
export type TestedChannel = { readonly ok: boolean; readonly problem: string | null };

/** Sends a message now that says that it is a test, and says how that went. Throws `not-found`, `wrong-secret-key`. */
export async function testChannel(
  deps: NotificationDeps,
  caller: Caller,
  id: string,
  signal: AbortSignal,
): Promise<TestedChannel> {
  authorise(caller, 'notifications.write');
  const known = parseId(ChannelId, id);
  const opened = known === null ? null : await deps.store.channels.open(caller.tenant, known);
  if (opened === null) throw notFound('notification channel');
  const { channel } = opened;
  const shown = {
    title: oneLine(`Test of the channel ${channel.name}`),
    lines: [],
    more: 0,
    footer: footerOf(channel),
  };
  const sent = await transmit(deps.outgoing, opened, shown, { id: v7(), signal });
  const entry = telling(caller, 'notification-channel.tested', channel, { ok: sent.ok });
  await deps.store.channels.note(channel, { at: deps.clock.now(), entry });
  return { ok: sent.ok, problem: sent.problem };
}

/** With what it was told, and what it was still to be told. Throws `not-found`. */
export async function removeChannel(
  { store, clock }: Pick<NotificationDeps, 'store' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<void> {
  authorise(caller, 'notifications.write');
  const known = parseId(ChannelId, id);
  const found = known === null ? null : await store.channels.get(caller.tenant, known);
  if (found === null) throw notFound('notification channel');
  const entry = telling(caller, 'notification-channel.removed', found);
  await store.channels.remove(caller.tenant, found, { at: clock.now(), entry });
}

/** What channels were told, and how each message fared, of the last thirty days, newest first. Throws `invalid-input`, `not-found` for the tenant. */
export async function listNotifications(
  { store }: Pick<NotificationDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListNotifications> = {},
): Promise<Listed<Notification>> {
  authorise(caller, 'notifications.read');
  const { tenant, channel, state, ...page } = parseInput(ListNotifications, input);
  const id = await topOf(store, caller, tenant);
  const only = channel === undefined ? {} : { channel: (await findChannel({ store }, caller, channel)).id };
  return await store.notifications.list(caller.tenant, { tenant: id, ...only, state }, page);
}

/** Who is told stays out of it: addresses are people's. */
function telling(
  { actor }: Caller,
  action: string,
  { id, name, destination }: Pick<Channel, 'id' | 'name' | 'destination'>,
  more: AuditEntry['details'] = {},
): AuditEntry {
  const subject = { kind: 'notification-channel', id } as const;
  return { actor, action, subject, details: { name, type: destination.type, ...more } };
}
