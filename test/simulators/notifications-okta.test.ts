import { describe, expect, it } from 'vitest';
import { honest, type Received, type Receiver, receive, settled } from './receiver.ts';
import { type Json, list, type Visitor, visit } from './visitor.ts';

describe('Okta', () => {
  const permissions = [
    'okta.users.read',
    'okta.groups.read',
    'okta.logs.read',
    'okta.eventHooks.read',
    'okta.eventHooks.manage',
  ];
  const types = ['user.lifecycle.create', 'user.lifecycle.deactivate', 'group.user_membership.add'];
  const hook = (receiver: Receiver, items: readonly string[] = types) => ({
    name: 'idp-sync',
    events: { type: 'EVENT_TYPE', items },
    channel: {
      type: 'HTTP',
      version: '1.0.0',
      config: {
        uri: receiver.url,
        headers: [{ key: 'X-Tenant', value: 'seven' }],
        authScheme: { type: 'HEADER', key: 'Authorization', value: 's3cret-value' },
      },
    },
  });
  const path = '/api/v1/eventHooks';
  const isNotice = ({ method }: Received): boolean => method === 'POST';
  const eventsIn = (notice: Received | undefined): readonly Json[] =>
    list(notice?.json()['data']?.['events']);
  const turn = (visitor: Visitor, id: string, how: string) =>
    visitor.postJson(`${path}/${id}/lifecycle/${how}`, {});
  async function verified(visitor: Visitor, receiver: Receiver): Promise<string> {
    const id = String((await visitor.postJson(path, hook(receiver))).json()['id']);
    expect((await turn(visitor, id, 'verify')).json()).toMatchObject({ verificationStatus: 'VERIFIED' });
    return id;
  }

  it('verifies a hook by a challenge with the chosen header, and keeps the secret to itself', async () => {
    const visitor = await visit('okta', { users: 20, permissions });
    const receiver = await receive();
    const made = await visitor.postJson(path, hook(receiver));
    expect(made.json()).toMatchObject({ status: 'ACTIVE', verificationStatus: 'UNVERIFIED' });
    expect(made.text).not.toContain('s3cret-value');
    await visitor.simulator.control.hire(1);
    expect((await settled(visitor)).delivered).toBe(0);
    const id = String(made.json()['id']);
    expect((await turn(visitor, id, 'verify')).json()).toMatchObject({ id, verificationStatus: 'VERIFIED' });
    expect(receiver.received.map(({ method }) => method)).toEqual(['GET']);
    expect(receiver.received[0]?.headers).toMatchObject({
      authorization: 's3cret-value',
      'x-tenant': 'seven',
      'x-okta-verification-challenge': expect.any(String),
    });
  });

  it('does not verify a hook that answers something else', async () => {
    const visitor = await visit('okta', { users: 5, permissions });
    const receiver = await receive(() => ({ status: 200, body: '{"verification":"hello"}' }));
    const id = String((await visitor.postJson(path, hook(receiver))).json()['id']);
    expect((await turn(visitor, id, 'verify')).status).toBe(400);
    expect((await visitor.get(`${path}/${id}`)).json()).toMatchObject({ verificationStatus: 'UNVERIFIED' });
  });

  it('sends the events of the System Log that were asked for, with their ids', async () => {
    const visitor = await visit('okta', { users: 40, permissions });
    const { control, origin } = visitor.simulator;
    await control.hire(1);
    const receiver = await receive();
    const id = await verified(visitor, receiver);
    const { ids: hired } = await control.hire(1);
    const { ids: left } = await control.leave(1, 'delete');
    await control.rename(1);
    await settled(visitor);
    const notices = receiver.received.filter(isNotice);
    const events = notices.flatMap(eventsIn);
    const who = (type: string) =>
      events
        .filter((event) => String(event['eventType']) === type)
        .map((event) => String(list(event['target']).find((one) => String(one['type']) === 'User')?.['id']));
    expect(who('user.lifecycle.create')).toEqual(hired);
    expect(who('user.lifecycle.deactivate')).toEqual(left);
    expect(new Set(who('group.user_membership.add'))).toEqual(new Set(hired));
    expect(events.every((event) => types.includes(String(event['eventType'])))).toBe(true);
    expect(notices[0]?.headers).toMatchObject({ authorization: 's3cret-value', 'x-tenant': 'seven' });
    expect(notices[0]?.json()).toMatchObject({
      eventType: 'com.okta.event_hook',
      eventTypeVersion: '1.0',
      cloudEventsVersion: '0.1',
      source: `${origin}${path}/${id}`,
      contentType: 'application/json',
    });
    const logged = list((await visitor.get('/api/v1/logs')).json());
    const uuids = logged.map((event) => String(event['uuid']));
    expect(uuids).toEqual(expect.arrayContaining(events.map((event) => String(event['uuid']))));
  });

  it('tries once more after 5xx, never after 4xx', async () => {
    const visitor = await visit('okta', { users: 20, permissions });
    const answers = [503, 503, 404, 500, 204];
    const receiver = await receive((one) =>
      isNotice(one) ? { status: answers.shift() ?? 500 } : honest(one),
    );
    await verified(visitor, receiver);
    const sentSoFar = async () => {
      await visitor.simulator.control.leave(1, 'delete');
      await settled(visitor);
      return receiver.received.filter(isNotice).length;
    };
    expect([await sentSoFar(), await sentSoFar(), await sentSoFar()]).toEqual([2, 3, 5]);
    expect(await settled(visitor)).toEqual({ delivered: 1, givenUp: 2, underWay: 0 });
  });

  it('takes types that hooks can have only, needs its scope, misses what happens while it is inactive, and is deleted then', async () => {
    const visitor = await visit('okta', { users: 20, permissions });
    const { control } = visitor.simulator;
    const receiver = await receive();
    const unfit = hook(receiver, ['user.lifecycle.delete.completed']);
    expect((await visitor.postJson(path, unfit)).status).toBe(400);
    const id = await verified(visitor, receiver);
    expect((await visitor.send('DELETE', `${path}/${id}`)).status).toBe(400);
    expect((await turn(visitor, id, 'deactivate')).json()).toMatchObject({ status: 'INACTIVE' });
    await control.hire(1);
    expect((await settled(visitor)).delivered).toBe(0);
    await turn(visitor, id, 'activate');
    await control.leave(1, 'delete');
    await settled(visitor);
    const told = receiver.received.filter(isNotice).flatMap(eventsIn);
    expect(told.map((event) => String(event['eventType']))).toEqual(['user.lifecycle.deactivate']);
    await turn(visitor, id, 'deactivate');
    expect((await visitor.send('DELETE', `${path}/${id}`)).status).toBe(204);
    expect((await visitor.get(`${path}/${id}`)).status).toBe(404);
    await control.permissions(['okta.users.read']);
    expect((await visitor.postJson(path, hook(receiver))).status).toBe(403);
  });
});
