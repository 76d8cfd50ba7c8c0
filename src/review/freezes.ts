/** Freeze periods: no apply begins, goes on or is resumed in one, unless somebody who may says why it does all the same. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import type { DespiteFreezes } from '../domain/freeze.ts';
import type { TenantId } from '../domain/ids.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Store } from '../store/store.ts';

export const DespiteFreeze = z
  .string()
  .trim()
  .min(1, 'says why, for whoever asks later')
  .max(1_000)
  .nullable()
  .default(null)
  .describe(
    'Why it goes on although a freeze period holds: in those that hold now, in none that is declared, begins or is prolonged later. Needs `guards.override`.',
  );

/**
 * `despite`: why not. What is set aside by that are the freeze periods that hold now, of the caller's tenant and those below: one of a tenant above
 * is that tenant's to lift. Throws `not-allowed-now`, `forbidden`.
 */
export async function refuseInFreeze(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  caller: Caller,
  tenant: TenantId,
  despite: string | null,
): Promise<DespiteFreezes | null> {
  if (despite !== null) authorise(caller, 'guards.override');
  const now = clock.now();
  const periods = despite === null ? [] : await store.applyControl.freezesWithin(caller.tenant, tenant, now);
  const freeze = await store.applyControl.freezeOver(tenant, now, periods);
  if (freeze === null) return despite === null ? null : { reason: despite, periods };
  const own = (await store.tenants.get(caller.tenant, freeze.tenant)) !== null;
  throw new Problem({
    code: 'not-allowed-now',
    message: own
      ? `The freeze period “${freeze.name}” holds until ${freeze.until.toISOString()}: nothing is applied.`
      : `A freeze period of a tenant above holds until ${freeze.until.toISOString()}: nothing is applied.`,
    remedy: own
      ? 'Wait until then, or say why it cannot wait (`--despite-freeze REASON`, `despiteFreeze`).'
      : 'Wait until then, or ask an administrator of the tenant above, whose freeze period it is.',
  });
}
