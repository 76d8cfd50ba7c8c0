/** Support access: asked for, granted, refused and ended. What is done during one is in supportUse.ts. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { invalidInput, notFound, parseId, parseInput } from '../domain/input.ts';
import { cleanText } from '../domain/normalise.ts';
import { type Listed, PageOptions, TopTenant } from '../domain/page.ts';
import { type Action, allowedToSupport, authorise, type Caller, can, mayDo } from '../domain/permission.ts';
import type { Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import {
  asOf,
  isAllowed,
  type SupportAccess,
  SupportAccessId,
  type SupportVerb,
  USUAL_SUPPORT_MINUTES,
} from '../domain/supportAccess.ts';
import type { Audited } from '../store/audited.ts';
import type { Store } from '../store/store.ts';
import { refuseMore } from './principals.ts';

export type SupportDeps = {
  readonly store: Store;
  readonly clock: Clock;
  /** How long an access lasts at most. */
  readonly supportMinutes: number;
};

/** With what its caller may do with it now. */
export type ShownAccess = SupportAccess & { readonly actions: readonly SupportVerb[] };

const Minutes = z.number().int().min(1);
const Reason = z
  .string()
  .transform((text) => cleanText(text) ?? '')
  .pipe(z.string().min(1, 'is empty').max(1000, 'is longer than 1000 characters'));

export const SupportRequest = z.strictObject({
  tenant: TenantId,
  /** Who will use it. null: the caller. */
  principal: z.string().nullable().default(null),
  /** Shown to the tenant. */
  reason: Reason,
  minutes: Minutes.default(USUAL_SUPPORT_MINUTES),
  mayWrite: z.boolean().default(false),
});

/**
 * Asks a tenant to let somebody in. For another principal only those ask who could make a key for it as well.
 * Throws `invalid-input`, `forbidden`, `not-found` for the tenant and the principal.
 */
export async function requestSupport(
  deps: SupportDeps,
  caller: Caller,
  input: z.input<typeof SupportRequest>,
): Promise<ShownAccess> {
  authorise(caller, 'support.request');
  const { tenant, principal, ...wanted } = parseInput(SupportRequest, input);
  refuseLonger(wanted.minutes, deps.supportMinutes);
  const who = principal === null ? null : await whom(deps, caller, { tenant, principal, own: true });
  const access: SupportAccess = {
    ...fresh(deps, tenant, who ?? { id: caller.principal, name: caller.actor.name }, wanted),
    state: 'requested',
    decidedBy: null,
    decidedAt: null,
    expiresAt: null,
  };
  await deps.store.supportAccess.insert(
    caller.tenant,
    access,
    told(deps, caller, 'support-access.requested', access, termsOf(access)),
  );
  return shown(access, caller);
}

export const SupportInvitation = SupportRequest.extend({
  /** null: the caller's own. */
  tenant: TenantId.nullable().default(null),
  /** The id that the support person has told: of this tenant or one above. */
  principal: z.string(),
});

/**
 * Lets somebody in who has not asked. Throws `invalid-input`, `forbidden` also for more than the caller may, `not-found` for the tenant,
 * and for a principal who is not in or above it or whose role has nothing to do with support.
 */
export async function inviteSupport(
  deps: SupportDeps,
  caller: Caller,
  input: z.input<typeof SupportInvitation>,
): Promise<ShownAccess> {
  authorise(caller, 'support.decide');
  const { tenant: wantedTenant, principal, ...wanted } = parseInput(SupportInvitation, input);
  const tenant = wantedTenant ?? caller.tenant;
  if ((await deps.store.tenants.get(caller.tenant, tenant)) === null) throw notFound('tenant');
  refuseLonger(wanted.minutes, deps.supportMinutes);
  const who = await whom(deps, caller, { tenant, principal, own: false });
  refuseOwn(caller, who.id);
  refuseWider(caller, wanted.mayWrite);
  const now = deps.clock.now();
  const access: SupportAccess = {
    ...fresh(deps, tenant, who, wanted),
    state: 'granted',
    decidedBy: caller.actor,
    decidedAt: now,
    expiresAt: inMinutes(now, wanted.minutes),
  };
  const details = { ...termsOf(access), expiresAt: access.expiresAt?.toISOString() ?? null, invited: true };
  await deps.store.supportAccess.insert(
    caller.tenant,
    access,
    told(deps, caller, 'support-access.granted', access, details),
  );
  return shown(access, caller);
}

export const ListSupport = PageOptions.extend({
  tenant: TopTenant,
});

/** The oldest first. Who is with support sees their own, others all of their subtree. Throws `invalid-input`, `not-found` for the tenant. */
export async function listSupport(
  { store, clock }: Pick<SupportDeps, 'store' | 'clock'>,
  caller: Caller,
  input: z.input<typeof ListSupport> = {},
): Promise<Listed<ShownAccess>> {
  authorise(caller, 'support.read');
  const { tenant, ...page } = parseInput(ListSupport, input);
  const principal = seesOwnOnly(caller) ? caller.principal : null;
  const filter = { ...page, tenant: tenant ?? caller.tenant, principal };
  const { items, next } = await store.supportAccess.list(caller.tenant, filter);
  return { items: items.map((access) => shown(asOf(access, clock.now()), caller)), next };
}

/** Throws `not-found`. */
export async function getSupport(
  deps: Pick<SupportDeps, 'store' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<ShownAccess> {
  authorise(caller, 'support.read');
  return shown(await seen(deps, caller, id), caller);
}

export const SupportGrant = z.strictObject({
  supportAccess: z.string(),
  /** Not longer than was asked for. Left out: as long. */
  minutes: Minutes.optional(),
  /** false: to look only, although more was asked for. */
  mayWrite: z.boolean().optional(),
});

/**
 * From now on. Throws `invalid-input` for more than was asked for, `forbidden` for one's own and for more than the caller may,
 * `not-found`, `not-allowed-now`.
 */
export async function grantSupport(
  deps: SupportDeps,
  caller: Caller,
  input: z.input<typeof SupportGrant>,
): Promise<ShownAccess> {
  authorise(caller, 'support.decide');
  const { supportAccess, minutes: wanted, mayWrite: write } = parseInput(SupportGrant, input);
  const access = await seen(deps, caller, supportAccess);
  refuseOwn(caller, access.principal);
  refuseNow('grant', access);
  const minutes = wanted ?? Math.min(access.minutes, deps.supportMinutes);
  const mayWrite = write ?? access.mayWrite;
  if (minutes > access.minutes)
    throw invalidInput([{ path: 'minutes', message: `is more than the ${access.minutes} asked for` }]);
  if (mayWrite && !access.mayWrite)
    throw invalidInput([{ path: 'mayWrite', message: 'is more than was asked for' }]);
  refuseLonger(minutes, deps.supportMinutes);
  refuseWider(caller, mayWrite);
  const expiresAt = inMinutes(deps.clock.now(), minutes);
  const details = { ...termsOf({ ...access, minutes, mayWrite }), expiresAt: expiresAt.toISOString() };
  return await moved(
    deps,
    caller,
    access,
    { to: 'granted', by: caller.actor, expiresAt, mayWrite, minutes },
    told(deps, caller, 'support-access.granted', access, details),
  );
}

/** Throws `not-found`, `not-allowed-now`. */
export async function refuseSupport(deps: SupportDeps, caller: Caller, id: string): Promise<ShownAccess> {
  authorise(caller, 'support.decide');
  const access = await seen(deps, caller, id);
  refuseNow('refuse', access);
  return await moved(
    deps,
    caller,
    access,
    { to: 'refused', by: caller.actor },
    told(deps, caller, 'support-access.refused', access, { principal: access.principal }),
  );
}

/**
 * At once, by the tenant's administrators and by whose access it is. What was not granted yet is taken back. One that has ended stays as
 * it is. Throws `not-found`, `not-allowed-now` for one that was refused.
 */
export async function endSupport(deps: SupportDeps, caller: Caller, id: string): Promise<ShownAccess> {
  authorise(caller, 'support.end');
  const access = await seen(deps, caller, id);
  if (access.state === 'ended') return shown(access, caller);
  refuseNow('end', access);
  const to = access.state === 'requested' ? 'refused' : 'ended';
  return await moved(
    deps,
    caller,
    access,
    { to, by: caller.actor },
    told(deps, caller, `support-access.${to}`, access, { principal: access.principal }),
  );
}

async function whom(
  { store }: SupportDeps,
  caller: Caller,
  {
    tenant,
    principal,
    own,
  }: { readonly tenant: TenantId; readonly principal: string; readonly own: boolean },
): Promise<Pick<Principal, 'id' | 'name'>> {
  if (own) authorise(caller, 'principals.write');
  const id = parseId(PrincipalId, principal);
  const mine = id === null || !own ? null : await store.principals.get(caller.tenant, id);
  if (id === null || (own && mine === null)) throw notFound('principal');
  if (mine !== null) refuseMore(caller, mine.role);
  const found = await store.principals.above(caller.tenant, id, tenant);
  if (found === null || !mayDo(found.role, 'support.request')) throw notFound('principal');
  return found;
}

function fresh(
  { clock }: SupportDeps,
  tenant: TenantId,
  { id: principal, name }: Pick<Principal, 'id' | 'name'>,
  wanted: Pick<SupportAccess, 'reason' | 'minutes' | 'mayWrite'>,
) {
  const id = SupportAccessId.parse(v7());
  return { id, tenant, principal, name, ...wanted, requestedAt: clock.now(), endedBy: null, endedAt: null };
}

async function seen(
  { store, clock }: Pick<SupportDeps, 'store' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<SupportAccess> {
  const known = parseId(SupportAccessId, id);
  const access = known === null ? null : await store.supportAccess.get(caller.tenant, known);
  if (access === null || (seesOwnOnly(caller) && access.principal !== caller.principal))
    throw notFound('support access');
  return asOf(access, clock.now());
}

function seesOwnOnly(caller: Caller): boolean {
  return caller.role === 'support';
}

async function moved(
  { store }: SupportDeps,
  caller: Caller,
  access: SupportAccess,
  move: Parameters<Store['supportAccess']['move']>[2],
  audit: Audited,
): Promise<ShownAccess> {
  const after = await store.supportAccess.move(caller.tenant, access, move, audit);
  if (after === null) throw notNow('Somebody else has just decided on this support access, or ended it.');
  return shown(after, caller);
}

function shown(access: SupportAccess, caller: Caller): ShownAccess {
  const isOwn = access.principal === caller.principal;
  const decides = can(caller, 'support.decide');
  const letsIn = decides && beyond(caller, false).length === 0;
  const may: Readonly<Record<SupportVerb, boolean>> = {
    grant: letsIn && !isOwn,
    refuse: decides,
    end: can(caller, 'support.end'),
    use: isOwn,
  };
  const verbs = Object.keys(may) as SupportVerb[];
  return { ...access, actions: verbs.filter((verb) => may[verb] && isAllowed(verb, access)) };
}

function told(
  { clock }: SupportDeps,
  caller: Caller,
  action: string,
  { id }: SupportAccess,
  details: Audited['entry']['details'],
): Audited {
  const subject = { kind: 'support-access', id } as const;
  return { at: clock.now(), entry: { actor: caller.actor, action, subject, details } };
}

function termsOf({ principal, minutes, mayWrite }: SupportAccess) {
  return { principal, minutes, mayWrite };
}

function inMinutes(now: Date, minutes: number): Date {
  return new Date(now.getTime() + minutes * 60_000);
}

function refuseLonger(minutes: number, longest: number): void {
  if (minutes <= longest) return;
  throw invalidInput(
    [{ path: 'minutes', message: `is more than ${longest}, the longest there may be` }],
    'Ask for less time, and again when it is over; ROLLCALL_SUPPORT_HOURS says how long there may be.',
  );
}

/** Nobody lets themselves in: a tenant that reads who granted an access reads of a second person. */
function refuseOwn(caller: Caller, principal: PrincipalId): void {
  if (principal !== caller.principal) return;
  throw new Problem({
    code: 'forbidden',
    message: 'Nobody grants a support access to themselves.',
    remedy: 'Ask another administrator of the tenant, or of one above it.',
  });
}

/** Nobody grants what their own key leaves out: who is let in could be somebody they have made. */
function refuseWider(caller: Caller, mayWrite: boolean): void {
  const more = beyond(caller, mayWrite);
  if (more.length === 0) return;
  throw new Problem({
    code: 'forbidden',
    message: `This support access could do more than your key: ${more.join(', ')}.`,
    remedy: 'Use a key that is not narrowed, or grant it to look only.',
  });
}

function beyond(caller: Caller, mayWrite: boolean): readonly Action[] {
  return allowedToSupport(mayWrite).filter((action) => !can(caller, action));
}

function refuseNow(verb: SupportVerb, access: SupportAccess): void {
  if (!isAllowed(verb, access)) throw notNow(`This support access is ${access.state}.`);
}

export function notNow(message: string): Problem {
  const remedy = 'Look at its state; `actions` lists what is allowed now.';
  return new Problem({ code: 'not-allowed-now', message, remedy });
}
