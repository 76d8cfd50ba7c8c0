import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import type { SimulatorOptions } from '../../simulators/start.ts';
import { honest, type Received, type Receiver, receive, settled } from './receiver.ts';
import { type Json, list, setting, type Visitor, visit } from './visitor.ts';

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

describe('Google Workspace', () => {
  const path = '/admin/directory/v1/users/watch?customer=my_customer&event=';
  const watch = (
    visitor: Visitor,
    receiver: Receiver,
    event: string,
    changes: Record<string, unknown> = {},
  ) =>
    visitor.postJson(`${path}${event}`, {
      id: `channel-${event}`,
      type: 'web_hook',
      address: receiver.url,
      token: 'c1.secret',
      params: { ttl: '172800' },
      ...changes,
    });
  const stateOf = ({ headers }: Received): string => String(headers['x-goog-resource-state']);
  const isEvent = (one: Received): boolean => stateOf(one) !== 'sync';

  it('opens a channel with a sync message that has no body', async () => {
    const visitor = await visit('google', { users: 20 });
    const receiver = await receive();
    const before = Date.now();
    const opened = await watch(visitor, receiver, 'update');
    expect(opened.status).toBe(200);
    const { resourceId, resourceUri, expiration } = opened.json();
    expect(opened.json()).toMatchObject({ kind: 'api#channel', id: 'channel-update', token: 'c1.secret' });
    expect(Number(expiration)).toBeGreaterThanOrEqual(before + 172_800_000);
    const [sync] = await receiver.first(1);
    expect([sync?.method, sync?.text]).toEqual(['POST', '']);
    expect(sync?.headers).toMatchObject({
      'x-goog-channel-id': 'channel-update',
      'x-goog-channel-token': 'c1.secret',
      'x-goog-channel-expiration': new Date(Number(expiration)).toUTCString(),
      'x-goog-resource-id': resourceId,
      'x-goog-resource-uri': resourceUri,
      'x-goog-resource-state': 'sync',
      'x-goog-message-number': '1',
    });
  });

  it('tells each channel of its own event, with id and address, and numbers that rise', async () => {
    const visitor = await visit('google', { users: 60 });
    const { control } = visitor.simulator;
    const receiver = await receive();
    for (const event of ['add', 'update', 'delete', 'undelete']) await watch(visitor, receiver, event);
    const { ids: hired } = await control.hire(1);
    const { ids: moved } = await control.move(1);
    const { ids: left } = await control.leave(1, 'delete');
    const { ids: purged } = await control.leave(1, 'purge');
    await control.restore(left);
    await control.changeGroup('VPN Users', { add: 1 });
    await settled(visitor);
    const told = (event: string) =>
      receiver.received.filter((one) => stateOf(one) === event).map((one) => String(one.json()['id']));
    expect(told('add')).toEqual(hired);
    expect(told('update')).toContain(moved[0]);
    expect(new Set(told('delete'))).toEqual(new Set([...left, ...purged]));
    expect(told('undelete')).toEqual(left);
    const [added] = receiver.received.filter((one) => stateOf(one) === 'add');
    const user = (await visitor.get(`/admin/directory/v1/users/${hired[0]}`)).json();
    expect(added?.json()).toEqual({
      kind: 'admin#directory#user',
      id: hired[0],
      etag: user['etag'],
      primaryEmail: user['primaryEmail'],
    });
    expect(added?.headers['x-goog-channel-id']).toBe('channel-add');
    expect(Number(added?.headers['x-goog-message-number'])).toBeGreaterThan(1);
  });

  it('opens channels for the own account only, each id once, to this machine, with a known event', async () => {
    const visitor = await visit('google', { users: 5 });
    const receiver = await receive();
    const refused = async (event: string, changes: Record<string, unknown>) => {
      const { status, json } = await watch(visitor, receiver, event, changes);
      return [status, String(list(json()['error']?.['errors'])[0]?.['reason'])];
    };
    expect((await watch(visitor, receiver, 'add')).status).toBe(200);
    expect(await refused('add', {})).toEqual([400, 'channelIdNotUnique']);
    expect(await refused('rename', {})).toEqual([400, 'invalid']);
    expect(await refused('update', { type: 'carrier pigeon' })).toEqual([400, 'invalid']);
    expect(await refused('update', { address: 'https://receiver.example/hook' })).toEqual([
      401,
      'push.webhookUrlUnauthorized',
    ]);
    const elsewhere = path.replace('my_customer', 'C0another');
    expect((await visitor.postJson(`${elsewhere}add`, {})).status).toBe(404);
    expect((await visitor.postJson(`${path}add`, {}, { authorization: 'Bearer no' })).status).toBe(401);
  });

  it('ends a channel when it is stopped with its resource id, and when its time is over', async () => {
    const visitor = await visit('google', { users: 20 });
    const { control } = visitor.simulator;
    const receiver = await receive();
    const { id, resourceId } = (await watch(visitor, receiver, 'add')).json();
    const stop = (body: unknown) => visitor.postJson('/admin/directory_v1/channels/stop', body);
    expect((await stop({ id, resourceId: 'another' })).status).toBe(404);
    expect((await stop({ id, resourceId })).status).toBe(204);
    expect((await stop({ id, resourceId })).status).toBe(404);
    await control.hire(1);
    expect((await settled(visitor)).delivered).toBe(1);
    await watch(visitor, receiver, 'add', { id: 'second' });
    await control.expireSubscriptions();
    await control.hire(1);
    expect((await settled(visitor)).delivered).toBe(2);
    expect(receiver.received.filter(isEvent)).toEqual([]);
    await watch(visitor, receiver, 'add', { id: 'third' });
    const { ids } = await control.hire(1);
    await settled(visitor);
    expect(receiver.received.filter(isEvent).map((one) => String(one.json()['id']))).toEqual(ids);
  });

  it('sends again after 503, and drops what is refused with 404', async () => {
    const visitor = await visit('google', { users: 20 });
    const answers = [503, 200, 404];
    const receiver = await receive((one) => ({ status: isEvent(one) ? (answers.shift() ?? 500) : 200 }));
    await watch(visitor, receiver, 'add');
    await visitor.simulator.control.hire(1);
    expect(await settled(visitor)).toEqual({ delivered: 2, givenUp: 0, underWay: 0 });
    await visitor.simulator.control.hire(1);
    expect(await settled(visitor)).toEqual({ delivered: 2, givenUp: 1, underWay: 0 });
    const numbers = receiver.received.filter(isEvent).map((one) => one.headers['x-goog-message-number']);
    expect(numbers).toHaveLength(3);
    expect(numbers[1]).toBe(numbers[0]);
  });
});
