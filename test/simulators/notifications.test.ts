import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import type { SimulatorOptions } from '../../simulators/start.ts';
import { honest, type Received, type Receiver, receive } from './receiver.ts';
import { type Json, list, setting, type Visitor, visit } from './visitor.ts';

/** Until nothing is being sent any more. */
async function settled({ simulator }: Visitor) {
  for (;;) {
    const { notices } = await simulator.control.state();
    if (notices.underWay === 0) return notices;
  }
}

describe('Entra ID', () => {
  const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();
  const isNotice = ({ url }: Received): boolean => !url.searchParams.has('validationToken');
  const itemsIn = (notice: Received | undefined): readonly Json[] => list(notice?.json()['value']);
  const start = (options: SimulatorOptions = {}): Promise<Visitor> =>
    visit('entra', { users: 60, permissions: ['User.Read.All', 'Group.Read.All'], ...options });
  const order = (receiver: Receiver, changes: Record<string, unknown> = {}) => ({
    changeType: 'updated,deleted',
    resource: 'users',
    notificationUrl: receiver.url,
    expirationDateTime: inHours(24),
    clientState: 'our secret',
    ...changes,
  });
  const subscribe = (visitor: Visitor, receiver: Receiver, changes: Record<string, unknown> = {}) =>
    visitor.postJson('/v1.0/subscriptions', order(receiver, changes));

  it('subscribes whoever sends the validation token back, and keeps what the URL asks for', async () => {
    const visitor = await start();
    const receiver = await receive();
    const made = await subscribe(visitor, receiver, { notificationUrl: `${receiver.url}?tenant=7` });
    expect(made.status).toBe(201);
    expect(made.json()).toMatchObject({
      resource: 'users',
      changeType: 'updated,deleted',
      clientState: 'our secret',
      applicationId: setting(visitor, 'clientId'),
    });
    const [handshake] = receiver.received;
    expect(handshake?.method).toBe('POST');
    expect(handshake?.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(handshake?.url.search).toMatch(/^\?tenant=7&validationToken=Validation%3A%20/);
  });

  it.each([
    ['answers 500', () => ({ status: 500 })],
    ['sends another text', () => ({ status: 200, headers: { 'content-type': 'text/plain' }, body: 'hello' })],
    [
      'sends the token as HTML',
      (one: Received) => ({ ...honest(one), headers: { 'content-type': 'text/html' } }),
    ],
  ])('refuses a receiver that %s', async (_, answer) => {
    const visitor = await start();
    const refused = await subscribe(visitor, await receive(answer));
    expect([refused.status, refused.json()['error']?.['code']]).toEqual([400, 'InvalidRequest']);
    expect(list((await visitor.get('/v1.0/subscriptions')).json()['value'])).toEqual([]);
  });

  it.each([
    ['created is no type of change here', { changeType: 'created' }, 400],
    ['a resource that is not notified of', { resource: 'me/messages' }, 400],
    ['a user who is not there', { resource: 'users/nobody@nowhere.example' }, 404],
    ['an end beyond 41,760 minutes', { expirationDateTime: inHours(697) }, 400],
    ['an end that has passed', { expirationDateTime: inHours(-1) }, 400],
    ['a client state of 129 characters', { clientState: 'x'.repeat(129) }, 400],
    ['another machine', { notificationUrl: 'https://receiver.example/hook' }, 400],
  ])('refuses %s', async (_, changes, status) => {
    const visitor = await start();
    const receiver = await receive();
    expect((await subscribe(visitor, receiver, changes)).status).toBe(status);
    expect(receiver.received).toEqual([]);
  });

  it('wants the permission to read what is subscribed to, and a token', async () => {
    const visitor = await start({ permissions: ['User.Read.All', 'GroupMember.Read.All'] });
    const receiver = await receive();
    expect((await subscribe(visitor, receiver, { resource: 'groups' })).status).toBe(403);
    const bare = { authorization: '' };
    expect((await visitor.postJson('/v1.0/subscriptions', order(receiver), bare)).status).toBe(401);
    expect((await subscribe(visitor, receiver)).status).toBe(201);
  });

  it('tells of whoever is hired, renamed, deleted or purged, with ids and nothing of the profile', async () => {
    const visitor = await start();
    const { control } = visitor.simulator;
    const receiver = await receive();
    const id = (await subscribe(visitor, receiver)).json()['id'];
    const told = new Map<string, string>();
    const expected = new Map<string, string>();
    const steps = [
      ['updated', () => control.hire(1)],
      ['updated', () => control.rename(1)],
      ['updated', () => control.leave(1, 'delete')],
      ['deleted', () => control.leave(1, 'purge')],
    ] as const;
    for (const [changeType, step] of steps)
      for (const one of (await step()).ids) expected.set(one, changeType);
    const notices = await receiver.first(4, isNotice);
    const items = notices.flatMap(itemsIn);
    for (const item of items) told.set(String(item['resourceData']?.['id']), String(item['changeType']));
    for (const [one, changeType] of expected) expect(told.get(one)).toBe(changeType);
    const [hired = ''] = expected.keys();
    const itemOfHired = items.find((item) => String(item['resource']) === `Users/${hired}`);
    expect(itemOfHired).toEqual({
      id: expect.any(String),
      subscriptionId: id,
      subscriptionExpirationDateTime: expect.any(String),
      clientState: 'our secret',
      tenantId: setting(visitor, 'directoryId'),
      changeType: 'updated',
      resource: `Users/${hired}`,
      resourceData: { '@odata.type': '#Microsoft.Graph.User', '@odata.id': `Users/${hired}`, id: hired },
    });
    expect(notices[0]?.headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('tells of groups, of one object, and of one type of change, to whoever asked for that', async () => {
    const visitor = await start();
    const { control } = visitor.simulator;
    const { ids } = await control.rename(1);
    const [ofGroups, ofOne, ofDeleted] = [await receive(), await receive(), await receive()];
    await subscribe(visitor, ofGroups, { resource: '/groups' });
    await subscribe(visitor, ofOne, { resource: `users/${ids[0]}` });
    await subscribe(visitor, ofDeleted, { changeType: 'deleted' });
    const { group } = await control.changeGroup('VPN Users', { add: 1 });
    const { ids: purged } = await control.leave(1, 'purge');
    await control.leave(ids, 'disable');
    await settled(visitor);
    const resources = (receiver: Receiver) =>
      receiver.received
        .filter(isNotice)
        .flatMap(itemsIn)
        .map((item) => String(item['resource']));
    expect(resources(ofGroups)[0]).toBe(`Groups/${group}`);
    expect(resources(ofOne)).toEqual([`Users/${ids[0]}`]);
    expect(resources(ofDeleted)).toEqual([`Users/${purged[0]}`]);
  });

  it('tells nobody of people who silently vanish from lists', async () => {
    const visitor = await start();
    const receiver = await receive();
    await subscribe(visitor, receiver);
    expect((await visitor.simulator.control.lose(20)).ids.length).toBeGreaterThan(0);
    await visitor.simulator.control.hire(1);
    await settled(visitor);
    expect(receiver.received.filter(isNotice)).toHaveLength(1);
  });

  it('sends a notice again until the receiver takes it, and gives up at last', async () => {
    const visitor = await start();
    let left = 2;
    const receiver = await receive((one) => {
      if (!isNotice(one)) return honest(one);
      left -= 1;
      return { status: left < 0 ? 202 : 503 };
    });
    await subscribe(visitor, receiver);
    await visitor.simulator.control.hire(1);
    const notices = await receiver.first(3, isNotice);
    expect(new Set(notices.map(({ text }) => text)).size).toBe(1);
    expect(await settled(visitor)).toEqual({ delivered: 1, givenUp: 0, underWay: 0 });
    left = 1_000;
    await visitor.simulator.control.hire(1);
    expect(await settled(visitor)).toEqual({ delivered: 1, givenUp: 1, underWay: 0 });
  });

  it('renews, lists and removes; after its end there are no notices and no subscription', async () => {
    const visitor = await start();
    const { control } = visitor.simulator;
    const receiver = await receive();
    const short = await subscribe(visitor, receiver, { expirationDateTime: inHours(0.1) });
    const { id, expirationDateTime: end } = short.json();
    expect(Date.parse(String(end))).toBeGreaterThan(Date.parse(inHours(0.7)));
    const path = `/v1.0/subscriptions/${id}`;
    const later = inHours(48);
    const renewed = await visitor.send('PATCH', path, { expirationDateTime: later });
    expect([renewed.status, String(renewed.json()['expirationDateTime'])]).toEqual([200, later]);
    expect((await visitor.get(path)).json()).toMatchObject({ id, expirationDateTime: later });
    await control.expireSubscriptions();
    await control.hire(1);
    expect(await settled(visitor)).toEqual({ delivered: 0, givenUp: 0, underWay: 0 });
    expect((await visitor.send('PATCH', path, { expirationDateTime: later })).status).toBe(404);
    const again = (await subscribe(visitor, receiver)).json()['id'];
    expect((await visitor.send('DELETE', `/v1.0/subscriptions/${again}`)).status).toBe(204);
    await control.hire(1);
    expect((await settled(visitor)).delivered).toBe(0);
  });

  it('asks to be authorised again when tokens have ended, where it may', async () => {
    const visitor = await start();
    const receiver = await receive();
    const lifecycleNotificationUrl = `${receiver.url}/life`;
    const { id } = (await subscribe(visitor, receiver, { lifecycleNotificationUrl })).json();
    expect(receiver.received.map(({ url }) => url.pathname)).toEqual(['/hook', '/hook/life']);
    expect((await visitor.postJson(`/v1.0/subscriptions/${id}/reauthorize`, {})).status).toBe(204);
    await visitor.simulator.control.expireTokens();
    const [event] = await receiver.first(1, isNotice);
    expect(event?.url.pathname).toBe('/hook/life');
    expect(itemsIn(event)).toEqual([
      {
        subscriptionId: id,
        subscriptionExpirationDateTime: expect.any(String),
        clientState: 'our secret',
        tenantId: setting(visitor, 'directoryId'),
        lifecycleEvent: 'reauthorizationRequired',
      },
    ]);
  });

  it('sends over https to a receiver whose certificate authority it was given', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'receiver-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const keys = await openKeys(null);
    const receiverCaFile = join(folder, 'ca.pem');
    writeFileSync(receiverCaFile, keys.ca);
    const receiver = await receive(honest, keys);
    const [trusting, distrustful] = [await start({ receiverCaFile }), await start()];
    expect((await subscribe(distrustful, receiver)).status).toBe(400);
    expect((await subscribe(trusting, receiver)).status).toBe(201);
    await trusting.simulator.control.hire(1);
    expect((await settled(trusting)).delivered).toBe(1);
  });
});
