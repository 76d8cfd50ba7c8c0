import { v7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Channel } from '../../src/domain/channel.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { type Line, NOTICE_KINDS } from '../../src/domain/notice.ts';
import type { NewChannel } from '../../src/notifications/channelInput.ts';
import {
  addChannel,
  findChannel,
  listChannels,
  listNotifications,
  removeChannel,
  testChannel,
  updateChannel,
} from '../../src/notifications/channels.ts';
import { deliverDue } from '../../src/notifications/deliver.ts';
import type { NotificationDeps } from '../../src/notifications/deps.ts';
import { lookForChannels } from '../../src/notifications/look.ts';
import { networks } from '../../src/notifications/reach.ts';
import { startApply } from '../../src/review/apply.ts';
import { listChanges } from '../../src/review/changes.ts';
import { createKey } from '../../src/tenancy/apiKeys.ts';
import { createPrincipal } from '../../src/tenancy/principals.ts';
import { resumeTenant, suspendTenant } from '../../src/tenancy/tenantLife.ts';
import { startWorker } from '../crash/killed.ts';
import { costOf } from '../support/cost.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';
import { until } from '../support/waiting.ts';
import { aChat, aMailBox, type Chat, type MailBox } from './receivers.ts';

let install: Install;
let deps: NotificationDeps & Pick<Install, 'connectors'>;
beforeAll(async () => {
  install = await Install.open();
  const { store, clock, connectors } = install;
  const outgoing = { mail: null, allowed: networks(['127.0.0.0/8']) };
  deps = { store, clock, connectors, outgoing, publicUrl: () => 'https://rollcall.example' };
});
/** So that no round of a later test looks for them. */
afterEach(async () => {
  const { items } = await listChannels(deps, install.operator, { limit: 500 });
  for (const { id } of items) await removeChannel(deps, install.operator, id);
});
afterAll(() => install.close());

const signal = new AbortController().signal;
const HOUR = 60;
const DAY = 24 * HOUR;

type More = Partial<z.input<typeof NewChannel>>;

async function slackOf(chat: Chat, tenant: TenantId, more: More = {}): Promise<Channel> {
  const destination = { type: 'slack', url: chat.url, ca: chat.ca } as const;
  return await addChannel(deps, install.operator, { tenant, name: 'reviewers', destination, ...more });
}

/** After so many minutes, what one round of a worker does. */
async function aRound(minutes = 1): Promise<void> {
  install.clock.advance(minutes * 60_000);
  await lookForChannels(deps, signal);
  await deliverDue(deps, signal);
}

/** A channel of a tenant with a connection to a directory of so many people, none of whom is known yet. */
async function told(
  users: number,
  more: More = {},
): Promise<{ chat: Chat; acme: Connected; channel: Channel }> {
  const chat = await aChat();
  const acme = await install.connect({ directory: aDirectory({ users }), guards: noGuards });
  return { chat, acme, channel: await slackOf(chat, acme.tenant, more) };
}

const titles = ({ posted }: Chat) => posted.map(({ body }) => body.text.replace(/^.*: /, ''));
const messages = async (acme: Connected) => {
  const { items } = await listNotifications(deps, install.operator, { tenant: acme.tenant, limit: 500 });
  return items.toReversed();
};
const linesOf = async (acme: Connected): Promise<readonly Line[]> =>
  (await messages(acme)).flatMap(({ message }) => message.lines);

describe('A channel', () => {
  it('is told once of approvals that wait, however many runs find them so, and again when they have grown', async () => {
    const { chat, acme } = await told(12);
    await aRound();
    expect(chat.posted).toEqual([]);
    await acme.sync();
    await aRound();
    expect(titles(chat)).toEqual(['12 changes wait for a decision']);
    acme.directory.edit('u1', { displayName: 'Somebody else' });
    await acme.sync();
    await aRound();
    expect(chat.posted).toHaveLength(1);
    for (let more = 0; more < 12; more += 1) acme.directory.add({ id: `more${more}` });
    await acme.sync();
    await aRound();
    expect(titles(chat)).toEqual(['12 changes wait for a decision', '24 changes wait for a decision']);
  });

  it('is told anew of what was settled and came back, and of nothing that is settled', async () => {
    const { chat, acme } = await told(2);
    await acme.sync();
    await aRound();
    await acme.approveAll();
    await acme.apply();
    await aRound();
    expect(chat.posted).toHaveLength(1);
    acme.directory.add({ id: 'u3' });
    await acme.sync();
    await aRound();
    expect(titles(chat)).toEqual(['2 changes wait for a decision', '1 change waits for a decision']);
  });

  it('is told of what stood before it was made, and no two rounds of two workers tell it twice', async () => {
    const { acme, chat } = await told(3);
    await acme.sync();
    const late = await aChat();
    await slackOf(late, acme.tenant, { name: 'late' });
    install.clock.advance(60_000);
    await Promise.all([1, 2, 3].map(() => lookForChannels(deps, signal)));
    await Promise.all([1, 2, 3].map(() => deliverDue(deps, signal)));
    expect([chat.posted.length, late.posted.length]).toEqual([1, 1]);
    expect(await messages(acme)).toHaveLength(2);
  });

  it('is told of what a guard holds and of what waits, each with the link and the command that list those very changes', async () => {
    const chat = await aChat();
    const guards = { ...noGuards, deletedPercent: 10, deletedAtLeast: 1 };
    const acme = await install.connect({ directory: aDirectory({ users: 10 }), guards });
    await acme.syncAndApply();
    await slackOf(chat, acme.tenant);
    for (const id of ['u1', 'u2', 'u3']) acme.directory.remove(id);
    acme.directory.edit('u4', { displayName: 'Renamed' });
    await acme.sync();
    await aRound();
    const lines = await linesOf(acme);
    expect(lines.map(({ text }) => text.replace(/^.*: /, ''))).toEqual([
      '1 change waits for a decision (1 changed).',
      '3 changes held by the guard too-many-deletions.',
    ]);
    const listed = await Promise.all(
      lines.map(async ({ path }) => {
        const { connection, ...filter } = Object.fromEntries(new URL(path, 'https://x.example').searchParams);
        const asked = { ...filter, state: [filter['state']], connection } as Parameters<
          typeof listChanges
        >[2];
        return (await listChanges(install, acme.administrator, asked)).items.map(
          ({ externalId }) => externalId,
        );
      }),
    );
    expect(listed.map((ids) => [...ids].sort())).toEqual([['u4'], ['u1', 'u2', 'u3']]);
    const { posted } = chat;
    expect(JSON.stringify(posted[0]?.body)).toContain(
      `<https://rollcall.example${lines[1]?.path.replaceAll('&', '&amp;')}|`,
    );
    expect(JSON.stringify(posted[0]?.body)).toContain(
      `rollcall changes --connection ${acme.connection} --state held --guard too-many-deletions`,
    );
  });

  it('is told of what a rule of a policy holds, and of what was not decided within its deadline', async () => {
    const chat = await aChat();
    const held = {
      name: 'no leavers',
      when: "change.kind == 'suspend'",
      decide: { hold: { reason: 'ask first' } },
    };
    const urgent = { name: 'soon', when: 'true', decide: { require: { deadlineHours: 4 } } };
    const acme = await install.connect({
      directory: aDirectory({ users: 3 }),
      guards: noGuards,
      policy: { rules: [held, urgent] },
    });
    await acme.syncAndApply();
    await slackOf(chat, acme.tenant, { immediately: ['held-changes', 'overdue-approvals'] });
    acme.directory.edit('u1', { state: 'suspended' });
    acme.directory.edit('u2', { displayName: 'Renamed' });
    await acme.sync();
    await aRound();
    expect(titles(chat)).toEqual(['1 change held by the policy rule no leavers']);
    const listed = await acme.changes({ ...({ guard: '', rule: 'no leavers' } as object), state: ['held'] });
    expect(listed.map(({ externalId }) => externalId)).toEqual(['u1']);
    install.clock.advance(Math.max(0, Date.now() - install.clock.now().getTime()) + 5 * 3_600_000); // changes are dated by the database
    await install.store.decisions.openAgain(install.clock.now());
    await aRound();
    expect(titles(chat).slice(1)).toEqual(['1 change not decided within the deadline']);
    const overdue = await acme.changes({ ...({ deadline: 'over' } as object) });
    expect(overdue.map(({ externalId }) => externalId)).toEqual(['u2']);
  });

  it('is told when a connection is quarantined, once, and of an apply that failed', async () => {
    const { chat, acme } = await told(2, { immediately: ['quarantine', 'failed-apply'] });
    acme.directory.faults = { fails: { page: 1, kind: 'credentials-rejected' } };
    for (let run = 0; run < 4; run += 1) {
      await acme.sync();
      await aRound();
    }
    expect(titles(chat)).toEqual(['quarantined']);
    acme.directory.faults = {};
    await acme.sync();
    await acme.approveAll();
    await asOwner(install.database.url, async (client) => {
      await client.query(
        `ALTER TABLE auth_user ADD CONSTRAINT refuses CHECK (user_name <> 'u1@acme.test') NOT VALID`,
      );
      acme.directory.edit('u1', { userName: 'u1@acme.test' });
      await acme.sync();
      await acme.approveAll();
      await acme.apply();
      await client.query('ALTER TABLE auth_user DROP CONSTRAINT refuses');
    });
    await aRound();
    await aRound();
    expect(titles(chat)).toEqual(['quarantined', '1 change could not be applied']);
  });

  it('is told of an apply that was given up', async () => {
    const { chat, acme } = await told(2, { immediately: ['failed-apply'] });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    const { applying } = install.store;
    const open = await applying.open(apply);
    if (open !== null) await applying.abandon(open, 'worker-killed', install.clock.now());
    await aRound();
    await aRound();
    expect(titles(chat)).toEqual(['an apply was given up']);
    expect((await linesOf(acme)).map(({ command }) => command)).toEqual([`rollcall applies show ${apply}`]);
  });

  it('is told of credentials that say when they expire, a month before', async () => {
    const { chat, acme } = await told(1, { immediately: ['expiring-credential'] });
    const expiresAt = new Date(install.clock.now().getTime() + 31 * 86_400_000);
    const { connections } = install.store;
    const found = await connections.get(acme.tenant, acme.connection);
    if (found !== null) await connections.noteExpiry(found, expiresAt);
    for (const minutes of [1, DAY, DAY, DAY]) {
      install.clock.advance(minutes * 60_000);
      await lookForChannels(deps, signal);
      await deliverDue(deps, signal);
    }
    expect(titles(chat)).toEqual([expect.stringMatching(/^its credential expires on/)]);
    expect((await linesOf(acme)).map(({ path }) => path)).toEqual([`/v1/connections/${acme.connection}`]);
  });

  it('is told of API keys that expire soon and were made for long, unless another has taken their place', async () => {
    const { chat, acme } = await told(1, { immediately: ['expiring-credential'] });
    const name = `machine ${v7()}`;
    const { id: principal } = await createPrincipal(deps, install.operator, {
      tenant: acme.tenant,
      name,
      role: 'auditor',
    });
    const inDays = (days: number) => new Date(install.clock.now().getTime() + days * 86_400_000);
    const long = await createKey(deps, install.operator, { principal, expiresAt: inDays(90) });
    await createKey(deps, install.operator, { principal, expiresAt: inDays(20) });
    await aRound();
    expect(chat.posted).toEqual([]);
    await aRound(61 * DAY);
    await aRound();
    expect(titles(chat)).toEqual([expect.stringMatching(/^an API key expires on/)]);
    const [line] = await linesOf(acme);
    expect(line?.command).toBe(`rollcall keys rotate ${long.id}`);
    expect(line?.text).not.toContain(name);
  });

  it('hears of the tenants below its own; a channel of one below hears of that one alone, and sees nothing of the other', async () => {
    const [above, below] = [await aChat(), await aChat()];
    const parent = await install.tenant();
    const child = await install.tenant(parent);
    await slackOf(above, parent);
    await slackOf(below, child);
    for (const tenant of [parent, child]) {
      const one = await install.connect({ directory: aDirectory({ users: 1 }), tenant });
      await one.sync();
    }
    await aRound();
    const texts = (chat: Chat) => chat.posted.flatMap(({ body }) => body.text);
    expect(texts(above)).toEqual(['2 matters need somebody']);
    expect(texts(below)).toEqual([expect.stringContaining('1 change waits')]);
    const administrator = await aCaller(install, child);
    expect((await listChannels(deps, administrator)).items).toHaveLength(1);
    expect((await listNotifications(deps, administrator)).items).toHaveLength(1);
    await expect(listChannels(deps, administrator, { tenant: parent })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('of a suspended tenant is told nothing until that works again', async () => {
    const { chat, acme } = await told(1);
    await acme.sync();
    await suspendTenant(install, install.operator, acme.tenant);
    await aRound();
    expect(chat.posted).toEqual([]);
    await resumeTenant(install, install.operator, acme.tenant);
    await aRound();
    expect(chat.posted).toHaveLength(1);
  });

  it('names people where it is to name them, and nothing that is stored names them', async () => {
    const { chat, acme } = await told(1, { namesPeople: true });
    const other = await aChat();
    await slackOf(other, acme.tenant, { name: 'counts alone' });
    acme.directory.edit('u1', { displayName: 'Ada <!channel> Lovelace' });
    await acme.sync();
    await aRound();
    expect(JSON.stringify(chat.posted)).toContain('• Ada &lt;!channel&gt; Lovelace');
    expect(JSON.stringify(other.posted)).not.toContain('Lovelace');
    expect(JSON.stringify(await messages(acme))).not.toContain('Lovelace');
  });
});

it('A look costs what the tenant of the channel has, not what waits in others', async () => {
  const { acme } = await told(2);
  await acme.sync();
  const look = () => lookForChannels(deps, signal);
  await asOwner(install.database.url, async (client) => {
    await client.query(
      `INSERT INTO change_count SELECT (jsonb_populate_record(k, jsonb_build_object('tenant_id', md5(n::text)::uuid, 'connection_id', md5(n::text)::uuid))).*
       FROM change_count k, generate_series(1, 4000) n WHERE connection_id = $1`,
      [acme.connection],
    );
    await client.query('ANALYZE');
  });
  install.clock.advance(60_000);
  expect((await costOf(install.database.url, look)).rowsRead).toBeLessThan(2_000);
  await asOwner(install.database.url, (client) =>
    client.query('DELETE FROM change_count WHERE connection_id NOT IN (SELECT id FROM connection)'),
  );
});

describe('A digest', () => {
  it('comes when its schedule says, with news alone; what is urgent does not wait for it', async () => {
    const { chat, acme } = await told(3, {
      immediately: ['quarantine'],
      inDigest: ['pending-approvals'],
      schedule: '0 8 * * *',
      timeZone: 'Europe/Rome',
    });
    await acme.sync();
    await aRound();
    expect(chat.posted).toEqual([]);
    await aRound(DAY);
    expect(titles(chat)).toEqual(['3 changes wait for a decision']);
    await aRound(DAY);
    expect(chat.posted).toHaveLength(1);
    const { items } = await listChannels(deps, install.operator, { tenant: acme.tenant });
    expect(items[0]?.digestAt?.toISOString()).toMatch(/T0[67]:00:00/); // eight in Rome, in summer or winter
  });

  it('comes when the schedule says that it was given while somebody looked', async () => {
    const { channel } = await told(0, { inDigest: ['pending-approvals'], schedule: '0 8 1 1 *' });
    const looked = { at: install.clock.now(), digestAt: channel.digestAt };
    const change = { notificationChannel: channel.id, schedule: '0 8 * * *' };
    const { digestAt } = await updateChannel(deps, install.operator, change);
    const nothing = { opened: [], closed: [], shrunk: [], now: null, digest: null };
    await install.store.notifications.note(channel, looked, () => nothing);
    expect(await findChannel(deps, install.operator, channel.id)).toMatchObject({ digestAt });
  });
});

describe('A message', () => {
  it('is tried again, later each time, until the receiver has it; always with the same key', async () => {
    const { chat, acme } = await told(1);
    chat.answers.push([503], 'nothing', [429, { 'retry-after': '600' }]);
    await acme.sync();
    await aRound();
    expect(await messages(acme)).toMatchObject([
      { state: 'waiting', attempts: 1, problem: expect.stringContaining('status 503') },
    ]);
    await deliverDue(deps, signal);
    expect(chat.posted).toHaveLength(1);
    await aRound(); // the second one
    await aRound();
    expect(chat.posted).toHaveLength(2);
    await aRound(); // two minutes after it
    expect(chat.posted).toHaveLength(3);
    await aRound(9);
    expect(chat.posted).toHaveLength(3);
    await aRound(1);
    expect(await messages(acme)).toMatchObject([{ state: 'sent', attempts: 4, problem: null }]);
    expect(new Set(chat.posted.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(new Set(chat.posted.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  });

  it.each([
    ['does not exist any more', [410] as const],
    ['leads elsewhere', [302, { location: 'https://127.0.0.1:1/' }] as const],
  ])('has failed at once where the webhook %s, with nothing of what the receiver said', async (_, answer) => {
    const { chat, acme, channel } = await told(1);
    chat.answers.push(answer);
    await acme.sync();
    await aRound();
    await aRound(DAY);
    expect(chat.posted).toHaveLength(1);
    const [message] = await messages(acme);
    expect(message).toMatchObject({
      state: 'failed',
      problem: expect.stringContaining(`status ${answer[0]}`),
    });
    expect(message?.problem).not.toContain('nobody’s business');
    expect(await findChannel(deps, install.operator, channel.id)).toMatchObject({
      last: { state: 'failed' },
    });
  });

  it('is given up after twelve attempts, and those behind it are sent', async () => {
    const { chat, acme } = await told(1);
    for (let attempt = 0; attempt < 12; attempt += 1) chat.answers.push([500]);
    await acme.sync();
    for (let round = 0; round < 12; round += 1) await aRound(4 * HOUR);
    expect(await messages(acme)).toMatchObject([{ state: 'failed', attempts: 12 }]);
    acme.directory.faults = { fails: { page: 1, kind: 'credentials-rejected' } };
    for (let run = 0; run < 3; run += 1) await acme.sync();
    await aRound();
    expect((await messages(acme)).map(({ state }) => state)).toEqual(['failed', 'sent']);
    const page = await listNotifications(deps, install.operator, { tenant: acme.tenant, limit: 1 });
    const { items: older, next } = await listNotifications(deps, install.operator, {
      tenant: acme.tenant,
      after: page.next,
    });
    expect([page.items[0]?.state, older.map(({ state }) => state), next]).toEqual(['sent', ['failed'], null]);
  });

  it('of a process that was killed while it sent it is sent by another, with the same key', async () => {
    const { chat, acme } = await told(1);
    await acme.sync();
    install.clock.advance(60_000);
    await lookForChannels(deps, signal);
    const now = install.clock.now();
    const claimed = await install.store.notifications.claim(now, new Date(now.getTime() + 180_000));
    expect(claimed).toMatchObject({ attempts: 1 }); // and nothing more is heard of it
    await deliverDue(deps, signal);
    expect(chat.posted).toEqual([]);
    install.clock.advance(180_000);
    await deliverDue(deps, signal);
    expect(chat.posted.map(({ headers }) => headers['idempotency-key'])).toEqual([claimed?.id]);
    // Should that process live after all: its word does not count any more.
    if (claimed !== null)
      await install.store.notifications.conclude(claimed, { state: 'failed', problem: 'late' });
    expect(await messages(acme)).toMatchObject([{ state: 'sent', attempts: 2 }]);
  });

  it('is sent by another once whoever had it is killed, in the middle of sending it', async () => {
    const { chat, acme } = await told(1);
    await acme.sync();
    await lookForChannels(deps, signal);
    // That process goes by the time of day, and not by the clock of these tests.
    await asOwner(install.database.url, (client) =>
      client.query(`UPDATE notification SET due_at = '2026-01-01'`),
    );
    chat.answers.push('never');
    const worker = startWorker(install, { tell: 'what is due' });
    await until('the message has come', async () => chat.posted.length === 1);
    await worker.kill();
    expect(await messages(acme)).toMatchObject([{ state: 'waiting', attempts: 1 }]);
    install.clock.advance(Math.max(0, Date.now() - install.clock.now().getTime()) + 180_000);
    await lookForChannels(deps, signal);
    await deliverDue(deps, signal);
    expect(await messages(acme)).toMatchObject([{ state: 'sent', attempts: 2 }]);
    expect(new Set(chat.posted.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(chat.posted).toHaveLength(2);
  });

  it('waits for the one before it of the same channel, and not for those of others', async () => {
    const { chat, acme } = await told(1);
    const { chat: other, acme: beside } = await told(1);
    chat.answers.push([503]);
    await acme.sync();
    await aRound();
    acme.directory.faults = { fails: { page: 1, kind: 'credentials-rejected' } };
    for (let run = 0; run < 3; run += 1) await acme.sync();
    await beside.sync();
    await lookForChannels(deps, signal);
    install.clock.advance(55_000);
    await lookForChannels(deps, signal);
    await deliverDue(deps, signal);
    expect(chat.posted).toHaveLength(1);
    expect(other.posted).toHaveLength(1);
    await aRound(5);
    expect(titles(chat)).toEqual([...Array(2).fill('1 change waits for a decision'), 'quarantined']);
  });
});

describe('Mail', () => {
  const mailServer = ({ port, ca }: MailBox, more: object = {}) => ({
    host: '127.0.0.1',
    port,
    user: 'rollcall',
    password: 's3cret',
    from: 'rollcall@acme.test',
    ca,
    ...more,
  });
  const email = (server: ReturnType<typeof mailServer>, to = ['reviewers@acme.test']) =>
    ({ destination: { type: 'email', to, server } }) as const;

  async function mailed(tenant: TenantId, more: More) {
    const { id } = await addChannel(deps, install.operator, {
      tenant,
      name: `mail ${v7()}`,
      ...more,
    } as z.input<typeof NewChannel>);
    return id;
  }

  it('goes over TLS with the password, is text and HTML, and nothing in it is markup or another header', async () => {
    const box = await aMailBox();
    const acme = await install.connect({ directory: aDirectory({ users: 1 }), guards: noGuards });
    await mailed(acme.tenant, { ...email(mailServer(box)), namesPeople: true });
    acme.directory.edit('u1', { displayName: '<b>Ada</b>' });
    await acme.sync();
    await aRound();
    const [mail] = box.mails;
    expect(mail).toMatchObject({ from: 'rollcall@acme.test', to: ['reviewers@acme.test'], secure: true });
    const [head = '', ...parts] = (mail?.text ?? '').split('\r\n\r\n');
    expect(head.match(/^Subject: /gm)).toHaveLength(1);
    expect(head).toMatch(/^Auto-Submitted: auto-generated$/m);
    const [{ id } = { id: '' }] = await messages(acme);
    expect(head).toContain(`Message-ID: <${id}@acme.test>`);
    const body = parts
      .join('\n')
      .replaceAll(/=\r?\n/g, '')
      .replaceAll('=3D', '=');
    expect(body).toContain('&lt;b&gt;Ada&lt;/b&gt;');
    expect(body).toContain(`rollcall changes --connection ${acme.connection} --state open`);
  });

  it('says by a test what is wrong: the password, the certificate, a server without TLS, nobody who takes it', async () => {
    const [box, plain] = [
      await aMailBox(),
      await aMailBox({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'] }),
    ];
    const tenant = await install.tenant();
    const tested = async (server: ReturnType<typeof mailServer>, to?: string[]) =>
      await testChannel(deps, install.operator, await mailed(tenant, email(server, to)), signal);
    const at = `127.0.0.1:${box.port}`;
    expect(await tested(mailServer(box, { password: 'wrong' }))).toEqual({
      ok: false,
      problem: `${at} refused the user name or the password.`,
    });
    expect(await tested(mailServer({ ...box, ca: null as unknown as string }))).toEqual({
      ok: false,
      problem: `The certificate that ${at} shows is signed by an authority that is not trusted here.`,
    });
    expect(await tested(mailServer(box, { port: 1 }))).toEqual({
      ok: false,
      problem: '127.0.0.1:1 refused the connection.',
    });
    expect(await tested(mailServer(box), ['nobody@acme.test'])).toEqual({
      ok: false,
      problem: `${at} answered 550 to RCPT TO.`,
    });
    expect(await tested(mailServer(box), ['nobody@acme.test', 'ada@acme.test'])).toEqual({
      ok: true,
      problem: `${at} refused 1 of 2 recipients.`,
    });
    expect(box.mails.map(({ to }) => to)).toEqual([['ada@acme.test']]);
    // A name of this machine that does not look like one: to this machine itself mail may go as it is.
    expect(await tested(mailServer(plain, { host: '127.1' }))).toEqual({
      ok: false,
      problem: `127.1:${plain.port} offers no TLS, and without it nothing is sent.`,
    });
    expect(plain.mails).toEqual([]);
  });

  it('of channels without a server of their own goes by the install’s; without one such a channel is refused', async () => {
    const box = await aMailBox();
    const tenant = await install.tenant();
    const given: z.input<typeof NewChannel> = {
      tenant,
      name: 'by the install',
      destination: { type: 'email', to: ['ada@acme.test'] },
    };
    await expect(addChannel(deps, install.operator, given)).rejects.toMatchObject({
      code: 'bad-configuration',
      remedy: expect.stringContaining('ROLLCALL_SMTP_URL'),
    });
    const { password, ...server } = mailServer(box);
    const mail = { server: { ...server, tls: 'starttls' as const }, password };
    const with_ = { ...deps, outgoing: { mail, allowed: networks([]) } };
    const { id } = await addChannel(with_, install.operator, given);
    expect(await testChannel(with_, install.operator, id, signal)).toEqual({ ok: true, problem: null });
    expect(box.mails).toMatchObject([{ to: ['ada@acme.test'], secure: true }]);
  });
});

describe('Where messages go', () => {
  it('is nowhere private unless the network is named: neither webhooks nor mail servers of a channel’s own', async () => {
    const [chat, box] = [await aChat(), await aMailBox()];
    const tenant = await install.tenant();
    const strict = { ...deps, outgoing: { mail: null, allowed: networks(['10.0.0.0/8']) } };
    const destinations: readonly z.input<typeof NewChannel>['destination'][] = [
      { type: 'slack', url: chat.url, ca: chat.ca },
      { type: 'teams', url: chat.url.replace('127.0.0.1', 'localhost'), ca: chat.ca },
      { type: 'teams', url: 'https://[::ffff:127.0.0.1]:1/', ca: chat.ca },
      { type: 'slack', url: 'https://169.254.169.254/latest/meta-data' },
      {
        type: 'email',
        to: ['a@acme.test'],
        server: { host: '127.0.0.1', port: box.port, from: 'a@acme.test' },
      },
    ];
    for (const destination of destinations) {
      const { id } = await addChannel(strict, install.operator, { tenant, name: `to ${v7()}`, destination });
      expect(await testChannel(strict, install.operator, id, signal)).toEqual({
        ok: false,
        problem: expect.stringMatching(/private address.*ROLLCALL_NOTIFY_NETWORKS/),
      });
    }
    expect([chat.posted, box.mails]).toEqual([[], []]);
  });
});

describe('What is asked of a channel', () => {
  const chatIn = { type: 'slack', url: 'https://hooks.example/services/T0/B0/secret-part' } as const;

  it.each([
    ['http', { destination: { ...chatIn, url: 'http://hooks.example/x' } }, 'destination.url'],
    [
      'a user in the address',
      { destination: { ...chatIn, url: 'https://a:b@hooks.example/x' } },
      'destination.url',
    ],
    [
      'another header in an address',
      { destination: { type: 'email', to: ['a@b.test\r\nBcc: c@d.test'] } },
      'destination.to.0',
    ],
    [
      'a password without a user',
      {
        destination: {
          type: 'email',
          to: ['a@b.test'],
          server: { host: 'h', from: 'a@b.test', password: 'p' },
        },
      },
      'destination.server.password',
    ],
    ['a digest without a schedule', { inDigest: ['quarantine'] }, 'schedule'],
    ['a schedule without a digest', { immediately: ['quarantine'], schedule: '0 8 * * *' }, 'schedule'],
    [
      'a kind in both lists',
      { immediately: ['quarantine'], inDigest: ['quarantine'], schedule: '0 8 * * *' },
      'inDigest',
    ],
    ['a schedule to the second', { schedule: '0 0 8 * * *' }, 'schedule'],
  ])('is refused with the name of the field: %s', async (_, wrong, field) => {
    const given = { name: 'x', destination: chatIn, ...wrong } as z.input<typeof NewChannel>;
    await expect(addChannel(deps, install.operator, given)).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [{ path: field }],
    });
  });

  it('may be changed: what it was told stays told, and no password goes to another server', async () => {
    const { chat, acme, channel } = await told(1);
    await acme.sync();
    await aRound();
    const change = (more: object) =>
      updateChannel(deps, install.operator, { notificationChannel: channel.id, ...more });
    const digest = await change({ name: 'daily', inDigest: ['pending-approvals'], schedule: '0 8 * * *' });
    expect(digest).toMatchObject({
      name: 'daily',
      inDigest: ['pending-approvals'],
      digestAt: expect.any(Date),
    });
    expect(digest.immediately).toEqual(NOTICE_KINDS.filter((kind) => kind !== 'pending-approvals'));
    await aRound(2 * DAY);
    expect(chat.posted).toHaveLength(1);
    await expect(change({ schedule: null })).rejects.toMatchObject({ fields: [{ path: 'schedule' }] });
    await expect(change({ schedule: '0 0 31 2 *' })).rejects.toMatchObject({
      fields: [{ path: 'schedule' }],
    });
    await expect(change({ destination: { type: 'email', to: ['a@b.test'] } })).rejects.toMatchObject({
      fields: [{ path: 'destination.type' }],
    });
    const other = await aChat();
    await change({ destination: { type: 'slack', url: other.url, ca: other.ca } });
    expect(await testChannel(deps, install.operator, channel.id, signal)).toMatchObject({ ok: true });
    expect([chat.posted.length, other.posted.length]).toEqual([1, 1]);

    const server = { host: 'smtp.acme.test', from: 'a@acme.test', user: 'u', password: 'hunter2' };
    const mail = await addChannel(deps, install.operator, {
      tenant: acme.tenant,
      name: 'mail',
      destination: { type: 'email', to: ['a@acme.test'], server },
    });
    const moved = (destination: object) =>
      updateChannel(deps, install.operator, {
        notificationChannel: mail.id,
        destination: { type: 'email', ...destination },
      });
    await moved({ to: ['b@acme.test'] });
    const { store } = install;
    expect(await store.channels.open(store.root, mail.id)).toMatchObject({
      channel: { destination: { to: ['b@acme.test'], server: { host: 'smtp.acme.test' } } },
      secret: 'hunter2',
    });
    await expect(
      moved({ server: { host: 'elsewhere.test', from: 'a@acme.test', user: 'u' } }),
    ).rejects.toMatchObject({ fields: [{ path: 'destination.server.password' }] });
    await moved({ server: { host: 'elsewhere.test', from: 'a@acme.test' } });
    expect(await store.channels.open(store.root, mail.id)).toMatchObject({ secret: null });
  });

  it('is changed by several at once: what each has given is there, and each password goes to its own server', async () => {
    const server = { host: 'smtp.acme.test', from: 'a@acme.test', user: 'u', password: 'hunter2' };
    const { id } = await addChannel(deps, install.operator, {
      tenant: await install.tenant(),
      name: 'mail',
      destination: { type: 'email', to: ['a@acme.test'], server },
    });
    const change = (more: object) =>
      updateChannel(deps, install.operator, { notificationChannel: id, ...more });
    const elsewhere = { ...server, host: 'elsewhere.test', password: 'other' };
    await Promise.all([
      change({ destination: { type: 'email', server: elsewhere } }),
      change({ destination: { type: 'email', to: ['b@acme.test'] } }),
      change({ name: 'post' }),
      change({ namesPeople: true }),
    ]);
    expect(await install.store.channels.open(install.store.root, id)).toMatchObject({
      channel: {
        name: 'post',
        namesPeople: true,
        destination: { to: ['b@acme.test'], server: { host: 'elsewhere.test' } },
      },
      secret: 'other',
    });
  });

  it('shows nothing secret, is audited without addresses, and takes what it was told with it', async () => {
    const { acme, channel, chat } = await told(1);
    await acme.sync();
    await aRound();
    await addChannel(deps, install.operator, {
      tenant: acme.tenant,
      name: 'by mail',
      destination: {
        type: 'email',
        to: ['ada@acme.test'],
        server: { host: 'smtp.acme.test', from: 'a@acme.test', user: 'u', password: 'hunter2' },
      },
    });
    await expect(slackOf(chat, acme.tenant)).rejects.toMatchObject({ code: 'name-taken' });
    const shown = JSON.stringify([await listChannels(deps, install.operator), await messages(acme)]);
    expect(shown).not.toMatch(/secret-part|hunter2/);
    await asOwner(install.database.url, async (client) => {
      const { rows } = await client.query('SELECT * FROM notification_channel');
      expect(
        JSON.stringify(rows.map((row) => ({ ...row, secret: row.secret?.toString('latin1') }))),
      ).not.toMatch(/secret-part|hunter2/);
    });
    await testChannel(deps, install.operator, channel.id, signal);
    await removeChannel(deps, install.operator, channel.id);
    await expect(findChannel(deps, install.operator, channel.id)).rejects.toMatchObject({
      code: 'not-found',
    });
    expect(await messages(acme)).toEqual([]);
    const entries = (await auditOf(install.database.url, acme.tenant)).filter(
      ({ subject }) => subject.kind === 'notification-channel',
    );
    expect(entries.map(({ action }) => action)).toEqual([
      'notification-channel.added',
      'notification-channel.added',
      'notification-channel.tested',
      'notification-channel.removed',
    ]);
    expect(JSON.stringify(entries)).not.toMatch(/ada@acme|secret-part/);
  });

  it('is the administrators’ of its tenant: auditors look, reviewers do not, and others find nothing', async () => {
    const { acme, channel } = await told(1);
    const [auditor, reviewer] = [
      await aCaller(install, acme.tenant, 'auditor'),
      await aCaller(install, acme.tenant, 'reviewer'),
    ];
    const stranger = await aCaller(install, await install.tenant());
    expect((await listChannels(deps, auditor)).items).toHaveLength(1);
    await expect(testChannel(deps, auditor, channel.id, signal)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(listChannels(deps, reviewer)).rejects.toMatchObject({ code: 'forbidden' });
    for (const verb of [
      removeChannel,
      (d: typeof deps, c: typeof stranger, id: string) => testChannel(d, c, id, signal),
    ])
      await expect(verb(deps, stranger, channel.id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(
      addChannel(deps, stranger, { tenant: acme.tenant, name: 'mine', destination: chatIn }),
    ).rejects.toMatchObject({ code: 'not-found' });
    await expect(listNotifications(deps, stranger, { channel: channel.id })).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});
