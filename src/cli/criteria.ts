/** The options that say which changes are meant; listing them and deciding on them understand the same. */
import { type Command, Option } from 'commander';
import { CHANGE_KINDS, CHANGE_SETS, type ChangeKind, type ChangeSetName, causes } from '../domain/change.ts';
import { present } from './directoryOptions.ts';

export type Criteria = {
  readonly set?: ChangeSetName;
  readonly kind?: ChangeKind[];
  readonly cause?: keyof typeof causes;
  readonly search?: string;
};

export function addCriteria(command: Command): Command {
  return command
    .addOption(new Option('--set <set>', 'only of this set').choices(CHANGE_SETS))
    .addOption(new Option('--kind <kind...>', 'only of these kinds').choices(CHANGE_KINDS))
    .addOption(new Option('--cause <cause>', 'only for this cause').choices(Object.keys(causes)))
    .option('--search <text>', 'part of the name, address, user name or id in the directory');
}

export function criteriaFrom({ set, kind, cause, search }: Criteria): Record<string, unknown> {
  return present({ set, kind, cause, search });
}

/** As they were typed, to be repeated in a command that is shown. */
export function criteriaAsTyped({ set, kind, cause, search }: Criteria): string {
  const parts = [
    set === undefined ? '' : ` --set ${set}`,
    kind === undefined ? '' : ` --kind ${kind.join(' ')}`,
    cause === undefined ? '' : ` --cause ${cause}`,
    search === undefined ? '' : ` --search ${quoted(search)}`,
  ];
  return parts.join('');
}

/** For a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
