/** Expressions about a directory user: what they may name, and what they need of the directory. */
import { z } from 'zod';
import { type DirectoryUser, type GroupRef, TEXT_ATTRIBUTES } from './directory.ts';
import {
  describeExpressionError,
  type Expression,
  expressionIssue,
  expressionsOver,
  type Use,
} from './expression.ts';
import {
  LONGEST_IN_LIST,
  LONGEST_LIST,
  NotKnown,
  seenCustom,
  seenList,
  seenText,
  TOO_MANY,
} from './expressionCost.ts';

const TEXTS = ['externalId', 'state', ...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;

/** As expressions see a directory user: an attribute without a value is the empty text, a custom one is missing. */
class ExpressionUser {
  readonly of: DirectoryUser;
  #custom: ReturnType<typeof seenCustom> | null = null;
  constructor(of: DirectoryUser) {
    this.of = of;
  }
  get aliases(): readonly string[] {
    return seenList(this.of.aliases);
  }
  get custom(): ReturnType<typeof seenCustom> {
    this.#custom ??= seenCustom(this.of.custom);
    return this.#custom;
  }
}
for (const name of TEXTS) {
  Object.defineProperty(ExpressionUser.prototype, name, {
    get(this: ExpressionUser) {
      return seenText(this.of[name] ?? '');
    },
  });
}

export type UserValues = {
  readonly user: ExpressionUser;
  /** Names, sorted, each once. */
  readonly groups: readonly string[];
  readonly groupIds: readonly string[];
  readonly orgUnit: string;
};

const compile = expressionsOver<UserValues>({
  variables: { user: 'User', groups: 'list<string>', groupIds: 'list<string>', orgUnit: 'string' },
  records: {
    User: {
      class: ExpressionUser,
      fields: {
        ...Object.fromEntries(TEXTS.map((name) => [name, 'string'])),
        aliases: 'list<string>',
        custom: 'map<string, dyn>',
      },
    },
  },
});

type Wanted = 'truth' | 'value' | 'text';

/** An expression as text, which is checked as it is parsed: the issue says line and column. */
export function UserExpression(wanted: Wanted) {
  return z.string().superRefine((text, context) => {
    const compiled = compile(text, wanted);
    if (!compiled.ok) {
      context.addIssue(expressionIssue(compiled.error));
      return;
    }
    for (const use of compiled.expression.uses.filter(isAnyCustom))
      context.addIssue(
        expressionIssue({
          ...use,
          message:
            'user.custom is used without the name of an attribute: write user.custom.NAME or user.custom["NAME"]',
        }),
      );
  });
}

/** What it asks for has to be known beforehand. */
function isAnyCustom({ variable, path }: Use): boolean {
  return variable === 'user' && path[0] === 'custom' && path.length === 1;
}

export type CompiledUserExpression<W extends Wanted> = {
  readonly evaluate: Expression<UserValues, W>['evaluate'];
  /** Groups, by external id or name, that it looks for by name. */
  readonly groups: readonly string[];
  /** Whether it looks at groups in any other way, so that it hangs on each that is read. */
  readonly anyGroup: boolean;
  /** Names of custom attributes. */
  readonly custom: readonly string[];
  /** What it reads of the user, that may be without a value: where that is in a `DirectoryUser`. */
  readonly reads: readonly (readonly string[])[];
  /** That it takes at most, for whomever. */
  readonly steps: number;
};

/** Of an expression that `UserExpression` has let through. */
export function compileUserExpression<W extends Wanted>(text: string, wanted: W): CompiledUserExpression<W> {
  const compiled = compile(text, wanted);
  if (!compiled.ok) throw new Error(`not an expression: ${describeExpressionError(compiled.error)}`);
  const { uses, evaluate, steps } = compiled.expression;
  const ofGroups = uses.filter(({ variable }) => variable === 'groups' || variable === 'groupIds');
  return {
    evaluate,
    steps,
    groups: [...new Set(ofGroups.flatMap(({ member }) => member ?? []))],
    anyGroup: ofGroups.some(({ member }) => member === null),
    custom: uses.flatMap(({ path: [first, name] }) => (first === 'custom' && name !== undefined ? name : [])),
    reads: readsOf(uses),
  };
}

const NEVER_BLANK = ['externalId', 'state', 'aliases'];

function readsOf(uses: readonly Use[]): readonly (readonly string[])[] {
  const paths = uses.flatMap(({ variable, path }) => {
    if (variable === 'orgUnit') return [['orgUnit']];
    const [first] = path;
    if (variable !== 'user' || first === undefined || NEVER_BLANK.includes(first)) return [];
    return [path.slice(0, first === 'custom' ? 2 : 1)];
  });
  return [...new Map(paths.map((path) => [path.join('.'), path])).values()];
}

/** Whether it looks at groups otherwise than by a name. Text that is no expression is refused elsewhere. */
export function looksAtAnyGroup(text: string, wanted: Wanted): boolean {
  return compile(text, wanted).ok && compileUserExpression(text, wanted).anyGroup;
}

/**
 * What is not known of a user's groups: `others`: whether they are in more than these; `all`: an expression that looks at all of them is
 * told nothing.
 */
export type GroupsInDoubt = 'none' | 'others' | 'all';

/** What expressions are evaluated with. One that has to know what is in doubt fails. */
export type ToValues = (
  user: DirectoryUser,
  groups: readonly GroupRef[],
  inDoubt: GroupsInDoubt,
  expression: Looking,
) => UserValues;

type Looking = Pick<CompiledUserExpression<Wanted>, 'groups' | 'anyGroup'>;

/** Remembers lists of groups: many people are in the same ones, and come with the same list. */
export function toUserValues(): ToValues {
  const known = new WeakMap<readonly GroupRef[], ReturnType<typeof knownGroups>>();
  return (user, groups, inDoubt, expression) => {
    const all = known.get(groups) ?? knownGroups(groups);
    known.set(groups, all);
    const of = all.isLarge ? seenGroups(all, expression) : all;
    if (of === null)
      return Object.defineProperties(valuesOf(user, NO_GROUPS), { groups: MANY, groupIds: MANY });
    const values = valuesOf(user, of);
    switch (inDoubt) {
      case 'none':
        return values;
      case 'others':
        return { ...values, groups: andOthers(of.groups), groupIds: andOthers(of.groupIds) };
      case 'all':
        return Object.defineProperties(values, { groups: UNKNOWN, groupIds: UNKNOWN });
    }
  };
}

type KnownGroups = Pick<UserValues, 'groups' | 'groupIds'>;

/** `isLarge`: no expression is given all of them. */
function knownGroups(groups: readonly GroupRef[]): KnownGroups & { readonly isLarge: boolean } {
  const names = [...new Set(groups.map(({ name }) => name))].sort();
  const groupIds = [...new Set(groups.map(({ externalId }) => externalId as string))].sort();
  const isLarge = [names, groupIds].some(
    (one) => one.length > LONGEST_LIST || one.some((text) => text.length > LONGEST_IN_LIST),
  );
  return { groups: names, groupIds, isLarge };
}

const NO_GROUPS: KnownGroups = { groups: [], groupIds: [] };

function valuesOf(user: DirectoryUser, { groups, groupIds }: KnownGroups): UserValues {
  return { groups, groupIds, user: new ExpressionUser(user), orgUnit: seenText(user.orgUnit ?? '') };
}

/** Whoever looks for groups by name is told of those. null: there are more than others may look at. */
function seenGroups(
  { groups, groupIds }: KnownGroups,
  { anyGroup, groups: named }: Looking,
): KnownGroups | null {
  if (anyGroup && groupIds.length > LONGEST_LIST) return null;
  const sought = new Set(named);
  const seen = (texts: readonly string[]) =>
    anyGroup ? seenList(texts) : texts.filter((text) => sought.has(text));
  return { groups: seen(groups), groupIds: seen(groupIds) };
}

const MANY = {
  get: () => {
    throw new NotKnown(TOO_MANY);
  },
};

const UNKNOWN = {
  get: () => {
    throw new NotKnown('not all groups are known');
  },
};

/** Whoever comes to the end has not found what they were looking for, and may not conclude that it is not there. */
function andOthers(names: readonly string[]): readonly string[] {
  return Object.defineProperty([...names], names.length, UNKNOWN);
}
