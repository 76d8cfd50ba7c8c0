/** The part of SCIM's filter grammar (RFC 7644, section 3.4.2.2) that a reader uses: comparisons joined by `and` and `or`. */

/** What can be compared: text exactly or without regard to case, and times in seconds since 1970. */
export type Comparable<T> = {
  readonly text: Readonly<Record<string, (one: T) => string>>;
  readonly time: Readonly<Record<string, (one: T) => number>>;
};

type Test<T> = (one: T) => boolean;

const comparison = /^\s*([A-Za-z.]+)\s+(eq|gt|ge|lt|le)\s+(?:"((?:[^"\\]|\\.)*)"|(true|false))\s*$/i;

const compared: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  eq: (left, right) => left === right,
  gt: (left, right) => left > right,
  ge: (left, right) => left >= right,
  lt: (left, right) => left < right,
  le: (left, right) => left <= right,
};

/** Attribute names are case-insensitive (RFC 7643, section 2.1). */
function named<V>(table: Readonly<Record<string, V>>, name: string): V | undefined {
  return Object.entries(table).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

function testOf<T>(text: string, comparable: Comparable<T>): Test<T> | null {
  const [, attribute = '', operator = '', quoted, bare] = comparison.exec(text) ?? [];
  const compare = compared[operator.toLowerCase()];
  if (!compare) return null;
  const secondsOf = named(comparable.time, attribute);
  if (secondsOf) {
    const seconds = Date.parse(quoted ?? '') / 1000;
    return Number.isFinite(seconds) ? (one) => compare(secondsOf(one), seconds) : null;
  }
  const textOf = named(comparable.text, attribute);
  if (!textOf || operator.toLowerCase() !== 'eq') return null;
  const wanted = (quoted === undefined ? (bare ?? '') : (JSON.parse(`"${quoted}"`) as string)).toLowerCase();
  return (one) => textOf(one).toLowerCase() === wanted;
}

/** null: an expression outside of the grammar. */
export function filterOf<T>(expression: string, comparable: Comparable<T>): Test<T> | null {
  const alternatives: Test<T>[] = [];
  for (const alternative of expression.split(/\s+or\s+/i)) {
    const tests = alternative.split(/\s+and\s+/i).map((text) => testOf(text, comparable));
    if (tests.includes(null)) return null;
    alternatives.push((one) => tests.every((test) => test?.(one)));
  }
  return (one) => alternatives.some((test) => test(one));
}
