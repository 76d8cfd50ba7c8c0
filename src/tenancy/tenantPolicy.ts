/** A tenant's own policy: what it decides for its connections, and for those of all tenants below it. */
import { z } from 'zod';
import { canonical, type Json } from '../domain/canonical.ts';
import type { Clock } from '../domain/clock.ts';
import { ConnectionId, TenantId } from '../domain/ids.ts';
import { changedSinceShown, notFound, parseId, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { type Idle, idleRules, type ReviewRule, ruleInAudit } from '../domain/reviewRules.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import type { Store } from '../store/store.ts';
import type { PoliciesOver, StoredTenantPolicy } from '../store/tenantPolicies.ts';

export type TenantPolicyDeps = { readonly store: Store; readonly clock: Clock };

/** A level of policy above, as far as its tenant may be seen. */
export type Inherited = TenantPolicy & { readonly tenant: TenantId; readonly tenantName: string };

export type TenantPolicyView = TenantPolicy & {
  readonly tenant: TenantId;
  readonly tenantName: string;
  /** 0: nothing was ever said. */
  readonly version: number;
  readonly changedAt: string | null;
  readonly changedBy: string | null;
  /** From the root down. */
  readonly inherited: readonly Inherited[];
  /** Whether tenants above that the caller does not see decide as well. */
  readonly hasHidden: boolean;
  /** Own rules that can be seen to decide nothing. */
  readonly idle: readonly Idle[];
};

/** Throws `not-found`. */
export async function getTenantPolicy(
  deps: Pick<TenantPolicyDeps, 'store'>,
  caller: Caller,
  tenant: string,
): Promise<TenantPolicyView> {
  authorise(caller, 'tenants.read');
  const id = parseId(TenantId, tenant);
  const found = id === null ? null : await deps.store.tenantPolicies.get(caller.tenant, id);
  if (found === null) throw notFound('tenant');
  return viewOf(found, found.own);
}

/** What is not given stays as it is; what is given replaces the whole of that part. */
export const ChangedTenantPolicy = z.strictObject({
  tenant: z.string(),
  /** Where given, the update is refused unless the policy is still at this version. */
  version: z.int().optional(),
  timeZone: TenantPolicy.shape.timeZone.unwrap().optional(),
  rules: TenantPolicy.shape.rules.unwrap().optional(),
  freezes: TenantPolicy.shape.freezes.unwrap().optional(),
});

/** All that waits is judged anew by housekeeping, or by the next plan of its connection. Throws `invalid-input`, `not-found`, `changed-since-shown`. */
export async function setTenantPolicy(
  deps: TenantPolicyDeps,
  caller: Caller,
  input: z.input<typeof ChangedTenantPolicy>,
): Promise<TenantPolicyView> {
  authorise(caller, 'tenants.write');
  const { tenant, version, ...given } = parseInput(ChangedTenantPolicy, input);
  const before = await getTenantPolicy(deps, caller, tenant);
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const stays = Object.entries(said).every(([part, value]) =>
    isSame(value, before[part as keyof TenantPolicy]),
  );
  if (stays && (version === undefined || version === before.version)) return before;
  const stored = await deps.store.tenantPolicies.save(caller.tenant, before.tenant, {
    version: version ?? null,
    policyFrom: (current) => TenantPolicy.parse({ ...current, ...said }),
    by: { actor: caller.actor, at: deps.clock.now() },
    entry: (current, after) => ({
      actor: caller.actor,
      action: 'tenant.policy-changed',
      subject: { kind: 'tenant', id: before.tenant },
      details: detailsOf(current, after),
    }),
  });
  if (stored === null) throw changedSinceShown('tenant');
  return await getTenantPolicy(deps, caller, tenant);
}

function detailsOf(before: TenantPolicy, after: TenantPolicy): { readonly [key: string]: Json } {
  const shown = ({ rules, ...policy }: TenantPolicy) =>
    ({ ...policy, rules: rules.map(ruleInAudit) }) as Json;
  return { before: shown(before), after: shown(after) };
}

const isSame = (one: unknown, other: unknown) => canonical(one as Json) === canonical(other as Json);

function viewOf({ above }: PoliciesOver, own: StoredTenantPolicy): TenantPolicyView {
  const { policy, ...of } = own;
  return {
    ...of,
    ...policy,
    inherited: seenIn(above),
    hasHidden: hidesRules(above),
    idle: idleBelow(policy.rules, above),
  };
}

export type ConnectionPolicyView = {
  readonly connection: ConnectionId;
  readonly connectionName: string;
  readonly tenant: TenantId;
  /** The connection's own. */
  readonly timeZone: string;
  readonly rules: readonly ReviewRule[];
  /** From the root down to the connection's tenant. */
  readonly inherited: readonly Inherited[];
  readonly hasHidden: boolean;
  readonly idle: readonly Idle[];
};

/** By which rules a connection's changes are judged. Throws `not-found`. */
export async function getConnectionPolicy(
  { store }: Pick<TenantPolicyDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<ConnectionPolicyView> {
  authorise(caller, 'connections.read');
  const known = parseId(ConnectionId, id);
  const connection = known === null ? null : await store.connections.get(caller.tenant, known);
  const over = connection === null ? null : await store.tenantPolicies.get(caller.tenant, connection.tenant);
  if (connection === null || over === null) throw notFound('connection');
  const above = [...over.above, { ...over.own, isSeen: true }];
  const { tenant, policy, timeZone } = connection;
  return {
    ...{ connection: connection.id, connectionName: connection.name, tenant, timeZone, rules: policy.rules },
    inherited: seenIn(above).filter(({ rules }) => rules.length > 0),
    hasHidden: hidesRules(above),
    idle: idleBelow(policy.rules, above),
  };
}

function seenIn(above: PoliciesOver['above']): readonly Inherited[] {
  return above.flatMap(({ tenant, tenantName, policy, isSeen }) =>
    isSeen ? [{ tenant, tenantName, ...policy }] : [],
  );
}

const hidesRules = (above: PoliciesOver['above']) =>
  above.some(({ isSeen, policy: { rules } }) => !isSeen && rules.length > 0);

function idleBelow(rules: readonly ReviewRule[], above: PoliciesOver['above']): readonly Idle[] {
  return idleRules(
    rules,
    above.map(({ tenant, policy }) => ({ tenant, ...policy })),
  );
}
