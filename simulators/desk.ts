/** Where the control API's verbs meet the simulator's parts. */
import {
  ControlError,
  type ControlHandlers,
  type GroupTouched,
  type SimulatorState,
  type Touched,
} from './control.ts';
import type { Directory } from './directory.ts';
import type { GroupChange, Life } from './life.ts';
import type { Group } from './population/groups.ts';
import { isListed, type Person } from './population/people.ts';
import type { Post } from './post.ts';
import type { SimulatedProvider } from './protocol.ts';
import { type Conditions, noRequests } from './server.ts';
import type { Tokens } from './tokens.ts';

export type Desk = {
  readonly directory: Directory;
  readonly life: Life;
  readonly simulated: SimulatedProvider;
  readonly tokens: Tokens;
  readonly conditions: Conditions;
  readonly granted: { permissions: readonly string[] };
  readonly post: Post;
};

function stateOf({ directory, tokens, conditions, post }: Desk): SimulatorState {
  const { people } = directory;
  return {
    provider: directory.provider,
    users: {
      listed: people.filter(isListed).length,
      deleted: people.filter((person) => person.visible && person.state === 'deleted').length,
      lost: people.filter((person) => !person.visible).length,
    },
    groups: directory.groups.length,
    tokensIssued: tokens.issued,
    requests: { ...conditions.counters },
    faults: conditions.faults.list(),
    latencyMs: conditions.latencyMs,
    notices: post.notices,
  };
}

function serialsOf(desk: Desk, ids: readonly string[]): number[] {
  return ids.map((id) => {
    const serial = desk.simulated.serialOf(id);
    if (serial === null || !desk.directory.people[serial])
      throw new ControlError(`Nobody has the id or address ${id}.`);
    return serial;
  });
}

function groupOf(desk: Desk, key: string): Group {
  const { groups } = desk.directory;
  const found = groups.find((group) => group.name === key || desk.simulated.groupIdOf(group.serial) === key);
  if (found) return found;
  throw new ControlError(
    `No such group: ${key}. There are ${groups
      .slice(0, 40)
      .map(({ name }) => name)
      .join(', ')}.`,
  );
}

type Conditioning =
  | 'state'
  | 'fault'
  | 'clearFaults'
  | 'resetCounters'
  | 'latency'
  | 'permissions'
  | 'expireTokens'
  | 'expireSubscriptions';

/** Verbs about the simulator rather than its people; each answers with the state that follows. */
function conditioning(desk: Desk): Pick<ControlHandlers, Conditioning> {
  const { tokens, conditions, granted, simulated } = desk;
  const after = (change: () => void): SimulatorState => {
    change();
    return stateOf(desk);
  };
  return {
    state: () => stateOf(desk),
    fault: (order) => after(() => conditions.faults.set(order)),
    clearFaults: () => after(() => conditions.faults.clear()),
    resetCounters: () =>
      after(() => {
        conditions.counters = noRequests();
      }),
    latency: ({ ms }) =>
      after(() => {
        conditions.latencyMs = ms;
      }),
    permissions: (input) =>
      after(() => {
        granted.permissions = input.granted;
      }),
    expireTokens: () =>
      after(() => {
        tokens.expireAll();
        simulated.subscriptions?.tokensExpired();
      }),
    expireSubscriptions: () => after(() => simulated.subscriptions?.expireAll()),
  };
}

export function controlHandlers(desk: Desk): ControlHandlers {
  const { life, simulated } = desk;
  const idsOf = (people: readonly Person[]): string[] =>
    people.map((person) => simulated.userIdOf(person.serial));
  const touched = (people: readonly Person[]): Touched => ({ ids: idsOf(people) });
  const groupTouched = ({ group, added, removed }: GroupChange): GroupTouched => ({
    group: simulated.groupIdOf(group.serial),
    name: group.name,
    added: idsOf(added),
    removed: idsOf(removed),
  });
  return {
    ...conditioning(desk),
    hire: ({ count }) => touched(life.hire(count)),
    leave: ({ how, count = 1, ids }) => touched(life.leave(how, count, ids ? serialsOf(desk, ids) : null)),
    rename: ({ count }) => touched(life.rename(count)),
    move: ({ count }) => touched(life.move(count)),
    promote: ({ count }) => touched(life.promote(count)),
    rehire: ({ count }) => {
      const { hired, former } = life.rehire(count);
      return { ids: idsOf(hired), former: idsOf(former) };
    },
    changeGroup: ({ group, add, remove }) =>
      groupTouched(life.changeGroup(groupOf(desk, group), add, remove)),
    renameGroup: ({ group, name }) => groupTouched(life.renameGroup(groupOf(desk, group), name)),
    lose: ({ percent }) => touched(life.lose(percent)),
    restore: ({ ids }) => touched(life.restore(ids ? serialsOf(desk, ids) : null)),
    edit: ({ percent }) => touched(life.edit(percent)),
    liveForAWhile: ({ seed }) => {
      const { groups, ...people } = life.liveForAWhile(seed ?? desk.directory.seed);
      return {
        hired: idsOf(people.hired),
        disabled: idsOf(people.disabled),
        deleted: idsOf(people.deleted),
        renamed: idsOf(people.renamed),
        moved: idsOf(people.moved),
        promoted: idsOf(people.promoted),
        rehired: idsOf(people.rehired),
        edited: idsOf(people.edited),
        groups: groups.map(groupTouched),
      };
    },
  };
}
