/** From what was measured to what is printed: value, floor, ratio and limit of each figure. */
import type { Reads } from './authorization.ts';
import type { Part, TreeTimes } from './tenancy.ts';
import type { Report } from './worker.ts';

export type Figure = {
  readonly name: string;
  readonly value: number;
  readonly unit: 's' | 'ms' | 'MB' | '/s';
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
  readonly join: number;
};

export type Measured = {
  readonly users: number;
  readonly first: Report;
  readonly applied: Report;
  readonly second: Report;
  readonly delta: Report;
  readonly floor: Floor;
};

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
  const memory = Math.max(first.peakMemory, applied.peakMemory, second.peakMemory);
  return [
    seconds(
      `first sync of ${users} users, pulled and planned`,
      first.pullMs + first.planMs,
      pull + floor.content,
      15,
    ),
    seconds(`apply of its ${applied.applied} changes`, applied.applyMs, floor.applied, 15),
    seconds(
      `full sync with 1 % changed (${second.outcome.counts.changed} changes)`,
      second.pullMs + second.planMs,
      pull,
      6,
    ),
    seconds(
      `delta sync with 1 % changed (${delta.outcome.counts.changed} changes wait)`,
      delta.pullMs + delta.planMs,
      pull,
      3,
    ),
    megabytes(PULLING, first.pullMemory, 250),
    megabytes('worker memory, highest', memory, 400),
  ];
}

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
