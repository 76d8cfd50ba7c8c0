/** A configuration file as text: read once, at the edge, with the line and column of all that is wrong with it. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { type Hindrance, keyOf, type Position } from '../domain/configuration.ts';
import { type ExpressionError, withinExpression } from '../domain/expression.ts';
import { Problem } from '../domain/problem.ts';
import { ConfigurationFile } from './schema.ts';
import { contentIn, TOO_DEEP } from './yamlContent.ts';

/** In UTF-16 code units: some 100,000 users. */
export const LARGEST_FILE = 32 * 1024 * 1024;
/** So many mistakes are told at once. */
const MOST_TOLD = 50;

/** `word`: where the name of the position stands, and not what it is. Or where in the expression that stands there. */
type At = 'word' | 'value' | Pick<ExpressionError, 'line' | 'column'>;

export type ParsedFile = {
  readonly content: ConfigurationFile;
  /** What is named twice: told with whatever else is wrong with what the file says. */
  readonly twice: readonly Hindrance[];
  /** `line 3, column 7` */
  readonly locate: (position: Position, at?: At) => string;
};

/** YAML 1.2, of which JSON is a part. `longest`: in UTF-16 code units. Throws `invalid-input`. */
export function parseFile(text: string, longest: number = LARGEST_FILE): ParsedFile {
  const { value, locate } = parseAs(ConfigurationFile, text, longest);
  return { content: value, twice: duplicatesIn(value, locate), locate };
}

/** The same of any file that a person writes. */
export function parseAs<S extends z.ZodType>(
  schema: S,
  text: string,
  longest: number = LARGEST_FILE,
): { readonly value: z.output<S>; readonly locate: ParsedFile['locate'] } {
  if (text.length > longest) {
    const bound = longest < LARGEST_FILE ? `${longest / 1024} KiB` : `${longest / 1024 / 1024} MiB`;
    const onlyHere = longest < LARGEST_FILE ? 'load it with the command line, or ' : '';
    throw unusable([
      `is longer than ${bound}: ${onlyHere}split it, its parts can be loaded one after the other`,
    ]);
  }
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const document = read(text, lines);
  const mistakes = [...document.errors, ...document.warnings];
  if (mistakes.length > 0)
    throw unusable(
      mistakes.map(
        ({ pos, message }) => `${at(pos[0])}: is not YAML as it is read here (${message}): correct it`,
      ),
    );
  const locate: ParsedFile['locate'] = (position, where = 'value') => {
    const { node, offset } = placeOf(document, position, where === 'word');
    if (typeof where === 'string') return at(offset);
    const inside = offsetWithin(text, node, where);
    return inside === null
      ? `${at(offset)}, in line ${where.line}, column ${where.column} of the expression`
      : at(inside);
  };
  const content = contentIn(document);
  if (content.mistakes.length > 0)
    throw unusable(content.mistakes.map(({ offset, message }) => `${at(offset)}: ${message}`));
  const { value, mistakes: found } = readAs(schema, content.value ?? {}, []);
  if (value === null) throw refused(found, locate);
  return { value, locate };
}

function read(text: string, lineCounter: LineCounter): Document.Parsed {
  const { stackTraceLimit } = Error;
  try {
    // It makes an error for whatever it meets, and nobody reads where in the parser each one was made: that is most of their cost.
    Error.stackTraceLimit = 0;
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false, // it would compare each key with all before it: contentIn looks for those that are there twice
      schema: 'core',
      resolveKnownTags: false,
    });
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(error); // the parser calls itself for each level
    throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function tooDeep(cause: Error): Problem {
  return unusable([TOO_DEEP], cause);
}

function unusable(messages: readonly string[], cause?: Error): Problem {
  return new Problem(
    {
      code: 'invalid-input',
      message: `The file cannot be read: ${messages.slice(0, MOST_TOLD).join('; ')}.`,
      remedy:
        'Correct the file; docs/configuration-as-code.md says what may stand in it. Nothing was changed.',
    },
    cause === undefined ? {} : { cause },
  );
}

/** `atWord`: the word itself is wrong, and not what follows it. */
export type Mistake = Hindrance & { readonly atWord?: true; readonly within?: ExpressionError };

/** What stands at a position, as the schema reads it; null with what is wrong with it, which repeats no value. */
export function readAs<S extends z.ZodType>(
  schema: S,
  value: unknown,
  position: Position,
): { readonly value: z.output<S> | null; readonly mistakes: readonly Mistake[] } {
  const parsed = schema.safeParse(value, { error: inWords });
  if (parsed.success) return { value: parsed.data, mistakes: [] };
  return { value: null, mistakes: parsed.error.issues.flatMap((issue) => mistakesOf(issue, position)) };
}

/** What a value should be, by the parser's word for its type. */
const WHAT: Readonly<Record<string, string>> = {
  string: 'a text: put it in quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list: write it as [one, another], or each on a line of its own after a hyphen',
  record: 'a list of fields: write it as {field: value}',
};

/** Instead of what the parser would say by itself; undefined where its own words will do. Repeats no value: it may be a secret. */
function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_value') {
    const choices = issue.values.map(String).join(', ');
    return issue.input === undefined
      ? `is missing: add it, as one of ${choices}`
      : `is none of ${choices}: write one of them`;
  }
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.input === undefined) return 'is missing: add it';
  if (issue.expected === 'object') {
    const [first = 'field'] = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
    return `is not a list of fields: write it as { ${first}: … }`;
  }
  const what = WHAT[issue.expected];
  return what === undefined ? undefined : `is not ${what}`;
}

function mistakesOf(issue: z.core.$ZodIssue, above: Position): readonly Mistake[] {
  const position = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  if (issue.code !== 'unrecognized_keys') {
    const within = withinExpression(issue);
    return [{ position, message: issue.message, ...(within === null ? {} : { within }) }];
  }
  return issue.keys.map((key) => {
    const message = 'is not known here: correct the word, or leave it out';
    return { position: [...position, key], message, atWord: true };
  });
}

/** `invalid-input` that names for each hindrance line, column and field, what is wrong and what to do about it. */
export function refused(hindrances: readonly Mistake[], locate: ParsedFile['locate']): Problem {
  const told = hindrances.slice(0, MOST_TOLD).map(({ position, message, atWord, within }) => {
    const where = locate(position, within ?? (atWord === true ? 'word' : 'value'));
    return { path: position.join('.'), message: `${where}: ${within?.message ?? message}` };
  });
  const more = hindrances.length - told.length;
  const [first] = told;
  const others = hindrances.length === 1 ? '' : `; and ${hindrances.length - 1} more`;
  return new Problem({
    code: 'invalid-input',
    message: `The file cannot be loaded: ${first?.path ? `${first.path}, ` : ''}${first?.message}${others}.`,
    remedy: `Correct the file at the places that are named${more > 0 ? `, the first ${MOST_TOLD} of them,` : ''} and try again; nothing was changed.`,
    fields: told,
  });
}

/** What a use case refuses all the same while the file is being loaded: the same problem, with its position. */
export function stoppedAt(
  position: Position,
  { code, message, remedy, fields }: Problem,
  locate: ParsedFile['locate'],
): Problem {
  return new Problem({
    code,
    message: `Loading stopped at ${position.join('.')} (${locate(position)}): ${message}`,
    remedy: `${remedy} What came before it is loaded; load the file again for the rest.`,
    fields: fields.map((field) => {
      const at = [...position, ...field.path.split('.')];
      return { path: at.join('.'), message: `${locate(at)}: ${field.message}` };
    }),
  });
}

function duplicatesIn(content: ConfigurationFile, locate: ParsedFile['locate']): readonly Hindrance[] {
  const keys: Readonly<Record<keyof ConfigurationFile, readonly string[]>> = {
    roles: content.roles.map(({ name }) => keyOf(name)),
    productPlans: content.productPlans.map(({ name }) => keyOf(name)),
    tenants: content.tenants.map(({ path }) => keyOf(path)),
    connections: content.connections.map(({ tenant, name }) => keyOf(tenant, name)),
    users: content.users.map((user) =>
      user.origin === 'local'
        ? keyOf(user.tenant, user.userName)
        : keyOf(user.tenant, user.connection, user.externalId),
    ),
  };
  return Object.entries(keys).flatMap(([section, list]) => {
    const first = new Map<string, number>();
    return list.flatMap((key, at) => {
      const before = first.get(key);
      if (before === undefined) first.set(key, at);
      if (before === undefined) return [];
      const message = `names the same as ${section}.${before} (${locate([section, before])}): leave one of them out`;
      return [{ position: [section, at], message }];
    });
  });
}

/** Where in a text that stands in the file as it is, in one line; null: what is meant is written otherwise there. */
function offsetWithin(
  text: string,
  node: Node | null,
  { line, column }: Pick<ExpressionError, 'line' | 'column'>,
): number | null {
  if (!isScalar(node) || typeof node.value !== 'string' || !node.range || line !== 1) return null;
  const [from, end] = node.range;
  const quotes = node.type === 'PLAIN' ? 0 : 1;
  if (text.slice(from + quotes, end - quotes) !== node.value) return null;
  return from + quotes + [...node.value].slice(0, column - 1).join('').length;
}

type Found = { readonly node: Node | null; readonly offset: number };

/** Where a position begins, or the word that names it; of what is missing, where it should be. */
function placeOf(document: Document.Parsed, position: Position, atWord: boolean): Found {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, step] of position.entries()) {
    const inner: Node | null = isAlias(node) ? (node.resolve(document) ?? null) : node;
    const found = stepInto(inner, step);
    if (found === null) return { node: null, offset };
    node = found.value;
    const first = atWord && depth === position.length - 1 ? found.key : found.value;
    offset = first?.range?.[0] ?? found.key?.range?.[0] ?? offset;
  }
  return { node, offset };
}

function stepInto(node: Node | null, step: string | number): { value: Node | null; key: Node | null } | null {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? null : { value: item as Node, key: null };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair === undefined ? null : { value: (pair.value ?? null) as Node | null, key: pair.key as Node };
}
