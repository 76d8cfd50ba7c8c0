/** Why an auth user has what they have: where each role comes from, by the mapping of this moment and the directory as last read. */
import type { ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { type RoleReason, roleReasons } from '../domain/roleReasons.ts';
import type { Store } from '../store/store.ts';
import { getUser } from '../tenancy/users.ts';

export type ExplainedRole = {
  readonly role: string;
  /** Where it is held; it holds below too. */
  readonly tenant: TenantId;
  readonly origin: 'directory' | 'manual';
  readonly connection: ConnectionId | null;
  readonly grantedAt: Date;
  /**
   * What gives it. Empty: nothing does any more, and the next plan proposes to take it. null: given by hand, or by a connection of a
   * tenant above, of which nothing is told here.
   */
  readonly because: readonly RoleReason[] | null;
};

export type Explanation = {
  readonly user: string;
  readonly identities: readonly {
    readonly connection: ConnectionId;
    readonly externalId: ExternalId;
    /** The groups that the mapping reads, by name. null: not in the directory as last read. */
    readonly groups: readonly string[] | null;
  }[];
  readonly roles: readonly ExplainedRole[];
};

/** Throws `not-found`. */
export async function explainUser(
  { store }: { readonly store: Store },
  caller: Caller,
  id: string,
): Promise<Explanation> {
  authorise(caller, 'users.read');
  const user = await getUser({ store }, caller, id);
  const known = await Promise.all(
    user.identities.map(async ({ connection, externalId }) => ({
      ...{ connection, externalId },
      ...(await whatIsKnown(store, caller.tenant, connection, externalId)),
    })),
  );
  return {
    user: user.id,
    identities: known.map(({ connection, externalId, groups }) => ({ connection, externalId, groups })),
    roles: user.roles.map(({ name, tenant, origin, connection, grantedAt }) => {
      const from = known.find((identity) => identity.connection === connection);
      const because =
        from?.reasons === undefined || from.reasons === null ? null : (from.reasons.get(name) ?? []);
      return { role: name, tenant, origin, connection, grantedAt, because };
    }),
  };
}

async function whatIsKnown(store: Store, scope: TenantId, connection: ConnectionId, externalId: ExternalId) {
  const stored = await store.connections.get(scope, connection);
  if (stored === null) return { groups: null, reasons: null };
  const read = await store.directoryUsers.get(scope, connection, externalId);
  if (read === null) return { groups: null, reasons: new Map<string, readonly RoleReason[]>() };
  return {
    groups: read.groups.map(({ name }) => name),
    reasons: roleReasons(stored.mapping, read.user, read.groups),
  };
}
