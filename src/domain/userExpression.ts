/** Expressions about a directory user: what they may name, and what they need of the directory. */
import { z } from 'zod';
import { type DirectoryUser, type GroupRef, TEXT_ATTRIBUTES } from './directory.ts';
import {
  describeExpressionError,
  type Expression,
  expressionsOver,
  NotKnown,
  type Use,
} from './expression.ts';

const TEXTS = ['externalId', 'state', ...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;

/** As expressions see a directory user: an attribute without a value is the empty text, a custom one is missing. */
class ExpressionUser {
  readonly of: DirectoryUser;
  constructor(of: DirectoryUser) {
    this.of = of;
  }
  get aliases(): readonly string[] {
    return this.of.aliases;
  }
  get custom(): DirectoryUser['custom'] {
    return this.of.custom;
  }
}
for (const name of TEXTS) {
  Object.defineProperty(ExpressionUser.prototype, name, {
    get(this: ExpressionUser) {
      return this.of[name] ?? '';
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
      context.addIssue({ code: 'custom', message: describeExpressionError(compiled.error) });
      return;
    }
    for (const use of compiled.expression.uses.filter(isAnyCustom))
      context.addIssue({
        code: 'custom',
        message: describeExpressionError({
          ...use,
          message:
            'user.custom is used without the name of an attribute: write user.custom.NAME or user.custom["NAME"]',
        }),
      });
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
};

/** Of an expression that `UserExpression` has let through. */
export function compileUserExpression<W extends Wanted>(text: string, wanted: W): CompiledUserExpression<W> {
  const compiled = compile(text, wanted);
  if (!compiled.ok) throw new Error(`not an expression: ${describeExpressionError(compiled.error)}`);
  const { uses, evaluate } = compiled.expression;
  const ofGroups = uses.filter(({ variable }) => variable === 'groups' || variable === 'groupIds');
  return {
    evaluate,
    groups: [...new Set(ofGroups.flatMap(({ member }) => member ?? []))],
    anyGroup: ofGroups.some(({ member }) => member === null),
    custom: uses.flatMap(({ path: [first, name] }) => (first === 'custom' && name !== undefined ? name : [])),
  };
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
) => UserValues;

/** Remembers lists of groups: many people are in the same ones, and come with the same list. */
export function toUserValues(): ToValues {
  const known = new WeakMap<readonly GroupRef[], KnownGroups>();
  return (user, groups, inDoubt) => {
    const of = known.get(groups) ?? knownGroups(groups);
    known.set(groups, of);
    const values = { ...of, user: new ExpressionUser(user), orgUnit: user.orgUnit ?? '' };
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

function knownGroups(groups: readonly GroupRef[]): KnownGroups {
  return {
    groups: [...new Set(groups.map(({ name }) => name))].sort(),
    groupIds: [...new Set(groups.map(({ externalId }) => externalId as string))].sort(),
  };
}

const UNKNOWN = {
  get: () => {
    throw new NotKnown('not all groups are known');
  },
};

/** Whoever comes to the end has not found what they were looking for, and may not conclude that it is not there. */
function andOthers(names: readonly string[]): readonly string[] {
  return Object.defineProperty([...names], names.length, UNKNOWN);
}
