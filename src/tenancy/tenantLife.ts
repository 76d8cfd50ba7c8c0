/** What becomes of a tenant: moved, suspended and resumed, deleted at once or at a date. The states are drawn in src/domain/tenant.ts. */
import { z } from 'zod';
import { TenantId } from '../domain/ids.ts';
import { changedSinceShown, invalidInput, notFound, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { decidedAbove, inUse, isGoing, notForOneself, type Tenant } from '../domain/tenant.ts';
import { getTenant, storeChange, type TenantDeps, telling } from './tenants.ts';

export const MovedTenant = z.strictObject({ tenant: z.string(), parent: TenantId });

/**
 * With all below it. Again is no error. Throws `invalid-input`, `not-found` for either, `name-taken` below the new parent,
 * `not-allowed-now` for one's own tenant, below itself, where either is to be deleted, out of one that somebody above the caller has
 * suspended, and while a connection of a tenant that would not
 * be above any more keeps users in it; `forbidden` to where another product plan counts, which the system alone decides on.
 */
export async function moveTenant(
  deps: TenantDeps,
  caller: Caller,
  input: z.input<typeof MovedTenant>,
): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const { tenant, parent } = parseInput(MovedTenant, input);
  const { id } = await another(deps, caller, tenant, 'move');
  const mayChangePlan = caller.role === 'system';
  const move = { id, parent, by: caller.actor, at: deps.clock.now(), mayChangePlan };
  return (await deps.store.tenants.move(caller.tenant, move)).tenant;
}

/**
 * No run and no apply begins in it and below, its users are authorised for nothing, and its keys and sessions open nothing. Again is no
 * error; by somebody further above it is theirs from then on. Throws `not-found`, `not-allowed-now` for one's own, `changed-since-shown`.
 */
export async function suspendTenant(deps: TenantDeps, caller: Caller, tenant: string): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const before = await another(deps, caller, tenant, 'suspend');
  const told = telling(deps, caller, before, { action: 'tenant.suspended', event: 'tenant.suspended' });
  const suspendedBy = caller.tenant;
  if (before.state !== 'suspended')
    return await storeChange(deps, caller, before, { state: 'suspended', suspendedBy }, told);
  const { keptState, suspension } = await deps.store.tenants.halt(caller.tenant, before.id);
  if (keptState !== 'active' && suspension !== 'below') return before;
  const kept = keptState === null ? {} : { keptState: 'suspended' as const };
  return await storeChange(deps, caller, before, { ...kept, suspendedBy }, { ...told, events: [] });
}

/**
 * Again is no error. Throws `not-found`, `not-allowed-now` for one's own, while its deletion is scheduled, and where it was suspended by
 * somebody above the caller, `changed-since-shown`.
 */
export async function resumeTenant(deps: TenantDeps, caller: Caller, tenant: string): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const before = await another(deps, caller, tenant, 'resume');
  if (before.state === 'active') return before;
  if (before.deleteAt !== null) throw isGoing();
  const { suspension } = await deps.store.tenants.halt(caller.tenant, before.id);
  if (suspension === 'above') throw decidedAbove('suspended');
  const told = telling(deps, caller, before, { action: 'tenant.resumed', event: 'tenant.resumed' });
  return await storeChange(deps, caller, before, { state: 'active', suspendedBy: null }, told);
}

export const DeletedTenant = z.strictObject({
  tenant: z.string(),
  at: z.coerce
    .date<Date | string>()
    .nullable()
    .default(null)
    .describe(
      'When it goes with all that it holds and all below it; without it at once, if nothing uses it.',
    ),
});

/**
 * At once where nothing uses it; or scheduled: it is suspended until then and goes with everything. Scheduled again, the last date counts.
 * Throws `invalid-input`, `not-found`, `tenant-in-use` with what uses it, `not-allowed-now` for one's own, once it is due, and for another
 * date than the one that somebody above the caller has set, `changed-since-shown`.
 */
export async function deleteTenant(
  deps: TenantDeps,
  caller: Caller,
  input: z.input<typeof DeletedTenant>,
): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const { tenant, at } = parseInput(DeletedTenant, input);
  const before = await another(deps, caller, tenant, 'delete');
  const now = deps.clock.now();
  if (at !== null) return await schedule(deps, caller, before, at, now);
  const done = await deps.store.tenants.deleteUnused(caller.tenant, before, caller.actor, now);
  if (done === null) throw changedSinceShown('tenant');
  if ('use' in done) throw inUse(done.use);
  return done.deleted;
}

async function schedule(
  deps: TenantDeps,
  caller: Caller,
  before: Tenant,
  at: Date,
  now: Date,
): Promise<Tenant> {
  if (at < now) throw invalidInput([{ path: 'at', message: 'is in the past' }]);
  if (before.state === 'deleted') throw notFound('tenant');
  if (before.deleteAt !== null && before.deleteAt <= now) throw hasBegun();
  const deleteAt = at.toISOString();
  const told = telling(deps, caller, before, {
    action: 'tenant.deletion-scheduled',
    details: { deleteAt },
    event: 'tenant.suspended',
    data: { deleteAt },
  });
  const { keptState, deletion } = await deps.store.tenants.halt(caller.tenant, before.id);
  if (before.deleteAt !== null && deletion === 'above') throw decidedAbove('set to be deleted');
  const patch = { state: 'suspended', deleteAt: at, deletionBy: caller.tenant } as const;
  const kept = before.deleteAt === null ? before.state : keptState;
  return await storeChange(deps, caller, before, { ...patch, keptState: kept }, told);
}

/**
 * Calls a scheduled deletion off: the tenant is what it was before. Again is no error. Throws `not-found`, `not-allowed-now` for one's
 * own, once it is due, and where somebody above the caller has scheduled it, `changed-since-shown`.
 */
export async function keepTenant(deps: TenantDeps, caller: Caller, tenant: string): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const before = await another(deps, caller, tenant, 'keep');
  if (before.deleteAt === null) return before;
  if (before.deleteAt <= deps.clock.now()) throw hasBegun();
  const { keptState, deletion } = await deps.store.tenants.halt(caller.tenant, before.id);
  if (deletion === 'above') throw decidedAbove('set to be deleted');
  const state = keptState ?? 'suspended';
  const told = telling(deps, caller, before, {
    action: 'tenant.deletion-called-off',
    details: { state },
    event: state === 'active' ? 'tenant.resumed' : 'tenant.suspended',
    ...(state === 'active' ? {} : { data: { deleteAt: null } }),
  });
  return await storeChange(deps, caller, before, { ...KEPT, state }, told);
}

const KEPT = { deleteAt: null, deletionBy: null, keptState: null } as const;

/** A tenant below the caller's own: what becomes of one's own is decided above. */
async function another(deps: TenantDeps, caller: Caller, tenant: string, verb: string): Promise<Tenant> {
  const found = await getTenant(deps, caller, tenant);
  if (found.id === caller.tenant) throw notForOneself(verb);
  return found;
}

function hasBegun(): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: 'The deletion of this tenant is due and has begun.',
    remedy: 'Nothing: it cannot be called off any more.',
  });
}
