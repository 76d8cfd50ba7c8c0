import { describe, expect, it } from 'vitest';
import type { CheckStep, Connector } from '../../connectors/contract.ts';
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
    if (path.includes('/activity/')) return { body: { kind: 'admin#reports#activities' } };
    return { body: path.endsWith('/users') ? usersBody([aUser('1')]) : aUser('1') };
  };

  const permission = (name: string) => `permission …${name}`;
  const named = (steps: readonly CheckStep[]) =>
    steps.map(({ step, detail }) =>
      step === 'permission'
        ? detail.replace(/^.*[/](admin[.]directory[.])?(.*)[.]readonly$/, 'permission …$2')
        : step,
    );
  const upTo = ['reach', 'credential'];
  const users = [permission('user'), 'users'];
  const groups = [permission('group'), 'groups'];
  const members = [permission('group.member'), 'members'];
  const rest = ['look-up', permission('admin.reports.audit'), 'changes'];

  it('passes all steps of a connection that works', async () => {
    const google = await account(lists);
    const steps = await all(connected(google));
    expect(named(steps)).toEqual([...upTo, ...users, ...groups, ...members, ...rest]);
    expect(steps.filter(({ ok }) => !ok)).toEqual([]);
  });

  it.each<[string, (asked: Asked) => Answered, Answered | null, readonly string[]]>([
    ['nobody answers', () => ({ status: 503 }), null, ['reach']],
    ['the token is refused', lists, { status: 400, body: { error: 'invalid_grant' } }, upTo],
    ['nothing is delegated', lists, { status: 401, body: { error: 'unauthorized_client' } }, upTo],
  ])('ends at the step that fails when %s, with a remedy', async (_when, answer, token, names) => {
    const google = await account(answer, token === null ? undefined : () => token);
    const steps = await all(connected(google));
    expect(named(steps)).toEqual(names);
    expect(steps.slice(0, -1).every(({ ok }) => ok)).toBe(true);
    expect(steps.at(-1)).toMatchObject({ ok: false, remedy: expect.stringMatching(/\w/) });
  });

  it.each([
    ['users', permission('user'), [...upTo, permission('user'), ...groups, ...members, ...rest.slice(1)]],
    ['groups', permission('group'), [...upTo, ...users, permission('group'), ...rest]],
    [
      'members',
      permission('group.member'),
      [...upTo, ...users, ...groups, permission('group.member'), ...rest],
    ],
  ])('goes on when %s may not be listed, and names what is missing', async (list, missing, names) => {
    const google = await account((asked) =>
      asked.path.endsWith(`/${list}`) ? refusal(403, 'forbidden') : lists(asked),
    );
    const steps = await all(connected(google));
    expect(named(steps)).toEqual(names);
    const broken = steps.filter(({ ok }) => !ok);
    expect(named(broken)).toEqual([missing]);
    expect(broken[0]?.remedy).toContain('Admin roles');
  });

  it.each<[string, Answered, readonly string[]]>([
    ['may not be read', refusal(403, 'forbidden'), [permission('admin.reports.audit'), 'changes']],
    ['answers nothing that can be read', { body: '<html></html>' }, ['changes']],
  ])(
    'is passed without the audit log that %s, and says what does not work then',
    async (_, answer, broken) => {
      const google = await account((asked) => (asked.path.includes('/activity/') ? answer : lists(asked)));
      const steps = (await all(connected(google))).filter(({ ok }) => !ok);
      expect(named(steps)).toEqual(broken);
      expect(steps.every(({ optional }) => optional === true)).toBe(true);
      expect(steps.at(-1)?.detail).toContain('full pulls only');
    },
  );

  it('fails the look-up where a user of the list is not there by id', async () => {
    const google = await account((asked) => {
      if (asked.path.endsWith('/1')) return refusal(404, 'notFound');
      return 'showDeleted' in asked.query ? nobody : lists(asked);
    });
    const broken = (await all(connected(google))).filter(({ ok }) => !ok);
    expect(named(broken)).toEqual(['look-up']);
  });

  it('does not take an account without anybody for one that works', async () => {
    const google = await account((asked) => (asked.path.endsWith('/users') ? nobody : lists(asked)));
    const steps = await all(connected(google));
    expect(steps.find(({ step }) => step === 'users')).toMatchObject({
      ok: false,
      remedy: expect.stringContaining('adminEmail'),
    });
  });
});
