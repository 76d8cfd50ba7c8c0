import { describe, expect, it } from 'vitest';
import {
  type Action,
  allowedTo,
  authorise,
  type Caller,
  can,
  PRINCIPAL_ROLES,
  type PrincipalRole,
} from '../../src/domain/permission.ts';
import type { ApiKey } from '../../src/domain/principal.ts';
import { authenticateKey, createKey, listKeys, revokeKey, rotateKey } from '../../src/tenancy/apiKeys.ts';
import { createPrincipal, disablePrincipal, enablePrincipal } from '../../src/tenancy/principals.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { moveTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant, listTenants, verifyDomain } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aTenancy, aTenant, auditOf } from '../support/tenancy.ts';
import { until } from '../support/waiting.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const { database, clock, deps, operator } = await aTenancy();

async function bearerOf(key: string): Promise<Caller> {
  const caller = await authenticateKey(deps, key);
  if (caller === null) throw new Error('the key opens nothing');
  return caller;
}

type Wanted = Omit<Parameters<typeof createKey>[2], 'principal'>;

async function narrowed(principal: string, wanted: Wanted): Promise<Caller> {
  return await bearerOf((await createKey(deps, operator, { principal, ...wanted })).key);
}

async function aPrincipal(tenant: Caller['tenant'], role: PrincipalRole): Promise<string> {
  return (await aCaller(deps, tenant, role)).principal;
}

async function known(id: string): Promise<ApiKey> {
  const { items } = await listKeys(deps, operator, { limit: 500 });
  const found = items.find((one) => one.id === id);
  if (found === undefined) throw new Error('there is no such key');
  return found;
}

const refused = (code: string) => ({ code });

describe('a key for some permissions', () => {
  it('leaves of its role what it names, and nothing comes with it', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const caller = await narrowed(principal, { permissions: ['users.read', 'audit.read'] });
    expect(caller.permissions).toEqual(['users.read', 'audit.read']);
    authorise(caller, 'users.read');
    expect(() => authorise(caller, 'tenants.read')).toThrow('This key does not include tenants.read');
    await expect(listTenants(deps, caller)).rejects.toMatchObject(refused('forbidden'));
  });

  it.each(PRINCIPAL_ROLES)('cannot name what the role %s does not include', async (role) => {
    const tenant = role === 'system' ? deps.store.root : await aTenant(deps);
    const principal = await aPrincipal(tenant, role);
    const others = allowedTo.system.filter(
      (action) => !(allowedTo[role] as readonly Action[]).includes(action),
    );
    for (const action of role === 'support' ? (['tokens.create', 'support.decide'] as const) : others)
      await expect(createKey(deps, operator, { principal, permissions: [action] })).rejects.toMatchObject({
        code: 'invalid-input',
        fields: [{ path: 'permissions' }],
      });
  });

  it('means no more than it says when the role comes to mean more, and less when a permission is gone', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const { id, key } = await createKey(deps, operator, { principal, permissions: ['users.read'] });
    await asOwner(database.url, (owner) =>
      owner.query(
        `UPDATE api_key SET permissions = '["users.read", "users.write", "once.known"]' WHERE id = $1`,
        [id],
      ),
    );
    expect((await bearerOf(key)).permissions).toEqual(['users.read']); // an auditor never writes
  });
});

describe('an application of a tenant', () => {
  it('is made by the system alone, and its keys are revoked and it is disabled by its tenant’s administrators too', async () => {
    const tenant = await aTenant(deps);
    const admin = await aCaller(deps, tenant);
    const principal = await aPrincipal(tenant, 'application');
    const { id, key } = await createKey(deps, operator, { principal });
    for (const attempt of [
      () => createPrincipal(deps, admin, { name: 'Portal', role: 'application' }),
      () => createKey(deps, admin, { principal }),
      () => rotateKey(deps, admin, { key: id }),
      () => enablePrincipal(deps, admin, principal),
    ])
      await expect(attempt()).rejects.toMatchObject({
        code: 'forbidden',
        remedy: expect.stringContaining('the role system'),
      });
    expect((await bearerOf(key)).role).toBe('application');
    await revokeKey(deps, admin, id);
    expect(await authenticateKey(deps, key)).toBeNull();
    expect((await disablePrincipal(deps, admin, principal)).disabledAt).not.toBeNull();
  });

  it('stays out of reach of a neighbour’s administrators, and so does the system of those of the root', async () => {
    const neighbour = await aCaller(deps, await aTenant(deps));
    const principal = await aPrincipal(await aTenant(deps), 'application');
    const { id } = await createKey(deps, operator, { principal });
    await expect(revokeKey(deps, neighbour, id)).rejects.toMatchObject(refused('not-found'));
    await expect(disablePrincipal(deps, neighbour, principal)).rejects.toMatchObject(refused('not-found'));
    const atRoot = await aCaller(deps, deps.store.root);
    const system = await aPrincipal(deps.store.root, 'system');
    const ofSystem = await createKey(deps, operator, { principal: system });
    await expect(revokeKey(deps, atRoot, ofSystem.id)).rejects.toMatchObject(refused('forbidden'));
    await expect(disablePrincipal(deps, atRoot, system)).rejects.toMatchObject(refused('forbidden'));
  });
});

describe('a key for one tenant', () => {
  it('sees that tenant and what is below, and nothing of where its principal stands', async () => {
    const above = await aTenant(deps);
    const below = await aTenant(deps, { parent: above });
    const deep = await aTenant(deps, { parent: below });
    const caller = await narrowed(await aPrincipal(above, 'tenant-administrator'), { tenant: below });
    expect(caller.tenant).toBe(below);
    expect((await listTenants(deps, caller)).items.map(({ id }) => id).sort()).toEqual([below, deep].sort());
  });

  it('is for the principal’s own tenant or one below it, and says of others what it says of none', async () => {
    const tenant = await aTenant(deps);
    const principal = await aPrincipal(tenant, 'auditor');
    for (const elsewhere of [await aTenant(deps), deps.store.root])
      await expect(createKey(deps, operator, { principal, tenant: elsewhere })).rejects.toMatchObject(
        refused('not-found'),
      );
    expect((await narrowed(principal, { tenant })).tenant).toBe(tenant);
  });

  it('of the system is that tenant’s administrator: what is the whole install’s is out of reach', async () => {
    const tenant = await aTenant(deps);
    const caller = await narrowed(operator.principal, { tenant });
    expect(caller.role).toBe('tenant-administrator');
    await expect(createRole(deps, caller, { name: 'everywhere' })).rejects.toMatchObject(
      refused('forbidden'),
    );
    await expect(verifyDomain(deps, caller, { tenant, domain: 'acme.example' })).rejects.toMatchObject(
      refused('forbidden'),
    );
    await createTenant(deps, caller, { name: 'Below' });
  });

  it('opens nothing once the tenant was moved to where its principal’s role does not hold, and opens again when it is back', async () => {
    const above = await aTenant(deps);
    const below = await aTenant(deps, { parent: above });
    const elsewhere = await aTenant(deps);
    const principal = await aPrincipal(above, 'auditor');
    const { key } = await createKey(deps, operator, { principal, tenant: below });
    expect(await authenticateKey(deps, key)).not.toBeNull();
    await moveTenant(deps, operator, { tenant: below, parent: elsewhere });
    expect(await authenticateKey(deps, key)).toBeNull();
    await moveTenant(deps, operator, { tenant: below, parent: above });
    expect(await authenticateKey(deps, key)).not.toBeNull();
  });
});

describe('whoever has a narrowed key', () => {
  it('makes no key and no principal that can do more', async () => {
    const tenant = await aTenant(deps);
    const self = await aPrincipal(tenant, 'tenant-administrator');
    const caller = await narrowed(self, { permissions: ['principals.write', 'users.read', 'roles.read'] });
    for (const permissions of [null, ['users.write'], ['users.read', 'audit.read']] as const)
      await expect(
        createKey(deps, caller, {
          principal: self,
          permissions: permissions === null ? null : [...permissions],
        }),
      ).rejects.toMatchObject(refused('forbidden'));
    await expect(createPrincipal(deps, caller, { name: 'More', role: 'auditor' })).rejects.toMatchObject(
      refused('forbidden'),
    );
    const { key } = await createKey(deps, caller, { principal: self, permissions: ['users.read'] });
    expect((await bearerOf(key)).permissions).toEqual(['users.read']);
  });

  it('rotates no key that can do more, and none of a stronger principal', async () => {
    const tenant = await aTenant(deps);
    const self = await aPrincipal(tenant, 'tenant-administrator');
    const whole = await createKey(deps, operator, { principal: self });
    const caller = await narrowed(self, { permissions: ['principals.write', 'users.read'] });
    await expect(rotateKey(deps, caller, { key: whole.id })).rejects.toMatchObject(refused('forbidden'));
    const atRoot = await aCaller(deps, deps.store.root);
    const systems = await createKey(deps, operator, {
      principal: operator.principal,
      permissions: ['users.read'],
    });
    await expect(rotateKey(deps, atRoot, { key: systems.id })).rejects.toMatchObject(refused('forbidden'));
    expect(can(caller, 'audit.read')).toBe(false);
  });

  it('cannot get out of its tenant by a key for its own principal', async () => {
    const above = await aTenant(deps);
    const below = await aTenant(deps, { parent: above });
    const self = await aPrincipal(above, 'tenant-administrator');
    const caller = await narrowed(self, { tenant: below });
    await expect(createKey(deps, caller, { principal: self })).rejects.toMatchObject(refused('not-found'));
  });
});

describe('rotating a key', () => {
  it('gives a new one that may the same, and leaves the old one good for the overlap and no longer', async () => {
    const above = await aTenant(deps);
    const below = await aTenant(deps, { parent: above });
    const principal = await aPrincipal(above, 'auditor');
    const old = await createKey(deps, operator, {
      principal,
      name: 'backup',
      tenant: below,
      permissions: ['audit.read'],
      expiresAt: new Date(clock.now().getTime() + 90 * DAY),
    });
    clock.advance(80 * DAY);
    const made = await rotateKey(deps, operator, { key: old.id, overlapMinutes: 60 });
    expect(await bearerOf(made.key)).toEqual(await bearerOf(old.key));
    expect(await known(made.id)).toMatchObject({
      name: 'backup',
      tenant: below,
      permissions: ['audit.read'],
      replaces: old.id,
      expiresAt: new Date(clock.now().getTime() + 90 * DAY), // as long as the old one was made for
    });
    clock.advance(60 * MINUTE - 1);
    expect(await authenticateKey(deps, old.key)).not.toBeNull();
    clock.advance(1);
    expect(await authenticateKey(deps, old.key)).toBeNull();
    expect(await authenticateKey(deps, made.key)).not.toBeNull();
    expect((await auditOf(database.url, above)).at(-1)).toMatchObject({
      action: 'api-key.rotated',
      subject: { id: made.id },
      details: { replaces: old.id, principal },
    });
  });

  it('never lengthens the old one’s life', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const expiresAt = new Date(clock.now().getTime() + 30 * MINUTE);
    const old = await createKey(deps, operator, { principal, expiresAt });
    const { oldExpiresAt } = await rotateKey(deps, operator, { key: old.id });
    expect(oldExpiresAt).toEqual(expiresAt);
    expect((await known(old.id)).expiresAt).toEqual(expiresAt);
  });

  it('happens once, however many ask at the same time', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const { id } = await createKey(deps, operator, { principal });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, () => rotateKey(deps, operator, { key: id })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const one of outcomes)
      if (one.status === 'rejected') expect(one.reason).toMatchObject(refused('not-allowed-now'));
    const { items } = await listKeys(deps, operator, { limit: 500 });
    expect(items.filter(({ replaces }) => replaces === id)).toHaveLength(1);
  });

  it('is for good keys alone, and for no longer than a month', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const { id } = await createKey(deps, operator, { principal });
    await expect(rotateKey(deps, operator, { key: id, overlapMinutes: 43_201 })).rejects.toMatchObject(
      refused('invalid-input'),
    );
    await revokeKey(deps, operator, id);
    await expect(rotateKey(deps, operator, { key: id })).rejects.toMatchObject(refused('not-allowed-now'));
  });
});

describe('the last use of a key', () => {
  it('is noted once a minute and not more, by however many requests', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const { id, key } = await createKey(deps, operator, { principal });
    const writes = async () => {
      const { rows } = await asOwner(database.url, (owner) =>
        owner.query('SELECT xmin::text AS writer, last_used_at AS at FROM api_key WHERE id = $1', [id]),
      );
      return rows[0];
    };
    expect((await known(id)).lastUsedAt).toBeNull();
    await bearerOf(key);
    const first = await until('the first use is noted', async () => {
      const row = await writes();
      return row.at === null ? null : row;
    });
    expect(first.at).toEqual(clock.now());
    clock.advance(MINUTE - 1);
    await Promise.all(Array.from({ length: 5 }, () => bearerOf(key)));
    expect(await writes()).toEqual(first);
    clock.advance(1);
    await bearerOf(key);
    await until('the later use is noted', async () => (await writes()).writer !== first.writer);
    expect((await known(id)).lastUsedAt).toEqual(clock.now());
  });

  it('holds no request up: a row that somebody has locked is noted when it is free', async () => {
    const principal = await aPrincipal(await aTenant(deps), 'auditor');
    const { id, key } = await createKey(deps, operator, { principal });
    await asOwner(database.url, async (owner) => {
      await owner.query('BEGIN');
      await owner.query('SELECT FROM api_key WHERE id = $1 FOR UPDATE', [id]);
      expect(await authenticateKey(deps, key)).not.toBeNull();
      expect((await known(id)).lastUsedAt).toBeNull();
      await owner.query('ROLLBACK');
    });
    await until('the use is noted', async () => (await known(id)).lastUsedAt);
  });
});

describe('a disabled principal', () => {
  it('opens nothing with any key, is not deleted, and opens again when enabled', async () => {
    const tenant = await aTenant(deps);
    const principal = await aPrincipal(tenant, 'reviewer');
    const keys = [
      await createKey(deps, operator, { principal }),
      await createKey(deps, operator, { principal }),
    ];
    const admin = await aCaller(deps, tenant);
    expect((await disablePrincipal(deps, admin, principal)).disabledAt).toEqual(clock.now());
    await disablePrincipal(deps, admin, principal);
    for (const { key } of keys) expect(await authenticateKey(deps, key)).toBeNull();
    await enablePrincipal(deps, admin, principal);
    for (const { key } of keys) expect(await authenticateKey(deps, key)).not.toBeNull();
    const actions = (await auditOf(database.url, tenant)).map(({ action }) => action);
    expect(actions.filter((action) => /abled$/.test(action))).toEqual([
      'principal.disabled',
      'principal.enabled',
    ]);
  });

  it('is never oneself, an operator, or somebody who can do more', async () => {
    const admin = await aCaller(deps, deps.store.root);
    await expect(disablePrincipal(deps, admin, admin.principal)).rejects.toMatchObject(
      refused('not-allowed-now'),
    );
    await expect(disablePrincipal(deps, admin, operator.principal)).rejects.toMatchObject(
      refused('forbidden'),
    );
    const system = await aCaller(deps, deps.store.root, 'system');
    await expect(disablePrincipal(deps, system, operator.principal)).rejects.toMatchObject(
      refused('not-allowed-now'),
    );
    await expect(disablePrincipal(deps, admin, system.principal)).rejects.toMatchObject(refused('forbidden'));
  });
});

describe('a suspended tenant', () => {
  it('refuses keys of its principals and of those below, not of those above', async () => {
    const above = await aTenant(deps);
    const tenant = await aTenant(deps, { parent: above });
    const below = await aTenant(deps, { parent: tenant });
    const keyAt = async (at: Caller['tenant'], wanted: Wanted = {}) =>
      (await createKey(deps, operator, { principal: await aPrincipal(at, 'auditor'), ...wanted })).key;
    const [own, belows, aboves, narrow] = [
      await keyAt(tenant),
      await keyAt(below),
      await keyAt(above),
      await keyAt(above, { tenant }),
    ];
    await asOwner(database.url, (owner) =>
      owner.query(`UPDATE tenant SET state = 'suspended' WHERE id = $1`, [tenant]),
    );
    for (const key of [own, belows])
      await expect(authenticateKey(deps, key)).rejects.toMatchObject(refused('tenant-suspended'));
    for (const key of [aboves, narrow]) expect(await authenticateKey(deps, key)).not.toBeNull();
    await asOwner(database.url, (owner) =>
      owner.query(`UPDATE tenant SET state = 'deleted' WHERE id = $1`, [tenant]),
    );
    for (const key of [own, belows, narrow]) expect(await authenticateKey(deps, key)).toBeNull();
    expect(await authenticateKey(deps, aboves)).not.toBeNull();
  });
});
