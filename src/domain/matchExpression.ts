/** Expressions of matching rules: whether a directory user, as the mapping has them, may be an auth user. */
import { z } from 'zod';
import type { Fields, FieldValue } from './authUser.ts';
import { TEXT_ATTRIBUTES } from './directory.ts';
import {
  describeExpressionError,
  type ExpressionError,
  expressionIssue,
  expressionsOver,
} from './expression.ts';
import { seenCustom, seenText } from './expressionCost.ts';

const TEXTS = [...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;
const CUSTOM = 'custom.';

/** A field without a value, or with one that is no text, is the empty text; a custom one is missing. */
class Person {
  readonly of: Fields;
  #custom: ReturnType<typeof seenCustom> | null = null;
  constructor(of: Fields) {
    this.of = of;
  }
  get custom(): ReturnType<typeof seenCustom> {
    this.#custom ??= seenCustom(customIn(this.of));
    return this.#custom;
  }
}

function customIn(fields: Fields): Readonly<Record<string, FieldValue>> {
  const named = Object.entries(fields).filter(([name, value]) => name.startsWith(CUSTOM) && value !== null);
  return Object.fromEntries(named.map(([name, value]) => [name.slice(CUSTOM.length), value]));
}

for (const name of TEXTS) {
  Object.defineProperty(Person.prototype, name, {
    get(this: Person) {
      const value = this.of[name] ?? '';
      return typeof value === 'number' || typeof value === 'string' ? seenText(String(value)) : '';
    },
  });
}

const compile = expressionsOver<{ readonly user: Person; readonly candidate: Person }>({
  variables: { user: 'Person', candidate: 'Person' },
  records: {
    Person: {
      class: Person,
      fields: { ...Object.fromEntries(TEXTS.map((name) => [name, 'string'])), custom: 'map<string, dyn>' },
    },
  },
});

/** As text, which is checked as it is parsed: the issue says line and column. */
export const MatchExpression = z.string().superRefine((text, context) => {
  const compiled = compile(text, 'truth');
  const refuse = (error: ExpressionError) => context.addIssue(expressionIssue(error));
  if (!compiled.ok) refuse(compiled.error);
  else
    for (const use of compiled.expression.uses)
      if (use.path[0] === 'custom' && use.path.length === 1)
        refuse({
          ...use,
          message: `${use.variable}.custom is used without the name of a field: write ${use.variable}.custom.NAME`,
        });
});

/**
 * Of an expression that `MatchExpression` has let through. One that cannot be evaluated for somebody says that they are not the same:
 * of the two mistakes, another account is the one that can be put right.
 */
export function compileMatchExpression(text: string): (user: Fields, candidate: Fields) => boolean {
  const compiled = compile(text, 'truth');
  if (!compiled.ok) throw new Error(`not an expression: ${describeExpressionError(compiled.error)}`);
  const { evaluate } = compiled.expression;
  return (user, candidate) => {
    const said = evaluate({ user: new Person(user), candidate: new Person(candidate) });
    return said.ok && said.value;
  };
}
