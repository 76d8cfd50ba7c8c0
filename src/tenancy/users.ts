/** Auth users as people look them up and edit them by hand. */
import { z } from 'zod';
import { AUTH_USER_STATES, type Fields } from '../domain/authUser.ts';
import { canonical } from '../domain/canonical.ts';
import type { Clock } from '../domain/clock.ts';
import { emailKey } from '../domain/email.ts';
import { AuthUserId, ConnectionId } from '../domain/ids.ts';
import { changedSinceShown, notFound, parseId, parseInput } from '../domain/input.ts';
import { cleanText } from '../domain/normalise.ts';
import { type Listed, PageOptions, TopTenant } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Store } from '../store/store.ts';
import type { AuthUser, AuthUserDetails, UserPatch } from '../store/users.ts';

export type UserDeps = { readonly store: Store; readonly clock: Clock };

export const ListUsers = PageOptions.extend({
  tenant: TopTenant,
  state: z.enum(AUTH_USER_STATES).nullable().default(null).describe('Only those in this state.'),
  search: z
    .string()
    .max(320)
    .nullable()
    .default(null)
    .transform((text) => cleanText(text))
    .describe('Beginning of the address, user name or display name, in any case.'),
  connection: ConnectionId.nullable()
    .default(null)
    .describe('Only users whom the directory of this connection has.'),
});

/** Throws `invalid-input`, `not-found` for the tenant. */
export async function listUsers(
  { store }: Pick<UserDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListUsers> = {},
): Promise<Listed<AuthUser>> {
  authorise(caller, 'users.read');
  const { tenant, ...filter } = parseInput(ListUsers, input);
  return await store.users.list(caller.tenant, { ...filter, tenant: tenant ?? caller.tenant });
}

/** Throws `not-found`. */
export async function getUser(
  { store }: Pick<UserDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<AuthUserDetails> {
  authorise(caller, 'users.read');
  const known = parseId(AuthUserId, id);
  const user = known === null ? null : await store.users.get(caller.tenant, known);
  if (user === null) throw notFound('user');
  if (caller.role === 'system') return user;
  return { ...user, roles: user.roles.filter(({ type }) => type !== 'hidden') };
}

/** What has a place of its own beside the attributes. */
const OWN_PLACE: readonly string[] = ['userName', 'email', 'displayName'];

const text = z
  .string()
  .max(1000)
  .transform((value) => cleanText(value))
  .nullable();

const AttributeName = z
  .string()
  .min(1)
  .max(200)
  .refine((name) => cleanText(name) === name, 'has blanks at its ends, line breaks or invisible characters')
  .refine((name) => !OWN_PLACE.includes(name), 'is no attribute but a field beside them')
  .refine((name) => name !== '__proto__', 'cannot name an attribute');

export const EditedUser = z.strictObject({
  user: z.string(),
  /** Where given, the edit is refused unless the auth user is still at this version. */
  version: z.int().optional(),
  userName: text.optional(),
  email: text
    .refine((value) => value === null || emailKey(value) !== null, 'is not an e-mail address')
    .optional(),
  displayName: text.optional(),
  /** Those named here are replaced; null removes one; all others stay. */
  attributes: z
    .record(AttributeName, z.union([text, z.number(), z.boolean(), z.array(z.string().max(1000))]))
    .optional(),
});

/**
 * Changes fields by hand. Where a directory owns a field, its next plan proposes to set it back.
 * An edit that alters nothing leaves the version as it is.
 * Throws `invalid-input`, `not-found`, `not-allowed-now` for a deleted user, `changed-since-shown`.
 */
export async function editUser(
  deps: UserDeps,
  caller: Caller,
  input: z.input<typeof EditedUser>,
): Promise<AuthUserDetails> {
  authorise(caller, 'users.write');
  const { user: id, version, ...edit } = parseInput(EditedUser, input);
  const user = await getUser(deps, caller, id);
  if (user.state === 'deleted') {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'A deleted user is not edited.',
      remedy:
        'Wait until the directory has this person again and the change that reactivates them is applied.',
    });
  }
  if (version !== undefined && version !== user.version) throw changedSinceShown('user');
  const altered = differences(user, edit);
  if (altered.fields.length === 0) return user;
  const by = { actor: caller.actor, at: deps.clock.now() };
  const done = await deps.store.users.update(caller.tenant, user, altered, by);
  if (!done) throw changedSinceShown('user');
  return await getUser(deps, caller, user.id);
}

type Edit = Omit<z.infer<typeof EditedUser>, 'user' | 'version'>;

/** What the edit alters, and the names of the fields, without their values. */
function differences(user: AuthUser, edit: Edit): { patch: UserPatch; fields: readonly string[] } {
  const fields: string[] = [];
  const changed = <T extends string | null>(name: 'userName' | 'email' | 'displayName', value?: T) => {
    if (value === undefined || value === user[name]) return {};
    fields.push(name);
    return { [name]: value };
  };
  const own = {
    ...changed('userName', edit.userName),
    ...changed('email', edit.email),
    ...changed('displayName', edit.displayName),
  };
  const attributes: Record<string, Fields[string]> = { ...user.attributes };
  for (const [name, value] of Object.entries(edit.attributes ?? {})) {
    const before = Object.hasOwn(attributes, name) ? (attributes[name] ?? null) : null;
    if (canonical(value) === canonical(before)) continue;
    fields.push(`attributes.${name}`);
    if (value === null) delete attributes[name];
    else attributes[name] = value;
  }
  const touched = fields.some((name) => name.startsWith('attributes.'));
  return { patch: touched ? { ...own, attributes } : own, fields };
}
