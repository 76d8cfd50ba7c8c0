import { expect, it } from 'vitest';
import { type Provider, SIMULATED as providers } from '../../simulators/directory.ts';
import { everyPage, type Json, userList, type Visitor, visit } from './visitor.ts';

const groups = {
  entra: { list: '/v1.0/groups?$top=999', members: (id: string) => `/v1.0/groups/${id}/members?$select=id` },
  okta: { list: '/api/v1/groups', members: (id: string) => `/api/v1/groups/${id}/users` },
  google: {
    list: '/admin/directory/v1/groups?customer=my_customer',
    members: (id: string) => `/admin/directory/v1/groups/${id}/members?maxResults=200`,
  },
  scim: { list: '/scim/v2/Groups?count=200&cursor=', members: (id: string) => `/scim/v2/Groups/${id}` },
} as const;

const addressIn: Readonly<Record<Provider, (user: Json) => string>> = {
  entra: (user) => String(user['userPrincipalName']),
  okta: (user) => String(user['profile']?.['login']),
  google: (user) => String(user['primaryEmail']),
  scim: (user) => String(user['userName']),
};

const oneUser = {
  entra: '/v1.0/users/',
  okta: '/api/v1/users/',
  google: '/admin/directory/v1/users/',
  scim: '/scim/v2/Users/',
} as const satisfies Record<Provider, string>;

async function usersOf(visitor: Visitor): Promise<Map<string, Json>> {
  const users = await everyPage(visitor, userList[visitor.simulator.provider]);
  return new Map(users.map((user) => [String(user['id']), user]));
}

async function membersOf(visitor: Visitor, name: string): Promise<readonly string[]> {
  const { list, members } = groups[visitor.simulator.provider];
  const found = (await everyPage(visitor, list)).find((group) => {
    return [group['displayName'], group['name'], group['profile']?.['name']].some(
      (text) => String(text) === name,
    );
  });
  return (await everyPage(visitor, members(String(found?.['id'])))).map((member) => String(member['id']));
}

const changedBetween = (before: Map<string, Json>, after: Map<string, Json>): string[] =>
  [...after.keys()].filter(
    (id) => before.has(id) && JSON.stringify(before.get(id)) !== JSON.stringify(after.get(id)),
  );

it.each(providers)(
  '%s: hires new people with new ids and addresses, in the group of their department',
  async (provider) => {
    const visitor = await visit(provider, { users: 80, plain: true });
    const before = await usersOf(visitor);
    const { ids } = await visitor.simulator.control.hire(3);
    const after = await usersOf(visitor);
    expect([...after.keys()].filter((id) => !before.has(id))).toEqual(ids);
    const addresses = new Set([...after.values()].map(addressIn[provider]));
    expect(addresses.size).toBe(83);
    const staff = await membersOf(visitor, 'All Staff');
    expect(ids.every((id) => staff.includes(id))).toBe(true);
  },
);

it.each(providers)(
  '%s: a leaver is disabled, deleted or purged, and each is told apart',
  async (provider) => {
    const visitor = await visit(provider, { users: 80, plain: true });
    const { control } = visitor.simulator;
    const disabled = await control.leave(1, 'disable');
    const deleted = await control.leave(1, 'delete');
    const purged = await control.leave(1, 'purge');
    const after = await usersOf(visitor);
    const [disabledId = '', deletedId = '', purgedId = ''] = [...disabled.ids, ...deleted.ids, ...purged.ids];
    const state = after.get(disabledId);
    expect([state?.['accountEnabled'], state?.['status'], state?.['suspended']]).toEqual(
      {
        entra: [false, undefined, undefined],
        okta: [undefined, 'SUSPENDED', undefined],
        google: [undefined, undefined, true],
        scim: [undefined, undefined, undefined],
      }[provider],
    );
    expect(state?.['active']).toBe(provider === 'scim' ? false : undefined);
    expect([after.has(deletedId), after.has(purgedId), after.size]).toEqual([false, false, 78]);
    const one = oneUser[provider];
    expect((await visitor.get(`${one}${purgedId}`)).status).toBe(404);
    // Okta deactivates: the user can still be read.
    expect((await visitor.get(`${one}${deletedId}`)).status).toBe(provider === 'okta' ? 200 : 404);
    expect(await control.state()).toMatchObject({ users: { listed: 78, deleted: 1, lost: 0 } });
  },
);

it.each(providers)('%s: the chosen people leave, named by id, and can be restored', async (provider) => {
  const visitor = await visit(provider, { users: 30, plain: true });
  const before = await usersOf(visitor);
  const chosen = [...before.keys()].slice(3, 5);
  await visitor.simulator.control.leave(chosen, 'delete');
  expect((await usersOf(visitor)).size).toBe(28);
  await visitor.simulator.control.restore(chosen);
  expect([...(await usersOf(visitor)).keys()]).toEqual([...before.keys()]);
  await expect(visitor.simulator.control.leave(['no-such-id'], 'delete')).rejects.toThrow(/no-such-id/);
});

it('renames with a new address under the same id, and the old address becomes an alias', async () => {
  const visitor = await visit('entra', { users: 60, plain: true });
  const before = await usersOf(visitor);
  const { ids } = await visitor.simulator.control.rename(2);
  const after = await usersOf(visitor);
  expect(changedBetween(before, after).sort()).toEqual([...ids].sort());
  for (const id of ids) {
    const [old, now] = [before.get(id), after.get(id)];
    expect(now?.['surname']).not.toBe(old?.['surname']);
    expect(now?.['proxyAddresses']).toEqual([
      `SMTP:${now?.['userPrincipalName']}`,
      `smtp:${old?.['userPrincipalName']}`,
    ]);
  }
});

it('shows a renamed manager’s new login at the people who report to them', async () => {
  const visitor = await visit('okta', { users: 200, plain: true });
  const before = await usersOf(visitor);
  await visitor.simulator.control.rename(60);
  const after = await usersOf(visitor);
  const logins = new Set([...after.values()].map(addressIn.okta));
  const named = [...after.values()]
    .map((user) => user['profile']?.['managerId'])
    .filter((login) => login !== null);
  expect(named.every((login) => logins.has(String(login)))).toBe(true);
  const managerOf = (users: Map<string, Json>, id: string) => users.get(id)?.['profile']?.['managerId'];
  expect([...after.keys()].some((id) => managerOf(before, id) !== managerOf(after, id))).toBe(true);
});

it('moves people to another department and its group', async () => {
  const visitor = await visit('entra', { users: 120, plain: true });
  const before = await usersOf(visitor);
  const { ids } = await visitor.simulator.control.move(3);
  const after = await usersOf(visitor);
  for (const id of ids) {
    const [left, joined] = [before.get(id)?.['department'], after.get(id)?.['department']];
    expect(left).not.toBe(joined);
    expect(await membersOf(visitor, String(left))).not.toContain(id);
    expect(await membersOf(visitor, String(joined))).toContain(id);
  }
});

it.each(providers)('%s: a rehire has the leaver’s address and another id', async (provider) => {
  const visitor = await visit(provider, { users: 60, plain: true });
  const before = await usersOf(visitor);
  const left = await visitor.simulator.control.leave(1, 'delete');
  const { ids, former } = await visitor.simulator.control.rehire(1);
  expect(former).toEqual(left.ids);
  const after = await usersOf(visitor);
  const [now, then] = [after.get(ids[0] ?? ''), before.get(former[0] ?? '')];
  expect(before.has(ids[0] ?? '')).toBe(false);
  expect(after.has(former[0] ?? '')).toBe(false);
  expect(now && addressIn[provider](now)).toBe(then && addressIn[provider](then));
});

it('promotes people to another title and among the leads', async () => {
  const visitor = await visit('google', { users: 60, plain: true });
  const { ids } = await visitor.simulator.control.promote(2);
  const leads = await membersOf(visitor, 'Leads');
  expect(ids.every((id) => leads.includes(id))).toBe(true);
});

it.each(providers)(
  '%s: a group gains and loses exactly the members that the answer names',
  async (provider) => {
    const visitor = await visit(provider, { users: 150, plain: true });
    const before = await membersOf(visitor, 'VPN Users');
    const change = await visitor.simulator.control.changeGroup('VPN Users', { add: 3, remove: 2 });
    expect([change.added.length, change.removed.length, change.name]).toEqual([3, 2, 'VPN Users']);
    const after = await membersOf(visitor, 'VPN Users');
    const expected = [...before.filter((id) => !change.removed.includes(id)), ...change.added];
    expect([...after].sort()).toEqual(expected.sort());
    await expect(visitor.simulator.control.changeGroup('Astronauts', { add: 1 })).rejects.toThrow(
      /Administrators/,
    );
  },
);

it.each(providers)(
  '%s: lost people vanish from lists, are still there by id, and come back with restore',
  async (provider) => {
    const visitor = await visit(provider, { users: 101, plain: true });
    const before = await usersOf(visitor);
    const { ids } = await visitor.simulator.control.lose(40);
    expect(ids).toHaveLength(40);
    const after = await usersOf(visitor);
    expect([...before.keys()].filter((id) => !after.has(id))).toEqual(ids);
    const one = oneUser[provider];
    expect((await visitor.get(`${one}${ids[0]}`)).status).toBe(200);
    await visitor.simulator.control.restore();
    expect(await usersOf(visitor)).toEqual(before);
  },
);

it.each(providers)(
  '%s: edit changes one field of exactly so many per cent, and nobody else’s',
  async (provider) => {
    const visitor = await visit(provider, { users: 300, plain: true });
    const before = await usersOf(visitor);
    const { ids } = await visitor.simulator.control.edit(1);
    expect(ids).toHaveLength(3);
    const after = await usersOf(visitor);
    expect(changedBetween(before, after)).toEqual(ids);
  },
);

it('lives for a while in a believable mixture, the same for the same seed', async () => {
  const lived = async (seed: number) => {
    const visitor = await visit('entra', { users: 400, seed: 5 });
    const report = await visitor.simulator.control.liveForAWhile(seed);
    return { report, users: [...(await usersOf(visitor)).values()] };
  };
  const [first, again, other] = [await lived(1), await lived(1), await lived(2)];
  expect(again).toEqual(first);
  expect(other.report).not.toEqual(first.report);
  for (const [what, ids] of Object.entries(first.report))
    expect([what, ids.length > 0]).toEqual([what, true]);
  const { hired, rehired, deleted } = first.report;
  expect(first.users).toHaveLength(400 + hired.length + rehired.length - deleted.length);
});

it('never touches the first person, whom Google’s connection acts for', async () => {
  const visitor = await visit('google', { users: 40, plain: true });
  const { control, settings } = visitor.simulator;
  await control.leave(1_000, 'delete');
  await control.lose(100);
  const users = [...(await usersOf(visitor)).values()];
  expect(users.map(addressIn.google)).toEqual([settings['adminEmail']]);
});
