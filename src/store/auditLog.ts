/** Reads the audit log. Appending is part of what is audited: see audit.ts. */
import type { AuditEntry } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import { appendAudit, readAudit, readAuditHead, readAuditOfSupport, type StoredAuditEntry } from './audit.ts';
import type { Database } from './database.ts';

export class AuditLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  page(
    within: TenantId,
    tenant: TenantId,
    after: number,
    limit: number,
  ): Promise<readonly StoredAuditEntry[]> {
    return this.#database.bulk(within, (tx) => readAudit(tx, tenant, after, limit));
  }

  /** The same of what was done during one support access. */
  duringSupport(
    within: TenantId,
    tenant: TenantId,
    supportAccess: string,
    after: number,
    limit: number,
  ): Promise<readonly StoredAuditEntry[]> {
    return this.#database.bulk(within, (tx) => readAuditOfSupport(tx, tenant, supportAccess, after, limit));
  }

  /** Of what has no other transaction. */
  append(within: TenantId, tenant: TenantId, at: Date, entry: AuditEntry): Promise<void> {
    return this.#database.bulk(within, (tx) => appendAudit(tx, tenant, at, [entry]));
  }

  head(within: TenantId, tenant: TenantId): Promise<{ number: number; hash: string } | null> {
    return this.#database.bulk(within, (tx) => readAuditHead(tx, tenant));
  }

  /** Tenants of the subtree that have an audit log. */
  tenants(within: TenantId): Promise<readonly TenantId[]> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<{ id: TenantId }>(
        'SELECT tenant_id AS id FROM audit_head ORDER BY tenant_id',
      );
      return rows.map((row) => row.id);
    });
  }
}
