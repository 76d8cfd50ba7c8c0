/** What callers hand in, parsed once; and what they hear when it is wrong. */
import { z } from 'zod';
import { cleanText } from './normalise.ts';
import { Problem } from './problem.ts';

type Field = { readonly path: string; readonly message: string };

/** Throws `invalid-input` with every wrong field by its path (`settings.clientId`). Values, which may be secrets, are not repeated. */
export function parseInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const nul = pathOfNul(input, []);
  if (nul !== null) throw invalidInput([{ path: nul.join('.'), message: 'contains the character NUL' }]);
  const parsed = schema.safeParse(input, { error: inOurWords });
  if (parsed.success) return parsed.data;
  throw invalidInput(parsed.error.issues.flatMap(fieldsOf));
}

/** No text of a database has it, and nobody types it. */
function pathOfNul(input: unknown, path: readonly string[]): readonly string[] | null {
  if (typeof input === 'string') return input.includes('\0') ? path : null;
  if (typeof input !== 'object' || input === null) return null;
  for (const [name, value] of Object.entries(input)) {
    const found = pathOfNul(value, [...path, name]);
    if (found !== null) return found;
  }
  return null;
}

/** What a schema does not say by itself. undefined: as the library says it. */
function inOurWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `has to be ${KINDS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `has to be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((one) => (one === '' ? 'empty' : String(one))).join(', ')}`;
    case 'too_big':
      return `is ${MEASURED[issue.origin]?.more ?? 'more'} than ${issue.maximum}${MEASURED[issue.origin]?.of ?? ''}`;
    case 'too_small':
      if (issue.minimum === 1 && issue.origin in MEASURED) return 'is empty';
      return `is ${MEASURED[issue.origin]?.less ?? 'less'} than ${issue.minimum}${MEASURED[issue.origin]?.of ?? ''}`;
    case 'invalid_format':
      return FORMATS[issue.format];
  }
  return;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with named members',
  record: 'an object with named members',
};

const MEASURED: Readonly<
  Record<string, { readonly more: string; readonly less: string; readonly of: string }>
> = {
  string: { more: 'longer', less: 'shorter', of: ' characters' },
  array: { more: 'a list of more', less: 'a list of fewer', of: '' },
};

const FORMATS: Readonly<Record<string, string>> = {
  uuid: 'is not an id',
  datetime: 'is no moment with its time zone, such as 2026-12-31T18:00:00Z',
  date: 'is no day, such as 2026-12-31',
  url: 'is no URL',
  email: 'is no e-mail address',
};

function fieldsOf(issue: z.core.$ZodIssue): readonly Field[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: 'is not known here' }));
  }
  return [{ path: issue.path.join('.'), message: `${issue.message}${inRule(issue.path)}` }];
}

/** Whoever writes rules counts them from one. */
function inRule(path: readonly PropertyKey[]): string {
  const position = path[path.indexOf('rules') + 1];
  return path.includes('rules') && typeof position === 'number' ? ` (rule ${position + 1})` : '';
}

export function invalidInput(fields: readonly Field[], remedy?: string): Problem {
  const named = fields.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const paths = [...new Set(fields.map(({ path }) => path))].filter((path) => path !== '');
  return new Problem({
    code: 'invalid-input',
    message: `The input is not usable: ${named.join('; ')}.`,
    remedy:
      remedy ?? `Correct ${paths.length === 0 ? 'it' : paths.join(', ')} and try again; nothing was changed.`,
    fields,
  });
}

/** Where things are looked up: their list in the API, the command that shows it, and what stands there that a thing can be asked for by. */
const lists = {
  tenant: { of: 'tenants', by: 'an id or name', command: 'rollcall tenants' },
  'domain claim': { of: 'domain claims', by: 'an id', command: 'rollcall tenants domain TENANT' },
  connection: { of: 'connections', by: 'an id or name', command: 'rollcall connections' },
  principal: { of: 'principals', by: 'an id or name', command: 'rollcall principals' },
  'guard override': { of: 'guard overrides', by: 'an id', command: 'rollcall guards show CONNECTION' },
  'API key': { of: 'API keys', by: 'an id', command: 'rollcall keys' },
  session: { of: 'sessions', by: 'an id', command: 'rollcall principals sessions PRINCIPAL' },
  'sign-in provider': { of: 'sign-in providers', by: 'an id or name', command: 'rollcall sign-in' },
  'notification channel': {
    of: 'notification channels',
    by: 'an id or name',
    command: 'rollcall notifications channels',
  },
  'support access': { of: 'support accesses', by: 'an id', command: 'rollcall support' },
  role: { of: 'roles', by: 'a name', command: 'rollcall roles' },
  'product plan': { of: 'product plans', by: 'an id or name', command: 'rollcall product-plans' },
  user: { of: 'users', by: 'an id', command: 'rollcall users' },
  'user or tenant': { of: 'users and of tenants', by: 'the ids', command: 'rollcall users' },
  run: { of: 'runs', by: 'an id', command: 'rollcall runs' },
  change: { of: 'changes', by: 'an id', command: 'rollcall changes' },
  adjustment: { of: 'adjustments', by: 'an id', command: 'rollcall adjustments' },
  pair: { of: 'pairs', by: 'an id', command: 'rollcall pairs' },
  apply: { of: 'applies', by: 'an id', command: 'rollcall applies' },
} as const satisfies Record<string, { of: string; by: string; command: string }>;
type Thing = keyof typeof lists;

/**
 * Another tenant's thing and one that does not exist get the same answer, so that nothing can be inferred from it. `given`: what it was
 * asked for by; `near`: names of those that the caller may see, of which one may be meant.
 */
export function notFound(what: Thing, given?: string, near: readonly string[] = []): Problem {
  const { of, by, command } = lists[what];
  const asked = given === undefined ? '' : ` “${given.length > 100 ? `${given.slice(0, 100)}…` : given}”`;
  return new Problem({
    code: 'not-found',
    message: `There is no ${given === undefined ? 'such ' : ''}${what}${asked} among those that you may see.`,
    remedy: `${near.length === 0 ? '' : `Is ${near.map((name) => `“${name}”`).join(' or ')} meant? `}Look it up in the list of ${of} (\`${command}\`) and use ${by} that ${by.startsWith('the ids') ? 'stand' : 'stands'} there.`,
  });
}

/** How many of the things that share a name an error lists. */
export const MOST_NAMESAKES = 10;

/** The one of a name. Throws `not-found`, and for more than one `invalid-input` with the ids to choose from. `whereOf`: what tells them apart; `name`: as it was given. */
export function onlyOne<T extends { readonly id: string }>(
  what: Thing,
  named: readonly T[],
  whereOf: (one: T) => string,
  name?: string,
): T {
  const [first, ...others] = named;
  if (first === undefined) throw notFound(what, name);
  if (others.length === 0) return first;
  const ids = named.map((one) => `${one.id} (${whereOf(one)})`);
  throw invalidInput(
    [{ path: what, message: `more than one ${what} has this name` }],
    `Give the id in the place of the name: ${ids.join(', ')}.`,
  );
}

/** It is at another version than the one that the change was made from. */
export function changedSinceShown(what: Thing): Problem {
  return new Problem({
    code: 'changed-since-shown',
    message: `The ${what} was changed by somebody else in the meantime; nothing was changed.`,
    remedy: `Look at the ${what} again and repeat the change.`,
  });
}

/** null where the text cannot be such an id: the caller then answers as for an unknown one. */
export function parseId<S extends z.ZodType>(schema: S, id: string): z.output<S> | null {
  const parsed = schema.safeParse(id);
  return parsed.success ? parsed.data : null;
}

/** Why somebody does something, for whoever asks later. */
export const Reason = z
  .string()
  .trim()
  .min(1, 'says why, for whoever asks later')
  .max(1_000, 'is longer than 1000 characters');

/** The same where nobody has to say. */
export const OptionalReason = Reason.nullable().default(null).describe('Why, for whoever asks later.');

/** A moment as text. */
export const Until = z.iso.datetime({ offset: true });

/** What people call a tenant, connection or principal. It cannot look like an id, because commands take either. */
export const Name = z
  .string()
  .transform((text) => cleanText(text) ?? '')
  .pipe(
    z
      .string()
      .min(1, 'is empty')
      .max(100, 'is longer than 100 characters')
      .refine((name) => !z.uuid().safeParse(name).success, 'looks like an id'),
  );
