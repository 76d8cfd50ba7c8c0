/** What is read of Microsoft Graph v1.0: the properties asked for, and the shapes of its answers. */
import { z } from 'zod';
import { CustomValue } from '../../src/domain/directory.ts';
import { ExternalId, isExternalId } from '../../src/domain/ids.ts';

const text = z.string().nullish();
const texts = z.array(z.string()).nullish();

/** A test in place of a schema: fifteen more properties to copy for each user would cost as much as all the others. */
const extensionAttributes = z.custom<Readonly<Record<string, string | null>>>((value) => {
  if (!(value instanceof Object)) return false;
  for (const attribute of Object.values(value)) {
    if (attribute !== null && typeof attribute !== 'string') return false;
  }
  return true;
});

/**
 * Graph leaves out or nulls what was never set, but `id` and `accountEnabled` have to be there: without the second nobody
 * can say whether the user is active. Graph gives `accountEnabled` only when `$select` names it ("List users").
 */
export const EntraUser = z.object({
  id: ExternalId,
  accountEnabled: z.boolean(),
  userPrincipalName: text,
  mail: text,
  displayName: text,
  givenName: text,
  surname: text,
  userType: text,
  department: text,
  jobTitle: text,
  employeeId: text,
  employeeType: text,
  employeeOrgData: z.object({ division: text, costCenter: text }).nullish(),
  companyName: text,
  officeLocation: text,
  mobilePhone: text,
  businessPhones: texts,
  preferredLanguage: text,
  usageLocation: text,
  city: text,
  state: text,
  country: text,
  onPremisesImmutableId: text,
  onPremisesSyncEnabled: z.boolean().nullish(),
  onPremisesSamAccountName: text,
  onPremisesUserPrincipalName: text,
  externalUserState: text,
  externalUserStateChangeDateTime: text,
  creationType: text,
  createdDateTime: text,
  proxyAddresses: texts,
  otherMails: texts,
  mailNickname: text,
  employeeHireDate: text,
  onPremisesExtensionAttributes: extensionAttributes.nullish(),
  manager: z.object({ id: ExternalId }).nullish(),
});
export type EntraUser = z.infer<typeof EntraUser>;

/** "List deletedItems": of these nothing but the id has to be there. */
export const DeletedEntraUser = EntraUser.extend({ accountEnabled: z.boolean().nullish() });
export type DeletedEntraUser = z.infer<typeof DeletedEntraUser>;

type Test = (value: unknown) => boolean;

const orNothing =
  (test: Test): Test =>
  (value) =>
    value === undefined || value === null || test(value);
const isText = orNothing((value) => typeof value === 'string');
const isTexts = orNothing((value) => Array.isArray(value) && value.every((one) => typeof one === 'string'));

const QUICK = new Map<z.ZodType, Test>([
  [text, isText],
  [texts, isTexts],
  [ExternalId, isExternalId],
  [EntraUser.shape.manager, orNothing((value) => isExternalId(valuesOf(value)['id']))],
]);

const TESTS = Object.entries<z.ZodType>(EntraUser.shape).map(([name, schema]) => {
  return { name, fits: QUICK.get(schema) ?? ((value: unknown) => schema.safeParse(value).success) };
});

/** Of what is no object, nothing. */
function valuesOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/**
 * Whether `EntraUser` would take this as it is. zod makes a copy of each object and several small objects for each property, which
 * are a third of all that a pull leaves for the garbage collector; what fits needs no copy, and what does not is left to zod to explain.
 */
export function isEntraUser(item: unknown): item is EntraUser {
  const values = valuesOf(item);
  for (const { name, fits } of TESTS) if (!fits(values[name])) return false;
  return true;
}

/** All of EntraUser but the navigation property, which is expanded instead. */
export const USER_PROPERTIES: readonly string[] = Object.keys(EntraUser.shape).filter(
  (name) => name !== 'manager',
);

export const EntraGroup = z.object({ id: ExternalId, displayName: z.string(), mail: text });
export type EntraGroup = z.infer<typeof EntraGroup>;

export const GROUP_PROPERTIES: readonly string[] = Object.keys(EntraGroup.shape);

/** A member of any kind; Graph names the kind of each object in a list of mixed ones ("List group transitive members"). */
export const EntraMember = z.object({ '@odata.type': z.string(), id: ExternalId });
export type EntraMember = z.infer<typeof EntraMember>;

/** Items stay unknown here: one that cannot be read must not take its neighbours with it. */
export const EntraList = z.object({
  value: z.array(z.unknown()),
  '@odata.nextLink': z.string().min(1).nullish(),
  '@odata.deltaLink': z.string().min(1).nullish(),
});

/** "appRoleAssignment": somebody, or a group whose direct members, may use the application. */
export const Assignment = z.object({ principalId: ExternalId, principalType: z.string() });

/** "Delta query": of whom or what an entry is. */
export const DeltaUser = z.object({ id: ExternalId });
export const DeltaGroup = z.object({
  id: ExternalId,
  '@removed': z
    .object({ reason: text })
    .nullish()
    .transform((removed) => removed ?? undefined),
  'members@delta': z.array(z.unknown()).optional(),
});
/** The examples of "Get incremental changes for groups" name the kind; without it, it may be either. */
export const DeltaMember = z.object({ '@odata.type': z.string().optional(), id: ExternalId });

/** "JSON batching": the parts come in any order, each with a status of its own. */
export const BatchAnswer = z.object({
  responses: z.array(
    z.object({
      id: z.string(),
      status: z.int(),
      headers: z
        .record(z.string(), z.string())
        .nullish()
        .transform((headers) => headers ?? {}),
      body: z.unknown().optional(),
    }),
  ),
});

/** A list of which only the size is wanted; Graph counts where `$count=true` asks it to. */
export const Counted = z.object({ '@odata.count': z.int().min(0) });

/** "Microsoft Graph error responses": the inner error may hold the more precise code. */
const innerError = z.object({ code: z.string().optional() }).optional();
export const EntraError = z.object({
  error: z.object({ code: z.string(), innerError, innererror: innerError }),
});

/** Claims of an access token that are read for diagnosis only: nobody but Graph may validate it. */
export const TokenClaims = z.object({ roles: z.array(z.string()).default([]), tid: z.string().optional() });
export type TokenClaims = z.infer<typeof TokenClaims>;

/** "Client credentials flow", successful response. */
export const TokenGrant = z.object({
  access_token: z.string().min(1),
  expires_in: z.coerce.number().positive(),
});

/** A managed identity's token: `expires_on` in seconds since 1970, as a text. */
export const ManagedGrant = z.object({
  access_token: z.string().min(1),
  expires_on: z.coerce.number().positive(),
});

/** "Client credentials flow", error response: branch on the numbers, never on the text. */
export const TokenRefusal = z.object({
  error: z.string(),
  error_codes: z.array(z.number()).default([]),
  trace_id: z.string().optional(),
});

/** A directory extension as the connection's settings name it: `extension_` + application id without dashes + name. */
export const ExtensionName = z.string().regex(/^extension_[0-9a-f]{32}_\w{1,120}$/i, {
  error: 'a directory extension is named extension_<application id without dashes>_<name>',
});
export const ExtensionValue = CustomValue.nullish();
