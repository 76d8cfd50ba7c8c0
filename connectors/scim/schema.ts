/** SCIM's words (RFC 7643, RFC 7644, RFC 9865), read as widely as servers spell them. */
import { z } from 'zod';
import { ExternalId } from '../../src/domain/ids.ts';

type Scalar = string | number | boolean;

/** One function where a union would try each of its members: these run for every attribute of every user. */
function is<T>(test: (value: unknown) => boolean, expected: string) {
  return z.custom<T>(test, { error: `Invalid input: expected ${expected}` }).nullish();
}
const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isScalar = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** Numbers too: some servers send an employee number as one. */
const text = is<string | number>(
  (value) => typeof value === 'string' || typeof value === 'number',
  'a string',
);
/** `"True"` and `"false"` too, in any case. */
const flag = is<boolean | string>(
  (value) => typeof value === 'boolean' || (typeof value === 'string' && /^(true|false)$/i.test(value)),
  'true or false',
);

/** One value of a multi-valued attribute (RFC 7643, section 2.4); a bare value in its place has no type. */
export type Plural = { readonly [sub: string]: unknown } | Scalar;
const plural = is<readonly Plural[]>(
  (value) => Array.isArray(value) && value.every((item) => isObject(item) || isScalar(item)),
  'a list of objects',
);

/** The three forms of a manager: RFC 7643's, SCIM 1.1's `managerId`, and the bare id that older clients wrote. */
const manager = is<string | number | { readonly [sub: string]: unknown }>(
  (value) => typeof value === 'string' || typeof value === 'number' || isObject(value),
  'an object or an id',
);

/** RFC 7643, section 4.3. */
export const Enterprise = z.looseObject({
  employeeNumber: text,
  costCenter: text,
  organization: text,
  division: text,
  department: text,
  manager,
});
export type Enterprise = z.infer<typeof Enterprise>;

/** RFC 7643, section 4.1. Further attributes, extensions included, are kept as they are. */
export const ScimUser = z.looseObject({
  id: ExternalId,
  userName: text,
  active: flag,
  displayName: text,
  title: text,
  userType: text,
  locale: text,
  preferredLanguage: text,
  name: z.looseObject({ givenName: text, familyName: text, formatted: text }).nullish(),
  emails: plural,
  phoneNumbers: plural,
  addresses: plural,
});
export type ScimUser = z.infer<typeof ScimUser>;

/** RFC 7643, section 4.2. `displayName` is required there. */
export const ScimGroup = z.object({ id: ExternalId, displayName: z.string() });
export type ScimGroup = z.infer<typeof ScimGroup>;

/** A group with its members; a list that is missing holds nobody (RFC 7643, section 2.5). */
export const GroupWithMembers = z.object({
  id: ExternalId,
  members: z.array(z.unknown()).nullish(),
});

/** One of them. Only `value` is of use without following links, which can lead anywhere. */
export const ScimMember = z.object({
  value: ExternalId,
  type: z.string().nullish(),
  $ref: z.string().nullish(),
});

/** A number, or one written as text. */
const count = z.union([
  z.int().min(0),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
]);

/** RFC 7644, section 3.4.2, and RFC 9865, section 2. `Resources` may be missing where nobody is listed. */
export const ListResponse = z.object({
  totalResults: count.nullish(),
  Resources: z.array(z.unknown()).nullish(),
  nextCursor: z.string().nullish(),
});
export type ListResponse = z.infer<typeof ListResponse>;

/** Of a record in a list of changes: when the server stamped it (RFC 7643, section 3.1). */
export const Stamped = z.object({ id: ExternalId, meta: z.object({ lastModified: z.string() }) });

const Attribute = z.object({
  name: z.string(),
  canonicalValues: z.array(z.string()).nullish().catch(undefined),
  referenceTypes: z.array(z.string()).nullish().catch(undefined),
});

/** What the server says of its groups' members (RFC 7643, section 7). */
export const GroupSchema = z.object({
  id: z.literal('urn:ietf:params:scim:schemas:core:2.0:Group'),
  attributes: z.array(z.looseObject({ name: z.string(), subAttributes: z.array(Attribute).nullish() })),
});

/** What the server says of itself (RFC 7643, section 5; RFC 9865, section 4). Often wrong, so each part is a hint. */
export const ServiceProviderConfig = z.object({
  filter: z
    .object({ maxResults: count.optional().catch(undefined) })
    .optional()
    .catch(undefined),
  sort: z.object({ supported: flag }).optional().catch(undefined),
  pagination: z
    .object({ cursor: flag.catch(undefined), maxPageSize: count.optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

/** RFC 7644, section 3.12; RFC 9865, section 2.4. `detail` is never read: it may hold anything. */
export const ScimError = z.object({
  schemas: z.array(z.string()).optional(),
  status: z.union([z.string(), z.number()]).optional(),
  scimType: z.string().optional().catch(undefined),
});

/** The token endpoint's answer (RFC 6749, section 5.1); `expires_in` is recommended, not required. */
export const TokenAnswer = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.union([z.number().positive(), z.string().regex(/^\d+$/).transform(Number)]).optional(),
});
