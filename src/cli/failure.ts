/** What a command that failed says, and with which exit code it ends. docs/cli.md has the table of codes. */
import { CommanderError } from 'commander';
import { ConnectorError, type ConnectorFailure, whoActs } from '../../connectors/contract.ts';
import { Problem, type ProblemCode, problemCodes } from '../domain/problem.ts';
import { asTyped } from './asTyped.ts';
import { harmless, ReaderGone, type Terminal } from './terminal.ts';

/** What scripts can rely on. */
export const EXIT = {
  ok: 0,
  /** Something broke, or a check found something broken. */
  failed: 1,
  /** The command, its input or the configuration was wrong; nothing was tried. */
  usage: 2,
  /** It cannot be done as things stand now, or part of it could not: look again. */
  notNow: 3,
  /** With `sync --detailed-exitcode`: the run finished and changes wait. */
  changesWait: 2,
  /** 128 + the number of SIGINT and SIGTERM, as shells do. */
  interrupted: 130,
  terminated: 143,
} as const;

const exitOf = {
  'invalid-input': EXIT.usage,
  unauthenticated: EXIT.usage,
  forbidden: EXIT.usage,
  'tenant-suspended': EXIT.notNow,
  'support-access-ended': EXIT.notNow,
  'not-found': EXIT.usage,
  'name-taken': EXIT.usage,
  'bad-configuration': EXIT.usage,
  'not-allowed-now': EXIT.notNow,
  'tenant-in-use': EXIT.notNow,
  'answer-too-large': EXIT.usage,
  ambiguous: EXIT.usage,
  'changed-since-shown': EXIT.notNow,
  'foreign-request': EXIT.usage,
  'too-many-attempts': EXIT.notNow,
  'sign-in-refused': EXIT.notNow,
  'sign-in-failed': EXIT.failed,
  'connection-failed': EXIT.failed,
  'run-failed': EXIT.failed,
  'unreadable-connection': EXIT.failed,
  'audit-broken': EXIT.failed,
  'wrong-secret-key': EXIT.failed,
  'database-unreachable': EXIT.failed,
  'queue-unreachable': EXIT.failed,
  'database-too-old': EXIT.failed,
  'database-newer': EXIT.failed,
  'port-in-use': EXIT.failed,
  'data-folder-unusable': EXIT.failed,
} as const satisfies Record<ProblemCode, number>;

type Actor = 'caller' | 'administrator' | 'operator' | 'developer' | 'nobody';

const whoIs = {
  caller: 'you',
  administrator: 'the administrator of the directory or connection',
  operator: 'whoever runs this Rollcall',
  developer: 'the developers of Rollcall',
  nobody: 'nobody: it passes by itself',
} as const satisfies Record<Actor, string>;

type Told = {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly who: Actor;
  readonly fields?: Problem['fields'];
  readonly exit: number;
};

/** The lines about a connector's failure, wherever it stands: an error, a run, a step of a test. */
export function failureLines(
  failure: Pick<ConnectorFailure, 'message' | 'remedy' | 'kind'>,
  who: Actor = whoActs[failure.kind],
): string[] {
  return [failure.message, `  can be mended by: ${whoIs[who]}`, `  remedy: ${asTyped(failure.remedy)}`];
}

/** Says on standard error what broke, and with --json on standard output as well. `where`: at which of several. Gives the exit code. */
export function tell(error: unknown, terminal: Terminal, where = ''): number {
  if (error instanceof ReaderGone) return EXIT.ok;
  if (error instanceof CommanderError) return tellUsage(error, terminal);
  const told = toldOf(error);
  const { exit, ...shown } = told;
  terminal.note(
    `${terminal.noteStyle('red', 'error')}: ${where === '' ? '' : harmless(`${where}: `)}${harmless(told.message)}`,
  );
  for (const field of told.fields ?? [])
    terminal.note(harmless(`  ${field.path || 'input'}: ${field.message}`));
  terminal.note(`  can be mended by: ${whoIs[told.who]}`);
  terminal.note(`  remedy: ${asTyped(harmless(told.remedy))}`);
  // A list that broke off stays broken off: a second document would hide that.
  if (terminal.json && !terminal.hasBegun()) terminal.document({ error: shown });
  return exit;
}

/** commander has printed its own sentence already. */
function tellUsage(error: CommanderError, terminal: Terminal): number {
  if (error.exitCode === 0) return EXIT.ok;
  if (terminal.json) {
    const none = error.code === 'commander.help';
    const message = none ? 'No command is given.' : error.message.replace(/^error: /, '');
    const remedy = none ? 'Give one; rollcall --help lists them.' : 'Add --help to the command.';
    terminal.document({ error: { code: 'invalid-input', message, remedy, who: 'caller' } });
  }
  return EXIT.usage;
}

/** A command has no next run: what would pass by itself is for whoever types it again. */
export function whoActsNow(kind: ConnectorFailure['kind']): Actor {
  return whoActs[kind] === 'nobody' ? 'caller' : whoActs[kind];
}

/** What is to be said about anything that was thrown. */
export function toldOf(error: unknown): Told {
  if (error instanceof Problem) {
    const { code, message, remedy, fields } = error;
    const told = { code, message, remedy, who: problemCodes[code], exit: exitOf[code] };
    return fields.length === 0 ? told : { ...told, fields };
  }
  if (error instanceof ConnectorError) {
    const { kind, message, remedy } = error.failure;
    return { code: kind, message, remedy, who: whoActsNow(kind), exit: EXIT.failed };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'unexpected',
    message: `Something went wrong that Rollcall has no word for: ${message}`,
    remedy: 'Repeat the command; if it happens again, report it with this text.',
    who: 'developer',
    exit: EXIT.failed,
  };
}
