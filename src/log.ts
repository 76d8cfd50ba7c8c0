/**
 * The log: events with ids and counts. What may be logged is listed here, by name and by shape; everything else is left out
 * and only its name is kept (`dropped`), so that forgetting to hide something hides it.
 */
import {
  type DestinationStream,
  type LoggerOptions,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from 'pino';

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Names of events, states, kinds: no blank and no `@` in it, so neither an address nor a sentence. */
const word = /^[\w.:-]{1,128}$/;
/** The pattern of a route, never a path with its values. */
const pattern = /^\/[\w/.:{}*-]{0,199}$/;

/** Texts that may be logged, by field, with the shape that they must have. Numbers and booleans may have any name that is not `hidden`. */
const texts = {
  event: word,
  tenant: id,
  connection: id,
  run: id,
  change: id,
  decision: id,
  apply: id,
  user: id,
  principal: id,
  supportAccess: id,
  request: id,
  /** The provider's id of a request: what its support asks for. */
  requestId: word,
  job: word,
  queue: word,
  backend: word,
  provider: word,
  kind: word,
  state: word,
  phase: word,
  trigger: word,
  result: word,
  snapshot: word,
  partialReason: word,
  verdict: word,
  guard: word,
  reason: word,
  code: word,
  version: word,
  part: word,
  signal: word,
  at: word,
  host: word,
  method: word,
  route: pattern,
} as const satisfies Readonly<Record<string, RegExp>>;

/** Field names that are never logged, whatever their value is. Compared in lower case, wherever they stand in a name. */
const hidden =
  /authorization|credential|password|passphrase|secret|token|cookie|key|mail|phone|name|address|locale|employee|birth/i;

type Text = keyof typeof texts;
type Plain = number | boolean | null | undefined;

/** One line of the log. `error` may be anything that was thrown. */
export type LogEntry = { readonly event: string; readonly error?: unknown } & {
  readonly [field in Exclude<Text, 'event'>]?: string | null | undefined;
} & {
  readonly [field: string]: Plain | unknown;
};

/** What the rest of Rollcall logs through: pino without its free text, because an event's name says what happened. */
export type Logger = {
  debug(entry: LogEntry): void;
  info(entry: LogEntry): void;
  warn(entry: LogEntry): void;
  error(entry: LogEntry): void;
  /** A logger that adds these fields to each of its lines. */
  child(fields: Omit<LogEntry, 'event'>): Logger;
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Writes one JSON object a line, to standard output unless a destination is given. */
export function openLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: { pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  return loggerOver(destination === undefined ? pino(options) : pino(options, destination), {});
}

function loggerOver(lines: PinoLogger, fields: object): Logger {
  const writes = (method: 'debug' | 'info' | 'warn' | 'error') => (entry: LogEntry) => {
    if (lines.isLevelEnabled(method)) lines[method](onlyKnown({ ...fields, ...entry }));
  };
  return {
    debug: writes('debug'),
    info: writes('info'),
    warn: writes('warn'),
    error: writes('error'),
    child: (more) => loggerOver(lines, { ...fields, ...more }),
  };
}

const DEEPEST = 2;

function onlyKnown(entry: object, depth = 0): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(entry)) {
    if (value === undefined) continue;
    const known = name === 'error' || name === 'err' ? describeError(value) : loggable(name, value, depth);
    if (known === undefined) dropped.push(word.test(name) ? name : '?');
    else kept[name] = known;
  }
  if (dropped.length > 0) kept['dropped'] = dropped;
  return kept;
}

/** undefined: it may not be logged. */
function loggable(name: string, value: unknown, depth: number): unknown {
  if (hidden.test(name)) return undefined;
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return Number(value);
    case 'string':
      return shapeOf(name)?.test(value) === true ? value : undefined;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) return loggableList(name, value, depth);
      return depth < DEEPEST ? onlyKnown(value, depth + 1) : undefined;
    case 'undefined':
    case 'symbol':
    case 'function':
      return undefined;
  }
}

function loggableList(name: string, list: readonly unknown[], depth: number): unknown {
  const kept = list.slice(0, 100).map((element) => loggable(name, element, depth + 1));
  return kept.includes(undefined) ? undefined : kept;
}

function shapeOf(name: string): RegExp | undefined {
  return Object.hasOwn(texts, name) ? texts[name as Text] : undefined;
}

/** What helps to find a fault: its class, its message without the values in it, its code, and where it was thrown. */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, cause } = error as Error & { readonly code?: unknown };
  return {
    type: error.name,
    message: withoutValues(error.message),
    ...((typeof code === 'string' && word.test(code)) || typeof code === 'number' ? { code } : {}),
    stack: framesOf(error.stack ?? ''),
    ...(cause instanceof Error && depth < DEEPEST ? { cause: describeError(cause, depth + 1) } : {}),
  };
}

const LONGEST_MESSAGE = 300;

/** The last line (Prisma quotes the whole call with its arguments above it), with whatever looks like a value taken out. */
function withoutValues(message: string): string {
  const line = message.trimEnd().split('\n').at(-1) ?? '';
  return line
    .slice(0, LONGEST_MESSAGE * 4)
    .replace(/[\w+.-]+:\/\/\S+/g, '[url]')
    .replace(/"[^"]*("|$)|`[^`]*(`|$)|'[^']*('|$)|“[^”]*(”|$)|\([^()]*\)=\([^()]*\)/g, '[value]')
    .replace(/\S*@\S*/g, '[address]')
    .replace(/\b(?![0-9a-f]{8}-[0-9a-f]{4}-)[\w+/=-]{25,}/gi, '[long]')
    .slice(0, LONGEST_MESSAGE);
}

/** The frames alone: the lines above them repeat the message. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .slice(0, 20)
    .join('\n');
}
