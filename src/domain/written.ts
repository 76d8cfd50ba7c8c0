/** What a mapping's attributes and its scope make of one user: the parts of a mapping that may fail for somebody. */
import { type Attributes, type CompiledAttribute, compileAttributes } from './attributes.ts';
import type { Fields, FieldValue } from './authUser.ts';
import type { DirectoryUser, GroupRef } from './directory.ts';
import type { Evaluated } from './expression.ts';
import {
  type CompiledUserExpression,
  compileUserExpression,
  type GroupsInDoubt,
  toUserValues,
  type UserValues,
} from './userExpression.ts';

/**
 * Of whom nothing is wanted. `out-of-scope`: this connection is not about them. `unreadable`: what the mapping says cannot be made out
 * for them; nothing follows for them, as where their record cannot be understood.
 */
export type NotMapped =
  | { readonly state: 'out-of-scope' }
  | { readonly state: 'unreadable'; readonly problem: string };

type AnyExpression = Pick<CompiledUserExpression<'truth'>, 'groups' | 'anyGroup' | 'custom'>;

/** What is not known of groups, and for whom. */
export type Doubt = {
  /** Whether it may give something else once the groups are known. */
  readonly concerns: (expression: AnyExpression) => boolean;
  /** Fields of the auth user that they are linked to. */
  readonly stored: Fields | null;
};

export type CompiledWritten = {
  /** All that is written in CEL. */
  readonly expressions: readonly AnyExpression[];
  readonly scope: (AnyExpression & Pick<CompiledUserExpression<'truth'>, 'reads'>) | null;
  /** null: the fields are set, and the user is in scope. */
  readonly apply: (
    fields: Record<string, FieldValue>,
    user: DirectoryUser,
    groups: readonly GroupRef[],
    doubt: Doubt | null,
  ) => NotMapped | null;
};

/** null: there is nothing of the kind, and no user need be looked at for it. */
export function compileWritten(
  attributes: Attributes | undefined,
  scopeText: string | undefined,
): CompiledWritten | null {
  const { set } = compileAttributes(attributes ?? {});
  const scope = scopeText === undefined ? null : compileUserExpression(scopeText, 'truth');
  if (set.length === 0 && scope === null) return null;
  const toValues = toUserValues();

  const inScope = scope === null ? null : scopeOf(scope);
  const apply: CompiledWritten['apply'] = (fields, user, groups, doubt) => {
    const valuesFor: ValuesFor = (expression) =>
      toValues(user, groups, inDoubtOf(expression, doubt), expression);
    const outside = inScope === null ? null : inScope(user, valuesFor);
    if (outside !== null) return outside;
    for (const attribute of set) {
      const found = valueFor(attribute, user, valuesFor, doubt);
      if (!found.ok) return unreadable(`attributes.${attribute.field}`, found.problem);
      fields[attribute.field] = found.value;
    }
    return null;
  };
  return {
    expressions: [...(scope === null ? [] : [scope]), ...set.flatMap(({ expression }) => expression ?? [])],
    scope,
    apply,
  };
}

function inDoubtOf(expression: AnyExpression, doubt: Doubt | null): GroupsInDoubt {
  if (doubt === null || !doubt.concerns(expression)) return 'none';
  return expression.anyGroup ? 'all' : 'others';
}

type ValuesFor = (expression: AnyExpression) => UserValues;

/** Whoever may not come in loses access whatever the mapping makes of them: what cannot be made out does not keep them in. */
function mayComeIn({ state }: DirectoryUser): boolean {
  return state === 'active';
}

function scopeOf(scope: CompiledUserExpression<'truth'>) {
  return (user: DirectoryUser, valuesFor: ValuesFor): NotMapped | null => {
    // Their groups and their unit are gone with them: that would be taken for the cause.
    if (user.state === 'deprovisioned') return null;
    const found = scope.evaluate(valuesFor(scope));
    if (found.ok) return found.value ? null : OUT_OF_SCOPE;
    return mayComeIn(user) ? unreadable('scope', found.problem) : null;
  };
}

/** In doubt, the value that is there; where nobody is to come in, none. */
function valueFor(
  { field, read, expression }: CompiledAttribute,
  user: DirectoryUser,
  valuesFor: ValuesFor,
  doubt: Doubt | null,
): Evaluated<FieldValue> {
  const found = read(user, valuesFor);
  if (found.ok) return found;
  const stored = expression !== null && doubt?.concerns(expression) ? doubt.stored : null;
  if (stored !== null) return { ok: true, value: stored[field] ?? null };
  return mayComeIn(user) ? found : { ok: true, value: null };
}

const OUT_OF_SCOPE = { state: 'out-of-scope' } as const;

/** What the problem of a user begins with whose record is understood: by another mapping it may be none. */
export const OF_THE_MAPPING = 'mapping.';

function unreadable(part: string, problem: string): NotMapped {
  return { state: 'unreadable', problem: `${OF_THE_MAPPING}${part}: ${problem}` };
}
