/**
 * How long the expressions of a mapping may keep a process busy. Each takes a bounded number of steps (see expressionCost.ts); this is for a
 * great many at once, on a slow machine: a process that answers nobody for two minutes is taken for dead.
 */
import { type CompiledMapping, compileMapping, type Mapped, type Mapping } from '../domain/mapping.ts';
import { OF_THE_MAPPING } from '../domain/written.ts';

/** For the people who are mapped without the process doing anything else in between: a page, or a batch of rows. */
const AT_MOST_MS = 5_000;

export type Stretches = {
  /** Of whatever clock; never goes back. */
  readonly nowMs: () => number;
  /** Calls back once the process has come to something else. */
  readonly whenOver: (callback: () => void) => void;
};

const OF_THIS_PROCESS: Stretches = {
  nowMs: () => performance.now(),
  whenOver: (callback) => {
    setImmediate(callback);
  },
};

const OUT_OF_TIME: Mapped = {
  state: 'unreadable',
  problem: `${OF_THE_MAPPING}expressions: took more than ${AT_MOST_MS / 1_000} seconds for those who were looked at before`,
};

/** As `compileMapping`. Whoever is looked at after the expressions have had their time is `unreadable`: nothing follows for them. */
export function compileInTime(mapping: Mapping, { nowMs, whenOver } = OF_THIS_PROCESS): CompiledMapping {
  const compiled = compileMapping(mapping);
  if (!compiled.hasExpressions) return compiled;
  let spentMs = 0;
  let isOpen = false;
  const inTime = (map: () => Mapped): Mapped => {
    if (!isOpen) {
      isOpen = true;
      whenOver(() => {
        spentMs = 0;
        isOpen = false;
      });
    }
    if (spentMs > AT_MOST_MS) return OUT_OF_TIME;
    const begunMs = nowMs();
    const mapped = map();
    spentMs += nowMs() - begunMs;
    return mapped;
  };
  return {
    ...compiled,
    map: (user, groups) => inTime(() => compiled.map(user, groups)),
    inDoubt: (unread) => {
      const doubt = compiled.inDoubt(unread);
      return doubt && { ...doubt, map: (...given) => inTime(() => doubt.map(...given)) };
    },
  };
}
