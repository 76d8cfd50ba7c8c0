import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import type { Tenant } from '../../src/domain/tenant.ts';
import { deleteTenant, moveTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant, listTenants } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { Install } from '../support/install.ts';
import { aTenant } from '../support/tenancy.ts';
import { type Tree, tenantTree } from '../support/tenantTree.ts';

let install: Install;
let operator: Caller;
beforeAll(async () => {
  install = await Install.open();
  operator = install.operator;
});
afterAll(() => install.close());

/** Which tenant is meant: the n-th of those there have ever been, the deleted ones too. */
const which = fc.nat({ max: 30 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ verb: fc.constant('create' as const), below: which, name: fc.nat({ max: 3 }) }),
  },
  { weight: 4, arbitrary: fc.record({ verb: fc.constant('move' as const), which, below: which }) },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant('delete' as const), which }) },
);

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

const REFUSALS = ['not-found', 'not-allowed-now', 'name-taken', 'tenant-in-use'];

/** null: it was refused. */
const resultOf = (work: Promise<Tenant>) =>
  work.catch((error: { readonly code?: string }) => {
    if (!REFUSALS.includes(error.code ?? '')) throw error;
    return null;
  });

async function subtreeOf(top: TenantId): Promise<readonly Tenant[]> {
  const found: Tenant[] = [];
  for (let after: string | null = null; ; ) {
    const page = await listTenants(install, operator, { limit: 500, after });
    found.push(...page.items.filter(({ path }) => path.includes(top)));
    after = page.next;
    if (after === null) return found;
  }
}

/** All that are there, with where each stands from `top` down. */
function shown(tenants: readonly Tenant[], top: Tenant) {
  const depth = top.path.length - 1;
  return new Map(
    tenants.map(({ id, path, dataKey }) => [
      id as string,
      { path: path.slice(depth), dataKey: dataKey.slice(top.dataKey.length) },
    ]),
  );
}

type Both = { readonly tree: Tree; readonly top: TenantId; readonly ids: TenantId[] };

/** In both, and whether it is allowed must be the same. */
async function carryOut({ tree, top, ids }: Both, one: Step): Promise<void> {
  const nth = (at: number) => ids[at % ids.length] as TenantId;
  if (one.verb === 'create') {
    const [parent, name] = [nth(one.below), `n${one.name}`];
    const made = await resultOf(createTenant(install, operator, { name, parent }));
    const number = made?.dataKey.split('.').at(-2) ?? '';
    expect(tree.create(made?.id ?? 'refused', number, name, parent)).toBe(made !== null);
    if (made !== null) ids.push(made.id);
    return;
  }
  const tenant = nth(one.which);
  if (tenant === top) return;
  if (one.verb === 'delete') {
    const deleted = await resultOf(deleteTenant(install, operator, { tenant }));
    return expect(tree.delete(tenant)).toBe(deleted !== null);
  }
  const parent = nth(one.below);
  const moved = await resultOf(moveTenant(install, operator, { tenant, parent }));
  expect(tree.move(tenant, parent)).toBe(moved !== null);
}

describe('Whatever is made, moved and deleted, in any order', () => {
  it('path and data key are what the tree says, and what it forbids is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const top = await aTenant(install);
        const both = { tree: tenantTree(top), top, ids: [top] };
        for (const one of steps) await carryOut(both, one);
        const tenants = await subtreeOf(top);
        const [first] = tenants.filter(({ id }) => id === top);
        expect(shown(tenants, first as Tenant)).toEqual(both.tree.tenants);
      }),
      { numRuns: 40 },
    );
  });

  it('no two tenants ever share a data key or a number, the deleted ones neither', async () => {
    const top = await aTenant(install);
    for (const _ of [1, 2, 3]) {
      const { id: gone } = await createTenant(install, operator, { name: 'one and the same', parent: top });
      await createTenant(install, operator, {
        name: 'below',
        parent: await aTenant(install, { parent: top }),
      });
      await deleteTenant(install, operator, { tenant: gone });
    }
    const { rows } = await asOwner(install.database.url, (client) =>
      client.query(
        `SELECT count(*)::int AS tenants, count(DISTINCT data_key)::int AS keys, count(DISTINCT number)::int AS numbers,
           count(*) FILTER (WHERE state = 'deleted')::int AS deleted FROM tenant`,
      ),
    );
    const [{ tenants, keys, numbers, deleted }] = rows;
    expect({ keys, numbers }).toEqual({ keys: tenants, numbers: tenants });
    expect(deleted).toBeGreaterThanOrEqual(3);
  });

  it('a child of many that change places at once is where one of them left it', async () => {
    const [left, right] = [await aTenant(install), await aTenant(install)];
    const moved = await aTenant(install, { parent: left });
    const child = await aTenant(install, { parent: moved });
    const moves = Array.from({ length: 10 }, (_, at) =>
      moveTenant(install, operator, { tenant: moved, parent: at % 2 === 0 ? right : left }),
    );
    await Promise.all(moves);
    const tenants = await subtreeOf(install.store.root);
    const at = (id: TenantId) => tenants.find((one) => one.id === id) as Tenant;
    expect(at(moved).path).toEqual([...at(at(moved).parent as TenantId).path, moved]);
    expect(at(child).path).toEqual([...at(moved).path, child]);
    expect(at(child).dataKey.startsWith(at(moved).dataKey)).toBe(true);
    expect(at(moved).dataKey.startsWith(at(at(moved).parent as TenantId).dataKey)).toBe(true);
  });
});
