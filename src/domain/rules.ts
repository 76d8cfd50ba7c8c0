/**
 * The ordered rules of a mapping: whom each is about, which roles it gives, and in which tenant it puts them. All rules that are about
 * somebody give their roles; the first of them that names a tenant, of which a path can be made, decides the place; after one that
 * stops, none is looked at.
 */
import { z } from 'zod';
import type { DirectoryUser, GroupRef } from './directory.ts';
import { AttributeName, compileTemplate, type Place, type Placed, PlaceTemplate, valuesOf } from './place.ts';
import { RoleName } from './role.ts';

const AttributeCondition = z
  .strictObject({
    name: AttributeName,
    /** Exactly as the directory has it. */
    equals: z.string().optional(),
    in: z.array(z.string()).min(1).optional(),
    begins: z.string().min(1).optional(),
  })
  .refine(
    ({ equals, in: among, begins }) =>
      [equals, among, begins].filter((one) => one !== undefined).length === 1,
    'has to say one of equals, in and begins',
  );

const OrgUnitCondition = z.strictObject({
  path: z.string().regex(/^\/$|^(\/[^/]+)+$/, 'is not the path of an org unit, such as /Sales/Berlin'),
  /** With the org units below it. */
  below: z.boolean().default(true),
});

/** All that is given has to hold; nothing given: it is about everybody. */
const Condition = z.strictObject({
  /** By its external id or its name, exactly as the directory spells it. */
  group: z.string().min(1).optional(),
  attribute: AttributeCondition.optional(),
  orgUnit: OrgUnitCondition.optional(),
});
type Condition = z.infer<typeof Condition>;

export const Rule = z
  .strictObject({
    when: Condition.default({}),
    roles: z.array(RoleName).default([]),
    /** Path of names below the connection's tenant, which is `/` itself. null: the rule puts nobody anywhere. */
    tenant: PlaceTemplate.nullable().default(null),
    /** Tenants of that path that are missing are made. Without it, whoever belongs there waits for a person. */
    create: z.boolean().default(false),
    /** No later rule is looked at for whom this one is about. */
    stop: z.boolean().default(false),
  })
  .superRefine(({ roles, tenant, create, stop }, context) => {
    if (roles.length === 0 && tenant === null && !stop)
      context.addIssue({
        code: 'custom',
        message: 'does nothing: it gives no role, names no tenant and does not stop',
      });
    if (create && tenant === null)
      context.addIssue({ code: 'custom', path: ['create'], message: 'is of no use without a tenant' });
  });
export type Rule = z.infer<typeof Rule>;

export const Rules = z
  .array(Rule)
  .max(500)
  .superRefine((rules, context) => {
    const end = rules.findIndex(({ when, stop }) => stop && Object.keys(when).length === 0);
    if (end === -1 || end === rules.length - 1) return;
    const message = `is never looked at: rule ${end + 1} stops for everybody`;
    context.addIssue({ code: 'custom', path: [end + 1], message });
  });

/** What the rules want of somebody. */
export type Ruled = {
  readonly roles: readonly string[];
  /** undefined: no rule puts them anywhere. */
  readonly placed: Placed | undefined;
  /** Whether a group that could not be read may have put them elsewhere. */
  readonly placeInDoubt: boolean;
};

export type CompiledRules = {
  /** Groups that some rule is about. */
  readonly groups: readonly string[];
  /** Whether some rule names a tenant: the mapping then decides where everybody is. */
  readonly place: boolean;
  /**
   * `doubtful`: groups whose members are not known. Whoever is in none of what is known of such a group may be in it all the same:
   * what hangs on that is left out.
   */
  readonly apply: (user: DirectoryUser, groups: ReadonlySet<string>, doubtful?: ReadonlySet<string>) => Ruled;
  readonly rolesOf: (groups: ReadonlySet<string>) => readonly string[];
  /** The rules that give somebody roles, in their order, each with its number from 1 on. */
  readonly giving: (
    user: DirectoryUser,
    groups: ReadonlySet<string>,
  ) => readonly { readonly rule: number; readonly group: string | null; readonly roles: readonly string[] }[];
};

/** By external id and by name. */
export function namesOf(groups: readonly GroupRef[]): ReadonlySet<string> {
  return new Set(groups.flatMap(({ externalId, name }) => [externalId as string, name]));
}

const NONE: ReadonlySet<string> = new Set();

export function compileRules(rules: readonly Rule[]): CompiledRules {
  const compiled = rules.map(
    (rule, at): CompiledRule => ({
      ...rule,
      number: at + 1,
      group: rule.when.group ?? null,
      isAbout: compileCondition(rule.when),
      place: rule.tenant === null ? NOWHERE : compileTemplate(rule.tenant),
    }),
  );
  const groups = [...new Set(rules.flatMap(({ when }) => when.group ?? []))];
  return {
    groups,
    place: rules.some(({ tenant }) => tenant !== null),
    rolesOf: (named) =>
      rules.flatMap(({ when, roles }) => (when.group !== undefined && named.has(when.group) ? roles : [])),
    giving: (user, of) =>
      rulesAbout(compiled, user, of, NONE).flatMap(({ rule: { number, group, roles } }) =>
        roles.length === 0 ? [] : { rule: number, group, roles },
      ),
    apply: (user, of, doubtful = NONE) => {
      const about = rulesAbout(compiled, user, of, doubtful);
      const roles = about.flatMap(({ rule, isKnown }) => (isKnown ? rule.roles : []));
      return { roles, ...placeFrom(about, user) };
    },
  };
}

/** In their order, up to one that stops. */
function rulesAbout(
  rules: readonly CompiledRule[],
  user: DirectoryUser,
  of: ReadonlySet<string>,
  doubtful: ReadonlySet<string>,
): readonly About[] {
  const about: About[] = [];
  for (const rule of rules) {
    const isIn = rule.isAbout(user) ? membership(rule.group, of, doubtful) : 'no';
    if (isIn === 'no') continue;
    about.push({ rule, isKnown: isIn === 'yes' });
    if (rule.stop) break;
  }
  return about;
}

type CompiledRule = Rule & {
  /** From 1 on. */
  readonly number: number;
  readonly group: string | null;
  readonly isAbout: (user: DirectoryUser) => boolean;
  readonly place: (user: DirectoryUser) => Place | undefined;
};

/** A rule that is about somebody, or, where they may be in its group, perhaps is. */
type About = { readonly rule: CompiledRule; readonly isKnown: boolean };

/** A rule that may be about them puts them there perhaps; or, where it stops, keeps later ones from it. */
function placeFrom(about: readonly About[], user: DirectoryUser): Pick<Ruled, 'placed' | 'placeInDoubt'> {
  for (const { rule, isKnown } of about) {
    const path = rule.place(user);
    if (!isKnown && (path !== undefined || rule.stop)) return { placed: undefined, placeInDoubt: true };
    if (path !== undefined) return { placed: { path, mayBeMade: rule.create }, placeInDoubt: false };
  }
  return { placed: undefined, placeInDoubt: false };
}

/** null: the rule is about no group. */
function membership(
  group: string | null,
  of: ReadonlySet<string>,
  doubtful: ReadonlySet<string>,
): 'yes' | 'no' | 'unknown' {
  if (group === null || of.has(group)) return 'yes';
  return doubtful.has(group) ? 'unknown' : 'no';
}

const NOWHERE = () => undefined;

/** But for the group, of which the rule itself takes care. */
function compileCondition({ attribute, orgUnit }: Condition): (user: DirectoryUser) => boolean {
  const tests: ((user: DirectoryUser) => boolean)[] = [];
  if (attribute !== undefined) {
    const { name, equals, begins } = attribute;
    const among = new Set(attribute.in ?? (equals === undefined ? [] : [equals]));
    const fits = (value: string) => (begins === undefined ? among.has(value) : value.startsWith(begins));
    tests.push((user) => valuesOf(user, name).some(fits));
  }
  if (orgUnit !== undefined) {
    const { path, below } = orgUnit;
    const within = path === '/' ? path : `${path}/`;
    tests.push(({ orgUnit: unit }) => unit !== null && (unit === path || (below && unit.startsWith(within))));
  }
  return (user) => tests.every((test) => test(user));
}
