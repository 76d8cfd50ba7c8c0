/** What every command is given: the terminal, the configuration, and the database only when it asks for it. */
import type { Connector } from '../../connectors/contract.ts';
import type { Check } from '../checkUp.ts';
import type { Config } from '../config.ts';
import type { Daemon, DaemonParts } from '../daemon.ts';
import type { Provider } from '../domain/directory.ts';
import type { Operator } from './operator.ts';
import type { Terminal } from './terminal.ts';

/** An opened database and all that an operator can do with it. */
export type App = {
  readonly operator: Operator;
  readonly config: Config;
  /** Its database was empty until now. */
  readonly isNew: boolean;
  /** Where the embedded PostgreSQL keeps its files; null: the database is another. */
  readonly databaseFolder: string | null;
  /** Gives everything back; the embedded PostgreSQL goes with whoever uses it last. */
  close(): Promise<void>;
};

/** As it was typed or read from files. */
export type ConnectorInput = {
  readonly settings: unknown;
  readonly credentials: unknown;
  readonly network: unknown;
};

/** What src/main.ts hands in. Nothing of it is loaded or opened before a command asks for it, so that `--help` is instant. */
export type Installation = {
  readonly version: string;
  /** `operator`: the user of the operating system, in whose name everything is done and audited. */
  /** `begins`: where there is no install it makes one. Otherwise it throws `bad-configuration` then, and makes nothing. */
  openApp(config: Config, operator: string, how: { readonly begins: boolean }): Promise<App>;
  /** The log goes to standard output unless a destination is given. */
  openDaemon(config: Config, parts: DaemonParts, destination?: NodeJS.WritableStream): Promise<Daemon>;
  /** With those above it. Throws what the system says. */
  makeFolder(path: string): void;
  /** Empties the embedded database of a data folder: for the demo alone. */
  eraseEmbedded(config: Config): Promise<void>;
  /** Throws ConnectorError 'misconfigured' that names each wrong field. */
  openConnector(provider: Provider, input: ConnectorInput): Promise<Connector>;
  checkUp(config: Config): AsyncIterable<Check>;
};

export type Cli = {
  readonly terminal: Terminal;
  readonly installation: Installation;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** Of the install in this folder, or else of the one that --data or the environment names. Throws `bad-configuration`. */
  config(dataFolder?: string): Config;
  /** As --data was typed. */
  dataOption(): string | undefined;
  /** Where there is no install it makes one. */
  openApp(config: Config): Promise<App>;
  /** Opens the database for `work` and closes it whatever happens. Only a command that something begins with makes an install. */
  withApp(work: (app: App) => Promise<Ending>): Promise<void>;
  /** For people: which command comes next, as it can be typed. Not with --json. */
  next(...commands: readonly string[]): void;
  /** Runs a command that needs no database. */
  run(work: () => Promise<Ending>): Promise<void>;
};

/** An exit code; nothing: all went well. */
// biome-ignore lint/suspicious/noConfusingVoidType: an action that has nothing to report returns nothing
export type Ending = number | void;
