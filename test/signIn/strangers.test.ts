import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { offerSetUp } from '../../src/signIn/setUp.ts';
import { type Served, serve } from '../api/served.ts';
import type { TestClock } from '../support/clock.ts';
import { auditOf } from '../support/tenancy.ts';
import { openStage, type Stage } from './stage.ts';

const QUARTER_OF_AN_HOUR = 15 * 60_000;

describe('looking at links', () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve();
    await offerSetUp({ ...served.deps, publicUrl: () => served.url }, null);
  });
  afterAll(() => served.close());

  it.each([
    ['/set-up', 410],
    ['/sign-in/invitation', 403],
  ])(
    '%s with a token that opens nothing is counted and refused, as a guess at any other secret',
    async (path, refused) => {
      const guess = async (token: string) => (await served.request('GET', `${path}?token=${token}`)).status;
      for (let tries = 0; tries < 10; tries++) expect(await guess(`guess-${tries}`)).toBe(refused);
      expect(await guess('one-more')).toBe(429);
      const code = new URLSearchParams({ code: 'GUESS' });
      const recovery = await fetch(`${served.url}/sign-in/recovery`, { method: 'POST', body: code });
      expect(recovery.status).toBe(429);
      (served.deps.clock as TestClock).advance(QUARTER_OF_AN_HOUR);
      expect(await guess('later')).toBe(refused);
      (served.deps.clock as TestClock).advance(QUARTER_OF_AN_HOUR);
    },
  );

  it('is written down as other guesses are', async () => {
    const told = (await auditOf(served.databaseUrl, served.deps.store.root)).flatMap(({ action, details }) =>
      action === 'sign-in.refused' ? [(details as { method: string }).method] : [],
    );
    expect(told.filter((method) => method === 'set-up')).toHaveLength(11);
    expect(told.filter((method) => method === 'invitation')).toHaveLength(11);
  });
});

describe('beginning to sign in', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(() => stage.close());

  const begin = async (provider: string) => {
    const body = new URLSearchParams({ provider });
    return (await fetch(`${stage.served.url}/sign-in`, { method: 'POST', body })).status;
  };
  const discoveries = () => stage.oidc.asked.filter((path) => path.includes('openid-configuration')).length;

  it('asks the provider once a minute what it says of itself, however many begin', async () => {
    const before = discoveries();
    const statuses = await Promise.all(Array.from({ length: 8 }, () => begin(stage.provider.id)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(discoveries() - before).toBe(1);
    (stage.served.deps.clock as TestClock).advance(60_000);
    expect(await begin(stage.provider.id)).toBe(200);
    expect(discoveries() - before).toBe(2);
  });

  it('takes a field that is there twice for none of both, and not too many of them', async () => {
    const twice = new URLSearchParams(`provider=nobody&provider=${stage.provider.id}`);
    const many = new URLSearchParams(Array.from({ length: 101 }, (_, at) => `field${at}=`).join('&'));
    for (const [body, status] of [
      [twice, 404],
      [many, 400],
    ] as const)
      expect((await fetch(`${stage.served.url}/sign-in`, { method: 'POST', body })).status).toBe(status);
    (stage.served.deps.clock as TestClock).advance(QUARTER_OF_AN_HOUR);
  });

  it('is refused for a while to whoever began ten times what led nowhere', async () => {
    for (let tries = 0; tries < 10; tries++) expect(await begin('nobody')).toBe(404);
    expect(await begin(stage.provider.id)).toBe(429);
    (stage.served.deps.clock as TestClock).advance(QUARTER_OF_AN_HOUR);
    expect(await begin(stage.provider.id)).toBe(200);
  });
});
