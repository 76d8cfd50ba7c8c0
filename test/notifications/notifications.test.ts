import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Channel } from '../../src/domain/channel.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import type { NewChannel } from '../../src/notifications/channelInput.ts';
import { addChannel } from '../../src/notifications/channels.ts';
import { deliverDue } from '../../src/notifications/deliver.ts';
import type { NotificationDeps } from '../../src/notifications/deps.ts';
import { lookForChannels } from '../../src/notifications/look.ts';
import { networks } from '../../src/notifications/reach.ts';
import { aDirectory } from '../support/directory.ts';
import { Install, noGuards } from '../support/install.ts';
import { aChat, type Chat } from './receivers.ts';

let install: Install;
let deps: NotificationDeps & Pick<Install, 'connectors'>;
beforeAll(async () => {
  install = await Install.open();
  const { store, clock, connectors } = install;
  const outgoing = { mail: null, allowed: networks(['127.0.0.0/8']) };
  deps = { store, clock, connectors, outgoing, publicUrl: () => 'https://rollcall.example' };
});
afterAll(() => install.close());

const signal = new AbortController().signal;
const MINUTE = 60_000;

async function slackOf(
  chat: Chat,
  tenant: TenantId,
  more: Partial<z.input<typeof NewChannel>> = {},
): Promise<Channel> {
  const destination = { type: 'slack', url: chat.url, ca: chat.ca } as const;
  return await addChannel(deps, install.operator, { tenant, name: 'reviewers', destination, ...more });
}

/** A minute later: what one round of a worker does. */
async function aRound(minutes = 1): Promise<void> {
  install.clock.advance(minutes * MINUTE);
  await lookForChannels(deps)(signal);
  await deliverDue(deps, signal);
}

const titles = ({ posted }: Chat) => posted.map(({ body }) => body.text);

describe('A channel', () => {
  it('is told once of approvals that wait, however many runs find them so, and again when there are twice as many', async () => {
    const chat = await aChat();
    const acme = await install.connect({ directory: aDirectory({ users: 30 }), guards: noGuards });
    await slackOf(chat, acme.tenant);
    await aRound();
    expect(chat.posted).toEqual([]);
    await acme.sync();
    await aRound();
    expect(titles(chat)).toEqual([expect.stringMatching(/30 changes wait for a decision$/)]);
    await acme.sync();
    await aRound();
    acme.directory.edit('u1', { displayName: 'Somebody else' });
    await acme.sync();
    await aRound();
    expect(chat.posted).toHaveLength(1);
  });
});
