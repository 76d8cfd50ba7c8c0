/** One attempt to send a message, whatever the channel's type. */
import type { Channel } from '../domain/channel.ts';
import type { OpenedChannel } from '../store/channels.ts';
import type { Outgoing } from './deps.ts';
import { send } from './email.ts';
import { asPosted, type Shown } from './formats.ts';
import type { Sent } from './sent.ts';
import { post } from './webhook.ts';

/** Never throws but for the abort of the signal. `id`: the same for every attempt at one message. */
export async function transmit(
  { mail, allowed }: Outgoing,
  { channel: { destination }, secret }: OpenedChannel,
  shown: Shown,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<Sent> {
  if (destination.type !== 'email') {
    const webhook = { url: secret ?? '', ca: destination.ca };
    return await post(webhook, asPosted(destination.type, shown), { id, allowed, signal });
  }
  const { to, server } = destination;
  if (server !== null) return await send({ server, password: secret, to }, shown, { id, allowed, signal });
  if (mail === null) return { ok: false, problem: 'This install has no mail server any more.', again: true };
  return await send({ ...mail, to }, shown, { id, allowed: null, signal });
}

/** Who sends this, and how it ends. */
export function footerOf({ id, name }: Pick<Channel, 'id' | 'name'>): string {
  return `Sent by Rollcall to the channel ${name}. To end it: rollcall notifications channels remove ${id}`;
}
