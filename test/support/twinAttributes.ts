/** The slow, obvious twin of attribute mapping and scope: what expressions mean is written down in meanings.ts, in another language. */
import { FIELD_NAMES } from '../../src/domain/attributes.ts';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import type { Mapping } from '../../src/domain/mapping.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import { SCOPES, VALUES } from './meanings.ts';

type Value = string | number | boolean | readonly string[];
type Values = Readonly<Record<string, Value>>;

/** Names of the fields that a mapping sets, of which some may only be filled. */
export function ownedBy({ omit, custom, attributes = {} }: Mapping): readonly string[] {
  const all = [...FIELD_NAMES, ...custom.map((name) => `custom.${name}`), ...Object.keys(attributes)];
  const none = (field: string) =>
    (omit as readonly string[]).includes(field) || attributes[field]?.owner === 'local';
  return [...new Set(all)].filter((field) => !none(field));
}

export function filledOnly({ attributes = {} }: Mapping): readonly string[] {
  return Object.keys(attributes).filter((field) => attributes[field]?.owner === 'first');
}

/** What a mapping makes of the fields of somebody; or why of nobody. */
export function attributed(
  mapping: Mapping,
  user: DirectoryUser,
  groups: readonly string[],
): Values | 'out-of-scope' | 'unreadable' {
  const isIn = (group: string) => groups.includes(group);
  const mayFail = user.state !== 'active';
  const inScope = () => SCOPES[mapping.scope ?? '']?.(asExpressionsSee(user), isIn) ?? true;
  const within = user.state === 'deprovisioned' || orFailed(inScope); // whoever has left is asked about nothing more
  if (within === false) return 'out-of-scope';
  if (within === FAILED && !mayFail) return 'unreadable';
  const fields: Record<string, Value> = {};
  for (const field of ownedBy(mapping)) {
    const value = orFailed(() => fieldOf(mapping, field, user, isIn));
    if (value === FAILED && !mayFail) return 'unreadable';
    if (value !== FAILED && value !== null) fields[field] = value;
  }
  return fields;
}

/** Of a long text its beginning, of a text in a list less. */
function asExpressionsSee(user: DirectoryUser): DirectoryUser {
  const cut = (value: unknown): unknown => {
    if (typeof value === 'string') return value.slice(0, 2_000).toWellFormed();
    if (Array.isArray(value)) return value.map((one) => String(one).slice(0, 256).toWellFormed());
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, cut(one)]));
  };
  return cut(user) as DirectoryUser;
}

const FAILED = Symbol('failed');

function orFailed<T>(work: () => T): T | typeof FAILED {
  try {
    return work();
  } catch {
    return FAILED;
  }
}

function fieldOf(
  { attributes = {} }: Mapping,
  field: string,
  user: DirectoryUser,
  isIn: (group: string) => boolean,
): Value | null {
  const attribute = attributes[field];
  if (attribute === undefined) return attributeOf(user, field);
  const { from = field, value, transform = [], default: otherwise = null } = attribute;
  const raw =
    value === undefined ? attributeOf(user, from) : (VALUES[value]?.(asExpressionsSee(user), isIn) ?? null);
  return finished(asText(field, raw), transform) ?? otherwise;
}

function attributeOf(user: DirectoryUser, name: string): Value | null {
  if (name.startsWith('custom.')) return user.custom[name.slice('custom.'.length)] ?? null;
  return (user as unknown as Record<string, Value | null>)[name] ?? null;
}

function asText(field: string, value: Value | null): Value | null {
  if (field.startsWith('custom.') || value === null) return value;
  if (typeof value !== 'object') return String(value);
  return value.length === 1 ? (value[0] ?? null) : null;
}

function finished(value: Value | null, transform: readonly string[]): Value | null {
  const texts = typeof value === 'object' ? (value ?? []) : typeof value === 'string' ? [value] : null;
  if (texts === null) return value;
  const changed = texts.map((text) => transform.reduce(transformed, text)).map((text) => cleanText(text));
  const left = changed.filter((text) => text !== null);
  if (left.length === 0) return null;
  return typeof value === 'string' ? (left[0] ?? null) : left;
}

function transformed(text: string, how: string): string {
  if (how === 'lower') return text.toLowerCase();
  if (how === 'upper') return text.toUpperCase();
  if (how === 'digits') return [...text].filter((one) => '0123456789'.includes(one)).join('');
  const at = text.lastIndexOf('@');
  if (how === 'beforeAt') return at === -1 ? text : text.slice(0, at);
  throw new Error(`${how} is not drawn`);
}
