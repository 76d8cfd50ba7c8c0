/** From what was measured to what is printed: value, floor, ratio and limit of each figure. */
import type { Reads } from './authorization.ts';
import { type Crowd, type FairTimes, GREEDY } from './fairness.ts';
import type { Beside, ReviewTimes } from './review.ts';
import type { Part, TreeTimes } from './tenancy.ts';
import type { Report } from './worker.ts';

export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: 's' | 'ms' | 'MB' | '/s' | '×';
  /** The same work bare, in the same run; null where there is no such thing. */
  readonly floor: number | null;
  readonly ratio: number | null;
  /** Not to be exceeded; of what is counted by the second, not to be fallen short of. */
  readonly limit: number;
  readonly ok: boolean;
};

/** Milliseconds. */
export type Floor = {
  readonly fetched: number;
  readonly staged: number;
  /** What a first pull stores besides. */
  readonly content: number;
  readonly applied: number;
  /** The changes. */
  readonly planned: number;
  readonly join: number;
};

type Synced = {
  readonly users: number;
  readonly first: Report;
  readonly applied: Report;
  readonly second: Report;
};
export type Measured = Synced & { readonly delta: Report; readonly floor: Floor };
/** `deltas`: of a hundred changes each. `looks`: targeted runs, of one user each. */
export type Large = Synced & { readonly deltas: readonly Report[]; readonly looks: readonly Report[] };

export function figures({ users, first, applied, second, delta, floor }: Measured): readonly Figure[] {
  if (first.did !== 'sync' || second.did !== 'sync' || delta.did !== 'sync' || applied.did !== 'apply')
    throw new Error('the worker did something else');
  if (first.outcome.result !== 'finished' || second.outcome.result !== 'finished')
    throw new Error('a run did not finish');
  if (delta.outcome.result !== 'finished' || delta.outcome.kind !== 'delta')
    throw new Error('the delta run read everybody');
  const share = users / 100_000;
  const pull = floor.fetched + floor.staged + floor.join;
  const seconds = (name: string, ms: number, floorMs: number, limit: number): Figure => {
    const value = ms / 1_000;
    return {
      name,
      value,
      unit: 's',
      floor: floorMs / 1_000,
      ratio: ms / floorMs,
      limit: limit * share,
      ok: value <= limit * share,
    };
  };
  const again = second.pullMs + second.planMs;
  return [
    seconds(
      `first sync of ${users} users, pulled and planned`,
      first.pullMs + first.planMs,
      pull + floor.content,
      15,
    ),
    seconds('its plan', first.planMs, floor.planned + floor.join, 3),
    seconds(`apply of its ${applied.applied} changes`, applied.applyMs, floor.applied, 4),
    seconds(`full sync with 1 % changed (${second.outcome.counts.changed} changes)`, again, pull, 6),
    times('that, and its floor', again, pull, 1.5),
    seconds(
      `delta sync with 1 % changed (${delta.outcome.counts.changed} changes wait)`,
      delta.pullMs + delta.planMs,
      pull,
      3,
    ),
    megabytes(PULLING, first.pullMemory, 250),
    megabytes(HIGHEST, highest([first, applied, second]), 400),
  ];
}

const highest = (reports: readonly Report[]) =>
  Math.max(...reports.map((report) => ('peakMemory' in report ? report.peakMemory : 0)));

/** What grows with the directory, and what must not. */
export function scaleFigures(small: Measured, large: Large): readonly Figure[] {
  const runMs = (report: Report) => {
    if (report.did !== 'sync' || report.outcome.result !== 'finished')
      throw new Error('a run did not finish');
    return report.pullMs + report.planMs;
  };
  const kindOf = (report: Report) => report.did === 'sync' && 'kind' in report.outcome && report.outcome.kind;
  const { deltas, looks } = large;
  if (deltas.some((run) => kindOf(run) !== 'delta') || looks.some((run) => kindOf(run) !== 'targeted'))
    throw new Error('a run read everybody');
  const ownMs = (report: Report) => runMs(report) - (report.did === 'sync' ? report.providerMs : 0);
  const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
  const ms = (name: string, value: number, limit: number): Figure => {
    return { name, value, unit: 'ms', floor: null, ratio: null, limit, ok: value <= limit };
  };
  const highestOf = ({ first, applied, second }: Synced, later: readonly Report[]) =>
    highest([first, applied, second, ...later]);
  const memory = highestOf(large, deltas);
  return [
    times(
      `full sync of ${large.users} users with 1 % changed, and of ${small.users}`,
      runMs(large.second),
      runMs(small.second),
      11,
    ),
    megabytes(`${HIGHEST}, ${large.users} users`, memory, 300),
    times(`that, and with ${small.users} users`, memory, highestOf(small, [small.delta]), 1.3),
    ms(`delta of 100 changes among ${large.users} users, median of five`, median(deltas.map(runMs)), 300),
    ms(
      'targeted run of one user without the provider’s latency, median of ten',
      median(looks.map(ownMs)),
      150,
    ),
  ];
}

/** How many times as much. */
function times(name: string, much: number, less: number, limit: number): Figure {
  const ratio = much / less;
  return { name, value: ratio, unit: '×', floor: null, ratio, limit, ok: ratio <= limit };
}

const HIGHEST = 'worker memory, highest';
const PULLING = 'worker memory while pulling';

/** The first pull alone. Without a floor: that one keeps all that it fetches. */
export function pullFigures(users: number, pulled: Report): readonly Figure[] {
  if (pulled.did !== 'pull') throw new Error('the worker did something else');
  const value = pulled.pullMs / 1_000;
  const limit = (10 * users) / 100_000;
  return [
    { name: `pull of ${users} users`, value, unit: 's', floor: null, ratio: null, limit, ok: value <= limit },
    megabytes(PULLING, pulled.pullMemory, 250),
  ];
}

function megabytes(name: string, bytes: number, limit: number): Figure {
  const value = bytes / 1e6;
  return { name, value, unit: 'MB', floor: null, ratio: null, limit, ok: value <= limit };
}

/** The floor of what is waited is what is fair; the bare work is that of one round. */
export function fairFigures({ tenants, users }: Crowd, times: FairTimes): readonly Figure[] {
  const beside = (name: string, ms: number, floorMs: number, limit: number): Figure => {
    const [value, floor] = [ms / 1_000, floorMs / 1_000];
    return {
      name,
      value,
      unit: 's',
      floor,
      ratio: value / floor,
      limit: limit * floor,
      ok: value <= limit * floor,
    };
  };
  return [
    beside(
      `longest wait of ${tenants} tenants of ${users} users each, all due at once`,
      times.longest,
      times.round,
      1.5,
    ),
    beside('that, beside the bare work of as many runs', times.longest, times.bareRound, 1.5),
    beside(`until the ${GREEDY} runs of the customer before them have ended`, times.all, times.work, 1.5),
    megabytes(HIGHEST, times.peakMemory, 300),
  ];
}

/** How both answer the same reads. The ratio is of processor time, and of what one waits: how many times the floor's. */
export function readFigures(what: string, api: Reads, floor: Reads): readonly Figure[] {
  return [
    {
      name: `${what}, of one core`,
      value: api.perSecondOfCore,
      unit: '/s',
      floor: floor.perSecondOfCore,
      ratio: floor.perSecondOfCore / api.perSecondOfCore,
      limit: 2_000,
      ok: api.perSecondOfCore >= 2_000,
    },
    {
      name: `${what}, as fast as they are answered`,
      value: api.perSecond,
      unit: '/s',
      floor: floor.perSecond,
      ratio: floor.perSecond / api.perSecond,
      limit: 2_000,
      ok: api.perSecond >= 2_000,
    },
    ...(['p50', 'p95'] as const).map(
      (part): Figure => ({
        name: `one of 2000 a second, ${part}`,
        value: api[part],
        unit: 'ms',
        floor: floor[part],
        ratio: api[part] / floor[part],
        limit: 5,
        ok: api[part] <= 5,
      }),
    ),
  ];
}

export function treeFigures({ tenants, users }: Part, times: TreeTimes): readonly Figure[] {
  const figure = (name: string, value: number, floor: number, limit: number): Figure => {
    return { name, value, unit: 'ms', floor, ratio: value / floor, limit, ok: value <= limit };
  };
  return [
    figure(`move of ${tenants} tenants with ${users} users, the slowest`, times.move, times.bareMove, 5_000),
    figure('longest read of them meanwhile', times.readDuring, times.readBefore, 1_000),
    figure('what is below the root, by kind', times.describe, times.bareCount, 1_000),
  ];
}

/** Pages are limited as for 200,000 changes, whatever their number; approving is in proportion. */
export function reviewFigures(changes: number, times: ReviewTimes): readonly Figure[] {
  const ms = (name: string, { value, bare }: Beside): Figure => ({
    ...{ name, value, unit: 'ms', floor: bare, ratio: value / bare, limit: 50, ok: value <= 50 },
  });
  const limit = (15 * changes) / 200_000;
  const { value, bare } = times.approve;
  return [
    ms(`first page of ${changes} open changes, filtered, p95`, times.filtered),
    ms('the same, of several connections', times.filteredOfSeveral),
    ms(`first page of ${changes} open changes, grouped and filtered, p95`, times.grouped),
    ms('the same, of several connections', times.groupedOfSeveral),
    {
      name: `approval of ${changes} changes`,
      value: value / 1_000,
      unit: 's',
      floor: bare / 1_000,
      ratio: value / bare,
      limit,
      ok: value / 1_000 <= limit,
    },
  ];
}

export function table(rows: readonly Figure[]): string {
  const number = (value: number | null, unit = '') =>
    value === null ? '–' : `${value.toFixed(unit === 'MB' || unit === '/s' ? 0 : 2)} ${unit}`.trim();
  const lines = [['work', 'measured', 'floor', 'ratio', 'limit', '']];
  for (const row of rows) {
    const ratio = row.ratio === null ? '–' : `${row.ratio.toFixed(1)} ×`;
    const verdict = row.ok ? 'ok' : row.unit === '/s' ? 'SHORT' : 'OVER';
    lines.push([
      row.name,
      number(row.value, row.unit),
      number(row.floor, row.unit),
      ratio,
      number(row.limit, row.unit),
      verdict,
    ]);
  }
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
