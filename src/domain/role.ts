/** What an auth user may do in the application. Roles are the application's: the same for all tenants. */
import { z } from 'zod';
import { cleanText } from './normalise.ts';

export const RoleId = z.uuid().brand<'RoleId'>();
export type RoleId = z.infer<typeof RoleId>;

/** As in a mapping, which names roles so. */
export const RoleName = z
  .string()
  .min(1)
  .max(100)
  .refine((name) => cleanText(name) === name, 'has blanks at its ends, line breaks or invisible characters');

/**
 * ordinary: given by a mapping, or by hand from above all tenants. automatic: held by every active user of a tenant whose product plan
 * has it, or of any tenant without a plan; given by nobody. assignable: also given by hand by a tenant's administrators. hidden: only
 * the role `system` sees and gives it, by hand.
 */
export const ROLE_TYPES = ['ordinary', 'automatic', 'assignable', 'hidden'] as const;
export type RoleType = (typeof ROLE_TYPES)[number];

/** What the application gives a meaning to, such as `invoices.read`. */
export const Permission = z
  .string()
  .max(100)
  .regex(
    /^[a-z0-9][a-z0-9_-]*([.:][a-z0-9][a-z0-9_-]*|[.:]\*)*$/i,
    'is not a name such as invoices.read: letters, digits, - and _, with a full stop or a colon between its parts',
  );

export type Role = {
  readonly id: RoleId;
  readonly name: string;
  readonly description: string;
  readonly type: RoleType;
  /** In alphabetical order, each once. */
  readonly permissions: readonly string[];
  readonly version: number;
  readonly createdAt: Date;
};

/** What stands against giving a role by hand; null: nothing. */
export type HindranceToGiving = 'automatic' | 'from-above-only' | 'outside-plan' | null;

/**
 * Whether somebody may give a role of this type by hand; or take it back, where no plan matters. A hidden one must not even be named to those
 * below. @param inPlan whether the product plan that counts there has it; also where none counts
 */
export function hindranceToGiving(
  type: RoleType,
  { isSystem, inPlan }: { readonly isSystem: boolean; readonly inPlan: boolean },
): HindranceToGiving {
  switch (type) {
    case 'automatic':
      return 'automatic';
    case 'ordinary':
    case 'hidden':
      if (!isSystem) return 'from-above-only';
      break;
    case 'assignable':
      break;
  }
  return inPlan ? null : 'outside-plan';
}

/** What stands against naming a role in a mapping; null: nothing. */
export type HindranceToMapping = 'unknown' | 'unmappable' | 'outside-plan' | null;

/**
 * Whoever may write roles makes one that is missing, and knows of plans what they do.
 * @param type null: there is none, as far as the caller sees
 */
export function hindranceToMapping(
  type: RoleType | null,
  { writesRoles, inPlan }: { readonly writesRoles: boolean; readonly inPlan: boolean },
): HindranceToMapping {
  if (type === null) return writesRoles ? null : 'unknown';
  if (!mayBeMapped(type)) return 'unmappable';
  return inPlan || writesRoles ? null : 'outside-plan';
}

/** The types that a mapping may name: an automatic role is given by nobody, and a hidden one would show. */
export function mayBeMapped(type: RoleType): boolean {
  return type === 'ordinary' || type === 'assignable';
}

/**
 * Whether a role lets people administer, as far as its names tell: its own, or that of a permission, has a part that begins with
 * `admin`, or is `owner`. What a permission means is the application's alone to know.
 */
export function administers({ name, permissions }: Pick<Role, 'name' | 'permissions'>): boolean {
  return [name, ...permissions].some((one) =>
    one
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .some((part) => part.startsWith('admin') || part === 'owner' || part === 'owners'),
  );
}
