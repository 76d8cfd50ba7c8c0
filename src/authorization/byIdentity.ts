/** Who somebody is that a directory's own sign-in has let in. */
import { z } from 'zod';
import { Provider } from '../domain/directory.ts';
import { ConnectionId, ExternalId } from '../domain/ids.ts';
import { invalidInput, notFound, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { AuthUserDetails } from '../store/users.ts';
import { getUser } from '../tenancy/users.ts';
import type { AuthorizationDeps } from './read.ts';

export const IdentityQuery = z.strictObject({
  issuer: z
    .string()
    .max(500)
    .nullable()
    .default(null)
    .describe('`iss` of the ID token; goes with `subject`.'),
  subject: ExternalId.nullable().default(null).describe('`sub` of the ID token; with Entra ID `oid`.'),
  provider: Provider.nullable().default(null).describe('Goes with `externalId`.'),
  externalId: ExternalId.nullable().default(null).describe('The provider’s own id; goes with `provider`.'),
  connection: ConnectionId.nullable().default(null).describe('Only by the directory of this connection.'),
});

/**
 * The auth user whom a directory within the caller's tenant has under this id. Of several only one that is not deleted counts.
 * Throws `invalid-input`, `not-found`, `ambiguous` where several are meant.
 */
export async function findByIdentity(
  { store }: AuthorizationDeps,
  caller: Caller,
  input: z.input<typeof IdentityQuery>,
): Promise<AuthUserDetails> {
  authorise(caller, 'users.read');
  const { issuer, subject, provider, externalId, connection } = parseInput(IdentityQuery, input);
  const id = subject ?? externalId;
  const isOne = (issuer === null) === (subject === null) && (provider === null) === (externalId === null);
  if (!isOne || id === null || (subject !== null && externalId !== null)) {
    const message = 'give either `issuer` and `subject`, or `provider` and `externalId`';
    throw invalidInput([{ path: '', message }]);
  }
  const found = await store.authorization.withIdentity(caller.tenant, { id, issuer, provider, connection });
  const present = found.filter(({ state }) => state !== 'deleted');
  const [only, ...others] = present.length > 0 ? present : found;
  if (only === undefined) throw nobodyWith(issuer !== null);
  if (others.length > 0) throw ambiguous([only, ...others].map((one) => one.connection));
  return await getUser({ store }, caller, only.user);
}

function nobodyWith(issuer: boolean): Problem {
  const { code, message } = notFound('user');
  const unknown =
    'Compare it with the issuer of the connections (`rollcall connections show`): a connection whose issuer is null is found by `provider` and `externalId` alone, until it is given one (`rollcall connections update --issuer`). ';
  return new Problem({
    code,
    message,
    remedy: `${issuer ? unknown : ''}Whoever has just joined is known once a run has seen them and the change is applied.`,
  });
}

function ambiguous(connections: readonly ConnectionId[]): Problem {
  return new Problem({
    code: 'ambiguous',
    message: 'Several auth users have this identity, by different connections.',
    remedy: `Name the connection as well: ${connections.join(', ')}. Or use a key of the tenant that is meant.`,
  });
}
