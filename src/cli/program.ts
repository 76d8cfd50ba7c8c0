/** The command `rollcall`: its commands, its options, and how it ends. What each command does is in the file named after it. */
import { userInfo } from 'node:os';
import { Command, CommanderError, Help, type Option } from 'commander';
import { type Config, parseConfig } from '../config.ts';
import { addAdjustmentCommands } from './adjustments.ts';
import { addAppliesCommands } from './applies.ts';
import { addApplyCommand } from './apply.ts';
import { asOptions } from './asOptions.ts';
import { addAssignCommands } from './assign.ts';
import { asTyped, goOnWith } from './asTyped.ts';
import { addAuditCommands } from './audit.ts';
import { addChangeCommands } from './changes.ts';
import type { Cli, Ending, Installation } from './cli.ts';
import { addConfigCommands } from './config.ts';
import { addConnectionCommands } from './connections.ts';
import { addDecisionCommands } from './decisions.ts';
import { addDemoCommand } from './demo.ts';
import { addDoctorCommand } from './doctor.ts';
import { addExplainCommand } from './explain.ts';
import { EXIT, tell } from './failure.ts';
import { addGuardCommands } from './guards.ts';
import { addKeyCommands } from './keys.ts';
import { noteNewInstall } from './newInstall.ts';
import { addNotificationCommands } from './notifications.ts';
import { addPairCommands } from './pairs.ts';
import { addPolicyCommands } from './policy.ts';
import { addPrincipalCommands } from './principals.ts';
import { addProductPlanCommands } from './productPlans.ts';
import { addPullCommand } from './pull.ts';
import { addRoleCommands } from './roles.ts';
import { addRunCommands } from './runs.ts';
import { addSetUpLinkCommand, addSignInCommands } from './signIn.ts';
import { addStartCommand } from './start.ts';
import { addSupportCommands } from './support.ts';
import { addSyncCommands } from './sync.ts';
import { addTenantCommands } from './tenants.ts';
import { openTerminal, type Terminal } from './terminal.ts';
import { addUndoCommand } from './undo.ts';
import { addUserCommands } from './users.ts';

/** commander's name for a word too many. */
const EXCESS = 'commander.excessArguments';

/** What an install can begin with: the last word of these commands. All others have nothing to work on where there is none. */
const BEGINS: ReadonlySet<string> = new Set(['add', 'load', 'invite', 'set-up-link']);

const EXIT_CODES = `
Exit codes: 0 done; 1 failed; 2 wrong command, input or configuration; 3 not possible as things stand, or only in part;
130 interrupted. With sync --detailed-exitcode: 0 no change waits, 1 failed, 2 changes wait.
docs/cli.md describes every command.`;

function describeOption(option: Option): string {
  const said = new Help().optionDescription(option);
  return option.mandatory ? `${said} (required)` : said;
}

/** All commands, ready to parse. Building it opens nothing, so that documentation tests can look at it. */
export function buildProgram(cli: Cli): Command {
  const { version } = cli.installation;
  const program: Command = new Command('rollcall')
    .description('Plan and apply for people: keeps auth users in step with the directories of customers.')
    .version(version)
    .option(
      '--data <folder>',
      'the install in this folder, whatever DATABASE_URL says (default: ROLLCALL_DATA)',
    )
    .option('--json', 'one JSON document on standard output and nothing else there')
    .addHelpText('after', EXIT_CODES)
    .exitOverride((error) => {
      throw error.code === EXCESS ? (unknownCommand(program) ?? error) : error;
    })
    .showSuggestionAfterError()
    .configureHelp({
      ...{ helpWidth: 100, showGlobalOptions: true },
      optionDescription: describeOption,
    })
    .configureOutput({
      outputError: (text, write) => {
        const meant = text.includes('too many arguments') ? unknownCommand(program) : null;
        write(meant === null ? text : `${meant.message}\n`);
      },
      writeOut: (text) => {
        if (cli.terminal.json && text.trim() === version) cli.terminal.document({ version });
        else cli.terminal.write(text);
      },
    })
    .on('beforeAllHelp', () => helpOfNothing(program, cli));
  addStartCommand(program, cli);
  addSetUpLinkCommand(program, cli);
  addDemoCommand(program, cli);
  addTenantCommands(program, cli);
  addConnectionCommands(program, cli);
  addSyncCommands(program, cli);
  addRunCommands(program, cli);
  addChangeCommands(program, cli);
  addDecisionCommands(program, cli);
  addAdjustmentCommands(program, cli);
  addAssignCommands(program, cli);
  addApplyCommand(program, cli);
  addAppliesCommands(program, cli);
  addUndoCommand(program, cli);
  addPairCommands(program, cli);
  addGuardCommands(program, cli);
  addPolicyCommands(program, cli);
  addUserCommands(program, cli);
  addExplainCommand(program, cli);
  addRoleCommands(program, cli);
  addProductPlanCommands(program, cli);
  addSignInCommands(program, cli);
  addPrincipalCommands(program, cli);
  addKeyCommands(program, cli);
  addSupportCommands(program, cli);
  addNotificationCommands(program, cli);
  addConfigCommands(program, cli);
  addAuditCommands(program, cli);
  addDoctorCommand(program, cli);
  addPullCommand(program, cli);
  return program;
}

const NO_DELETION =
  'A connection goes with its tenant alone: `rollcall tenants delete TENANT --at DAY`. `rollcall connections update CONNECTION --pause` ends its runs by schedule.';

/** What somebody may look for and there is not. */
const INSTEAD: Readonly<Record<string, string>> = {
  'connections delete': NO_DELETION,
  'connections remove': NO_DELETION,
};

/**
 * `tenants lst`: commander hands the word to the command that stands for `tenants` alone, which has no use for it; and with `--help` or
 * after `help` it passes over a word that it does not know. This is what it says of a word that is no command, with what may have been
 * meant; null where there is no such word.
 */
function unknownCommand(group: Command): CommanderError | null {
  const [first, second] = group.args;
  const word = first === 'help' ? second : first;
  if (word === undefined || word.startsWith('-') || group.commands.length === 0) return null;
  const known = group.commands.find((one) => one.name() === word);
  if (known !== undefined) return unknownCommand(known);
  const plain = new Command(group.name()).exitOverride().configureOutput({ outputError: () => {} });
  for (const one of group.commands) plain.command(one.name());
  try {
    plain.parse([word], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.code === 'commander.unknownCommand') {
      const instead = INSTEAD[`${group.name()} ${word}`];
      if (instead === undefined) return error;
      return new CommanderError(error.exitCode, error.code, `${error.message}\n${asTyped(instead)}`);
    }
  }
  return null;
}

/** Throws where help is asked for with a word that is no command. */
function helpOfNothing(program: Command, { terminal }: Cli): void {
  const meant = unknownCommand(program);
  if (meant === null) return;
  terminal.note(meant.message);
  throw meant;
}

/** Runs one command. Gives the exit code; what is to be told has been told. */
export async function runCommandLine(argv: readonly string[], installation: Installation): Promise<number> {
  const terminal = openTerminal(argv.includes('--json'));
  const signals = listenForSignals(terminal);
  const ended: { code: number } = { code: EXIT.ok };
  const carriedOut: { command: Command | null } = { command: null };
  const dataOption = () => program.opts<{ data?: string }>().data;
  const config: Cli['config'] = (dataFolder = dataOption()) => parseConfig(environmentOf(dataFolder));
  const openApp = (of: Config, begins: boolean) =>
    installation.openApp(of, operatingSystemUser(), { begins });
  const run = async (work: () => Promise<Ending>) => {
    ended.code = (await work()) ?? EXIT.ok;
  };
  const cli: Cli = {
    terminal,
    installation,
    signal: signals.signal,
    config,
    dataOption,
    openApp: (of) => openApp(of, true),
    next: (...commands) => writeNext(terminal, commands),
    run,
    withApp: (work) =>
      run(async () => {
        const app = await openApp(config(), BEGINS.has(carriedOut.command?.name() ?? ''));
        try {
          noteNewInstall(terminal, app);
          signals.signal.throwIfAborted();
          return await work(app);
        } finally {
          await app.close();
        }
      }),
  };
  const program = buildProgram(cli).hook('preAction', (_, command) => {
    carriedOut.command = command;
    const data = dataOption();
    if (data !== undefined) goOnWith(data);
  });
  try {
    if (argv.length === 0) program.help({ error: true });
    await program.parseAsync([...argv], { from: 'user' });
    return ended.code;
  } catch (error) {
    if (signals.signal.aborted) {
      terminal.note('Interrupted before it was done.');
      return signals.exitCode();
    }
    const code = tell(asOptions(error, carriedOut.command), terminal);
    // As Terraform does: with this option 2 means one thing only.
    return code !== EXIT.ok && argv.includes('--detailed-exitcode') ? EXIT.failed : code;
  } finally {
    signals.stop();
  }
}

function writeNext(terminal: Terminal, commands: readonly string[]): void {
  if (terminal.json) return;
  for (const [at, command] of commands.entries())
    terminal.note(`${at === 0 ? 'Next:' : '     '} ${asTyped(`rollcall ${command}`)}`);
}

/** --data names an install as a whole: what the environment says about another one does not count then. */
function environmentOf(data: string | undefined): Readonly<Record<string, string | undefined>> {
  if (data === undefined) return process.env;
  return { ...process.env, ROLLCALL_DATA: data, DATABASE_URL: '', REDIS_URL: '', ROLLCALL_SECRET_KEY: '' };
}

function operatingSystemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`; // a container may run as a number that has no name
  }
}

/** npm and `npx` pass on a Ctrl-C that the terminal has sent already: both within this time are one. */
const SAME_SIGNAL_MS = 1_000;

/** The first signal asks for an orderly end, a second one ends at once. */
function listenForSignals(terminal: Terminal) {
  const controller = new AbortController();
  let received: { readonly exitCode: number; readonly at: number } | null = null;
  const listen = (signal: NodeJS.Signals) => {
    const exitCode = signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
    if (received !== null && Date.now() - received.at > SAME_SIGNAL_MS) process.exit(exitCode);
    if (received !== null) return;
    received = { exitCode, at: Date.now() };
    if (terminal.interactive) terminal.note('\nEnding in order. Once more ends at once.');
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, listen);
  const orphaned = () => listen('SIGHUP');
  process.on('disconnect', orphaned); // bin/rollcall.js has ended without a word
  process.channel?.unref();
  return {
    signal: controller.signal,
    exitCode: () => received?.exitCode ?? EXIT.interrupted,
    stop: () => {
      for (const signal of signals) process.off(signal, listen);
      process.off('disconnect', orphaned);
    },
  };
}
