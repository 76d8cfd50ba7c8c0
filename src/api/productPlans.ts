/** Product plans: which roles a tenant may use, and for how many users. */
import { z } from 'zod';
import {
  ChangedProductPlan,
  createProductPlan,
  deleteProductPlan,
  getProductPlan,
  getProductPlanOf,
  ListProductPlans,
  ListSubscriptions,
  listProductPlans,
  listSubscriptions,
  NewProductPlan,
  updateProductPlan,
} from '../tenancy/productPlans.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const ProductPlan = z
  .object({
    id: z.uuid(),
    name: z.string(),
    description: z.string(),
    seats: z
      .number()
      .int()
      .nullable()
      .describe(
        'Of active users in a tenant that has the plan and those below it without one of their own; null: no limit.',
      ),
    roles: z.array(z.string()).describe('Names of the roles that count in its tenants.'),
    version: z.number().int(),
    createdAt: Moment,
  })
  .meta({ id: 'ProductPlan' });

const Subscription = z
  .object({
    id: z.uuid().describe('Of the tenant.'),
    name: z.string(),
    used: z.number().int().describe('Seats that are taken.'),
  })
  .meta({ id: 'Subscription' });

const PlanOfTenant = z
  .object({
    plan: ProductPlan.nullable().describe('null: no plan limits the tenant.'),
    at: z
      .uuid()
      .nullable()
      .describe(
        'The tenant that the plan is set at; null where there is none, and where it is none of yours.',
      ),
    used: z.number().int().nullable().describe('Seats taken by all who share them; null where `at` is.'),
  })
  .meta({ id: 'PlanOfTenant' });

const byId = z.object({ productPlan: z.uuid() });

const defined = [
  route({
    method: 'GET',
    path: '/v1/product-plans',
    operation: 'listProductPlans',
    summary: 'List product plans',
    description: 'From above all tenants all of them; else those that count in your tenant and below.',
    needs: 'roles.read',
    input: ListProductPlans,
    status: 200,
    answer: pageOf(ProductPlan),
    handle: ({ deps, caller, input }) => listProductPlans(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/product-plans',
    operation: 'createProductPlan',
    summary: 'Create a product plan',
    needs: 'roles.write',
    input: NewProductPlan,
    status: 201,
    answer: ProductPlan,
    location: ({ id }) => `/v1/product-plans/${id}`,
    handle: ({ deps, caller, input }) => createProductPlan(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/product-plans/{productPlan}',
    operation: 'getProductPlan',
    summary: 'Get a product plan',
    needs: 'roles.read',
    input: byId,
    status: 200,
    answer: ProductPlan,
    handle: ({ deps, caller, input }) => getProductPlan(deps, caller, input.productPlan),
  }),
  route({
    method: 'PATCH',
    path: '/v1/product-plans/{productPlan}',
    operation: 'updateProductPlan',
    summary: 'Change a product plan',
    description:
      'Only what is sent changes, roles as a whole. It counts at once in all tenants that have the plan; what was given of a role that it does not have any more is kept, and counts no longer.',
    needs: ['roles.write', 'roles.read'],
    input: ChangedProductPlan,
    status: 200,
    answer: ProductPlan,
    handle: ({ deps, caller, input }) => updateProductPlan(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/product-plans/{productPlan}',
    operation: 'deleteProductPlan',
    summary: 'Delete a product plan that no tenant has',
    needs: ['roles.write', 'roles.read'],
    input: byId,
    status: 204,
    handle: ({ deps, caller, input }) => deleteProductPlan(deps, caller, input.productPlan),
  }),
];

const set = [
  route({
    method: 'GET',
    path: '/v1/product-plans/{productPlan}/tenants',
    operation: 'listSubscriptions',
    summary: 'List the tenants that a product plan is set at, with the seats that are taken',
    needs: ['tenants.read', 'roles.read'],
    input: ListSubscriptions,
    status: 200,
    answer: pageOf(Subscription),
    handle: ({ deps, caller, input }) => listSubscriptions(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/product-plan',
    operation: 'getProductPlanOf',
    summary: 'Get the product plan that counts in a tenant',
    needs: ['roles.read', 'tenants.read'],
    input: z.object({ tenant: z.uuid() }),
    status: 200,
    answer: PlanOfTenant,
    handle: ({ deps, caller, input }) => getProductPlanOf(deps, caller, input.tenant),
  }),
];

export const productPlans = [...defined, ...set];
