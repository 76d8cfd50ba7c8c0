import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuthUserId, TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { createConnection, updateConnection } from '../../src/tenancy/connections.ts';
import { createRole, getRole, grantRole, updateRole } from '../../src/tenancy/roles.ts';
import { getUser } from '../../src/tenancy/users.ts';
import { aDirectory } from '../support/directory.ts';
import { Install } from '../support/install.ts';
import { aCaller, aUser } from '../support/tenancy.ts';
import { oneThenOther } from '../support/waiting.ts';

let install: Install;
let operator: Caller;
let root: TenantId;
beforeAll(async () => {
  install = await Install.open();
  operator = install.operator;
  root = install.store.root;
});
afterAll(() => install.close());

let made = 0;
async function aRole(): Promise<string> {
  made += 1;
  return (await createRole(install, operator, { name: `role ${made}`, type: 'assignable' })).name;
}

const hide = (role: string) => updateRole(install, operator, { role, type: 'hidden' });
const typeOf = async (role: string) => (await getRole(install, operator, role)).type;
const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    ({ code }) => code,
  );
const atOnce = (tenant: TenantId, first: () => Promise<unknown>, second: () => Promise<unknown>) =>
  oneThenOther(
    install.database.url,
    tenant,
    () => outcome(first()),
    () => outcome(second()),
  );

describe('a role that becomes a hidden one', () => {
  it('is in no mapping that is stored meanwhile, of a new connection or of one that is there', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 1 }) });
    const [one, other] = [await aRole(), await aRole()];
    const there = await install.store.connections.open(root, acme.connection);
    const settings = there?.connection.settings;
    const second = { name: 'Second', provider: 'okta', settings, credentials: there?.credentials } as const;
    const created = () =>
      createConnection(install, acme.administrator, { ...second, mapping: { everyone: [one] } });
    expect(await atOnce(root, () => hide(one), created)).toEqual(['done', 'changed-since-shown']);
    const remapped = () =>
      updateConnection(install, acme.administrator, {
        ...{ connection: acme.connection, mapping: { everyone: [other] } },
      });
    expect(await atOnce(root, () => hide(other), remapped)).toEqual(['done', 'changed-since-shown']);
  });

  it('stays what it is where a mapping that is being stored names it', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 1 }) });
    const role = await aRole();
    const remapped = () =>
      updateConnection(install, acme.administrator, {
        ...{ connection: acme.connection, mapping: { everyone: [role] } },
      });
    expect(await atOnce(acme.tenant, remapped, () => hide(role))).toEqual(['done', 'not-allowed-now']);
    expect(await typeOf(role)).toBe('assignable');
  });

  it('is given by hand to nobody by those who may not see it', async () => {
    const tenant = await install.tenant();
    const [admin, role] = [await aCaller(install, tenant), await aRole()];
    const user: AuthUserId = await aUser(install.database.url, tenant);
    const granted = () => grantRole(install, admin, { user, role });
    expect(await atOnce(root, () => hide(role), granted)).toEqual(['done', 'changed-since-shown']);
    expect((await getUser(install, operator, user)).roles).toEqual([]);
  });

  it('is given by no directory: what was approved before goes back, and the next run proposes it without', async () => {
    const role = await aRole();
    const acme = await install.connect({
      directory: aDirectory({ users: 2 }),
      mapping: { everyone: [role] },
    });
    await acme.sync();
    await acme.approveAll();
    await install.remap(acme.connection, {});
    await hide(role);
    expect(await acme.apply()).toMatchObject({ applied: 0, moved: 2 });
    expect((await acme.changeOf('u1')).outcomeReason).toContain('none that directories give');
    expect(await acme.syncAndApply()).toMatchObject({ applied: 2 });
    expect((await acme.users()).map(({ roles }) => roles)).toEqual([[], []]);
  });
});
