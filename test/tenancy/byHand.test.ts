import { describe, expect, it } from 'vitest';
import type { AuthUserId, TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { listEvents } from '../../src/review/changes.ts';
import type { EventView } from '../../src/store/events.ts';
import { grantRole, revokeRole } from '../../src/tenancy/roles.ts';
import { moveTenant } from '../../src/tenancy/tenantLife.ts';
import { editUser } from '../../src/tenancy/users.ts';
import { Configuring } from '../support/configuring.ts';
import { aTenant, aUser, auditOf } from '../support/tenancy.ts';
import { untilFeedIsUpToDate } from '../support/waiting.ts';

const one = await Configuring.open();

/** What an application of this caller's tenant hears of users. */
async function heard(caller: Caller): Promise<readonly EventView[]> {
  await untilFeedIsUpToDate(one.database.url);
  const found: EventView[] = [];
  let after: string | null = null;
  do {
    const page = await listEvents(one.deps, caller, { limit: 500, after });
    found.push(...page.items.filter(({ authUser }) => authUser !== null));
    after = page.next;
  } while (after !== null);
  return found;
}

const briefly = (events: readonly EventView[]) =>
  events.map(({ authUser, type, userVersion, data }) => ({ authUser, type, userVersion, data }));

async function aPerson(): Promise<{ user: AuthUserId; customer: TenantId; admin: Caller; name: string }> {
  const { customer, admin, name } = await one.customer();
  return { user: await aUser(one.database.url, customer, { userName: 'ada' }), customer, admin, name };
}

describe('What is done to a user by hand', () => {
  it('is told to applications: a role given, one taken, a field edited, each with the version that follows', async () => {
    const { user, admin } = await aPerson();
    await grantRole(one.deps, admin, { user, role: 'editor' });
    await editUser(one.deps, admin, { user, displayName: 'Ada', attributes: { department: 'Sales' } });
    await revokeRole(one.deps, admin, { user, role: 'editor' });
    const event = { authUser: user, type: 'user.updated' };
    const fields = ['displayName', 'attributes.department'];
    expect(briefly(await heard(admin))).toEqual([
      { ...event, userVersion: 2, data: { fields: [], rolesGained: ['editor'], rolesLost: [] } },
      { ...event, userVersion: 3, data: { fields, rolesGained: [], rolesLost: [] } },
      { ...event, userVersion: 4, data: { fields: [], rolesGained: [], rolesLost: ['editor'] } },
    ]);
  });

  it('that changes nothing is told to nobody', async () => {
    const { user, admin } = await aPerson();
    await grantRole(one.deps, admin, { user, role: 'editor' });
    const before = await heard(admin);
    await grantRole(one.deps, admin, { user, role: 'editor' });
    await editUser(one.deps, admin, { user, userName: 'ada' });
    expect(await heard(admin)).toEqual(before);
  });

  it('is told and recorded in the same words when a configuration file says it', async () => {
    const [byOne, byFile] = [await aPerson(), await aPerson()];
    await editUser(one.deps, byOne.admin, { user: byOne.user, displayName: 'Ada' });
    await grantRole(one.deps, byOne.admin, { user: byOne.user, role: 'editor' });
    await one.load(
      `{users: [{tenant: ., userName: ada, displayName: Ada, roles: [{role: editor}]}]}`,
      byFile.admin,
    );
    const about = async ({ customer, user, admin }: typeof byOne) => ({
      recorded: (await auditOf(one.database.url, customer))
        .filter(({ subject }) => subject.id === user)
        .map(({ action, details }) => ({ action, details })),
      types: [...new Set((await heard(admin)).map(({ type }) => type))],
      fields: (await heard(admin)).flatMap(({ data }) => data['fields']),
      gained: (await heard(admin)).flatMap(({ data }) => data['rolesGained']),
    });
    expect(await about(byFile)).toEqual(await about(byOne));
  });

  it('takes roles along when the tenant that they are held in is moved away, and tells so', async () => {
    const { user, customer, admin } = await aPerson();
    const part = await aTenant(one.deps, { parent: customer });
    await grantRole(one.deps, admin, { user, role: 'editor', tenant: part });
    await moveTenant(one.deps, one.operator, { tenant: part, parent: one.database.store.root });
    expect(briefly(await heard(admin)).at(-1)).toEqual({
      ...{ authUser: user, type: 'user.updated', userVersion: 3 },
      data: { fields: [], rolesGained: [], rolesLost: ['editor'] },
    });
  });
});

describe('A hidden role', () => {
  const rootSays = async (user: AuthUserId) =>
    (await auditOf(one.database.url, one.database.store.root))
      .filter(({ subject }) => subject.id === user)
      .map(({ action, details }) => ({ action, tenant: details['tenant'], because: details['because'] }));

  it('that is given or taken stands in the log of the root, and neither in the log nor in the feed of the tenant', async () => {
    const { user, customer, admin } = await aPerson();
    await grantRole(one.deps, one.operator, { user, role: 'vendor' });
    await revokeRole(one.deps, one.operator, { user, role: 'vendor' });
    const recorded = (await auditOf(one.database.url, customer)).filter(({ subject }) => subject.id === user);
    expect(recorded).toEqual([]);
    const told = briefly(await heard(admin));
    expect(told.map(({ userVersion }) => userVersion)).toEqual([2, 3]);
    expect(JSON.stringify(told)).not.toContain('vendor');
    expect((await rootSays(user)).map(({ action }) => action)).toEqual(['role.granted', 'role.revoked']);
  });

  it('that a configuration file gives stands there too', async () => {
    const { user, customer, name } = await aPerson();
    await one.load(`{users: [{tenant: ['${name}'], userName: ada, roles: [{role: vendor}]}]}`);
    const recorded = (await auditOf(one.database.url, customer)).filter(({ subject }) => subject.id === user);
    expect(recorded).toEqual([]);
    expect((await rootSays(user)).map(({ action }) => action)).toEqual(['role.granted']);
  });

  it('that ends by a move is recorded there, whoever moved the tenant', async () => {
    const { customer, admin } = await aPerson();
    const middle = await aTenant(one.deps, { parent: customer });
    const part = await aTenant(one.deps, { parent: middle });
    const user = await aUser(one.database.url, middle);
    await grantRole(one.deps, one.operator, { user, role: 'vendor', tenant: part });
    await moveTenant(one.deps, admin, { tenant: part, parent: customer });
    expect((await rootSays(user)).at(-1)).toEqual({
      ...{ action: 'role.revoked', tenant: part, because: 'tenant-moved' },
    });
    expect((await auditOf(one.database.url, middle)).map(({ action }) => action)).not.toContain(
      'role.revoked',
    );
  });
});
