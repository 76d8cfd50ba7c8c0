/**
 * Looks at what needs somebody and tells the channels: once a minute each channel is compared with the matters of its tenant and of those
 * below. What is stored is the evidence: whatever was killed when, the next look finds what there is, so that nothing is lost between a
 * run, a decision or an apply and its notice; and notice and message are written together.
 */
import type { ChangeKind } from '../domain/change.ts';
import { setOf } from '../domain/change.ts';
import type { Channel } from '../domain/channel.ts';
import type { ListedConnection } from '../domain/connection.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { EXPIRES_SOON_MS, lookAtMatters, type Matter, type NoticeKind } from '../domain/notice.ts';
import type { WaitingChanges } from '../store/matters.ts';
import { withHealth } from '../tenancy/health.ts';
import { nextDigest } from './channels.ts';
import type { NotificationDeps } from './deps.ts';

export type LookDeps = Pick<NotificationDeps, 'store' | 'clock'>;

/** A little less than the time between two rounds, so that every channel is due in each. */
const EVERY_MS = 50_000;
/** A failed apply is told of for so long after it ended: a new channel is not told of last year's. */
const FAILED_LATELY_MS = 7 * 24 * 3_600_000;

/** For every channel that is due. Gives how many messages are to be sent. */
export async function lookForChannels(deps: LookDeps, signal: AbortSignal): Promise<number> {
  let messages = 0;
  const started = deps.clock.now();
  await deps.store.notifications.forgetOld(started);
  const failures: unknown[] = [];
  while (!signal.aborted) {
    const at = deps.clock.now();
    const channel = await deps.store.channels.takeDue(new Date(started.getTime() - EVERY_MS), at);
    if (channel === null) break;
    try {
      messages += await lookFor(deps, channel, at);
    } catch (error) {
      failures.push(error); // what one cannot be told keeps no other waiting
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'some channels were not looked after');
  return messages;
}

async function lookFor(deps: LookDeps, channel: Channel, at: Date): Promise<number> {
  const { store } = deps;
  if (!(await store.tenants.working([channel.tenant])).has(channel.tenant)) return 0; // suspended: nothing of it runs
  const matters = await mattersFor(deps, channel, at);
  const isDigestDue = channel.digestAt !== null && channel.digestAt <= at;
  const digestAt = isDigestDue ? nextDigest(channel, at) : channel.digestAt;
  return await store.notifications.note(channel, { at, digestAt }, (known) =>
    lookAtMatters(known, matters, channel, isDigestDue),
  );
}

/** Of the kinds that the channel wants to hear of. */
async function mattersFor(deps: LookDeps, channel: Channel, at: Date): Promise<readonly Matter[]> {
  const { tenant } = channel;
  const wants = (...kinds: readonly NoticeKind[]) =>
    kinds.some((kind) => channel.immediately.includes(kind) || channel.inDigest.includes(kind));
  const found: Matter[] = [];
  if (wants('pending-approvals', 'held-changes')) found.push(...(await changeMatters(deps, tenant)));
  if (wants('overdue-approvals')) found.push(...(await overdueApprovals(deps, tenant)));
  if (wants('failed-apply')) found.push(...(await failedApplies(deps, tenant, at)));
  if (wants('expiring-credential')) found.push(...(await expiringKeys(deps, tenant, at)));
  if (wants('quarantine', 'expiring-credential')) {
    for await (const connections of batches(deps.store.connections.each(tenant), 200)) {
      const names = await deps.store.matters.tenantNames(
        tenant,
        connections.map((one) => one.tenant),
      );
      if (wants('quarantine')) found.push(...(await quarantined(deps, tenant, connections, names)));
      if (wants('expiring-credential')) found.push(...expiringCredentials(connections, names, at));
    }
  }
  return found;
}

async function* batches<T>(all: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let batch: T[] = [];
  for await (const one of all) {
    batch.push(one);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

type Where = Pick<WaitingChanges, 'connection' | 'connectionName' | 'tenant' | 'tenantName'>;
const placeOf = ({ connection, connectionName, tenant, tenantName }: Where) => ({
  tenant: { id: tenant, name: tenantName },
  connection: { id: connection, name: connectionName },
});

async function changeMatters({ store }: LookDeps, tenant: TenantId): Promise<readonly Matter[]> {
  const waiting = await store.matters.waiting(tenant);
  const sum = (rows: readonly WaitingChanges[]) => rows.reduce((total, { changes }) => total + changes, 0);
  const grouped = Map.groupBy(waiting, ({ connection, state, guard }) => `${connection} ${state} ${guard}`);
  const matters: Matter[] = [];
  const places = new Map<ConnectionId, ReturnType<typeof placeOf>>();
  for (const rows of grouped.values()) {
    const [first] = rows;
    if (first === undefined) continue;
    const common = { ...placeOf(first), amount: sum(rows) };
    if (first.state === 'open') matters.push({ kind: 'pending-approvals', ...common, sets: setsOf(rows) });
    else if (first.guard !== '')
      matters.push({ kind: 'held-changes', ...common, by: 'guard', rule: first.guard });
    else places.set(first.connection, placeOf(first)); // by a person, who knows, or by a rule
  }
  if (places.size === 0) return matters;
  for (const { connection, rule, changes } of await store.matters.heldByRules(tenant, [...places.keys()])) {
    const place = places.get(connection);
    if (place !== undefined)
      matters.push({ kind: 'held-changes', ...place, amount: changes, by: 'policy', rule });
  }
  return matters;
}

function setsOf(rows: readonly WaitingChanges[]) {
  const sets = { new: 0, changed: 0, deleted: 0, conflict: 0 };
  for (const { kind, changes } of rows) sets[setOf[kind as ChangeKind]] += changes;
  return sets;
}

async function overdueApprovals({ store }: LookDeps, tenant: TenantId): Promise<readonly Matter[]> {
  return (await store.matters.overdue(tenant)).map((one) => ({
    kind: 'overdue-approvals' as const,
    ...placeOf(one),
    amount: one.changes,
  }));
}

async function failedApplies({ store }: LookDeps, tenant: TenantId, at: Date): Promise<readonly Matter[]> {
  const since = new Date(at.getTime() - FAILED_LATELY_MS);
  return (await store.matters.failedApplies(tenant, since)).map((one) => ({
    kind: 'failed-apply' as const,
    ...placeOf(one),
    amount: Math.max(1, one.failed),
    total: one.total,
    end: one.end,
    apply: one.apply,
  }));
}

async function expiringKeys({ store }: LookDeps, scope: TenantId, at: Date): Promise<readonly Matter[]> {
  const until = new Date(at.getTime() + EXPIRES_SOON_MS);
  const keys = await store.matters.expiringKeys(scope, { at, until, madeForMs: 2 * EXPIRES_SOON_MS });
  return keys.map(({ key, tenant, tenantName, expiresAt }) => ({
    kind: 'expiring-credential' as const,
    tenant: { id: tenant, name: tenantName },
    connection: null,
    amount: 1,
    key,
    expiresAt,
  }));
}

type Names = ReadonlyMap<TenantId, string>;
const placeIn = ({ id, name, tenant }: Pick<ListedConnection, 'id' | 'name' | 'tenant'>, names: Names) => ({
  tenant: { id: tenant, name: names.get(tenant) ?? tenant },
  connection: { id, name },
  amount: 1,
});

async function quarantined(
  deps: LookDeps,
  scope: TenantId,
  connections: readonly ListedConnection[],
  names: Names,
): Promise<readonly Matter[]> {
  const matters: Matter[] = [];
  // Of a tenant that is suspended nothing runs, and nobody has to mend that.
  const working = await deps.store.tenants.working(connections.map(({ tenant }) => tenant));
  for (const one of await withHealth(deps, scope, connections)) {
    const { health } = one;
    if (
      one.state === 'paused' ||
      !working.has(one.tenant) ||
      (health?.state !== 'quarantined' && health?.state !== 'silent')
    )
      continue;
    matters.push({
      kind: 'quarantine',
      ...placeIn(one, names),
      state: health.state,
      because: [health.because, health.remedy].filter((text) => text !== null).join(' '),
    });
  }
  return matters;
}

function expiringCredentials(
  connections: readonly ListedConnection[],
  names: Names,
  at: Date,
): readonly Matter[] {
  return connections.flatMap((one) => {
    const expiresAt = one.state === 'unreadable' ? null : one.credentialExpiresAt;
    if (expiresAt === null || expiresAt.getTime() - at.getTime() > EXPIRES_SOON_MS) return [];
    return [{ kind: 'expiring-credential', ...placeIn(one, names), key: null, expiresAt }];
  });
}
