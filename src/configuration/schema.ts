/** What a configuration file may say. What is left out stays as it is; a new thing then gets what it would get without a file. */
import { z } from 'zod';
import type { Fields } from '../domain/authUser.ts';
import { OWN, type TenantPath } from '../domain/configuration.ts';
import { CONNECTION_STATES, hasLogin } from '../domain/connection.ts';
import { Provider } from '../domain/directory.ts';
import { ExternalId } from '../domain/ids.ts';
import { Name } from '../domain/input.ts';
import { RoleName } from '../domain/role.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import { ChangedConnection, NewConnection } from '../tenancy/connectionInput.ts';
import { ChangedProductPlan, NewProductPlan } from '../tenancy/productPlans.ts';
import { ChangedRole, NewRole } from '../tenancy/roles.ts';
import { VerifiedDomain } from '../tenancy/tenants.ts';
import { EditedUser } from '../tenancy/users.ts';

/** Deeper than any customer's parts. */
const DEEPEST = 100;

/** `Harbor Foods/Fleet`, or a list of names, which may then have a slash; `.` is the caller's own tenant. */
const Path = z.unknown().transform((value, context): TenantPath => {
  const names: readonly unknown[] | null =
    value === OWN ? [] : typeof value === 'string' ? value.split('/') : Array.isArray(value) ? value : null;
  const parsed = names?.slice(0, DEEPEST).map((name) => Name.safeParse(name)) ?? [];
  const wrong = parsed.find(({ success }) => !success);
  if (names === null || names.length > DEEPEST || wrong !== undefined) {
    const because = wrong?.error === undefined ? '' : ` (a name ${wrong.error.issues[0]?.message})`;
    const message = `is not the path of a tenant${because}: write names from the outermost down, such as Harbor Foods/Fleet, or as a list; ${OWN} is your own tenant`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  }
  return parsed.flatMap(({ data }) => data ?? []);
});

/** Where a secret comes from. The secret itself never stands in the file. */
export const Reference = z.union([
  z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
  z.strictObject({ file: z.string().min(1).max(4096) }),
]);
export type Reference = z.infer<typeof Reference>;

/** One reference to all credentials as a JSON object, or one for each field. Only the word for their kind is no secret. */
export type CredentialSources =
  | { readonly whole: Reference }
  | { readonly fields: Readonly<Record<string, Reference | string>> };

const CredentialReferences = z.unknown().transform((value, context): CredentialSources => {
  const whole = Reference.safeParse(value);
  if (whole.success) return { whole: whole.data };
  const refuse = (path: string[], message: string) => {
    context.addIssue({ code: 'custom', path, message });
    return z.NEVER;
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse([], 'is not a list of fields: name where each comes from, as {env: NAME} or {file: PATH}');
  const fields: Record<string, Reference | string> = Object.create(null);
  for (const [name, source] of Object.entries(value)) {
    const reference = Reference.safeParse(source);
    if (reference.success) fields[name] = reference.data;
    else if (name === 'kind' && typeof source === 'string') fields[name] = source;
    else
      return refuse(
        [name],
        'is no reference: a secret never stands in the file; write {env: NAME} or {file: PATH}',
      );
  }
  return { fields };
});

const Network = ChangedConnection.shape.network.refine(
  (network) => network === undefined || !hasLogin(network),
  {
    path: ['proxy'],
    message:
      'has a login, and a secret never stands in the file: leave it out here and set it with rollcall connections update --proxy; it stays',
  },
);

const WantedRole = z.strictObject({
  name: NewRole.shape.name,
  description: ChangedRole.shape.description,
  type: ChangedRole.shape.type,
  permissions: ChangedRole.shape.permissions,
});

const WantedPlan = z.strictObject({
  name: NewProductPlan.shape.name,
  description: ChangedProductPlan.shape.description,
  seats: ChangedProductPlan.shape.seats,
  roles: ChangedProductPlan.shape.roles.transform((names) => names && [...new Set(names)].sort()),
});

const WantedTenant = z.strictObject({
  path: Path,
  plan: NewProductPlan.shape.name.nullable().optional(),
  inheritsRoles: z.boolean().optional(),
  state: z.enum(['active', 'suspended']).optional(),
  domains: z
    .array(VerifiedDomain.shape.domain)
    .transform((domains) => [...new Set(domains)].sort())
    .optional(),
  policy: TenantPolicy.optional(),
});

const WantedConnection = z.strictObject({
  tenant: Path,
  name: NewConnection.shape.name,
  provider: Provider,
  /** The connector says what belongs there. */
  settings: z.record(z.string(), z.unknown()).optional(),
  credentials: CredentialReferences.optional(),
  network: Network,
  mapping: ChangedConnection.shape.mapping,
  policy: ChangedConnection.shape.policy,
  schedule: ChangedConnection.shape.schedule,
  timeZone: ChangedConnection.shape.timeZone,
  state: z.enum(CONNECTION_STATES).optional(),
});

const WantedAssignment = z.strictObject({ role: RoleName, tenant: Path.nullable().default(null) });

/** Not so large that it would be another number once it is read. */
const isExact = (value: unknown) => !Number.isInteger(value) || Number.isSafeInteger(value);

const WantedUser = z
  .strictObject({
    tenant: Path,
    userName: EditedUser.shape.userName,
    connection: NewConnection.shape.name.optional(),
    externalId: ExternalId.optional(),
    email: EditedUser.shape.email,
    displayName: EditedUser.shape.displayName,
    attributes: EditedUser.shape.attributes.refine(
      (attributes) => Object.values(attributes ?? {}).every(isExact),
      'holds a number of more than 15 digits: put it in quotes',
    ),
    state: z.enum(['active', 'suspended']).optional(),
    roles: z.array(WantedAssignment).default([]),
  })
  .transform((user, context) => {
    const { tenant, roles, userName, connection, externalId, attributes = {}, ...fields } = user;
    const refuse = (path: string[], message: string) => {
      context.addIssue({ code: 'custom', path, message });
      return z.NEVER;
    };
    if (connection === undefined && externalId === undefined) {
      if (typeof userName !== 'string')
        return refuse(
          [],
          'has no userName: name a local user by it, or a user of a directory by connection and externalId',
        );
      return {
        origin: 'local' as const,
        tenant,
        roles,
        userName,
        attributes: attributes as Fields,
        ...fields,
      };
    }
    if (connection === undefined || externalId === undefined)
      return refuse([], 'is named by half: give both connection and externalId');
    const own = Object.entries({ userName, attributes: user.attributes, ...fields });
    const said = own.find(([, value]) => value !== undefined);
    if (said !== undefined)
      return refuse(
        [said[0]],
        'belongs to the directory that has this user: leave it out, only roles are given by hand',
      );
    return { origin: 'directory' as const, tenant, roles, connection, externalId };
  });

export const ConfigurationFile = z.strictObject({
  roles: z.array(WantedRole).default([]),
  productPlans: z.array(WantedPlan).default([]),
  tenants: z.array(WantedTenant).default([]),
  connections: z.array(WantedConnection).default([]),
  users: z.array(WantedUser).default([]),
});
export type ConfigurationFile = z.infer<typeof ConfigurationFile>;
