/**
 * Attribute mapping: where each field of an auth user comes from, and who owns it. A field that is not named here is the directory's
 * attribute of the same name.
 */
import { z } from 'zod';
import type { Fields, FieldValue } from './authUser.ts';
import { CustomValue, type DirectoryUser, TEXT_ATTRIBUTES } from './directory.ts';
import { type Evaluated, expressionIssue, withinExpression } from './expression.ts';
import { cleanText } from './normalise.ts';
import { AttributeName, attributeOf } from './place.ts';
import {
  type CompiledUserExpression,
  compileUserExpression,
  UserExpression,
  type UserValues,
} from './userExpression.ts';

/** Attributes of a directory user that are a field of the same name of the auth user unless the mapping says otherwise. */
export const FIELD_NAMES = [...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;

/** Who decides what a field holds. */
export const fieldOwners = {
  directory: 'the directory: what is changed here comes back as a difference',
  first:
    'whoever gives it a value first: as long as it has none the directory may, and no value is ever changed by it',
  local: 'this side: the directory never sets it',
} as const satisfies Record<string, string>;
export const FieldOwner = z.enum(Object.keys(fieldOwners) as (keyof typeof fieldOwners)[]);

/** What is done to text, in the order in which they are given; to each one of a list. */
export const transforms = {
  lower: (text) => text.toLowerCase(),
  upper: (text) => text.toUpperCase(),
  /** `ada` of `ada@harbor.example`. */
  beforeAt: (text) => (text.includes('@') ? text.slice(0, text.lastIndexOf('@')) : text),
  afterAt: (text) => text.slice(text.lastIndexOf('@') + 1),
  digits: (text) => text.replaceAll(/\D/g, ''),
} as const satisfies Record<string, (text: string) => string>;

export const Attribute = z
  .strictObject({
    /** An attribute of the directory user, by the name of a field or `custom.<name>`. */
    from: AttributeName.optional(),
    /** In CEL, over user, groups, groupIds and orgUnit. */
    value: z.string().optional(),
    transform: z
      .array(z.enum(Object.keys(transforms) as (keyof typeof transforms)[]))
      .max(5)
      .optional(),
    /** Where there is no value. */
    default: CustomValue.optional(),
    owner: FieldOwner.default('directory'),
  })
  .superRefine((attribute, context) => {
    const { from, value, owner } = attribute;
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (from !== undefined && value !== undefined)
      refuse('value', 'is given beside from: it is one or the other');
    const given = (['from', 'value', 'transform', 'default'] as const).filter(
      (key) => attribute[key] !== undefined,
    );
    if (owner === 'local')
      for (const key of given)
        refuse(key, 'is of no use: the directory never sets a field whose owner is local');
    else if (owner === 'directory' && given.length === 0)
      refuse('owner', 'is the directory for every field: say where the value comes from, or leave it out');
  });
type Attribute = z.infer<typeof Attribute>;

/** Whom others know a person by: the directory always sets these. */
const ALWAYS_SET: ReadonlySet<string> = new Set(['userName', 'email', 'displayName']);

export const FieldName = z
  .string()
  .max(250)
  .refine(
    (name) => (FIELD_NAMES as readonly string[]).includes(name) || /^custom\../.test(name),
    'is no field: it has to be one of the fields of a mapping, or custom.<name>',
  );

/** By field. */
export const Attributes = z.record(FieldName, Attribute).superRefine((attributes, context) => {
  for (const [field, attribute] of Object.entries(attributes))
    for (const { key, ...issue } of wrongFor(field, attribute))
      context.addIssue({ code: 'custom', ...issue, path: [field, key] });
});
export type Attributes = z.infer<typeof Attributes>;

function wrongFor(field: string, { owner, default: otherwise, value }: Attribute) {
  const wrong: { readonly key: string; readonly message: string }[] = [];
  if (owner === 'local' && ALWAYS_SET.has(field))
    wrong.push({ key: 'owner', message: 'cannot be local: people are known by it' });
  if (owner === 'first' && field === 'email')
    wrong.push({
      key: 'owner',
      message: 'cannot be first: users are matched by the address that the directory has',
    });
  if (otherwise !== undefined && (field === 'email' || field === 'userName'))
    wrong.push({ key: 'default', message: 'would be the same for everybody' });
  if (otherwise !== undefined && isText(field) && typeof otherwise !== 'string')
    wrong.push({ key: 'default', message: 'is not text, as this field is' });
  return value === undefined ? wrong : [...wrong, ...wrongInValue(field, value)];
}

function wrongInValue(field: string, value: string) {
  const { error } = UserExpression(kindOf(field)).safeParse(value);
  return (error?.issues ?? []).map((issue) => {
    const within = withinExpression(issue);
    return { key: 'value', ...(within === null ? { message: issue.message } : expressionIssue(within)) };
  });
}

/** All but custom ones. */
function isText(field: string): boolean {
  return !field.startsWith('custom.');
}

function kindOf(field: string): 'text' | 'value' {
  return isText(field) ? 'text' : 'value';
}

/** A value that cannot be evaluated is a failure. */
export type CompiledAttribute = {
  readonly field: string;
  readonly read: (
    user: DirectoryUser,
    valuesFor: (expression: CompiledUserExpression<'text' | 'value'>) => UserValues,
  ) => Evaluated<FieldValue>;
  readonly expression: CompiledUserExpression<'text' | 'value'> | null;
};

export type CompiledAttributes = {
  /** Fields whose value is not just the attribute of the same name. */
  readonly set: readonly CompiledAttribute[];
  /** Fields that are set nowhere. */
  readonly local: ReadonlySet<string>;
  /** Fields that the directory sets only as long as they have no value. */
  readonly first: readonly string[];
};

export function compileAttributes(attributes: Attributes): CompiledAttributes {
  const all = Object.entries(attributes);
  return {
    set: all.flatMap(([field, attribute]) => {
      const { from, value, transform, default: otherwise, owner } = attribute;
      const isPlain = [from, value, transform, otherwise].every((part) => part === undefined);
      return owner === 'local' || (isPlain && isText(field)) ? [] : compileAttribute(field, attribute);
    }),
    local: new Set(all.flatMap(([field, { owner }]) => (owner === 'local' ? field : []))),
    first: all.flatMap(([field, { owner }]) => (owner === 'first' ? field : [])),
  };
}

function compileAttribute(field: string, attribute: Attribute): CompiledAttribute {
  const { from = field, value, transform = [] } = attribute;
  const otherwise = eachText(attribute.default ?? null, cleanText);
  const expression = value === undefined ? null : compileUserExpression(value, kindOf(field));
  const finish = (raw: FieldValue): FieldValue => {
    const changed = transform.reduce((now, name) => eachText(now, transforms[name]), raw);
    return eachText(changed, cleanText) ?? otherwise;
  };
  const read: CompiledAttribute['read'] =
    expression === null
      ? (user) => ({ ok: true, value: finish(asKind(field, attributeOf(user, from))) })
      : (_, valuesFor) => {
          const found = expression.evaluate(valuesFor(expression));
          return found.ok ? { ok: true, value: finish(found.value) } : found;
        };
  return { field, read, expression };
}

/** A field of one text takes a list of one; several are none: which of them is meant, an expression can say. */
function asKind(field: string, value: FieldValue): FieldValue {
  if (!isText(field) || value === null || typeof value === 'string') return value;
  if (typeof value !== 'object') return String(value);
  return value.length === 1 ? (value[0] ?? null) : null;
}

/** A list of which nothing is left is no value. */
function eachText(value: FieldValue, change: (text: string) => string | null): FieldValue {
  if (typeof value === 'string') return change(value);
  if (value === null || typeof value !== 'object') return value;
  const changed = value.flatMap((one) => change(one) ?? []);
  return changed.length === 0 ? null : changed;
}

/** As they are to be for this auth user: a field whose owner is whoever was first keeps the value that it has. */
export function keepFirst(wanted: Fields, first: readonly string[], stored: Fields): Fields {
  const kept = first.filter((field) => (stored[field] ?? null) !== null);
  if (kept.length === 0) return wanted;
  return { ...wanted, ...Object.fromEntries(kept.map((field) => [field, stored[field] ?? null])) };
}
