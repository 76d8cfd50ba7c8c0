import { describe, expect, it } from 'vitest';
import {
  createTenant,
  findTenant,
  getTenant,
  listDomains,
  listTenants,
  updateTenant,
  verifyDomain,
} from '../../src/tenancy/tenants.ts';
import { aCaller, aTenancy, aTenant, auditOf, unknownId } from '../support/tenancy.ts';

const { database, deps, operator } = await aTenancy();

describe('createTenant', () => {
  it('makes a tenant below the root, and one below that', async () => {
    const acme = await createTenant(deps, operator, { name: ' Acme ' });
    const emea = await createTenant(deps, operator, { name: 'EMEA', parent: acme.id });
    expect(acme).toMatchObject({ name: 'Acme', parent: deps.store.root, version: 1 });
    expect(emea.path).toEqual([deps.store.root, acme.id, emea.id]);
    expect(await getTenant(deps, operator, emea.id)).toEqual(emea);
  });

  it('begins the chain of the new tenant with who made it', async () => {
    const { id } = await createTenant(deps, operator, { name: 'Audited' });
    expect(await auditOf(database.url, id)).toEqual([
      {
        action: 'tenant.created',
        actor: { kind: 'operator', id: operator.principal, name: 'operator:root' },
        subject: { kind: 'tenant', id },
        details: { name: 'Audited' },
      },
    ]);
  });

  it('refuses a name that a sibling has, and leaves no trace of the attempt', async () => {
    const parent = await aTenant(deps);
    const admin = await aCaller(deps, parent);
    await createTenant(deps, admin, { name: 'Twin' });
    await expect(createTenant(deps, admin, { name: 'Twin' })).rejects.toMatchObject({ code: 'name-taken' });
    expect((await listTenants(deps, admin, { parent })).items).toHaveLength(1);
  });

  it('allows the same name below another parent', async () => {
    const [one, two] = [await aTenant(deps), await aTenant(deps)];
    await aTenant(deps, { name: 'Berlin', parent: one });
    await expect(aTenant(deps, { name: 'Berlin', parent: two })).resolves.toBeTypeOf('string');
  });

  it.each([
    ['', 'name: is empty'],
    ['\u200b', 'name: is empty'],
    ['x'.repeat(101), 'name: is longer'],
    ['0197c1d2-0000-7000-8000-000000000000', 'name: looks like an id'],
  ])('refuses the name %j and says why', async (name, why) => {
    const failure = await createTenant(deps, operator, { name }).catch((error) => error);
    expect(failure).toMatchObject({ code: 'invalid-input', fields: [{ path: 'name' }] });
    expect(failure.message).toContain(why);
  });

  it('is not for a reviewer', async () => {
    const reviewer = await aCaller(deps, await aTenant(deps), 'reviewer');
    await expect(createTenant(deps, reviewer, { name: 'Mine' })).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('a tenant administrator', () => {
  it('sees their own subtree, and nothing that shows what is above or beside it', async () => {
    const mine = await aTenant(deps);
    const below = await aTenant(deps, { parent: mine });
    await aTenant(deps);
    const admin = await aCaller(deps, mine);
    const { items, next } = await listTenants(deps, admin);
    expect(items.map(({ id, parent, path }) => ({ id, parent, path }))).toEqual([
      { id: mine, parent: null, path: [mine] },
      { id: below, parent: mine, path: [mine, below] },
    ]);
    expect(next).toBeNull();
    expect(JSON.stringify(items)).not.toContain(deps.store.root);
  });

  it('hears the same about a tenant of others as about one that does not exist', async () => {
    const admin = await aCaller(deps, await aTenant(deps));
    const foreign = await aTenant(deps, { name: 'Foreign secret' });
    const said = async (id: string) => {
      const attempts = [
        () => getTenant(deps, admin, id),
        () => createTenant(deps, admin, { name: 'Intruder', parent: id }),
        () => listTenants(deps, admin, { parent: id }),
        () => updateTenant(deps, admin, { tenant: id, name: 'Taken over' }),
        () => listDomains(deps, admin, id),
      ];
      return await Promise.all(
        attempts.map((attempt) =>
          attempt().then(
            () => ({ code: 'answered' }),
            ({ code, message, remedy, fields }) => ({ code, message, remedy, fields }),
          ),
        ),
      );
    };
    const aboutForeign = await said(foreign);
    expect(aboutForeign).toEqual(await said(unknownId()));
    expect(aboutForeign).toEqual(await said(deps.store.root));
    expect(aboutForeign.map(({ code }) => code)).toEqual(aboutForeign.map(() => 'not-found'));
    await expect(findTenant(deps, admin, 'Foreign secret')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('cannot learn the names of siblings by renaming their own tenant', async () => {
    const [mine] = [await aTenant(deps), await aTenant(deps, { name: 'Sibling' })];
    const admin = await aCaller(deps, mine);
    const attempt = (name: string) =>
      updateTenant(deps, admin, { tenant: mine, name }).catch(({ code, message }) => ({ code, message }));
    expect(await attempt('Sibling')).toMatchObject({ code: 'not-allowed-now' });
    expect(await attempt('Sibling')).toEqual(await attempt('Nobody is called so'));
  });
});

describe('listTenants', () => {
  it('gives every child once, page by page, oldest first', async () => {
    const parent = await aTenant(deps);
    const children = [];
    for (let n = 0; n < 5; n++) children.push(await aTenant(deps, { parent }));
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await listTenants(deps, operator, { parent, limit: 2, after });
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ id }) => id));
      after = page.next;
    } while (after !== null);
    expect(seen).toEqual(children);
  });

  it('has no next page after exactly as many as fit', async () => {
    const parent = await aTenant(deps);
    await aTenant(deps, { parent });
    expect(await listTenants(deps, operator, { parent, limit: 1 })).toMatchObject({ next: null });
  });

  it.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: 501 }, 'limit'],
    [{ after: 'not-a-cursor' }, 'after'],
    [{ colour: 'red' }, 'colour'],
  ])('refuses %j at that field', async (input, path) => {
    await expect(listTenants(deps, operator, input as object)).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [{ path }],
    });
  });
});

describe('findTenant', () => {
  it('takes an id or a name', async () => {
    const id = await aTenant(deps, { name: 'Only one' });
    expect((await findTenant(deps, operator, 'Only one')).id).toBe(id);
    expect((await findTenant(deps, operator, id)).id).toBe(id);
  });

  it('says how to be precise when several have the name', async () => {
    const ids = [
      await aTenant(deps, { name: 'Sales', parent: await aTenant(deps) }),
      await aTenant(deps, { name: 'Sales', parent: await aTenant(deps) }),
    ];
    const failure = await findTenant(deps, operator, 'Sales').catch((error) => error);
    expect(failure.code).toBe('invalid-input');
    for (const id of ids) expect(failure.remedy).toContain(id);
  });
});

describe('updateTenant', () => {
  it('gives it a new version and records both names', async () => {
    const id = await aTenant(deps, { name: 'Before' });
    expect(await updateTenant(deps, operator, { tenant: id, name: 'After' })).toMatchObject({
      name: 'After',
      version: 2,
    });
    expect((await auditOf(database.url, id)).at(-1)).toMatchObject({
      action: 'tenant.renamed',
      details: { before: 'Before', after: 'After' },
    });
  });

  it('does nothing when it is called so already', async () => {
    const id = await aTenant(deps, { name: 'Same' });
    expect(await updateTenant(deps, operator, { tenant: id, name: 'Same' })).toMatchObject({ version: 1 });
    expect(await auditOf(database.url, id)).toHaveLength(1);
  });

  it('refuses the name of a sibling', async () => {
    const parent = await aTenant(deps);
    await aTenant(deps, { name: 'North', parent });
    const south = await aTenant(deps, { name: 'South', parent });
    await expect(updateTenant(deps, operator, { tenant: south, name: 'North' })).rejects.toMatchObject({
      code: 'name-taken',
    });
  });
});

describe('verifyDomain', () => {
  it('stores the domain as addresses are compared, once', async () => {
    const tenant = await aTenant(deps);
    await verifyDomain(deps, operator, { tenant, domain: ' BÜCHER.Example ' });
    await verifyDomain(deps, operator, { tenant, domain: 'xn--bcher-kva.example' });
    expect((await listDomains(deps, operator, tenant)).map(({ domain }) => domain)).toEqual([
      'xn--bcher-kva.example',
    ]);
    const actions = (await auditOf(database.url, tenant)).map(({ action }) => action);
    expect(actions.filter((action) => action === 'domain.verified')).toHaveLength(1);
  });

  it('is for the system alone: a tenant cannot claim a domain for itself', async () => {
    const tenant = await aTenant(deps);
    const admin = await aCaller(deps, tenant);
    await expect(verifyDomain(deps, admin, { tenant, domain: 'example.com' })).rejects.toMatchObject({
      code: 'forbidden',
    });
    expect(await listDomains(deps, admin, tenant)).toEqual([]);
  });

  it('refuses what is no domain', async () => {
    const tenant = await aTenant(deps);
    await expect(verifyDomain(deps, operator, { tenant, domain: '127.0.0.1' })).rejects.toMatchObject({
      code: 'invalid-input',
      fields: [{ path: 'domain' }],
    });
  });
});
