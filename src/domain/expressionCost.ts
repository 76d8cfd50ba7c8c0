/**
 * What an expression costs at most, whoever it is evaluated for. It is worked out before anybody is looked at, from the sizes that values
 * may have: `seenText` and `seenList` keep what expressions are given to them.
 */
import type { ASTNode } from '@marcbachmann/cel-js';

/** Characters of a text. */
export const LONGEST_TEXT = 2_000;
/** Characters of a text in a list. */
export const LONGEST_IN_LIST = 256;
export const LONGEST_LIST = 1_000;
/** A step is a part that is evaluated, an element of a list that is looked at, or 64 characters: some fifty nanoseconds. */
export const MOST_STEPS = 1_000_000;

const LONGEST_NUMBER = 40;
/** Of a macro for each element, besides what is written in it. */
const MACRO_STEPS = 3;
const CHARACTERS_A_STEP = 64;
/** Making an error, which a macro or `||` then passes over. */
const FAILURE_STEPS = 100;
/** Characters that are counted one by one. */
const SIZE_FACTOR = 8;
/** V8 skips by the last 250 characters of what it looks for. */
const SKIPPED_BY = 250;
/** `ΐ` in upper case is three characters. */
const CASE_FACTOR = 3;

/** Thrown by a value that is not known: what has to have it fails for this reason. */
export class NotKnown extends Error {
  override readonly name = 'NotKnown';
}

/** Cut. */
export function seenText(text: string): string {
  return text.length <= LONGEST_TEXT ? text : text.slice(0, LONGEST_TEXT).toWellFormed();
}

const isSeen = (text: string) => text.length <= LONGEST_IN_LIST;

/** Each cut. Throws `NotKnown` where there are too many: whoever has not seen all may not conclude that there is no other. */
export function seenList(texts: readonly string[]): readonly string[] {
  if (texts.length > LONGEST_LIST) throw new NotKnown(TOO_MANY);
  if (texts.every(isSeen)) return texts;
  return texts.map((text) => (isSeen(text) ? text : text.slice(0, LONGEST_IN_LIST).toWellFormed()));
}

export const TOO_MANY = `a list has more than ${LONGEST_LIST.toLocaleString('en')} elements, more than expressions look at`;

type Custom = string | number | boolean | readonly string[] | null | undefined;

export function seenCustom(custom: Readonly<Record<string, Custom>>): Readonly<Record<string, Custom>> {
  if (Object.values(custom).every(isSeenWhole)) return custom;
  const seen: Record<string, Custom> = {};
  for (const [name, value] of Object.entries(custom))
    Object.defineProperty(seen, name, { enumerable: true, get: () => seenValue(value) });
  return seen;
}

function isSeenWhole(value: Custom): boolean {
  if (typeof value === 'string') return value.length <= LONGEST_TEXT;
  if (typeof value !== 'object' || value === null) return true;
  return value.length <= LONGEST_LIST && value.every(isSeen);
}

function seenValue(value: Custom): Custom {
  if (typeof value === 'string') return seenText(value);
  return typeof value === 'object' && value !== null ? seenList(value) : value;
}

/** The most that a value may be. `weight`: steps to go through all of it. What may be a text or a list is as much as either. */
type Size = {
  readonly text: number;
  readonly count: number;
  readonly weight: number;
  readonly element: Size | null;
};

const stepsOf = (characters: number) => characters / CHARACTERS_A_STEP;

function textOf(text: number): Size {
  return { text, count: 0, weight: stepsOf(text), element: null };
}

function listOf(count: number, element: Size): Size {
  return { text: element.text, count, weight: count * (1 + element.weight), element };
}

function either(one: Size, other: Size): Size {
  return {
    text: Math.max(one.text, other.text),
    count: Math.max(one.count, other.count),
    weight: Math.max(one.weight, other.weight),
    element:
      one.element === null || other.element === null
        ? (one.element ?? other.element)
        : either(one.element, other.element),
  };
}

const SMALL = textOf(LONGEST_NUMBER);
const GIVEN_TEXT = textOf(LONGEST_TEXT);
const GIVEN_LIST = listOf(LONGEST_LIST, textOf(LONGEST_IN_LIST));
const GIVEN_ANY = either(GIVEN_TEXT, GIVEN_LIST);

type Typed = { readonly checkedType?: { readonly kind: string } };

const kindOf = (node: ASTNode) => (node as Typed).checkedType?.kind ?? 'dyn';

/** Of a variable, or of a field of a record. */
function givenAs(node: ASTNode): Size {
  switch (kindOf(node)) {
    case 'string':
      return GIVEN_TEXT;
    case 'list':
      return GIVEN_LIST;
    case 'dyn':
      return GIVEN_ANY;
    case 'map':
    case 'optional':
      return listOf(LONGEST_LIST, GIVEN_ANY);
    default:
      return SMALL;
  }
}

/** Thrown where the cost is too much. */
export class TooCostly extends Error {
  override readonly name = 'TooCostly';
  readonly offset: number;
  constructor(offset: number) {
    super(
      `may take more than ${MOST_STEPS.toLocaleString('en')} steps for one person, up to here: look at shorter lists, or at a list less often`,
    );
    this.offset = offset;
  }
}

/** Steps at most; of an expression that has passed the checks of expression.ts. Throws `TooCostly`. */
export function stepsAtMost(node: ASTNode): number {
  const tally = new Tally();
  tally.measure(node, { times: 1, elements: new Map() });
  return Math.ceil(tally.steps);
}

/** `times` that a part is evaluated; `elements` of lists, by the names that macros give them. */
type Within = { readonly times: number; readonly elements: ReadonlyMap<string, Size> };

const ARITHMETIC: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%']);

class Tally {
  steps = 0;

  #add(node: ASTNode, steps: number, { times }: Within): void {
    this.steps += times * steps;
    if (this.steps > MOST_STEPS) throw new TooCostly(node.start);
  }

  measure(node: ASTNode, within: Within): Size {
    this.#add(node, 1, within);
    switch (node.op) {
      case 'value':
        return textOf(typeof node.args === 'string' ? node.args.length : LONGEST_NUMBER);
      case 'id':
        return within.elements.get(node.args) ?? givenAs(node);
      case '.':
      case '.?':
        return this.#member(node, node.args[0], within);
      case '[]':
      case '[?]':
        this.measure(node.args[1], within);
        return this.#member(node, node.args[0], within);
      case 'list':
        return this.#literal(node.args, within);
      case 'map':
        return this.#literal(node.args.flat(), within);
      case '?:': {
        const [asked, ...chosen] = node.args.map((part) => this.measure(part, within));
        return chosen.reduce(either, asked ?? SMALL);
      }
      case '||':
      case '&&':
        for (const part of node.args) this.measure(part, within);
        return SMALL;
      case '!_':
      case '-_':
        this.measure(node.args, within);
        return SMALL;
      case 'call':
        return this.#call(node, node.args[0], node.args[1], within);
      case 'rcall': {
        const [name, on, given] = node.args;
        const isMacro = MACROS.has(name);
        return isMacro
          ? this.#macro(node, { name, on, given }, within)
          : this.#call(node, name, [on, ...given], within);
      }
      default:
        return this.#binary(node, within);
    }
  }

  #member(node: ASTNode, of: ASTNode, within: Within): Size {
    const size = this.measure(of, within);
    if (kindOf(of) === 'message') return givenAs(node);
    this.#add(node, FAILURE_STEPS, within);
    return size.element ?? SMALL;
  }

  #literal(parts: readonly ASTNode[], within: Within): Size {
    const sizes = parts.map((part) => this.measure(part, within));
    return listOf(sizes.length, sizes.reduce(either, SMALL));
  }

  #binary(node: Extract<ASTNode, { args: [ASTNode, ASTNode] }>, within: Within): Size {
    const [left, right] = node.args;
    const [one, other] = [this.measure(left, within), this.measure(right, within)];
    const kinds = [kindOf(left), kindOf(right)];
    const mayFail = kinds.includes('dyn') || (ARITHMETIC.has(node.op) && !kinds.includes('string'));
    if (mayFail) this.#add(node, FAILURE_STEPS, within);
    switch (node.op) {
      case '+':
        this.#add(node, one.weight + other.weight, within);
        return {
          text: one.text + other.text,
          count: one.count + other.count,
          weight: one.weight + other.weight,
          element: either(one.element ?? SMALL, other.element ?? SMALL),
        };
      case 'in':
        this.#add(node, other.count * (1 + Math.min(one.weight, (other.element ?? SMALL).weight)), within);
        return SMALL;
      default:
        this.#add(node, Math.min(one.weight, other.weight), within);
        return SMALL;
    }
  }

  #call(node: ASTNode, name: string, given: readonly ASTNode[], within: Within): Size {
    const sizes = given.map((part) => this.measure(part, within));
    const mayFail = !NEVER_FAIL.has(name) || given.some((part) => kindOf(part) === 'dyn');
    const { steps, size } = costOf(name, sizes);
    this.#add(node, steps + (mayFail ? FAILURE_STEPS : 0), within);
    return size;
  }

  #macro(
    node: ASTNode,
    { name, on, given }: { name: string; on: ASTNode; given: readonly ASTNode[] },
    within: Within,
  ): Size {
    const list = this.measure(on, within);
    const [variable, ...parts] = given;
    const elements = new Map(within.elements);
    if (variable?.op === 'id') elements.set(variable.args, list.element ?? SMALL);
    const inside = { times: within.times * list.count, elements };
    this.#add(node, MACRO_STEPS, inside);
    const sizes = parts.map((part) => this.measure(part, inside));
    if (name === 'filter') return list;
    return name === 'map' ? listOf(list.count, sizes.at(-1) ?? SMALL) : SMALL;
  }
}

/** Over lists. */
export const MACROS: ReadonlySet<string> = new Set(['exists', 'exists_one', 'all', 'map', 'filter']);

const NEVER_FAIL: ReadonlySet<string> = new Set([
  ...['has', 'size', 'string', 'orValue', 'or', 'hasValue', 'startsWith', 'endsWith', 'contains', 'within'],
  ...['lowerAscii', 'upperAscii', 'trim', 'split', 'join'],
]);

/** Of one call: steps besides those of what it is given, and what it gives. */
function costOf(
  name: string,
  [on = SMALL, second = SMALL]: readonly Size[],
): { readonly steps: number; readonly size: Size } {
  const all = stepsOf(on.text);
  switch (name) {
    case 'size':
      return { steps: all * SIZE_FACTOR, size: SMALL };
    case 'startsWith':
    case 'endsWith':
    case 'within':
      return { steps: stepsOf(Math.min(on.text, second.text)), size: SMALL };
    case 'contains':
    case 'indexOf':
      return { steps: search(on, second), size: SMALL };
    case 'lastIndexOf':
      return { steps: all * (1 + second.text), size: SMALL };
    case 'lowerAscii':
    case 'upperAscii':
      return { steps: all, size: textOf(on.text * CASE_FACTOR) };
    case 'split': {
      const parts = on.text + 1;
      const size = { ...listOf(parts, textOf(on.text)), weight: parts + all };
      return { steps: search(on, second) + 2 * size.weight, size };
    }
    case 'join': {
      const size = textOf(on.count * ((on.element ?? SMALL).text + second.text));
      return { steps: on.count + size.weight, size };
    }
    case 'orValue':
    case 'or':
      return { steps: 0, size: either(on, second) };
    default:
      return { steps: all, size: textOf(Math.max(on.text, LONGEST_NUMBER)) };
  }
}

function search(text: Size, sought: Size): number {
  return stepsOf(text.text) * (1 + sought.text / SKIPPED_BY) + stepsOf(sought.text);
}
