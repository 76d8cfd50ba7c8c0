import { expect, it } from 'vitest';
import type { Page } from '../../connectors/contract.ts';
import { never } from './aSession.ts';
import { connected, everyUser, simulated } from './entraDirectory.ts';

it('asks for a whole pull no more than its pages and groups, and five times besides, the token and the beginning of changes included', async () => {
  const simulator = await simulated({ users: 2_500, groups: 70 });
  const connector = connected(simulator);
  await connector.evidence(never);
  await connector.changes?.begin(never);
  const { records } = await connector.fetchGroups(null, never);
  let memberships = 0;
  for (const record of records) {
    if (record.kind !== 'group') return expect.unreachable(record.problem);
    let cursor: string | null = null;
    do {
      const page: Page<unknown> = await connector.fetchMembers(record.group.externalId, cursor, never);
      memberships += page.records.length;
      cursor = page.next;
    } while (cursor !== null);
  }
  const users = (await everyUser(connector)).length;
  const state = await simulator.control.state();
  const sent = Object.values(state.requests).reduce((sum, count) => sum + count, 0);
  expect(records).toHaveLength(70);
  expect(users).toBe(state.users.listed + state.users.deleted);
  expect(sent).toBeLessThanOrEqual(Math.ceil(users / 999) + Math.ceil(memberships / 999) + 70 + 5);
  expect(connector.usage()).toMatchObject({ requests: sent, retries: 0, throttled: 0 });
});
