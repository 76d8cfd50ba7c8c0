/** Guards asked between runs, of changes that wait again or that no plan has proposed. */
import { v7 } from 'uuid';
import { evaluateGuards } from '../domain/guard.ts';
import { type ConnectionId, RunId, type TenantId } from '../domain/ids.ts';
import { compileMapping, type Mapping } from '../domain/mapping.ts';
import type { Policy } from '../domain/policy.ts';
import type { BulkTransaction } from './database.ts';
import { activeOverrides } from './guardOverrides.ts';
import { countForGuards, holdFound } from './guards.ts';

type Asked = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly policy: Policy;
  readonly mapping: Mapping;
  /** Of the change set from now on. */
  readonly revision: number;
  readonly at: Date;
};

/** As a plan that has read nobody: they hold, and open nothing by what they do not find. */
export async function guardAgain(tx: BulkTransaction, asked: Asked): Promise<void> {
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
}
