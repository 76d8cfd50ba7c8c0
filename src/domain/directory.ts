/** What every directory is brought to: one schema for users and groups, whatever the provider calls things. */
import { z } from 'zod';
import { ExternalId } from './ids.ts';

export const PROVIDERS = ['entra', 'okta', 'google', 'ldap', 'scim', 'file'] as const;
export const Provider = z.enum(PROVIDERS);
export type Provider = z.infer<typeof Provider>;

/** `deprovisioned`: the provider itself says that this person has left (an Okta deactivation, a Google deletion). */
export const DirectoryState = z.enum(['active', 'suspended', 'deprovisioned']);
export type DirectoryState = z.infer<typeof DirectoryState>;

const text = z.string().nullable();

/** A value of an attribute that has no field of its own: extension attributes, custom schemas, custom profile attributes. */
export const CustomValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
export type CustomValue = z.infer<typeof CustomValue>;

/** Attributes of a directory user that are plain text wherever there is a value, in the order in which they are shown and hashed. */
export const TEXT_ATTRIBUTES = [
  /** The name to sign in with: UPN, login, primary e-mail. */
  'userName',
  'email',
  'displayName',
  'givenName',
  'familyName',
  'jobTitle',
  'department',
  'division',
  'costCenter',
  'company',
  'employeeId',
  'employeeType',
  'officeLocation',
  'phone',
  'mobilePhone',
  /** BCP 47, as the provider has it. */
  'locale',
  /** Path of the organisational unit, `/` first, where the provider has them. */
  'orgUnit',
] as const;
type TextAttribute = (typeof TEXT_ATTRIBUTES)[number];

/**
 * A user as the provider has it, normalised. `null` means that the directory holds no value; a record whose id or state
 * cannot be read never becomes a DirectoryUser (see `UserRecord` in connectors/contract.ts).
 */
export const DirectoryUser = z.object({
  externalId: ExternalId,
  state: DirectoryState,
  ...(Object.fromEntries(TEXT_ATTRIBUTES.map((name) => [name, text])) as Record<TextAttribute, typeof text>),
  userType: z.enum(['member', 'guest']),
  /** The manager's external id where the provider gives one, else the address or name that it holds. */
  manager: text,
  /** Other addresses that reach this person, without the main one. */
  aliases: z.array(z.string()),
  custom: z.record(z.string(), CustomValue),
});
export type DirectoryUser = z.infer<typeof DirectoryUser>;

/** null where the user has no such attribute. What every JavaScript object inherits (`constructor`) is nobody's attribute. */
export function customValue(user: DirectoryUser, name: string): CustomValue | null {
  return Object.hasOwn(user.custom, name) ? (user.custom[name] ?? null) : null;
}

export const DirectoryGroup = z.object({
  externalId: ExternalId,
  name: z.string(),
  email: text,
});
export type DirectoryGroup = z.infer<typeof DirectoryGroup>;

/** A group that a user is in, directly or through another group. */
export type GroupRef = { readonly externalId: ExternalId; readonly name: string };
