/** Using a support access: who the caller is meanwhile, and the record of each thing that is done. */
import { notFound, parseId } from '../domain/input.ts';
import { type Caller, callerDuring } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { asOf, isAllowed, SupportAccessId } from '../domain/supportAccess.ts';
import type { Audited } from '../store/audited.ts';
import { notNow, type SupportDeps } from './supportAccess.ts';

/**
 * Who a caller is during a support access of theirs. Throws `not-found` for one that is not theirs, `not-allowed-now` for one that was not
 * granted yet, `support-access-ended`.
 */
export async function enterSupport(
  { store, clock }: Pick<SupportDeps, 'store' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<Caller> {
  const known = parseId(SupportAccessId, id);
  const found = known === null ? null : await store.supportAccess.get(caller.tenant, known);
  if (found === null || found.principal !== caller.principal) throw notFound('support access');
  const access = asOf(found, clock.now());
  if (isAllowed('use', access)) return callerDuring(access, caller);
  if (access.state === 'requested') throw notNow('This support access was not granted yet.');
  throw ended();
}

/** What is done during a support access: names and ids, nothing that was sent or shown. */
export type SupportAct = {
  /** As in the OpenAPI document. */
  readonly operation: string;
  /** Of the request, under which it stands in the server's log too. */
  readonly request: string;
  readonly ids: Readonly<Record<string, string>>;
};

/**
 * Before it is carried out, so that nothing goes unrecorded. Gives what is left of the access, in milliseconds; whoever takes longer than
 * that ends with `ended`. Throws `support-access-ended` where the access does not hold any more.
 */
export async function recordAct(
  { store, clock }: Pick<SupportDeps, 'store' | 'clock'>,
  caller: Caller,
  act: SupportAct,
): Promise<number> {
  const access = { id: accessOf(caller), tenant: caller.tenant };
  const at = clock.now();
  const until = await store.supportAccess.act(access, {
    at,
    entry: entryDuring(caller, 'support.acted', act),
  });
  if (until === null) throw ended();
  return until.getTime() - at.getTime();
}

/** What the server answered. Where this is missing after an act, it ended in the middle of it. */
export async function recordAnswer(
  { store, clock }: Pick<SupportDeps, 'store' | 'clock'>,
  caller: Caller,
  answer: { readonly request: string; readonly status: number },
): Promise<void> {
  const audit = { at: clock.now(), entry: entryDuring(caller, 'support.answered', answer) };
  await store.supportAccess.answered(caller.tenant, audit);
}

function entryDuring(caller: Caller, action: string, details: Audited['entry']['details']): Audited['entry'] {
  return {
    actor: caller.actor,
    action,
    subject: { kind: 'support-access', id: accessOf(caller) },
    details,
  };
}

function accessOf({ actor }: Caller): SupportAccessId {
  return SupportAccessId.parse(actor.id);
}

export function ended(): Problem {
  return new Problem({
    code: 'support-access-ended',
    message: 'This support access has ended, or was refused.',
    remedy: 'Ask the tenant for another one, or leave out the header rollcall-support-access.',
  });
}
