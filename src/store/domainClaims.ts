/** Claims of domains, and what is known of their records. */
import type { AuditEntry } from '../domain/audit.ts';
import {
  type ClaimState,
  claimState,
  type DomainClaim,
  type DomainClaimId,
  recordName,
  recordValue,
} from '../domain/domainClaim.ts';
import type { TenantId } from '../domain/ids.ts';
import { appendAudit } from './audit.ts';
import type { BulkTransaction, Database } from './database.ts';
import { SUBTREE } from './scope.ts';

/** A claim with what proves it. */
export type StoredClaim = DomainClaim & { readonly token: string };

type Row = Omit<StoredClaim, 'record' | 'state'>;

const VIEW = `SELECT c.id, c.tenant_id AS tenant, c.domain, c.token, c.checked_at AS "checkedAt", c.found_at AS "foundAt", c.problem,
    c.created_at AS "createdAt",
    ARRAY(SELECT d.tenant_id FROM tenant_domain d JOIN tenant o ON o.id = d.tenant_id
      WHERE d.domain = c.domain AND d.tenant_id <> c.tenant_id AND d.tenant_id IN ${SUBTREE('$1::uuid')}
        AND NOT starts_with(o.path, t.path) AND NOT starts_with(t.path, o.path) ORDER BY 1) AS "alsoVerifiedFor"
  FROM domain_claim c JOIN tenant t ON t.id = c.tenant_id`;

const toClaim = (row: Row): StoredClaim => ({
  ...row,
  record: { name: recordName(row.domain), type: 'TXT', value: recordValue(row.token) },
  state: claimState(row.foundAt, row.problem),
});

export type NewClaim = Pick<StoredClaim, 'id' | 'tenant' | 'domain' | 'token'>;

export class DomainClaims {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Gives the one that is there where the tenant has claimed the domain already. null: there is no such tenant. */
  add(scope: TenantId, claim: NewClaim, told: { at: Date; entry: AuditEntry }): Promise<StoredClaim | null> {
    return this.#database.bulk(scope, async (tx) => {
      const [tenant] = await tx.query(
        `SELECT FROM tenant WHERE id = $2 AND id IN ${SUBTREE('$1::uuid')} AND state <> 'deleted' FOR SHARE`,
        [scope, claim.tenant],
      );
      if (tenant === undefined) return null;
      const { rowCount } = await tx.client.query(
        `INSERT INTO domain_claim (id, tenant_id, domain, token, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
        [claim.id, claim.tenant, claim.domain, claim.token, told.at.toISOString()],
      );
      if (rowCount === 1) await appendAudit(tx, claim.tenant, told.at, [told.entry]);
      return await one(tx, scope, 'c.tenant_id = $2 AND c.domain = $3', [claim.tenant, claim.domain]);
    });
  }

  /** In alphabetical order. */
  list(scope: TenantId, tenant: TenantId): Promise<readonly StoredClaim[]> {
    return this.#database.bulk(scope, async (tx) =>
      (
        await tx.query<Row>(
          `${VIEW} WHERE c.tenant_id = $2 AND c.tenant_id IN ${SUBTREE('$1::uuid')} ORDER BY c.domain`,
          [scope, tenant],
        )
      ).map(toClaim),
    );
  }

  get(scope: TenantId, id: DomainClaimId): Promise<StoredClaim | null> {
    return this.#database.bulk(scope, (tx) => one(tx, scope, 'c.id = $2', [id]));
  }

  /**
   * What was seen of the record. The first time that it is there, the domain is verified for the tenant. One that somebody attested by
   * hand stays so. `entriesAfter`: what is audited of a claim that was in this state. null: the claim was withdrawn meanwhile.
   */
  noteSeen(
    scope: TenantId,
    id: DomainClaimId,
    {
      at,
      problem,
      entriesAfter,
    }: { at: Date; problem: string | null; entriesAfter: (state: ClaimState) => readonly AuditEntry[] },
  ): Promise<StoredClaim | null> {
    return this.#database.bulk(scope, async (tx) => {
      const [claim] = await tx.query<{ tenant: TenantId } & Pick<Row, 'domain' | 'foundAt' | 'problem'>>(
        `SELECT tenant_id AS tenant, domain, found_at AS "foundAt", problem FROM domain_claim
         WHERE id = $2 AND tenant_id IN ${SUBTREE('$1::uuid')} FOR UPDATE`,
        [scope, id],
      );
      if (claim === undefined) return null;
      await tx.query(
        `UPDATE domain_claim SET checked_at = $2, problem = $3, found_at = CASE WHEN $3::text IS NULL THEN $2::timestamptz ELSE found_at END
         WHERE id = $1`,
        [id, at.toISOString(), problem],
      );
      if (problem === null)
        await tx.query(
          `INSERT INTO tenant_domain (tenant_id, domain, verified_by, verified_at) VALUES ($1, $2, 'dns', $3) ON CONFLICT DO NOTHING`,
          [claim.tenant, claim.domain, at.toISOString()],
        );
      const entries = entriesAfter(claimState(claim.foundAt, claim.problem));
      if (entries.length > 0) await appendAudit(tx, claim.tenant, at, entries);
      return await one(tx, scope, 'c.id = $2', [id]);
    });
  }

  /**
   * With the verification that it led to, but not one that somebody attested by hand; then the next runs look again at whoever was matched
   * by it. Gives whether it was there.
   */
  withdraw(scope: TenantId, id: DomainClaimId, told: { at: Date; entry: AuditEntry }): Promise<boolean> {
    return this.#database.bulk(scope, async (tx) => {
      const [claim] = await tx.query<{ tenant: TenantId; domain: string }>(
        `DELETE FROM domain_claim WHERE id = $2 AND tenant_id IN ${SUBTREE('$1::uuid')} RETURNING tenant_id AS tenant, domain`,
        [scope, id],
      );
      if (claim === undefined) return false;
      const { rowCount } = await tx.client.query(
        `DELETE FROM tenant_domain WHERE tenant_id = $1 AND domain = $2 AND verified_by = 'dns'`,
        [claim.tenant, claim.domain],
      );
      if (rowCount === 1) await tx.query('SELECT read_anew($1)', [claim.tenant]);
      await appendAudit(tx, claim.tenant, told.at, [told.entry]);
      return true;
    });
  }

  /**
   * What an operator attested by hand is so no more; a record that was seen still proves it. Otherwise the next runs look again at whoever
   * was matched by it. Gives whether it was attested.
   */
  takeBackWord(
    scope: TenantId,
    { tenant, domain }: Pick<DomainClaim, 'tenant' | 'domain'>,
    told: { at: Date; entry: AuditEntry },
  ): Promise<boolean> {
    return this.#database.bulk(scope, async (tx) => {
      const [word] = await tx.query<{ proven: boolean }>(
        `SELECT EXISTS (SELECT FROM domain_claim c WHERE c.tenant_id = d.tenant_id AND c.domain = d.domain AND c.found_at IS NOT NULL) AS proven
         FROM tenant_domain d WHERE d.tenant_id = $2 AND d.domain = $3 AND d.verified_by <> 'dns' AND d.tenant_id IN ${SUBTREE('$1::uuid')}
         FOR UPDATE`,
        [scope, tenant, domain],
      );
      if (word === undefined) return false;
      const meant = 'WHERE tenant_id = $1 AND domain = $2';
      if (word.proven)
        await tx.query(`UPDATE tenant_domain SET verified_by = 'dns' ${meant}`, [tenant, domain]);
      else {
        await tx.query(`DELETE FROM tenant_domain ${meant}`, [tenant, domain]);
        await tx.query('SELECT read_anew($1)', [tenant]);
      }
      await appendAudit(tx, tenant, told.at, [told.entry]);
      return true;
    });
  }

  /**
   * The verified one that nobody has looked for for longest, since the given time; marked, so that no other process takes it as well.
   * null: there is none.
   */
  takeDue(since: Date, at: Date): Promise<StoredClaim | null> {
    const scope = this.#database.root;
    return this.#database.bulk(scope, async (tx) => {
      const [taken] = await tx.query<{ id: string }>(
        `UPDATE domain_claim SET checked_at = $2 WHERE id IN (
           SELECT id FROM domain_claim WHERE found_at IS NOT NULL AND checked_at < $1 ORDER BY checked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id`,
        [since.toISOString(), at.toISOString()],
      );
      return taken === undefined ? null : await one(tx, scope, 'c.id = $2', [taken.id]);
    });
  }
}

async function one(
  tx: BulkTransaction,
  scope: TenantId,
  where: string,
  values: readonly unknown[],
): Promise<StoredClaim | null> {
  const [row] = await tx.query<Row>(`${VIEW} WHERE ${where} AND c.tenant_id IN ${SUBTREE('$1::uuid')}`, [
    scope,
    ...values,
  ]);
  return row === undefined ? null : toClaim(row);
}
