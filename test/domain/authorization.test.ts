import fc from 'fast-check';
import { v7 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { authorizationOf, entryFor, type RoleCatalogue } from '../../src/domain/authorization.ts';
import { AuthUserId } from '../../src/domain/ids.ts';
import { aWorld, concerned, isWithin, rolesIn, type World } from '../support/authorizationTwin.ts';

const user = AuthUserId.parse(v7());
const everywhere = { user, tenant: null, hidden: true };

const catalogueOf = ({ roles, plans }: World): RoleCatalogue => ({
  roles: new Map(roles.map((role) => [role.id, role])),
  plans: new Map(plans.map((plan) => [plan.id, new Set(plan.roles)])),
});
const factsOf = (world: World, state: 'active' | 'suspended' | 'deleted' = 'active') => ({
  state,
  home: world.home.id,
  tenants: concerned(world),
  assignments: world.assignments,
});
const permissionsOf = (world: World, roles: readonly string[]) =>
  [
    ...new Set(world.roles.filter(({ name }) => roles.includes(name)).flatMap((one) => one.permissions)),
  ].sort();

describe('an authorization', () => {
  it('says of every tenant, by the longest data key, what the rules say of it one by one', () => {
    fc.assert(
      fc.property(aWorld, (world) => {
        const { entries } = authorizationOf(everywhere, factsOf(world), catalogueOf(world));
        for (const tenant of world.tenants) {
          const entry = isWithin(tenant, world.home) ? entryFor(entries, tenant.dataKey) : undefined;
          const roles = rolesIn(world, tenant);
          expect(entry?.roles ?? []).toEqual(roles);
          expect(entry?.permissions ?? []).toEqual(permissionsOf(world, roles));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('says of one tenant what it says of it among all', () => {
    fc.assert(
      fc.property(aWorld, fc.nat(), (world, pick) => {
        const tenant = world.tenants[pick % world.tenants.length] ?? world.home;
        const tenants = [...new Set([...concerned(world), tenant])];
        const question = { ...everywhere, tenant: tenant.id };
        const { entries } = authorizationOf(question, { ...factsOf(world), tenants }, catalogueOf(world));
        expect(entries.flatMap(({ roles }) => roles)).toEqual(rolesIn(world, tenant));
        expect(entries.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('has no entry that says the same as the one above it', () => {
    fc.assert(
      fc.property(aWorld, (world) => {
        const { entries } = authorizationOf(everywhere, factsOf(world), catalogueOf(world));
        for (const entry of entries.slice(1)) {
          const others = entries.filter((one) => one !== entry);
          expect(entryFor(others, entry.dataKey)?.roles).not.toEqual(entry.roles);
        }
      }),
    );
  });

  it('is the same whatever the order of the facts, and its version with it', () => {
    fc.assert(
      fc.property(aWorld, (world) => {
        const facts = factsOf(world);
        const turned = {
          ...facts,
          tenants: facts.tenants.toReversed(),
          assignments: facts.assignments.toReversed(),
        };
        const catalogue = catalogueOf({ ...world, roles: world.roles.toReversed() });
        expect(authorizationOf(everywhere, turned, catalogue)).toEqual(
          authorizationOf(everywhere, facts, catalogueOf(world)),
        );
      }),
    );
  });

  it('has another version exactly when something else in it is different', () => {
    fc.assert(
      fc.property(aWorld, fc.nat(), (world, pick) => {
        const [role, ...others] = world.assignments;
        const less = {
          ...world,
          assignments: pick % 2 === 0 || role === undefined ? world.assignments : others,
        };
        const [{ version: before, ...one }, { version: after, ...other }] = [world, less].map((each) =>
          authorizationOf(everywhere, factsOf(each), catalogueOf(each)),
        ) as [ReturnType<typeof authorizationOf>, ReturnType<typeof authorizationOf>];
        expect(before === after).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
  });

  it.each(['suspended', 'deleted'] as const)('of a user who is %s is not active and empty', (state) => {
    fc.assert(
      fc.property(aWorld, (world) => {
        const answer = authorizationOf(everywhere, factsOf(world, state), catalogueOf(world));
        expect(answer).toMatchObject({ active: false, entries: [] });
      }),
    );
  });

  it('tells hidden roles only where they are asked for, and then their permissions too', () => {
    fc.assert(
      fc.property(aWorld, (world) => {
        const question = { ...everywhere, hidden: false };
        const shown = { ...world, roles: world.roles.filter(({ type }) => type !== 'hidden') };
        const { version: _, ...answer } = authorizationOf(question, factsOf(world), catalogueOf(world));
        const { version: __, ...without } = authorizationOf(everywhere, factsOf(world), catalogueOf(shown));
        expect(answer).toEqual(without);
      }),
    );
  });
});
