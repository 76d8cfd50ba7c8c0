/** The control API under `/_control/`: what each verb takes and gives, and a typed client for it. */
import { Agent, request } from 'undici';
import { z } from 'zod';
import { type ActiveFault, FAULTS, type FaultName, type FaultOrder } from './faults.ts';
import type { Notices } from './post.ts';
import { REQUEST_CLASSES, type RequestClass } from './protocol.ts';

const names = Object.keys(FAULTS) as [FaultName, ...FaultName[]];
const count = z.int().min(0).max(10_000_000);
const percent = z.number().min(0).max(100);
const ids = z.array(z.string().min(1)).min(1);
const nothing = z.strictObject({});

/** What each verb is sent. `count` people are chosen by the directory's own seeded chance. */
export const VERBS = {
  state: nothing,
  fault: z.strictObject({
    name: z.enum(names),
    on: z.enum(REQUEST_CLASSES).optional(),
    nth: z.int().min(1).optional(),
    times: z.int().min(1).nullable().optional(),
    seconds: z.int().min(-31_536_000).max(31_536_000).optional(),
    origin: z.url().optional(),
  }),
  clearFaults: nothing,
  resetCounters: nothing,
  latency: z.strictObject({ ms: z.int().min(0).max(600_000) }),
  permissions: z.strictObject({ granted: z.array(z.string()) }),
  expireTokens: nothing,
  expireSubscriptions: nothing,
  hire: z.strictObject({ count }),
  leave: z.strictObject({
    how: z.enum(['disable', 'delete', 'purge']),
    count: count.optional(),
    ids: ids.optional(),
  }),
  rename: z.strictObject({ count }),
  move: z.strictObject({ count }),
  promote: z.strictObject({ count }),
  rehire: z.strictObject({ count }),
  changeGroup: z.strictObject({ group: z.string().min(1), add: count, remove: count }),
  renameGroup: z.strictObject({ group: z.string().min(1), name: z.string().min(1).max(200) }),
  lose: z.strictObject({ percent }),
  restore: z.strictObject({ ids: ids.optional() }),
  edit: z.strictObject({ percent }),
  liveForAWhile: z.strictObject({ seed: z.int().optional() }),
} as const;

export type Verb = keyof typeof VERBS;
type Input<V extends Verb> = z.output<(typeof VERBS)[V]>;

export type SimulatorState = {
  readonly provider: string;
  /** People in the ordinary list, deleted ones that can still be seen, and people silently left out of lists. */
  readonly users: { readonly listed: number; readonly deleted: number; readonly lost: number };
  readonly groups: number;
  readonly tokensIssued: number;
  readonly requests: Readonly<Record<RequestClass, number>>;
  readonly faults: readonly ActiveFault[];
  readonly latencyMs: number;
  /** What was sent to those who have subscribed. */
  readonly notices: Notices;
};

/** The provider's ids of whom it happened to, in the order of the user list. */
export type Touched = { readonly ids: readonly string[] };

export type GroupTouched = {
  readonly group: string;
  readonly name: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
};

export type LivedReport = Readonly<
  Record<
    'hired' | 'disabled' | 'deleted' | 'renamed' | 'moved' | 'promoted' | 'rehired' | 'edited',
    readonly string[]
  >
> & { readonly groups: readonly GroupTouched[] };

type Output = {
  state: SimulatorState;
  fault: SimulatorState;
  clearFaults: SimulatorState;
  resetCounters: SimulatorState;
  latency: SimulatorState;
  permissions: SimulatorState;
  expireTokens: SimulatorState;
  expireSubscriptions: SimulatorState;
  hire: Touched;
  leave: Touched;
  rename: Touched;
  move: Touched;
  promote: Touched;
  rehire: Touched & { readonly former: readonly string[] };
  changeGroup: GroupTouched;
  renameGroup: GroupTouched;
  lose: Touched;
  restore: Touched;
  edit: Touched;
  liveForAWhile: LivedReport;
};

/** One function for each verb, on the server's side. Errors of the caller are thrown as `ControlError`. */
export type ControlHandlers = { readonly [V in Verb]: (input: Input<V>) => Output[V] };

/** A mistake of whoever calls the control API; the message says what was wrong. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

function isVerb(verb: string): verb is Verb {
  return Object.hasOwn(VERBS, verb);
}

/** Runs one call of the control API. */
export function runVerb(handlers: ControlHandlers, verb: string, body: string): unknown {
  if (!isVerb(verb))
    throw new ControlError(`No such verb: ${verb}. There are ${Object.keys(VERBS).join(', ')}.`);
  return run(handlers, verb, body);
}

function run<V extends Verb>(handlers: ControlHandlers, verb: V, body: string): Output[V] {
  let sent: unknown;
  try {
    sent = body === '' ? {} : JSON.parse(body);
  } catch {
    throw new ControlError('The body is not JSON.');
  }
  const parsed = VERBS[verb].safeParse(sent);
  if (!parsed.success) throw new ControlError(z.prettifyError(parsed.error));
  return handlers[verb](parsed.data as Input<V>);
}

/** Steers one simulator from another process, or from a test. */
export type ControlClient = {
  state(): Promise<SimulatorState>;
  fault(order: FaultOrder): Promise<SimulatorState>;
  clearFaults(): Promise<SimulatorState>;
  resetCounters(): Promise<SimulatorState>;
  /** Each answer waits so long from now on. */
  latency(ms: number): Promise<SimulatorState>;
  /** Replaces the permissions, scopes or roles that the directory's administrator has granted. */
  permissions(granted: readonly string[]): Promise<SimulatorState>;
  /** All access tokens issued so far stop working. */
  expireTokens(): Promise<SimulatorState>;
  /** The time of all subscriptions to notifications is over, where the provider gives them one. */
  expireSubscriptions(): Promise<SimulatorState>;
  hire(count: number): Promise<Touched>;
  leave(who: number | readonly string[], how: 'disable' | 'delete' | 'purge'): Promise<Touched>;
  rename(count: number): Promise<Touched>;
  move(count: number): Promise<Touched>;
  promote(count: number): Promise<Touched>;
  rehire(count: number): Promise<Output['rehire']>;
  /** `group`: name or id. */
  changeGroup(
    group: string,
    change: { readonly add?: number; readonly remove?: number },
  ): Promise<GroupTouched>;
  /** `group`: name or id. */
  renameGroup(group: string, name: string): Promise<GroupTouched>;
  lose(percent: number): Promise<Touched>;
  /** Without ids: everybody who was lost is listed again. */
  restore(ids?: readonly string[]): Promise<Touched>;
  edit(percent: number): Promise<Touched>;
  liveForAWhile(seed?: number): Promise<LivedReport>;
  /** Gives back the client's sockets. */
  close(): Promise<void>;
};

/** `ca`: the simulator's certificate authority, PEM. Rejects with a `ControlError` where the simulator refuses the call. */
export function controlClient(origin: string, ca: string): ControlClient {
  const agent = new Agent({ connect: { ca } });
  async function call<V extends Verb>(verb: V, input: Input<V>): Promise<Output[V]> {
    const response = await request(`${origin}/_control/${verb}`, {
      method: 'POST',
      body: JSON.stringify(input),
      headers: { 'content-type': 'application/json' },
      dispatcher: agent,
    });
    const body = await response.body.json();
    if (response.statusCode !== 200) throw new ControlError((body as { error: string }).error);
    return body as Output[V]; // Both ends are this file.
  }
  return {
    state: () => call('state', {}),
    fault: (order) => call('fault', order),
    clearFaults: () => call('clearFaults', {}),
    resetCounters: () => call('resetCounters', {}),
    latency: (ms) => call('latency', { ms }),
    permissions: (granted) => call('permissions', { granted: [...granted] }),
    expireTokens: () => call('expireTokens', {}),
    expireSubscriptions: () => call('expireSubscriptions', {}),
    hire: (n) => call('hire', { count: n }),
    leave: (who, how) =>
      call('leave', typeof who === 'number' ? { how, count: who } : { how, ids: [...who] }),
    rename: (n) => call('rename', { count: n }),
    move: (n) => call('move', { count: n }),
    promote: (n) => call('promote', { count: n }),
    rehire: (n) => call('rehire', { count: n }),
    changeGroup: (group, { add = 0, remove = 0 }) => call('changeGroup', { group, add, remove }),
    renameGroup: (group, name) => call('renameGroup', { group, name }),
    lose: (share) => call('lose', { percent: share }),
    restore: (who) => call('restore', who === undefined ? {} : { ids: [...who] }),
    edit: (share) => call('edit', { percent: share }),
    liveForAWhile: (seed) => call('liveForAWhile', seed === undefined ? {} : { seed }),
    close: () => agent.destroy(),
  };
}
