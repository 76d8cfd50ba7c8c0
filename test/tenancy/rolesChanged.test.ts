import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { listEvents } from '../../src/review/changes.ts';
import { createProductPlan, updateProductPlan } from '../../src/tenancy/productPlans.ts';
import { createRole, deleteRole, updateRole } from '../../src/tenancy/roles.ts';
import { clockAt } from '../support/clock.ts';
import { asOwner, type FreshStore, freshStore } from '../support/database.ts';
import { aCaller, anOperator, aTenant } from '../support/tenancy.ts';
import { untilFeedIsUpToDate } from '../support/waiting.ts';

let database: FreshStore;
let deps: { store: FreshStore['store']; clock: ReturnType<typeof clockAt> };
let operator: Caller;
let tenant: TenantId;
/** Applications of the whole install, of a customer, and of a part of one. */
let applications: { root: Caller; customer: Caller; part: Caller };
beforeAll(async () => {
  database = await freshStore();
  deps = { store: database.store, clock: clockAt('2026-05-01T09:00:00Z') };
  operator = await anOperator(deps);
  tenant = await aTenant(deps);
  const root = await aCaller(deps, database.store.root, 'application');
  const customer = await aCaller(deps, tenant, 'application');
  applications = {
    root,
    customer,
    part: await aCaller(deps, await aTenant(deps, { parent: tenant }), 'application'),
  };
});
afterAll(() => database.drop());

/** What each hears of it, in pages of one. */
async function heardOf(work: () => Promise<unknown>) {
  await asOwner(database.url, (client) => client.query('DELETE FROM event'));
  await work();
  await untilFeedIsUpToDate(database.url);
  const heardBy = async (caller: Caller) => {
    const found: string[] = [];
    let after: string | null = null;
    do {
      const page = await listEvents(deps, caller, { limit: 1, after });
      for (const { type, tenant: at, authUser, data } of page.items) {
        expect({ at, authUser, data }).toEqual({ at: caller.tenant, authUser: null, data: {} });
        found.push(type);
      }
      after = page.next;
    } while (after !== null);
    return found;
  };
  const { root, customer, part } = applications;
  return { root: await heardBy(root), customer: await heardBy(customer), part: await heardBy(part) };
}

const everybody = { root: ['roles.changed'], customer: ['roles.changed'], part: ['roles.changed'] };
const nobody = { root: [], customer: [], part: [] };

it('what a role permits, or who has it, is told to every application as it changes', async () => {
  await createRole(deps, operator, { name: 'reader', type: 'assignable' });
  expect(
    await heardOf(() => updateRole(deps, operator, { role: 'reader', permissions: ['a.read'] })),
  ).toEqual(everybody);
  expect(await heardOf(() => updateRole(deps, operator, { role: 'reader', type: 'automatic' }))).toEqual(
    everybody,
  );
  expect(await heardOf(() => deleteRole(deps, operator, 'reader'))).toEqual(everybody);
  expect(await heardOf(() => createRole(deps, operator, { name: 'member', type: 'automatic' }))).toEqual(
    everybody,
  );
});

it('what alters nobody’s authorization is told to nobody', async () => {
  expect(await heardOf(() => createRole(deps, operator, { name: 'writer' }))).toEqual(nobody);
  expect(await heardOf(() => updateRole(deps, operator, { role: 'writer', description: 'Writes' }))).toEqual(
    nobody,
  );
  const { id } = await createProductPlan(deps, operator, { name: 'Silent', roles: ['writer'] });
  expect(await heardOf(() => updateProductPlan(deps, operator, { productPlan: id, seats: 5 }))).toEqual(
    nobody,
  );
});

it('which roles a product plan has is told to every application as it changes', async () => {
  await createRole(deps, operator, { name: 'clerk' });
  const { id } = await createProductPlan(deps, operator, { name: 'Basic', roles: ['clerk'] });
  expect(await heardOf(() => updateProductPlan(deps, operator, { productPlan: id, roles: [] }))).toEqual(
    everybody,
  );
});

it('of hidden roles applications of the whole install hear, and none of a tenant', async () => {
  await createRole(deps, operator, { name: 'vendor', type: 'hidden' });
  const { id } = await createProductPlan(deps, operator, { name: 'Hidden', roles: [] });
  const root = { ...nobody, root: ['roles.changed'] };
  expect(await heardOf(() => updateRole(deps, operator, { role: 'vendor', permissions: ['a.all'] }))).toEqual(
    root,
  );
  expect(
    await heardOf(() => updateProductPlan(deps, operator, { productPlan: id, roles: ['vendor'] })),
  ).toEqual(root);
  expect(await heardOf(() => updateRole(deps, operator, { role: 'vendor', type: 'ordinary' }))).toEqual(
    everybody,
  );
});
