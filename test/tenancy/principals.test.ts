import { describe, expect, it } from 'vitest';
import { allowedTo } from '../../src/domain/permission.ts';
import { authenticateKey, createKey, revokeKey } from '../../src/tenancy/apiKeys.ts';
import {
  createPrincipal,
  disablePrincipal,
  ensureOperator,
  findPrincipal,
  listPrincipals,
  principalIn,
} from '../../src/tenancy/principals.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aTenancy, aTenant, auditOf, unknownId } from '../support/tenancy.ts';

const { database, clock, deps, operator } = await aTenancy();

const DAY = 86_400_000;

describe('an API key', () => {
  it('makes its bearer the principal that it belongs to', async () => {
    const tenant = await aTenant(deps);
    const { id } = await createPrincipal(deps, operator, { tenant, name: 'Rita', role: 'reviewer' });
    const { key } = await createKey(deps, operator, { principal: id });
    expect(key).toMatch(/^rc_[A-Za-z0-9_-]{43}$/);
    expect(await authenticateKey(deps, key)).toEqual({
      principal: id,
      tenant,
      role: 'reviewer',
      permissions: allowedTo.reviewer,
      narrowedTo: null,
      actor: { kind: 'person', id, name: 'Rita' },
    });
  });

  it('is stored nowhere in a form that could be used', async () => {
    const { principal, tenant } = await aCaller(deps, await aTenant(deps));
    const { key } = await createKey(deps, operator, { principal });
    const dump = await asOwner(database.url, async (client) => {
      const keys = await client.query(`SELECT *, encode(secret_hash, 'escape') AS plain FROM api_key`);
      return JSON.stringify([keys.rows, await auditOf(database.url, tenant)]);
    });
    expect(dump).not.toContain(key.slice(3));
  });

  it('opens nothing once it was revoked', async () => {
    const { principal, tenant } = await aCaller(deps, await aTenant(deps));
    const { key, id } = await createKey(deps, operator, { principal });
    await revokeKey(deps, operator, id);
    await revokeKey(deps, operator, id);
    expect(await authenticateKey(deps, key)).toBeNull();
    const actions = (await auditOf(database.url, tenant)).map(({ action }) => action);
    expect(actions.filter((action) => action === 'api-key.revoked')).toHaveLength(1);
  });

  it('opens until it expires and not from that moment on', async () => {
    const { principal } = await aCaller(deps, await aTenant(deps));
    const expiresAt = new Date(clock.now().getTime() + DAY);
    const { key } = await createKey(deps, operator, { principal, expiresAt });
    clock.advance(DAY - 1);
    expect(await authenticateKey(deps, key)).not.toBeNull();
    clock.advance(1);
    expect(await authenticateKey(deps, key)).toBeNull();
  });

  it('cannot be made to have expired already', async () => {
    const { principal } = await aCaller(deps, await aTenant(deps));
    await expect(
      createKey(deps, operator, { principal, expiresAt: '2020-01-01T00:00:00Z' }),
    ).rejects.toMatchObject({ code: 'invalid-input', fields: [{ path: 'expiresAt' }] });
  });

  it.each(['', 'rc_', `rc_${'A'.repeat(43)}`, `RC_${'A'.repeat(43)}`, `rc_${'A'.repeat(43)}\n`, '\u0000'])(
    'does not exist as %j',
    async (key) => {
      expect(await authenticateKey(deps, key)).toBeNull();
    },
  );
});

describe('a tenant administrator', () => {
  it('makes principals and keys for the own subtree', async () => {
    const tenant = await aTenant(deps);
    const below = await aTenant(deps, { parent: tenant });
    const admin = await aCaller(deps, tenant);
    const made = await createPrincipal(deps, admin, { tenant: below, name: 'Ann', role: 'auditor' });
    await createKey(deps, admin, { principal: made.id });
    const { items } = await listPrincipals(deps, admin, { tenant: below });
    expect(items).toEqual([made]);
    expect((await auditOf(database.url, below)).slice(1).map(({ action, actor }) => [action, actor])).toEqual(
      [
        ['principal.created', admin.actor],
        ['api-key.created', admin.actor],
      ],
    );
  });

  it('gets hold of no system rights, by a principal or by a key, not even at the root', async () => {
    const atRoot = await aCaller(deps, deps.store.root);
    const { id } = await createKey(deps, operator, { principal: operator.principal });
    const attempts = [
      () => createPrincipal(deps, atRoot, { name: 'Rex', role: 'system' }),
      () => createKey(deps, atRoot, { principal: operator.principal }),
      () => revokeKey(deps, atRoot, id),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('hears the same about principals and keys of others as about unknown ones', async () => {
    const admin = await aCaller(deps, await aTenant(deps));
    const foreign = await aCaller(deps, await aTenant(deps));
    const { id, key } = await createKey(deps, operator, { principal: foreign.principal });
    const said = (attempt: Promise<unknown>) =>
      attempt.catch(({ code, message, remedy }) => ({ code, message, remedy }));
    expect(await said(createKey(deps, admin, { principal: foreign.principal }))).toEqual(
      await said(createKey(deps, admin, { principal: unknownId() })),
    );
    expect(await said(revokeKey(deps, admin, id))).toEqual(await said(revokeKey(deps, admin, unknownId())));
    await expect(revokeKey(deps, admin, id)).rejects.toMatchObject({ code: 'not-found' });
    expect(await authenticateKey(deps, key)).not.toBeNull();
    await expect(
      createPrincipal(deps, admin, { tenant: foreign.tenant, name: 'Spy', role: 'auditor' }),
    ).rejects.toMatchObject({ code: 'not-found' });
    const { items } = await listPrincipals(deps, admin);
    expect(items.map((one) => one.id)).toEqual([admin.principal]);
  });

  it('cannot take the name of an operator', async () => {
    const atRoot = await aCaller(deps, deps.store.root);
    await expect(
      createPrincipal(deps, atRoot, { name: 'operator:alice', role: 'auditor' }),
    ).rejects.toMatchObject({ code: 'invalid-input', fields: [{ path: 'name' }] });
  });
});

describe('createPrincipal', () => {
  it('refuses a name that the tenant has already, without repeating it', async () => {
    const tenant = await aTenant(deps);
    await createPrincipal(deps, operator, { tenant, name: 'Zoe', role: 'auditor' });
    const failure = await createPrincipal(deps, operator, { tenant, name: 'Zoe', role: 'reviewer' }).catch(
      (error) => error,
    );
    expect(failure).toMatchObject({ code: 'name-taken' });
    expect(failure.message).not.toContain('Zoe');
  });

  it('makes system principals at the root alone', async () => {
    const tenant = await aTenant(deps);
    await expect(
      createPrincipal(deps, operator, { tenant, name: 'Sys', role: 'system' }),
    ).rejects.toMatchObject({ code: 'invalid-input', fields: [{ path: 'role' }] });
  });

  it('is not for reviewers and auditors', async () => {
    const tenant = await aTenant(deps);
    for (const role of ['reviewer', 'auditor'] as const) {
      const caller = await aCaller(deps, tenant, role);
      await expect(createPrincipal(deps, caller, { name: 'More', role: 'auditor' })).rejects.toMatchObject({
        code: 'forbidden',
      });
    }
  });
});

describe('ensureOperator', () => {
  it('makes one system principal however many come at once, and audits it once', async () => {
    const callers = await Promise.all(Array.from({ length: 8 }, () => ensureOperator(deps, 'mallory')));
    expect(new Set(callers.map(({ principal }) => principal)).size).toBe(1);
    expect(callers[0]).toMatchObject({
      tenant: deps.store.root,
      role: 'system',
      actor: { kind: 'operator', name: 'operator:mallory' },
    });
    const entries = (await auditOf(database.url, deps.store.root)).filter(
      ({ actor }) => actor.name === 'operator:mallory',
    );
    expect(entries).toHaveLength(1);
  });
});

describe('by name', () => {
  it('one is found where only one has it; else the ids to choose from are named, by tenant', async () => {
    const [here, there] = [await aTenant(deps), await aTenant(deps)];
    const one = await createPrincipal(deps, operator, { tenant: here, name: 'Namesake', role: 'auditor' });
    expect(await findPrincipal(deps, operator, 'Namesake')).toEqual(one);
    const other = await createPrincipal(deps, operator, { tenant: there, name: 'Namesake', role: 'auditor' });
    await expect(findPrincipal(deps, operator, 'Namesake')).rejects.toMatchObject({
      code: 'invalid-input',
      remedy: expect.stringContaining(`${one.id} (of tenant ${here}), ${other.id} (of tenant ${there})`),
    });
    expect(await findPrincipal(deps, operator, other.id)).toEqual(other);
    for (const nameOrId of ['Namesake', one.id])
      expect(await principalIn(deps, operator, { tenant: here, nameOrId })).toEqual(one);
    expect(await principalIn(deps, operator, { tenant: there, nameOrId: one.id })).toBeNull();
    const admin = await aCaller(deps, there);
    expect(await findPrincipal(deps, admin, 'Namesake')).toEqual(other);
    await expect(findPrincipal(deps, admin, one.id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(findPrincipal(deps, admin, 'Nobody')).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('Two administrators who disable each other at the same moment', () => {
  it('are not both disabled: one of them is left', async () => {
    const tenant = await aTenant(deps);
    const [one, other] = [await aCaller(deps, tenant), await aCaller(deps, tenant)];
    const tried = await Promise.allSettled([
      disablePrincipal(deps, one, other.principal),
      disablePrincipal(deps, other, one.principal),
    ]);
    expect(tried.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(tried.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'not-allowed-now' },
    });
    const { items } = await listPrincipals(deps, operator, { tenant });
    expect(items.filter(({ disabledAt }) => disabledAt === null)).toHaveLength(1);
  });
});
