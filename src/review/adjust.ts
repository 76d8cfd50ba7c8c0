/** Somebody new is not quite as the mapping makes them: their roles and their tenant can be edited before they are approved. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { AdjustmentId, ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import { changedSinceShown, invalidInput, notFound, parseId, parseInput, Reason } from '../domain/input.ts';
import { type Listed, PageOptions, toPage } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { RoleName } from '../domain/role.ts';
import type { Adjusted, NotAdjusted } from '../store/adjusting.ts';
import type { AdjustmentView } from '../store/adjustments.ts';
import type { Store } from '../store/store.ts';
import { ensureMappable } from '../tenancy/roles.ts';

export type AdjustDeps = { readonly store: Store; readonly clock: Clock };

export const NewAdjustment = z
  .strictObject({
    change: ChangeId,
    fingerprint: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'is not the fingerprint of a change: 64 hexadecimal digits')
      .describe('As it was shown.'),
    roles: z
      .array(RoleName)
      .max(100)
      .optional()
      .describe(
        'All that the directory is to give them. In what these differ from those that the mapping gives is kept; what the directory changes later still comes through.',
      ),
    tenant: TenantId.optional().describe("Where they belong: the connection's tenant, or one below it."),
    reason: Reason.describe('For whoever asks later.'),
  })
  .refine(({ roles, tenant }) => roles !== undefined || tenant !== undefined, {
    path: ['roles'],
    message: 'is missing, and so is tenant: one of them has to be given',
  });

/**
 * What is proposed for them takes the place of the change that was shown, and has to be decided on. Every later run honours it.
 * Throws `invalid-input`, `not-found`, `changed-since-shown`, `not-allowed-now` for somebody who is there already.
 */
export async function adjustNewcomer(
  deps: AdjustDeps,
  caller: Caller,
  input: z.input<typeof NewAdjustment>,
): Promise<Adjusted> {
  authorise(caller, 'changes.decide');
  authorise(caller, 'users.write');
  const { change, fingerprint, reason, ...wanted } = parseInput(NewAdjustment, input);
  const found = await deps.store.adjustments.find(caller.tenant, change);
  if (found === null) throw notFound('change');
  // Before anything is said of its product plan: a tenant that is not the caller's to see has none as far as they hear.
  if (wanted.tenant !== undefined && (await deps.store.tenants.get(caller.tenant, wanted.tenant)) === null)
    throw refused('unknown-place');
  await refuseUnknown(deps, wanted.roles ?? []);
  const named = (wanted.roles ?? []).map((name, at) => ({ name, path: `roles.${at}` }));
  await ensureMappable(deps, caller, wanted.tenant ?? found.tenant, named);
  const by = { principal: caller.principal, actor: caller.actor, reason, at: deps.clock.now() };
  const of = { change, fingerprint };
  const done = await deps.store.adjustments.adjust(
    found.tenant,
    of,
    { roles: wanted.roles, tenant: wanted.tenant },
    by,
  );
  if (typeof done === 'object') return done;
  throw refused(done);
}

/** Whoever may make roles makes none by a slip of the pen here. */
async function refuseUnknown({ store }: AdjustDeps, names: readonly string[]): Promise<void> {
  const known = new Set((await store.roles.named([...new Set(names)])).map(({ name }) => name as string));
  const wrong = names.flatMap((name, at) =>
    known.has(name) ? [] : [{ path: `roles.${at}`, message: `there is no role ${JSON.stringify(name)}` }],
  );
  if (wrong.length > 0) throw invalidInput(wrong);
}

function refused(because: NotAdjusted): Problem {
  switch (because) {
    case 'changed-since-shown':
      return changedSinceShown('change');
    case 'unknown-place':
      return invalidInput([
        { path: 'tenant', message: 'is neither the tenant of the connection nor one below it' },
      ]);
    case 'nobody-new':
      return new Problem({
        code: 'not-allowed-now',
        message: 'Only somebody for whom an auth user is yet to be made can be edited so.',
        remedy:
          'Of somebody who is there already give or take roles by hand (rollcall roles grant), or change the mapping of the connection.',
      });
    case 'read-otherwise':
      return new Problem({
        code: 'not-allowed-now',
        message:
          'The change is not what follows from the directory as last read and from the mapping of now.',
        remedy: 'Sync the connection (rollcall sync), and edit what is proposed then.',
      });
  }
}

export const ListAdjustments = PageOptions.extend({
  tenant: TenantId.optional().describe('Only of this tenant and those below it.'),
  connection: ConnectionId.optional().describe('Only of this connection.'),
});

/** Oldest first. */
export async function listAdjustments(
  deps: AdjustDeps,
  caller: Caller,
  input: unknown,
): Promise<Listed<AdjustmentView>> {
  authorise(caller, 'changes.read');
  const { limit, after, ...filter } = parseInput(ListAdjustments, input);
  const rows = await deps.store.adjustments.list(caller.tenant, filter, { limit: limit + 1, after });
  return toPage(rows, limit);
}

export const EndAdjustment = z.strictObject({
  adjustment: z.string(),
  reason: Reason.describe('For whoever asks later.'),
});

/**
 * From now on the mapping alone says what they are: at once where they still wait to come in, else by what the next run that reads
 * everybody proposes. Throws `invalid-input`, `not-found`.
 */
export async function takeBackAdjustment(
  deps: AdjustDeps,
  caller: Caller,
  input: z.input<typeof EndAdjustment>,
): Promise<{ readonly change: ChangeId | null }> {
  authorise(caller, 'changes.decide');
  authorise(caller, 'users.write');
  const { adjustment, reason } = parseInput(EndAdjustment, input);
  const id = parseId(AdjustmentId, adjustment);
  const by = { principal: caller.principal, actor: caller.actor, reason, at: deps.clock.now() };
  const done = id === null ? null : await deps.store.adjustments.takeBack(caller.tenant, id, by);
  if (done === null) throw notFound('adjustment');
  return done;
}
