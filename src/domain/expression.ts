/**
 * Expressions in CEL (Common Expression Language, github.com/google/cel-spec) that people write into settings: compiled and type-checked
 * when they are saved, evaluated often. This file and expressionCost.ts are the only ones that know the library.
 *
 * What an expression may use is listed by a *vocabulary*. An expression gets values only, calls nothing outside it, and its cost is
 * bounded whatever the values are: there are no regular expressions, no `cel.bind`, no time zones, a macro over a list (`exists`, `map`,
 * …) does not stand inside another, nor `split` or `join` inside one, and what would take too many steps is refused.
 */
import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { LONGEST_LIST, MACROS, NotKnown, stepsAtMost, TooCostly } from './expressionCost.ts';

/** `message` says what is wrong. `line` and `column` count from 1, in characters of the expression. */
export type ExpressionError = { readonly message: string; readonly line: number; readonly column: number };

/** An evaluation fails as a value, without a word of the values that it was given. Whoever asked fails closed. */
export type Evaluated<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

export type ExpressionValue = string | number | boolean | readonly string[] | null;

/**
 * What is wanted of an expression. `truth`: yes or no. `value`: text, a number, yes or no, a list of texts or nothing (null). `text`: text
 * or nothing; what turns out to be a number, or yes or no, is spelled out.
 */
type Results = { readonly truth: boolean; readonly value: ExpressionValue; readonly text: string | null };

/**
 * A variable that an expression reads, once for each place. `path`: the members that it names, `["custom", "level"]` of
 * `user.custom["level"]`, as far as they are spelled out. `member`: the text that is looked for in it, `Sales` of `"Sales" in groups`;
 * null where it is used in any other way.
 */
export type Use = {
  readonly variable: string;
  readonly path: readonly string[];
  readonly member: string | null;
  readonly line: number;
  readonly column: number;
};

export type Expression<Values, Result extends keyof Results> = {
  /** Never throws. The same values give the same answer. */
  readonly evaluate: (values: Values) => Evaluated<Results[Result]>;
  readonly uses: readonly Use[];
  /** That an evaluation takes at most, for whomever. */
  readonly steps: number;
};

export type Compiled<Values, Result extends keyof Results> =
  | { readonly ok: true; readonly expression: Expression<Values, Result> }
  | { readonly ok: false; readonly error: ExpressionError };

export type Vocabulary = {
  /** CEL types by the variables' names: `string`, `int`, `double`, `bool`, `list<string>`, `map<string, dyn>`, or one of `records`. */
  readonly variables: Readonly<Record<string, string>>;
  /**
   * Types with fixed members, by name. The class has a getter (or property) for each of `fields`, which is never undefined: `has()` is
   * for what may be missing, the keys of maps.
   */
  readonly records?: Readonly<
    Record<
      string,
      {
        // biome-ignore lint/complexity/noBannedTypes: what the library takes
        readonly class: Function;
        readonly fields: Readonly<Record<string, string>>;
      }
    >
  >;
};

const LONGEST = 2_000;
/** 400 nodes are some fifty comparisons. */
const LIMITS = {
  maxAstNodes: 800,
  maxDepth: 64,
  maxListElements: 200,
  maxMapEntries: 50,
  maxCallArguments: 4,
};
const LONGEST_SEPARATOR = 20;
/** Characters of a text that an expression gives, and of all in a list of them. */
const LONGEST_RESULT = 10_000;
const LONGEST_LIST_OF_RESULTS = 100_000;

/** All that an expression may call. */
export const FUNCTIONS: ReadonlySet<string> = new Set([
  ...MACROS,
  ...['has', 'size', 'string', 'int', 'double', 'bool', 'orValue', 'or', 'hasValue'],
  ...['startsWith', 'endsWith', 'contains', 'lowerAscii', 'upperAscii', 'trim', 'within'],
  ...['indexOf', 'lastIndexOf', 'substring', 'split', 'join'],
]);

/**
 * `within`: a path, or one below it (`"/Sales/Berlin".within("/Sales")`). Compiles as often as wanted; making one costs a millisecond.
 */
export function expressionsOver<Values extends object>(vocabulary: Vocabulary) {
  const environment = new Environment({ enableOptionalTypes: true, limits: LIMITS });
  environment.registerFunction('string.within(string): bool', isWithin);
  for (const [name, record] of Object.entries(vocabulary.records ?? {}))
    environment.registerType(name, { ctor: record.class, fields: record.fields });
  for (const [name, type] of Object.entries(vocabulary.variables)) environment.registerVariable(name, type);
  const variables = new Set(Object.keys(vocabulary.variables));

  return function compile<Result extends keyof Results>(
    text: string,
    result: Result,
  ): Compiled<Values, Result> {
    try {
      const tooMuch = wrongLength(text);
      if (tooMuch !== null) throw tooMuch;
      const parsed = environment.parse(text);
      const { error, type = 'dyn' } = parsed.check();
      if (error !== undefined) throw error;
      const uses: Use[] = [];
      walk(parsed.ast, { text, variables, uses, overList: false, inJoin: false, inMacro: false });
      if (!yields[result].types.has(type))
        throw new Unusable(0, `gives ${type}, not ${yields[result].words}`);
      const steps = stepsAtMost(parsed.ast);
      return { ok: true, expression: { evaluate: evaluation(parsed, result), uses, steps } };
    } catch (error) {
      return { ok: false, error: errorIn(text, error) };
    }
  };
}

/** Thrown in this file alone, beside what the library throws. */
class Unusable extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

function wrongLength(text: string): Unusable | null {
  if (text.trim() === '') return new Unusable(0, 'is empty');
  return text.length > LONGEST ? new Unusable(LONGEST, `is longer than ${LONGEST} characters`) : null;
}

function errorIn(text: string, error: unknown): ExpressionError {
  if (error instanceof Unusable || error instanceof TooCostly)
    return { message: error.message, ...positionAt(text, error.offset) };
  const { summary, range } = error as { readonly summary?: string; readonly range?: { start: number } };
  if (summary === undefined) throw error;
  return { message: inOurWords(summary), ...positionAt(text, range?.start ?? 0) };
}

const yields = {
  truth: { types: new Set(['bool']), words: 'bool (yes or no)' },
  value: {
    types: new Set(['string', 'int', 'double', 'bool', 'list<string>', 'dyn', 'null', 'list', 'list<dyn>']),
    words: 'a text, a number, yes or no, or a list of texts',
  },
  text: { types: new Set(['string', 'dyn', 'null']), words: 'a text' },
} as const satisfies Record<keyof Results, { types: ReadonlySet<string>; words: string }>;

function evaluation<Values extends object, Result extends keyof Results>(
  parsed: (values: Values) => unknown,
  result: Result,
): (values: Values) => Evaluated<Results[Result]> {
  return (values) => {
    try {
      const given = plain(parsed(values));
      if (isTooLong(given)) return { ok: false, problem: TOO_LONG };
      const value = as[result](given);
      if (value === undefined)
        return { ok: false, problem: `gives a value that is not ${yields[result].words}` };
      return { ok: true, value: value as Results[Result] };
    } catch (error) {
      if (error instanceof NotKnown) return { ok: false, problem: error.message };
      // Whatever else may be thrown, such as a stack or a text that outgrows the machine's, is a failure of this evaluation alone.
      return { ok: false, problem: wordsOf(error as Failure) };
    }
  };
}

/** undefined: it is nothing of that kind. */
const as = {
  truth: (value) => (typeof value === 'boolean' ? value : undefined),
  value: (value) => value,
  text: (value) => {
    if (value === null || value === undefined || typeof value === 'string') return value;
    return typeof value === 'object' ? undefined : String(value);
  },
} as const satisfies {
  [R in keyof Results]: (value: ExpressionValue | undefined) => Results[R] | undefined;
};

const TOO_LONG = `gives a text of more than ${LONGEST_RESULT.toLocaleString('en')} characters, or a list of more than ${LONGEST_LIST.toLocaleString('en')} or of ${LONGEST_LIST_OF_RESULTS.toLocaleString('en')} characters`;

function isTooLong(value: ExpressionValue | undefined): boolean {
  if (typeof value === 'string') return value.length > LONGEST_RESULT;
  if (typeof value !== 'object' || value === null) return false;
  const characters = value.reduce((sum, one) => sum + one.length, 0);
  return value.length > LONGEST_LIST || characters > LONGEST_LIST_OF_RESULTS;
}

/** undefined: nothing that can be stored. */
function plain(value: unknown): ExpressionValue | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : undefined;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
    default:
      if (value === null) return null;
      return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
  }
}

/** The library's own sentences quote the values that they are about. `constructor` is no code. */
const FAILURES: ReadonlyMap<string | undefined, string> = new Map([
  ['no_such_key', 'no such key'],
  ['optional_value_missing', 'no such key'],
  ['index_out_of_bounds', 'a list has no element there'],
  ['index_out_of_range', 'a text has no such place'],
  ['bool_conversion_error', 'bool() of a text that says neither true nor false'],
  ['int_conversion_error', 'int() of a text that is no whole number'],
  ['double_conversion_error', 'double() of a text that is no number'],
  ['numeric_overflow', 'a number is too large'],
  ['division_by_zero', 'division by zero'],
  ['modulo_by_zero', 'division by zero'],
  ['invalid_condition_type', 'a condition is neither true nor false'],
  ['invalid_logical_operand', 'a condition is neither true nor false'],
  ['invalid_comprehension_range', 'a macro stands over what is no list'],
  ['invalid_list_element_type', 'join() of a list of something else than texts'],
]);

type Failure = { readonly code?: string; readonly node?: ASTNode };

function wordsOf({ code, node }: Failure): string {
  if (code === 'no_such_overload' || code === 'no_matching_overload')
    return `${partOf(node)} does not fit the kinds of its values`;
  const key = code === 'no_such_key' ? spelledOut(node) : null;
  return key === null ? (FAILURES.get(code) ?? 'cannot be evaluated') : `no such key: ${key}`;
}

function partOf(node: ASTNode | undefined): string {
  if (node?.op === 'call' || node?.op === 'rcall') return `${node.args[0]}()`;
  return node === undefined ? 'something' : node.op.replace('_', '');
}

/** The member that is written in the expression; null: it is worked out, and may be somebody's value. */
function spelledOut(node: ASTNode | undefined): string | null {
  if (node?.op === '.' || node?.op === '.?') return node.args[1];
  if (node?.op !== '[]' && node?.op !== '[?]') return null;
  const [, key] = node.args;
  return key.op === 'value' && typeof key.args === 'string' ? key.args : null;
}

function inOurWords(summary: string): string {
  const exceeded = /^Exceeded max(\w+) \((\d+)\)/.exec(summary);
  if (exceeded !== null)
    return exceeded[1] === 'Depth'
      ? `is nested too deeply: more than ${exceeded[2]} levels`
      : `is too long: it has more than ${exceeded[2]} ${exceeded[1] === 'AstNodes' ? 'parts' : 'elements'} in all or in one place`;
  return summary.replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase()).replace(/: EOF$/, ': the end');
}

function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(above.endsWith('/') ? above : `${above}/`);
}

type Walk = {
  readonly text: string;
  readonly variables: ReadonlySet<string>;
  readonly uses: Use[];
  readonly overList: boolean;
  readonly inJoin: boolean;
  /** Evaluated once for each element of a list. */
  readonly inMacro: boolean;
};

/** Collects what the expression uses. Throws what it may not use. */
function walk(node: ASTNode, on: Walk): void {
  const looksFor = node.op === 'in' && node.args[0].op === 'value' ? node.args[0].args : null;
  const used = useOf(typeof looksFor === 'string' ? (node.args as ASTNode[])[1] : node, on);
  if (used !== null) on.uses.push({ ...used, member: typeof looksFor === 'string' ? looksFor : null });
  else if (node.op === 'call' || node.op === 'rcall') walkCall(node, on);
  else for (const child of childrenOf(node)) walk(child, on);
}

function walkCall(node: ASTNode & { op: 'call' | 'rcall' }, on: Walk): void {
  const [name] = node.args;
  const given = node.op === 'rcall' ? node.args[2] : node.args[1];
  checkName(node, name, on);
  if (name === 'join') checkSeparator(node, given, on);
  if (name === 'has' && given.some(isAlwaysThere)) throw new Unusable(node.start, NEVER_MISSING);
  if (!MACROS.has(name) || node.op !== 'rcall') {
    for (const child of childrenOf(node)) walk(child, { ...on, inJoin: on.inJoin || name === 'join' });
    return;
  }
  if (on.overList) throw new Unusable(node.start, `${name}() stands inside another macro over a list`);
  const [variable, ...rest] = given;
  if (variable?.op === 'id' && on.variables.has(variable.args))
    throw new Unusable(
      variable.start,
      `${variable.args} is a variable already; the list's needs another name`,
    );
  walk(node.args[1], { ...on, overList: true });
  for (const child of rest) walk(child, { ...on, overList: true, inMacro: true });
}

function checkName(node: ASTNode, name: string, { inMacro }: Walk): void {
  if (!FUNCTIONS.has(name))
    throw new Unusable(node.start, `${name}() is not available${insteadOf[name] ?? ''}`);
  if (inMacro && (name === 'split' || name === 'join'))
    throw new Unusable(node.start, `${name}() stands inside a macro: it would be done for each element`);
}

const NEVER_MISSING =
  'has() is for what may be missing; this is always there, and empty where there is no value';

function checkSeparator(node: ASTNode, [separator]: readonly ASTNode[], { inJoin }: Walk): void {
  if (inJoin) throw new Unusable(node.start, 'join() stands inside another');
  if (separator === undefined) return;
  const isShort = typeof separator.args === 'string' && separator.args.length <= LONGEST_SEPARATOR;
  if (separator.op !== 'value' || !isShort)
    throw new Unusable(
      separator.start,
      `join() takes a separator that is spelled out, of ${LONGEST_SEPARATOR} characters at most`,
    );
}

const insteadOf: Readonly<Record<string, string>> = {
  matches: ': regular expressions may take any time; use startsWith(), endsWith() or contains()',
};

function isAlwaysThere(node: ASTNode): boolean {
  if (node.op !== '.' && node.op !== '.?') return false; // the library refuses it
  const { checkedType } = node.args[0] as ASTNode & { readonly checkedType?: { readonly kind: string } };
  return checkedType?.kind === 'message';
}

/** null: no chain of members that begins with a variable. */
function useOf(node: ASTNode | undefined, { text, variables }: Walk): Use | null {
  if (node === undefined) return null;
  const path: string[] = [];
  let at = node;
  for (;;) {
    if (at.op === '.' || at.op === '.?') {
      path.unshift(at.args[1]);
      at = at.args[0];
    } else if ((at.op === '[]' || at.op === '[?]') && at.args[1].op === 'value') {
      if (typeof at.args[1].args !== 'string') return null;
      path.unshift(at.args[1].args);
      at = at.args[0];
    } else break;
  }
  if (at.op !== 'id' || !variables.has(at.args)) return null;
  return { variable: at.args, path, member: null, ...positionAt(text, node.start) };
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  return [node.args as unknown]
    .flat(3)
    .filter((one): one is ASTNode => typeof one === 'object' && one !== null && 'op' in one);
}

function positionAt(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: [...(before.at(-1) ?? '')].length + 1 };
}

/** As it is told to whoever wrote the expression. */
export function describeExpressionError({ message, line, column }: ExpressionError): string {
  return `line ${line}, column ${column}: ${message}`;
}

/** The same for a schema. Whoever knows where the expression stands in a file finds the place in that: see `withinExpression`. */
export function expressionIssue(error: ExpressionError) {
  const { message, line, column } = error;
  const within: ExpressionError = { message, line, column };
  return { code: 'custom', message: describeExpressionError(error), params: { within } } as const;
}

/** Of an issue that `expressionIssue` has made; null: it is about something else. */
export function withinExpression(issue: object): ExpressionError | null {
  const { params } = issue as { readonly params?: { readonly within?: ExpressionError } };
  return params?.within ?? null;
}
