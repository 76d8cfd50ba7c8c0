import { describe, expect, it } from 'vitest';
import type { Connector } from '../../connectors/contract.ts';
import { googleDefinition } from '../../connectors/google/index.ts';
import {
  type Answered,
  type Asked,
  aUser,
  closedAfterEach,
  nobody,
  refusal,
  usersBody,
} from './googleAccount.ts';

const signal = new AbortController().signal;
const { account, connected } = closedAfterEach();

describe('the check', () => {
  const all = async (connector: Connector) => {
    const steps = [];
    for await (const step of googleDefinition.check(connector, signal)) steps.push(step);
    return steps;
  };
  const lists = ({ path }: Asked): Answered => {
    if (path.endsWith('/members')) return { body: { kind: 'admin#directory#members', members: [] } };
    if (path.endsWith('/groups')) return { body: { kind: 'admin#directory#groups', groups: [{ id: 'g1' }] } };
    return { body: usersBody([aUser('1')]) };
  };

  it('passes all steps of a connection that works', async () => {
    const google = await account(lists);
    const steps = await all(connected(google));
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['reach', true],
      ['credential', true],
      ['users', true],
      ['groups', true],
      ['members', true],
    ]);
  });

  it.each<[string, (asked: Asked) => Answered, Answered | null, readonly string[]]>([
    ['nobody answers', () => ({ status: 503 }), null, ['reach']],
    [
      'the token is refused',
      lists,
      { status: 400, body: { error: 'invalid_grant' } },
      ['reach', 'credential'],
    ],
    ['users may not be listed', () => refusal(403, 'forbidden'), null, ['reach', 'credential', 'users']],
    [
      'groups may not be listed',
      (asked) => (asked.path.endsWith('/groups') ? refusal(403, 'forbidden') : lists(asked)),
      null,
      ['reach', 'credential', 'users', 'groups'],
    ],
  ])('ends at the step that fails when %s, with a remedy', async (_when, answer, token, names) => {
    const google = await account(answer, token === null ? undefined : () => token);
    const steps = await all(connected(google));
    expect(steps.map(({ step }) => step)).toEqual(names);
    expect(steps.slice(0, -1).every(({ ok }) => ok)).toBe(true);
    expect(steps.at(-1)).toMatchObject({ ok: false, remedy: expect.stringMatching(/\w/) });
  });

  it('does not take an account without anybody for one that works', async () => {
    const google = await account(() => nobody);
    expect((await all(connected(google)))[2]).toMatchObject({ step: 'users', ok: false });
  });
});
