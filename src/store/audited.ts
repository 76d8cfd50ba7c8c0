/** What a mutation says about itself: recorded in its own transaction, as the last statement. */
import type { AuditEntry } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import { appendAudit } from './audit.ts';
import { type OrdinaryTransaction, sqlOf } from './database.ts';

export type Audited = { readonly at: Date; readonly entry: AuditEntry };

/** Into the chain of `tenant`, whose thing was changed. */
export async function record(
  tx: OrdinaryTransaction,
  tenant: TenantId,
  { at, entry }: Audited,
): Promise<void> {
  await appendAudit(sqlOf(tx), tenant, at, [entry]);
}
