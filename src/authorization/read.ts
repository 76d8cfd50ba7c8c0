/** What applications ask: what may this user do, and where. */
import { z } from 'zod';
import { type Authorization, authorizationOf } from '../domain/authorization.ts';
import { AuthUserId, TenantId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Store } from '../store/store.ts';

export type AuthorizationDeps = { readonly store: Store };

/** Entries in one answer. More are hardly what anybody wants to hold in a session. */
const MOST_ENTRIES = 1_000;

export const AuthorizationQuery = z.strictObject({
  user: z.string(),
  tenant: TenantId.nullable()
    .default(null)
    .describe('What holds in this tenant alone; without it in the user’s own and all below it.'),
});

export type AuthorizationAnswer = {
  readonly authorization: Authorization;
  /** Of this moment; see `accessStamp` of the store. */
  readonly access: string;
};

/**
 * By the state of the database at this moment. Somebody suspended or deleted is not active and may do nothing; nobody may in
 * a tenant that is suspended, or below one. Roles that are hidden from tenants are told to the system and to applications of the root: an
 * application of a tenant, and a key that holds in a tenant alone, may be in the hands of its administrators.
 * Throws `forbidden`, `invalid-input`, `not-found`, and `answer-too-large` without `tenant`.
 */
export async function readAuthorization(
  { store }: AuthorizationDeps,
  caller: Caller,
  input: z.input<typeof AuthorizationQuery>,
): Promise<AuthorizationAnswer> {
  authorise(caller, 'authorization.read');
  return await authorizationFor({ store }, caller, parseInput(AuthorizationQuery, input));
}

/** The same for a use case that has asked for a permission of its own. */
export async function authorizationFor(
  { store }: AuthorizationDeps,
  caller: Caller,
  { user: id, tenant }: z.output<typeof AuthorizationQuery>,
): Promise<AuthorizationAnswer> {
  const user = parseId(AuthUserId, id);
  if (user === null) throw notFound('user');
  const read = await store.authorization.read(caller.tenant, { user, tenant, most: MOST_ENTRIES });
  if (read === null) throw notFound(tenant === null ? 'user' : 'user or tenant');
  const hidden = caller.role === 'system' || (caller.role === 'application' && caller.tenant === store.root);
  const { facts, catalogue, access } = read;
  if (tenant === null && facts.tenants.length > MOST_ENTRIES) throw tooLarge();
  return { authorization: authorizationOf({ user, tenant, hidden }, facts, catalogue), access };
}

export function tooLarge(): Problem {
  return new Problem({
    code: 'answer-too-large',
    message: 'This user holds something different in too many tenants for one answer.',
    remedy: 'Ask for one tenant: name it in `tenant`.',
  });
}
