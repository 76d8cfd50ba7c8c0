/**
 * Sends what waits: each message by one process at a time, of each channel the oldest first, again and again later until the receiver has
 * it. Whoever is killed between the sending and the record of it leaves the message to be sent once more: with the same Message-ID, or the
 * same Idempotency-Key, which is as much as a receiver can be given.
 */
import type { Channel } from '../domain/channel.ts';
import type { Guard } from '../domain/guard.ts';
import type { Line, Message } from '../domain/notice.ts';
import { Problem } from '../domain/problem.ts';
import type { Notification } from '../store/notifications.ts';
import type { NotificationDeps } from './deps.ts';
import { type Shown, shownMessage } from './formats.ts';
import type { Sent } from './sent.ts';
import { footerOf, transmit } from './transmit.ts';

/** Longer than an attempt takes: after that whoever claimed a message is taken to be dead. */
const CLAIM_MS = 180_000;
/** Messages that one process sends side by side, so that receivers that hang keep few others waiting. */
const ABREAST = 4;
const MOST_ATTEMPTS = 12;
const FIRST_RETRY_MS = 60_000;
const LONGEST_RETRY_MS = 4 * 3_600_000;
const NAMED_PEOPLE = 10;

export type Delivered = { readonly sent: number; readonly failed: number; readonly later: number };

/** Doubles with each attempt up to four hours, so that the last is made some sixteen hours after the first; never earlier than was asked for. */
export function retryAfterMs(attempts: number, askedForMs: number): number {
  return Math.max(askedForMs, Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1)));
}

/** All that is due now. Aborted, it leaves the rest for later. */
export async function deliverDue(deps: NotificationDeps, signal: AbortSignal): Promise<Delivered> {
  const count = { sent: 0, failed: 0, later: 0 };
  const sender = async () => {
    while (!signal.aborted) {
      const at = deps.clock.now();
      const claimed = await deps.store.notifications.claim(at, new Date(at.getTime() + CLAIM_MS));
      if (claimed === null) return;
      count[await deliver(deps, claimed, signal)] += 1;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: ABREAST }, sender));
  const broken = ended.find((one) => one.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
  return count;
}

async function deliver(
  deps: NotificationDeps,
  claimed: Notification,
  signal: AbortSignal,
): Promise<'sent' | 'failed' | 'later'> {
  const { store, clock } = deps;
  const sent = await attempt(deps, claimed, signal);
  const at = clock.now();
  if (sent.ok) {
    await store.notifications.conclude(claimed, { state: 'sent', at, problem: sent.problem });
    return 'sent';
  }
  const { problem, again, afterMs = 0 } = sent;
  if (!again || claimed.attempts >= MOST_ATTEMPTS) {
    await store.notifications.conclude(claimed, { state: 'failed', problem });
    return 'failed';
  }
  const dueAt = new Date(at.getTime() + retryAfterMs(claimed.attempts, Math.min(afterMs, LONGEST_RETRY_MS)));
  await store.notifications.conclude(claimed, { state: 'waiting', problem, dueAt });
  return 'later';
}

async function attempt(deps: NotificationDeps, claimed: Notification, signal: AbortSignal): Promise<Sent> {
  if (claimed.attempts > MOST_ATTEMPTS)
    return { ok: false, problem: 'Whoever tried to send it was killed again and again.', again: false };
  try {
    const opened = await deps.store.channels.open(deps.store.root, claimed.channel);
    if (opened === null) return { ok: false, problem: 'The channel was removed.', again: false };
    const shown = await shownTo(deps, opened.channel, claimed.message);
    return await transmit(deps.outgoing, opened, shown, { id: claimed.id, signal });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { ok: false, problem: error.message, again: true };
  }
}

/** Names are looked up for the moment: no message is stored with one. */
async function shownTo(
  { store, publicUrl }: NotificationDeps,
  channel: Channel,
  message: Message,
): Promise<Shown> {
  const namesOf = async ({ of }: Line) =>
    of === null || !channel.namesPeople
      ? []
      : await store.matters.people(
          channel.tenant,
          { ...of, guard: (of.guard ?? undefined) as Guard | '' | undefined, rule: of.rule ?? undefined },
          NAMED_PEOPLE,
        );
  const people = await Promise.all(message.lines.map(namesOf));
  return shownMessage(message, { publicUrl: publicUrl(), people, footer: footerOf(channel) });
}
