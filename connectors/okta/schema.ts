/** Okta's words: the fields that are read of users and groups, and of the two shapes of errors. */
import { z } from 'zod';
import { ExternalId } from '../../src/domain/ids.ts';

const text = z.string().nullish();

/** What an attribute that an organisation defines itself can hold (Okta API reference, "Schemas"). */
export type CustomAttribute = string | number | boolean | readonly (string | number)[] | null;

/** One function where a union would try each of its members: this runs for every attribute of every user. */
const CustomAttribute = z.custom<CustomAttribute>(
  (value) =>
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    (Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number')),
  { error: 'Invalid input: expected a string, number or boolean, or a list of strings or numbers' },
);

/** The attributes that have a field of their own in DirectoryUser; every other one is kept under its own name. */
export const OktaProfile = z
  .object({
    login: text,
    email: text,
    displayName: text,
    firstName: text,
    lastName: text,
    title: text,
    department: text,
    division: text,
    costCenter: text,
    organization: text,
    employeeNumber: text,
    userType: text,
    primaryPhone: text,
    mobilePhone: text,
    locale: text,
    managerId: text,
    manager: text,
  })
  .catchall(CustomAttribute);

/** A user as `GET /api/v1/users` lists it (Okta API reference, "Users"). A status that is not listed here does not parse. */
export const OktaUser = z.object({
  id: ExternalId,
  status: z.enum([
    'STAGED',
    'PROVISIONED',
    'ACTIVE',
    'RECOVERY',
    'PASSWORD_EXPIRED',
    'LOCKED_OUT',
    'SUSPENDED',
    'DEPROVISIONED',
  ]),
  profile: OktaProfile,
});
export type OktaUser = z.infer<typeof OktaUser>;

/**
 * An assignment of a user to an app (Okta API reference, "Application Users"), which bears the user's id. More states are known and
 * more may come; whoever is in none of those that end an assignment is assigned.
 */
export const AppUser = z.object({ id: ExternalId, status: z.string() });

/** The same with `expand=user`. */
export const ExpandedAppUser = AppUser.extend({ _embedded: z.object({ user: z.unknown() }) });

/** A group as `GET /api/v1/groups` lists it (Okta API reference, "Groups"). */
export const OktaGroup = z.object({ id: ExternalId, profile: z.object({ name: z.string() }) });
export type OktaGroup = z.infer<typeof OktaGroup>;

/** Of a group's member, which Okta lists as a whole user, only the id matters. */
export const OktaMember = z.object({ id: ExternalId });

/** An entry of the System Log (Okta API reference, "System Log"): what it is about stands in `target`, in any order. */
export const LogEvent = z.object({
  eventType: z.string(),
  outcome: z.object({ result: z.string().nullish() }).nullish(),
  target: z.array(z.object({ id: z.unknown(), type: z.unknown() })).nullish(),
});

/** A list is a bare array: an object, or null, in its place is no empty list. */
export const OktaList = z.array(z.unknown());

/** The API's error (Okta API reference, "Error codes"): `errorSummary` is never read, its wording is not promised. */
export const ApiError = z.object({ errorCode: z.string() });

/** The token endpoint's answer (RFC 6749, section 5.1). */
export const TokenAnswer = z.object({
  access_token: z.string().min(1),
  token_type: z
    .string()
    .transform((type) => type.toLowerCase())
    .pipe(z.enum(['bearer', 'dpop'])),
  expires_in: z.number().positive(),
  /** Separated by blanks. */
  scope: z.string().optional(),
});
export type TokenAnswer = z.infer<typeof TokenAnswer>;
