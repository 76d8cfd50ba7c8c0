/**
 * Why an auth user has what they have: where each role and field comes from, by the mapping of this moment and the directory as last
 * read.
 */
import {
  type EditedByHand,
  type FieldSource,
  fieldSources,
  type LinkedDirectory,
} from '../domain/fieldSources.ts';
import { ChangeId, type ConnectionId, type ExternalId, type TenantId } from '../domain/ids.ts';
import { type Action, authorise, type Caller, can } from '../domain/permission.ts';
import { type RoleReason, roleReasons } from '../domain/roleReasons.ts';
import type { ChangeView } from '../store/changes.ts';
import type { HandEntry } from '../store/histories.ts';
import type { Store } from '../store/store.ts';
import type { AuthUserDetails } from '../store/users.ts';
import { getUser } from '../tenancy/users.ts';

export type ExplainedRole = {
  readonly role: string;
  /** Where it is held; it holds below too. */
  readonly tenant: TenantId;
  readonly origin: 'directory' | 'manual';
  readonly connection: ConnectionId | null;
  readonly grantedAt: Date;
  /**
   * What gives it. Empty: nothing does any more, and the next plan proposes to take it, unless that is agreed on. null: given by hand, or by a connection of a
   * tenant above, of which nothing is told here; or not shown.
   */
  readonly because: readonly RoleReason[] | null;
  /** Who gave it by hand; null: nobody did, the caller may not read the audit log, or it was before there was one. */
  readonly givenBy: Omit<EditedByHand, 'from'> | null;
};

/** A role that the mapping gives, and that is not held. */
export type RoleNotHeld = {
  readonly role: string;
  readonly connection: ConnectionId;
  readonly because: readonly RoleReason[];
};

/** `because` null: not shown. */
export type ExplainedField = Omit<FieldSource, 'because'> & {
  readonly because: FieldSource['because'] | null;
};

/**
 * What a mapping makes of somebody whom a directory has, and in which of its groups they are, is for those who may read both connections and
 * changes, as everywhere else.
 */
const TELLING = ['connections.read', 'changes.read'] as const satisfies readonly Action[];

export type Explanation = {
  readonly user: string;
  /** Of `TELLING`, what the caller may not. Where that is anything, what mappings and directories say is not shown: groups, reasons, roles not held, where fields come from. */
  readonly notShownWithout: readonly Action[];
  /** When all that was personal was removed for good; null: it was not. */
  readonly purgedAt: Date | null;
  readonly identities: readonly {
    readonly connection: ConnectionId;
    readonly externalId: ExternalId;
    /** The groups that the mapping reads, by name. null: not in the directory as last read, or not shown. */
    readonly groups: readonly string[] | null;
    /** However the two differ, that is agreed on: nothing is proposed until one of them changes, as after an undo. */
    readonly isAgreed: boolean;
    /** What waits for them there, or was refused; null: nothing, or not shown. */
    readonly change: Pick<ChangeView, 'id' | 'kind' | 'state' | 'rolesLost'> | null;
  }[];
  readonly roles: readonly ExplainedRole[];
  /** A change for them waits, was refused, or was taken back. */
  readonly notHeld: readonly RoleNotHeld[];
  /** Those that have a value. */
  readonly fields: readonly ExplainedField[];
};

/** So many of the last things that were done to somebody by hand are looked at. */
const BY_HAND = 1_000;

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
  const notShownWithout = TELLING.filter((action) => !can(caller, action));
  const told = notShownWithout.length === 0 ? known : known.map(untold);
  const byHand = can(caller, 'audit.read')
    ? await store.histories.byHand(caller.tenant, user.id, BY_HAND)
    : [];
  return {
    user: user.id,
    notShownWithout,
    purgedAt: user.purgedAt,
    identities: told.map(({ connection, externalId, linked, isAgreed, change }) => ({
      ...{ connection, externalId, isAgreed, change },
      groups: linked?.read?.groups.map(({ name }) => name) ?? null,
    })),
    roles: user.roles.map(({ name, tenant, origin, connection, grantedAt }) => {
      const from = told.find((identity) => identity.connection === connection);
      const because =
        from?.reasons === undefined || from.reasons === null ? null : (from.reasons.get(name) ?? []);
      const givenBy = origin === 'manual' ? lastGiven(name, tenant, user, byHand) : null;
      return { role: name, tenant, origin, connection, grantedAt, because, givenBy };
    }),
    notHeld: told.flatMap(({ connection, reasons }) => {
      const held = new Set(user.roles.flatMap((role) => (role.connection === connection ? role.name : [])));
      return [...(reasons ?? [])].flatMap(([role, because]) =>
        held.has(role) ? [] : [{ role, connection, because }],
      );
    }),
    fields: fieldSources(
      fieldsOf(user),
      told.flatMap(({ linked }) => linked ?? []),
      { byHand: editsOf(byHand), isLinkedAbove: await store.users.isLinkedAbove(caller.tenant, user.id) },
    ).map((field) => (notShownWithout.length === 0 ? field : { ...field, because: null })),
  };
}

function untold<T extends Awaited<ReturnType<typeof whatIsKnown>>>(known: T): T {
  return { ...known, linked: null, reasons: null, change: null };
}

async function whatIsKnown(store: Store, scope: TenantId, connection: ConnectionId, externalId: ExternalId) {
  const stored = await store.connections.get(scope, connection);
  if (stored === null) return { linked: null, reasons: null, isAgreed: false, change: null };
  const { mapping } = stored;
  const reading = await store.histories.lastReading(scope, { connection, externalId });
  const { read, adjusted, isAgreed } = reading;
  const change = reading.change === null ? null : await waiting(store, scope, reading.change);
  const linked: LinkedDirectory = { connection, mapping, read };
  if (read === null) return { linked, isAgreed, change, reasons: new Map<string, readonly RoleReason[]>() };
  return { linked, isAgreed, change, reasons: roleReasons(mapping, read.user, read.groups, adjusted) };
}

async function waiting(store: Store, scope: TenantId, change: string) {
  const found = await store.changes.get(scope, ChangeId.parse(change));
  if (found === null) return null;
  const { id, kind, state, rolesLost } = found;
  return { id, kind, state, rolesLost };
}

function fieldsOf({ userName, email, displayName, attributes }: AuthUserDetails) {
  return { userName, email, displayName, ...attributes };
}

/** The last time that each field was edited. */
function editsOf(byHand: readonly HandEntry[]): ReadonlyMap<string, EditedByHand> {
  const edits = new Map<string, EditedByHand>();
  for (const entry of byHand.toReversed()) {
    const { fields } = entry.details;
    if (!Array.isArray(fields)) continue;
    for (const field of fields)
      edits.set(String(field).replace(/^attributes\./, ''), { from: 'hand', ...said(entry) });
  }
  return edits;
}

function lastGiven(role: string, held: TenantId, { tenant }: AuthUserDetails, byHand: readonly HandEntry[]) {
  const given = byHand.find(
    (entry) =>
      entry.action === 'role.granted' && entry.role === role && (entry.details['tenant'] ?? tenant) === held,
  );
  return given === undefined ? null : said(given);
}

function said({ actor, at, number }: HandEntry) {
  return { by: actor.name, at, audit: number };
}
