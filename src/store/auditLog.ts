/** Reads the audit log. Appending is part of what is audited: see audit.ts. */
import type { AuditEntry } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import {
  type AuditPage,
  type AuditRows,
  appendAudit,
  findAudit,
  readAudit,
  readAuditHead,
  type StoredAuditEntry,
} from './audit.ts';
import type { Database } from './database.ts';

export type ReadChain = {
  /** Those after the entry of this number. */
  readonly page: (after: number, limit: number) => Promise<readonly StoredAuditEntry[]>;
  /** null: nothing was audited yet. */
  readonly head: () => Promise<{ readonly number: number; readonly hash: string } | null>;
};

export class AuditLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  page(within: TenantId, tenant: TenantId, page: AuditPage): Promise<AuditRows> {
    return this.#database.bulk(within, (tx) => findAudit(tx, tenant, page));
  }

  /** Of what has no other transaction. */
  append(within: TenantId, tenant: TenantId, at: Date, entry: AuditEntry): Promise<void> {
    return this.#database.bulk(within, (tx) => appendAudit(tx, tenant, at, [entry]));
  }

  /** A tenant's chain as it is at one moment, page after page, and its recorded end: whatever is appended meanwhile is not looked at. */
  ofOneMoment<T>(within: TenantId, tenant: TenantId, work: (chain: ReadChain) => Promise<T>): Promise<T> {
    return this.#database.bulk(
      within,
      (tx) =>
        work({
          page: (after, limit) => readAudit(tx, tenant, after, limit),
          head: () => readAuditHead(tx, tenant),
        }),
      { ofOneMoment: true },
    );
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
