/** The options that say which changes are meant; listing them and deciding on them understand the same. */
import { type Command, Option } from 'commander';
import {
  CHANGE_KINDS,
  CHANGE_SETS,
  CHANGE_STATES,
  type ChangeKind,
  type ChangeSetName,
  causes,
} from '../domain/change.ts';
import { GUARDS, type Guard } from '../domain/guard.ts';
import { PrincipalId } from '../domain/ids.ts';
import { parseId } from '../domain/input.ts';
import { RISKS, type RiskLevel } from '../domain/risk.ts';
import { shellWord } from '../domain/shellWord.ts';
import { present } from './directoryOptions.ts';
import type { Operator } from './operator.ts';

export type Criteria = {
  readonly set?: ChangeSetName;
  readonly kind?: ChangeKind[];
  readonly cause?: keyof typeof causes;
  readonly risk?: RiskLevel[];
  readonly field?: string[];
  readonly department?: string;
  readonly orgUnit?: string;
  readonly roleGained?: string[];
  readonly roleLost?: string[];
  readonly difference?: string;
  readonly guard?: Guard | '';
  readonly rule?: string;
  readonly assignee?: string;
  readonly deadline?: 'over';
  readonly search?: string;
};

/** The option of each, in the order in which they are shown. */
const OPTIONS = {
  set: '--set',
  kind: '--kind',
  cause: '--cause',
  risk: '--risk',
  field: '--field',
  department: '--department',
  orgUnit: '--org-unit',
  roleGained: '--role-gained',
  roleLost: '--role-lost',
  difference: '--difference',
  guard: '--guard',
  rule: '--rule',
  assignee: '--assignee',
  deadline: '--deadline',
  search: '--search',
} as const satisfies Record<keyof Criteria, string>;
const NAMES = Object.keys(OPTIONS) as (keyof Criteria)[];

export function addCriteria(command: Command): Command {
  return command
    .addOption(new Option('--set <set>', 'only of this set').choices(CHANGE_SETS))
    .addOption(new Option('--kind <kind...>', 'only of these kinds').choices(CHANGE_KINDS))
    .addOption(new Option('--cause <cause>', 'only for this cause').choices(Object.keys(causes)))
    .addOption(new Option('--risk <risk...>', 'only of these risks').choices(RISKS))
    .option('--field <field...>', "only those that change all of these fields; '' for those that change none")
    .option('--department <department>', "only of people in this department; '' for those in none")
    .option('--org-unit <unit>', "only of people in this organisational unit; '' for those in none")
    .option('--role-gained <role...>', "only those that give all of these roles; '' for those that give none")
    .option('--role-lost <role...>', "only those that take all of these roles; '' for those that take none")
    .option('--difference <key>', 'only those that do the same, as `rollcall changes --group-by` lists them')
    .addOption(
      new Option('--guard <guard>', "only those that this guard holds; '' for all others").choices([
        ...GUARDS,
        '',
      ]),
    )
    .option(
      '--rule <name>',
      "only those that this policy rule has the say on, whatever became of them; '' for those of no rule",
    )
    .option(
      '--assignee <principal>',
      "only those that this principal is to look at, by id or name, or me; '' for all others",
    )
    .addOption(
      new Option('--deadline <over>', 'over: only those not decided within the deadline of a policy').choices(
        ['over'],
      ),
    )
    .option('--search <text>', 'part of the name, address, user name or id in the directory');
}

/** The options of those that are given. */
export function optionsOf(options: Criteria): readonly string[] {
  return NAMES.filter((name) => options[name] !== undefined).map((name) => OPTIONS[name]);
}

/** Throws `not-found`, and `invalid-input` with the ids to choose from, of a principal that is named. */
export async function criteriaFrom(
  operator: Pick<Operator, 'findPrincipal'>,
  options: Criteria,
): Promise<Record<string, unknown>> {
  const { assignee } = options;
  const isName =
    assignee !== undefined && !['', 'me'].includes(assignee) && parseId(PrincipalId, assignee) === null;
  const meant = isName ? (await operator.findPrincipal(assignee)).id : assignee;
  return present({ ...Object.fromEntries(NAMES.map((name) => [name, options[name]])), assignee: meant });
}

/** Those that are names which somebody gave, and may have spelt otherwise. */
const SPELT = ['field', 'department', 'orgUnit', 'roleGained', 'roleLost', 'difference', 'rule'] as const;

/** One sentence for each that no change has or had which may be seen, whatever became of it. */
export async function unheardOf(
  operator: Pick<Operator, 'listChanges'>,
  options: Criteria,
): Promise<readonly string[]> {
  const typed = SPELT.flatMap((name) => [options[name] ?? []].flat().map((value) => ({ name, value })));
  const looked = typed.map(async ({ name, value }) => {
    if (value === '') return [];
    const meant = LISTS.has(name) ? [value] : value;
    const { items } = await operator.listChanges({ [name]: meant, state: [...CHANGE_STATES], limit: 1 });
    const option = `${OPTIONS[name]} ${shellWord(value)}`;
    return items.length > 0 ? [] : [`No change here was ever one of ${option}: is it spelt so?`];
  });
  return (await Promise.all(looked)).flat();
}

const LISTS: ReadonlySet<string> = new Set(['field', 'roleGained', 'roleLost'] satisfies (keyof Criteria)[]);

/** As they were typed, to be repeated in a command that is shown. */
export function criteriaAsTyped(
  options: {
    readonly [Name in keyof Criteria]?: Criteria[Name] | undefined;
  },
): string {
  const parts = NAMES.map((name) => {
    const value = options[name];
    if (value === undefined) return '';
    return ` ${OPTIONS[name]} ${typeof value === 'string' ? shellWord(value) : value.map(shellWord).join(' ')}`;
  });
  return parts.join('');
}
