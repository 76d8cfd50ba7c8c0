/** Guards and policy rules asked between runs, of changes that wait again or that no plan has proposed. */
import { v7 } from 'uuid';
import type { AuditEntry } from '../domain/audit.ts';
import { evaluateGuards } from '../domain/guard.ts';
import { type ConnectionId, RunId, type TenantId } from '../domain/ids.ts';
import { compileMapping, type Mapping } from '../domain/mapping.ts';
import type { Policy } from '../domain/policy.ts';
import type { BulkTransaction } from './database.ts';
import { activeOverrides } from './guardOverrides.ts';
import { countForGuards, holdFound } from './guards.ts';
import { judgeChanges } from './judging.ts';

type Asked = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly policy: Policy;
  readonly mapping: Mapping;
  /** Of the change set from now on. */
  readonly revision: number;
  readonly at: Date;
};

/**
 * As a plan that has read nobody: guards hold, and open nothing by what they do not find; then the rules say what they say. Gives what
 * is to be audited. The connection's row has to be locked.
 */
export async function guardAgain(tx: BulkTransaction, asked: Asked): Promise<readonly AuditEntry[]> {
  const { connection, tenant, policy, mapping, revision, at } = asked;
  const none = { connection, tenant, id: RunId.parse(v7()) };
  const facts = {
    policy,
    scopeReads: compileMapping(mapping).scopeReads,
    snapshot: { kind: 'named' },
    lastComplete: null,
  } as const;
  const overrides = await activeOverrides(tx, [connection], at);
  const findings = evaluateGuards(await countForGuards(tx, none, { facts, at }), policy.guards, overrides);
  await holdFound(tx, none, { findings, overrides, snapshot: facts.snapshot, revision });
  return (await judgeChanges(tx, { connection, tenant }, { revision, at })).entries;
}
