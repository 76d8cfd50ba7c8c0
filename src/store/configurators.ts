/**
 * Who has configured a connection: where a policy asks for it, they approve none of the changes that may have come of it. And who has
 * had a part in one of its changes.
 */
import type { Actor } from '../domain/audit.ts';
import type { Sql } from './database.ts';
import { type SomeConnections, theConnections } from './scope.ts';

/** When the last apply began that had finished before `change c` was proposed: whoever has configured something since may have caused it. */
const SINCE = `coalesce((SELECT y.created_at FROM apply y WHERE y.connection_id = c.connection_id AND y.state = 'finished' AND y.id < c.id
    ORDER BY y.id DESC LIMIT 1), '-infinity')`;

/** What is proposed after this apply is nobody's who configured something before it. Ids rise with time; `f`: what was done, at its moment. */
const UNTIL = (moment: string) => `coalesce((SELECT y.id FROM apply y
    WHERE y.connection_id = f.connection_id AND y.state = 'finished' AND y.created_at >= ${moment} ORDER BY y.id LIMIT 1), '${LAST_ID}'::uuid)`;

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/**
 * Who has changed the configuration of the connection, or a policy that it goes by, or what policies go by, or has let more through its guards:
 * whoever did is no stranger to any change whose id is before `until`. Applies of other changes do not make them one.
 */
export const CONFIGURED = (connection: string) => `SELECT f.principal_id, ${UNTIL('f.changed_at')} AS until
    FROM configurator f WHERE f.connection_id = ${connection}
  UNION ALL SELECT f.principal_id, ${UNTIL('f.created_at')} FROM guard_override f WHERE f.connection_id = ${connection}`;

/**
 * Whether the principal has said what is to be otherwise in the change `c`; or let it go, since the last apply before it, by saying that it is
 * about somebody else than whom a guard took it for.
 */
export const HAD_PART = (principal: string) => `(EXISTS (SELECT FROM adjustment j
    WHERE j.connection_id = c.connection_id AND j.external_id = c.external_id AND ${principal} = ANY (j.editors))
  OR ${CALLED_DIFFERENT('external_id', principal)} OR ${CALLED_DIFFERENT('former_external_id', principal)})`;

const CALLED_DIFFERENT = (
  side: 'external_id' | 'former_external_id',
  principal: string,
) => `EXISTS (SELECT FROM pair q
    WHERE q.connection_id = c.connection_id AND q.${side} = c.external_id AND q.state = 'different' AND q.principal_id = ${principal}
      AND q.decided_at > ${SINCE})`;

type By = { readonly actor: Actor; readonly at: Date };

/** Of `connection n`: who has configured it, and when; both may be read from `more`, which stands beside it. */
const noting = (where: string, principal: string, at: string, more = '') =>
  `INSERT INTO configurator AS f (connection_id, principal_id, tenant_id, changed_at)
   SELECT n.id, ${principal}, n.tenant_id, ${at} FROM connection n ${more} WHERE ${where} ORDER BY n.id
   ON CONFLICT (connection_id, principal_id) DO UPDATE SET changed_at = greatest(f.changed_at, excluded.changed_at)`;

/** Somebody changes the configuration of connections. Whoever does so by a support access approves nothing that asks for more. */
export async function noteConfigurator(sql: Sql, some: SomeConnections, { actor, at }: By): Promise<void> {
  if (actor.id === null || actor.kind === 'support') return;
  const { where, id } = theConnections(some);
  await sql.query(noting(where, '$2::uuid', '$3::timestamptz'), [id, actor.id, at.toISOString()]);
}

/**
 * Of connections that are new, or that a move has put below others: whoever has last changed each of the policies that they go by has
 * configured them too, although they were not there yet. `since`: the moment from which that counts; null: when the policy was changed.
 */
export async function noteAuthorsOfPolicies(
  sql: Sql,
  some: SomeConnections,
  since: Date | null,
): Promise<void> {
  const { where, id } = theConnections(some);
  const at = 'coalesce($2::timestamptz, p.changed_at)';
  const authors = 'CROSS JOIN LATERAL policy_authors_over(n.tenant_id) p';
  await sql.query(noting(where, 'p.principal_id', at, authors), [id, since?.toISOString() ?? null]);
}
