/** Needs `abilities.lookUp`; to see people leave, a source with `moves`. */
import { expect, it } from 'vitest';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import type { Connector, FoundUser } from '../contract.ts';
import { groupIdsOf, membersOf, never, type Suite, usersOf } from './harness.ts';
import type { FaultName, RequestKind } from './source.ts';

const MOST = 100;

/** Refusals and broken answers: none of them says that somebody is gone. A 404 for one user would. */
const NO_STATEMENT: readonly FaultName[] = [
  'status-401',
  'status-403',
  'status-500',
  'status-503',
  'throttled-silent',
  'throttled-403',
  'html-page',
  'cut-off',
  'list-key-null',
  'connection-reset',
];
const ASKED_FOR_USERS: readonly RequestKind[] = ['users', 'user', 'members', 'group', 'groups', 'other'];

/** The longest look-up that is allowed, evenly out of all users. */
function spread<T>(all: readonly T[]): readonly T[] {
  const step = Math.max(1, Math.ceil(all.length / MOST));
  return all.filter((_, at) => at % step === 0).slice(0, MOST);
}

function find(connector: Connector, ids: readonly ExternalId[], groups: readonly ExternalId[] | null) {
  if (connector.lookUp === null) return expect.unreachable('the look-up that is declared is not there');
  return connector.lookUp(ids, groups, never);
}

const idIn = (found: FoundUser) => (found.kind === 'user' ? found.user.externalId : found.externalId);

async function listed(connector: Connector): Promise<readonly DirectoryUser[]> {
  const records = (await usersOf(connector)).flatMap((page) => page.records);
  return records.flatMap((record) => (record.kind === 'user' ? [record.user] : []));
}

async function living(connector: Connector): Promise<readonly ExternalId[]> {
  const users = await listed(connector);
  return users.filter(({ state }) => state !== 'deprovisioned').map(({ externalId }) => externalId);
}

/** By user, the groups whose lists of members name them. */
async function listedGroups(connector: Connector, ids: readonly ExternalId[], groups: readonly ExternalId[]) {
  const found = new Map<ExternalId, ExternalId[]>(ids.map((id) => [id, []]));
  for (const group of groups) {
    const { members, everyone } = await membersOf(connector, group);
    for (const id of everyone ? ids : members) found.get(id)?.push(group);
  }
  return found;
}

async function foundGroups(
  connector: Connector,
  ids: readonly ExternalId[],
  wanted: readonly ExternalId[] | null,
) {
  const found = await find(connector, ids, wanted);
  return new Map(
    found.map((one) =>
      one.kind === 'user'
        ? ([one.user.externalId, [...one.groups].sort()] as const)
        : expect.unreachable(`a user of the list is ${one.kind}`),
    ),
  );
}

export function looksUp({ connect, control, can }: Suite): void {
  it(`finds ${MOST} users as the list has them, with one answer for each`, async () => {
    const connector = connect();
    const asked = spread(await listed(connector));
    const ids = asked.map(({ externalId }) => externalId);
    const found = await find(connector, ids, []);
    expect(found.map(idIn).sort()).toEqual([...ids].sort());
    const byId = new Map(found.map((one) => [idIn(one), one]));
    for (const user of asked) {
      const one = byId.get(user.externalId);
      const left = user.state === 'deprovisioned' && one?.kind === 'gone';
      if (!left) expect(one).toEqual({ kind: 'user', user, groups: [] });
    }
  });

  it('finds everybody’s groups as the groups’ members have them, and only those asked for', async () => {
    const connector = connect();
    const ids = spread(await living(connector)).slice(0, 25);
    const groups = await groupIdsOf(connector);
    const all = await listedGroups(connector, ids, groups);
    const some = groups.filter((_, at) => at % 2 === 0);
    const everyGroup = await foundGroups(connector, ids, null);
    const ofThose = await foundGroups(connector, ids, some);
    for (const [id, expected] of all) {
      expect(everyGroup.get(id)).toEqual([...expected].sort());
      expect(ofThose.get(id)).toEqual(expected.filter((group) => some.includes(group)).sort());
    }
  });

  it.skipIf(!can('moves'))(
    'calls who was deleted gone, or deprovisioned, and nobody beside them',
    async () => {
      const connector = connect();
      const stay = (await living(connector)).slice(0, 3);
      const { ids } = await control().leave((await control().hire(2)).ids, 'delete');
      const gone = ids.map((id) => ExternalId.parse(id));
      const answers = await find(connector, [...stay, ...gone], []);
      expect(answers).toHaveLength(stay.length + gone.length);
      for (const found of answers) {
        const has = found.kind === 'user' ? found.user.state : found.kind;
        if (gone.includes(idIn(found) as ExternalId)) expect(['gone', 'deprovisioned']).toContain(has);
        else expect(['active', 'suspended']).toContain(has);
      }
    },
  );

  it('answers for nobody when nobody is asked for', async () => {
    expect(await find(connect(), [], null)).toEqual([]);
  });
}

/** The same with a source that refuses or misbehaves. */
export function looksUpInTrouble({ connect, control, failing, can }: Suite): void {
  it.for(NO_STATEMENT.filter(can))('does not take lasting %s for somebody’s absence', async (name) => {
    const connector = connect();
    const ids = (await living(connector)).slice(0, 3);
    for (const on of ASKED_FOR_USERS) await control().fault({ name, on, times: null });
    const outcome = await find(connector, ids, null).then(
      (found) => ({ found }),
      (error: unknown) => ({ error }),
    );
    if ('error' in outcome) await failing(Promise.reject(outcome.error));
    else expect(outcome.found.map(({ kind }) => kind)).not.toContain('gone');
  });

  it.skipIf(!can('unreadable-record') || !can('unreadable-look-ups'))(
    'calls a user unreadable whose record it cannot understand',
    async () => {
      const connector = connect();
      const ids = (await living(connector)).slice(0, 3);
      for (const on of ASKED_FOR_USERS) await control().fault({ name: 'unreadable-record', on, times: null });
      const found = await find(connector, ids, []);
      expect(found.map(idIn).sort()).toEqual([...ids].sort());
      expect(found.filter(({ kind }) => kind === 'gone' || kind === 'out-of-scope')).toEqual([]);
      expect(found.some(({ kind }) => kind === 'unreadable')).toBe(true);
    },
  );

  it.skipIf(!can('status-503'))('is not stopped by a single status-503', async () => {
    const connector = connect();
    const ids = (await living(connector)).slice(0, 3);
    const expected = await find(connector, ids, []);
    for (const on of ['users', 'user', 'other'] as const)
      await control().fault({ name: 'status-503', on, times: 1 });
    expect(await find(connector, ids, [])).toEqual(expected);
  });

  it('ends with the reason when it is aborted', async () => {
    const connector = connect();
    const reason = new Error('the run was cancelled');
    const ids = (await living(connector)).slice(0, 1);
    await expect(connector.lookUp?.(ids, null, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
}
