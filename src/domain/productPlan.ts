/** A version of the product: which roles a tenant may use, and for how many users. The application's, the same for all tenants. */
import { z } from 'zod';
import type { TenantId } from './ids.ts';

export const ProductPlanId = z.uuid().brand<'ProductPlanId'>();
export type ProductPlanId = z.infer<typeof ProductPlanId>;

export type ProductPlan = {
  readonly id: ProductPlanId;
  readonly name: string;
  readonly description: string;
  /** Of active users in a tenant that has the plan and those below it without a plan of their own; null: no limit. */
  readonly seats: number | null;
  /** Names of the roles that count in its tenants, in alphabetical order. */
  readonly roles: readonly string[];
  readonly version: number;
  readonly createdAt: Date;
};

/** A tenant that a product plan is set at. */
export type Subscription = {
  readonly id: TenantId;
  readonly name: string;
  /** Active users who take a seat. */
  readonly used: number;
};
