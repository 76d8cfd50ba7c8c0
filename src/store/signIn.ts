/** What lets people in: links that are good once, who they are at a provider, and what a browser keeps during a sign-in. */
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import type { AuditEntry } from '../domain/audit.ts';
import { type ExternalId, PrincipalId, type TenantId } from '../domain/ids.ts';
import type { Principal } from '../domain/principal.ts';
import { Attempt, type SessionId, type SignInProvider } from '../domain/signIn.ts';
import { appendAudit } from './audit.ts';
import { type Audited, record } from './audited.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import { isDuplicate, refusingTakenNames } from './duplicates.ts';
import { holdTree } from './locks.ts';
import { holdPrincipal, type NewPrincipal, toPrincipal } from './principals.ts';
import { subtree } from './scope.ts';
import type { SecretBox } from './secrets.ts';
import { endSessions, type Hash, insertSession, type NewSession, standingOf } from './sessions.ts';

/** One that is good once. */
export type NewLink = { readonly id: string; readonly hash: Hash; readonly expiresAt: Date | null };

/** Why somebody whom a provider has vouched for does not come in. */
export type SignInRefusal =
  | 'login-unknown'
  | 'login-of-another'
  | 'invitation-worthless'
  | 'provider-elsewhere'
  | 'principal-disabled'
  | 'tenant-suspended';

export type SignedIn =
  | { readonly refused: null; readonly principal: Principal }
  | { readonly refused: SignInRefusal; readonly principal: PrincipalId | null };

/** Who signs in, and what is written of it. `invitation`: its hash. */
export type ProviderSignIn = {
  readonly provider: Pick<SignInProvider, 'id' | 'tenant'>;
  readonly subject: string;
  /** The directory's id of them, where it is not the subject; null: not known, what was known stays. */
  readonly externalId: ExternalId | null;
  readonly invitation: Hash | null;
  readonly session: NewSession;
  readonly at: Date;
  readonly audit: (done: {
    readonly principal: Principal;
    /** The login was bound by this; `again`: in the place of another. */
    readonly bound: 'no' | 'first' | 'again';
  }) => readonly AuditEntry[];
  readonly ended: (session: SessionId) => Audited;
};

export type SignInStore = {
  /** Until a set-up link or an invitation has been used: for good, whatever becomes of whoever came by it. */
  setUpIsOpen(): Promise<boolean>;
  /** `there`: one that is still good; `fresh` takes its place. `done`: set-up is over for good. */
  offerSetUp(
    link: NewLink,
    how: { readonly fresh: boolean },
    audit: Audited,
  ): Promise<'offered' | 'there' | 'done'>;
  /** Whether this set-up link would be good now. */
  setUpIsGood(hash: Hash, now: Date): Promise<boolean>;
  /** Uses the link up for the first administrator; null: it is not good, and nothing was done. Throws `name-taken`. */
  setUp(
    hash: Hash,
    made: {
      readonly principal: NewPrincipal;
      readonly codes: readonly NewLink[];
      readonly session: NewSession;
      readonly at: Date;
      readonly entries: readonly AuditEntry[];
    },
  ): Promise<Principal | null>;
  /** In the place of those that the principal has. */
  replaceRecoveryCodes(
    scope: TenantId,
    principal: Pick<Principal, 'id' | 'tenant'>,
    codes: readonly NewLink[],
    audit: Audited,
  ): Promise<void>;
  /** Uses the code up for a session; null: it is not good, or its principal is disabled, or the tenant suspended. */
  useRecoveryCode(
    hash: Hash,
    session: NewSession,
    at: Date,
    audit: (principal: Principal, left: number) => AuditEntry,
  ): Promise<Principal | null>;
  /** In the place of an earlier one of the principal that was not used. */
  insertInvitation(
    scope: TenantId,
    principal: Pick<Principal, 'id' | 'tenant'>,
    link: NewLink,
    audit: Audited,
  ): Promise<void>;
  /** What was not used is worth nothing any more; only then audited. */
  withdrawInvitation(
    scope: TenantId,
    principal: Pick<Principal, 'id' | 'tenant'>,
    audit: Audited,
  ): Promise<void>;
  /** Whom a good invitation is for. For whoever holds it. */
  invited(hash: Hash, now: Date): Promise<Principal | null>;
  signIn(who: ProviderSignIn): Promise<SignedIn>;
  /** Writes down that somebody was refused. */
  recordRefusal(tenant: TenantId, audit: Audited): Promise<void>;
  /** Readable for this install alone, and not to be altered. */
  sealAttempt(attempt: Attempt): string;
  /** null: it was not sealed here. */
  openAttempt(sealed: string): Attempt | null;
};

export function signInStore(database: Database, box: SecretBox): SignInStore {
  return {
    ...settingUp(database),
    ...recovering(database),
    ...inviting(database),
    signIn: async (who) => {
      try {
        return await database.ordinary(database.root, (tx) => signInWith(tx, database.root, who));
      } catch (error) {
        // Bound at the same moment, by another invitation.
        if (isDuplicate(error)) return { refused: 'login-of-another', principal: null };
        throw error;
      }
    },
    recordRefusal: (tenant, audit) => database.ordinary(tenant, (tx) => record(tx, tenant, audit)),
    sealAttempt: (attempt) => Buffer.from(box.seal(ATTEMPT, attempt)).toString('base64url'),
    openAttempt: (sealed) => {
      try {
        const parsed = Attempt.safeParse(box.open(ATTEMPT, Buffer.from(sealed, 'base64url')));
        return parsed.success ? parsed.data : null;
      } catch {
        return null; // made up, or from before the secret key was changed
      }
    },
  };
}

const ATTEMPT = 'sign-in-attempt';

const unused = (now: Date) => ({
  usedAt: null,
  OR: [{ expiresAt: null }, { expiresAt: { gt: now } }],
});

function settingUp(
  database: Database,
): Pick<SignInStore, 'setUpIsOpen' | 'offerSetUp' | 'setUpIsGood' | 'setUp'> {
  const { root } = database;
  return {
    setUpIsOpen: () => database.ordinary(root, isOpen),
    offerSetUp: ({ id, hash, expiresAt }, { fresh }, audit) =>
      database.ordinary(root, async (tx) => {
        if (!(await isOpen(tx))) return 'done';
        const there = await tx.signInLink.findFirst({ where: { purpose: 'set-up', ...unused(audit.at) } });
        if (there !== null && (!fresh || Buffer.from(there.secretHash).equals(hash))) return 'there';
        await tx.signInLink.deleteMany({ where: { purpose: 'set-up', usedAt: null } });
        const link = {
          id,
          tenantId: root,
          purpose: 'set-up',
          secretHash: hash,
          expiresAt,
          createdAt: audit.at,
        };
        // Another process may be offering one at the same moment: then that one is the good one.
        const { count } = await tx.signInLink.createMany({ data: [link], skipDuplicates: true });
        if (count === 0) return 'there';
        await record(tx, root, audit);
        return 'offered';
      }),
    setUpIsGood: (hash, now) =>
      database.ordinary(root, async (tx) => {
        const link = await tx.signInLink.findFirst({
          where: { secretHash: hash, purpose: 'set-up', ...unused(now) },
        });
        return link !== null && (await isOpen(tx));
      }),
    setUp: (hash, { principal, codes, session, at, entries }) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(root, async (tx) => {
          if (!(await isOpen(tx))) return null;
          const { count } = await tx.signInLink.updateMany({
            where: { secretHash: hash, purpose: 'set-up', ...unused(at) },
            data: { usedAt: at },
          });
          if (count === 0) return null;
          const { id, tenant: tenantId, name, role } = principal;
          const row = await tx.principal.create({
            data: { id, tenantId, name, role, createdAt: at },
          });
          await insertCodes(tx, principal, codes, at);
          await insertSession(tx, principal, session, at);
          await appendAudit(sqlOf(tx), tenantId, at, entries);
          return toPrincipal(row);
        }),
      ),
  };
}

/** A used set-up link is the root's, and nothing removes it. */
async function isOpen(tx: OrdinaryTransaction): Promise<boolean> {
  const used = await tx.signInLink.findFirst({
    where: { purpose: 'set-up', usedAt: { not: null } },
    select: { id: true },
  });
  return used === null;
}

/** Uses up the link that is open; where there is none, one that nobody was shown, so that a used one is there. */
async function closeSetUp(tx: OrdinaryTransaction, root: TenantId, at: Date): Promise<void> {
  if (!(await isOpen(tx))) return;
  const { count } = await tx.signInLink.updateMany({
    where: { purpose: 'set-up', usedAt: null },
    data: { usedAt: at },
  });
  if (count > 0) return;
  const never = { id: v7(), tenantId: root, purpose: 'set-up', secretHash: new Uint8Array(randomBytes(32)) };
  await tx.signInLink.createMany({ data: [{ ...never, createdAt: at, usedAt: at }] });
}

async function insertCodes(
  tx: OrdinaryTransaction,
  { id: principalId, tenant: tenantId }: Pick<Principal, 'id' | 'tenant'>,
  codes: readonly NewLink[],
  at: Date,
): Promise<void> {
  await tx.signInLink.createMany({
    data: codes.map(({ id, hash, expiresAt }) => ({
      id,
      tenantId,
      principalId,
      purpose: 'recovery',
      secretHash: hash,
      expiresAt,
      createdAt: at,
    })),
  });
}

function recovering(database: Database): Pick<SignInStore, 'replaceRecoveryCodes' | 'useRecoveryCode'> {
  return {
    replaceRecoveryCodes: (scope, principal, codes, audit) =>
      database.ordinary(scope, async (tx) => {
        const tenant = await subtree(tx, scope);
        await tx.signInLink.deleteMany({
          where: { principalId: principal.id, purpose: 'recovery', usedAt: null, tenant },
        });
        await insertCodes(tx, principal, codes, audit.at);
        await record(tx, principal.tenant, audit);
      }),
    useRecoveryCode: (hash, session, at, audit) =>
      database.ordinary(database.root, async (tx) => {
        const code = { secretHash: hash, purpose: 'recovery', ...unused(at) };
        const whose = await tx.signInLink.findFirst({ where: code, select: { principalId: true } });
        if (whose === null || whose.principalId === null) return null;
        await holdPrincipal(tx, whose.principalId);
        const [used] = await tx.signInLink.updateManyAndReturn({
          where: { ...code, principal: { disabledAt: null } },
          data: { usedAt: at },
        });
        if (used === undefined || used.principalId === null) return null;
        const of = { principalId: used.principalId, purpose: 'recovery' };
        const row = await tx.principal.findUniqueOrThrow({ where: { id: used.principalId } });
        if ((await standingOf(tx, row.tenantId)) !== 'active') throw new Error('a code of the root tenant');
        const principal = toPrincipal(row);
        const left = await tx.signInLink.count({ where: { ...of, ...unused(at) } });
        await insertSession(tx, principal, session, at);
        await appendAudit(sqlOf(tx), principal.tenant, at, [audit(principal, left)]);
        return principal;
      }),
  };
}

function inviting(
  database: Database,
): Pick<SignInStore, 'insertInvitation' | 'withdrawInvitation' | 'invited'> {
  const open = (principal: string) => ({ principalId: principal, purpose: 'invitation', usedAt: null });
  return {
    insertInvitation: (scope, { id: principalId, tenant: tenantId }, { id, hash, expiresAt }, audit) =>
      database.ordinary(scope, async (tx) => {
        await holdTree(sqlOf(tx)); // whom it is for may be on the way to where the inviter is not above them
        const tenant = await subtree(tx, scope, tenantId);
        await tx.signInLink.deleteMany({ where: { ...open(principalId), tenant } });
        const link = { id, tenantId, principalId, purpose: 'invitation', secretHash: hash };
        await tx.signInLink.createMany({ data: [{ ...link, expiresAt, createdAt: audit.at }] });
        await record(tx, tenantId, audit);
      }),
    withdrawInvitation: (scope, principal, audit) =>
      database.ordinary(scope, async (tx) => {
        const tenant = await subtree(tx, scope);
        const { count } = await tx.signInLink.deleteMany({ where: { ...open(principal.id), tenant } });
        if (count > 0) await record(tx, principal.tenant, audit);
      }),
    invited: (hash, now) =>
      database.ordinary(database.root, async (tx) => {
        const link = await goodInvitation(tx, hash, now);
        return link === null ? null : toPrincipal(link.principal);
      }),
  };
}

const nameTaken = {
  message: 'There is a principal of this name.',
  remedy: 'Choose another name; the set-up link is still good.',
};

async function goodInvitation(tx: OrdinaryTransaction, hash: Hash, now: Date) {
  const link = await tx.signInLink.findFirst({
    where: { secretHash: hash, purpose: 'invitation', principal: { disabledAt: null }, ...unused(now) },
    include: { principal: true },
  });
  return link?.principal ? { id: link.id, principal: link.principal } : null;
}

type PrincipalRow = Parameters<typeof toPrincipal>[0];

async function signInWith(tx: OrdinaryTransaction, root: TenantId, who: ProviderSignIn): Promise<SignedIn> {
  const { provider, subject, externalId, session, at, audit, ended } = who;
  // What ends logins and sessions (a move, the removal of the provider, disabling) has ended them by now, or waits and ends this too.
  await holdTree(sqlOf(tx));
  if (!(await holdProvider(tx, provider.id))) return { refused: 'login-unknown', principal: null };
  const named = await whoIsMeant(tx, who);
  if (named.row !== null) await holdPrincipal(tx, named.row.id);
  const { login, link, row } = await whoIsMeant(tx, who);
  const refused = await refusalOf(tx, who, row, login?.principal ?? null);
  if (refused !== null || row === null)
    return {
      refused: refused ?? 'login-unknown',
      principal: row === null ? null : PrincipalId.parse(row.id),
    };
  if (link !== null) {
    const used = await tx.signInLink.updateMany({
      where: { id: link.id, usedAt: null },
      data: { usedAt: at },
    });
    if (used.count === 0) return { refused: 'invitation-worthless', principal: PrincipalId.parse(row.id) };
    await closeSetUp(tx, root, at);
  }
  const principal = toPrincipal(row);
  const bound = login === null ? await bind(tx, principal, who) : 'no';
  if (bound === 'again')
    await endSessions(tx, root, { principals: [principal.id], method: 'openid-connect' }, ended);
  await sqlOf(tx).query(
    `UPDATE principal_login SET last_used_at = $3::timestamptz, external_id = coalesce($4, external_id)
     WHERE provider_id = $1::uuid AND subject = $2`,
    [provider.id, subject, at.toISOString(), externalId],
  );
  await insertSession(tx, principal, session, at);
  await appendAudit(sqlOf(tx), principal.tenant, at, audit({ principal, bound }));
  return { refused: null, principal };
}

/** Whose login it is, and who is meant: whom the invitation is for, else they. */
async function whoIsMeant(tx: OrdinaryTransaction, { provider, subject, invitation, at }: ProviderSignIn) {
  const key = { providerId_subject: { providerId: provider.id, subject } };
  const login = await tx.principalLogin.findUnique({ where: key, include: { principal: true } });
  const link = invitation === null ? null : await goodInvitation(tx, invitation, at);
  const row = (invitation === null ? login?.principal : link?.principal) ?? null;
  return { login, link, row };
}

/** false: it was removed. */
async function holdProvider(tx: OrdinaryTransaction, id: string): Promise<boolean> {
  const held = 'SELECT true AS held FROM sign_in_provider WHERE id = $1::uuid FOR SHARE';
  return (await sqlOf(tx).query(held, [id])).length > 0;
}

async function refusalOf(
  tx: OrdinaryTransaction,
  { provider, invitation }: ProviderSignIn,
  meant: PrincipalRow | null,
  known: PrincipalRow | null,
): Promise<SignInRefusal | null> {
  if (meant === null) return invitation === null ? 'login-unknown' : 'invitation-worthless';
  if (known !== null && known.id !== meant.id) return 'login-of-another';
  if (meant.disabledAt !== null) return 'principal-disabled';
  const [home, above] = [
    await tx.tenant.findUnique({ where: { id: meant.tenantId }, select: { path: true } }),
    await tx.tenant.findUnique({ where: { id: provider.tenant }, select: { path: true } }),
  ];
  // Either may have been moved since: a provider speaks for its tenant and those below it alone.
  if (home === null || above === null || !home.path.startsWith(above.path)) return 'provider-elsewhere';
  return (await standingOf(tx, meant.tenantId)) === 'active' ? null : 'tenant-suspended';
}

/** A principal has one login at a provider: whoever accepts a later invitation takes the place of the earlier one. */
async function bind(
  tx: OrdinaryTransaction,
  { id: principalId, tenant: tenantId }: Principal,
  { provider, subject, at }: ProviderSignIn,
): Promise<'first' | 'again'> {
  const { count } = await tx.principalLogin.deleteMany({ where: { providerId: provider.id, principalId } });
  await tx.principalLogin.createMany({
    data: [{ providerId: provider.id, subject, tenantId, principalId, createdAt: at }],
  });
  return count > 0 ? 'again' : 'first';
}
