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

export type Role = {
  readonly id: RoleId;
  readonly name: string;
  readonly description: string;
  readonly createdAt: Date;
};
