/** `rollcall pull`: a directory into a file, without a database, to see what Rollcall would read. */
import { open, rename, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { ConnectorError, type ConnectorFailure } from '../../connectors/contract.ts';
import { PROVIDERS, type Provider } from '../domain/directory.ts';
import { Problem } from '../domain/problem.ts';
import type { Cli } from './cli.ts';
import { providerNamed } from './connections.ts';
import {
  addDirectoryOptions,
  addInlineSecrets,
  credentialsFrom,
  type DirectoryOptions,
  networkFrom,
  settingsFrom,
} from './directoryOptions.ts';
import { examples } from './examples.ts';
import { EXIT, failureLines, whoActsNow } from './failure.ts';
import { noteWhileQuiet } from './quietFile.ts';
import { NOTHING_READ, type ReadCounts, readDirectory } from './readDirectory.ts';
import { counted, grouped, harmless } from './terminal.ts';

type PullOptions = DirectoryOptions & {
  readonly provider: string;
  readonly out: string;
  readonly groups: boolean;
};

export function addPullCommand(program: Command, cli: Cli): void {
  const pull = program
    .command('pull')
    .description(
      'read a directory into a file, one user a line as JSON; touches no database and writes nothing to the provider',
    )
    .requiredOption('--provider <provider>', PROVIDERS.join(', '))
    .requiredOption('--out <file>', 'what to write; only you can read it')
    .option('--no-groups', 'leave out who is in which group, which is quicker');
  addInlineSecrets(addDirectoryOptions(pull)).action((options: PullOptions) =>
    cli.run(() => pullToFile(cli, options)),
  );
  examples(
    pull,
    'rollcall pull --provider okta --url https://harbor.okta.com --token-file token.txt --out users.ndjson',
    'rollcall pull --provider entra --directory-id ID --client-id ID --client-secret-file secret.txt --out users.ndjson',
    'rollcall pull --provider ldap --url ldaps://dc1.harbor.example --base-dn DC=harbor,DC=example --schema active-directory --bind-dn rollcall@harbor.example --bind-password-file password.txt --out users.ndjson',
    'rollcall pull --provider scim --url https://scim.harbor.example/v2 --token-file token.txt --out users.ndjson',
    'rollcall pull --provider file --settings-file people.json --out users.ndjson',
    'rollcall pull --provider google --admin-email admin@harbor.example --service-account-file key.json --out users.ndjson',
  );
}

async function pullToFile(cli: Cli, options: PullOptions): Promise<number> {
  const connector = await openConnectorFor(cli, options);
  const { terminal } = cli;
  const partial = `${options.out}.partial`;
  const file = await openForWriting(partial);
  const progress = terminal.progress();
  const begun = noteWhileQuiet(terminal, {
    provider: options.provider,
    settings: settingsFrom(providerNamed(options.provider), options) ?? {},
  });
  const started = Date.now();
  const read: { counts: ReadCounts; failure: Read['failure']; complete: boolean } = {
    counts: NOTHING_READ,
    failure: null,
    complete: false,
  };
  try {
    for await (const counts of readDirectory(connector, {
      groups: options.groups,
      signal: cli.signal,
      write: (lines) => file.appendFile(lines), // `write` may end short, on a full disk for one, and say so with success
    })) {
      begun();
      read.counts = counts;
      progress.update(options.provider, progressInWords(counts, (Date.now() - started) / 1000));
    }
    read.complete = true;
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const failure = asOption(options.provider, error.failure);
    if (read.counts.users === 0) throw new ConnectorError(failure, { cause: error });
    read.failure = failure;
  } finally {
    begun();
    progress.clear();
    await file.close();
    await connector.close();
    if (!read.complete && read.counts.users === 0) await rm(partial);
  }
  if (read.complete) await rename(partial, options.out);
  return report(cli, options, read, (Date.now() - started) / 1000);
}

/** What a connection has as a setting is an option here, and no next run tries again. */
function asOption(provider: string, failure: ConnectorFailure): ConnectorFailure {
  if (failure.kind === 'unavailable' && provider !== 'file') {
    const remedy =
      "Check the address (--url), and this machine's DNS, firewall and proxy (--proxy). If they are right, run the command again in a while.";
    return { ...failure, remedy };
  }
  if (failure.kind !== 'untrusted-certificate') return failure;
  const remedy =
    "Give the certificate of the authority that signed it with --ca FILE: behind a proxy that inspects TLS it is that proxy's. An expired or wrongly named certificate has to be renewed by whoever runs the host; check this machine's clock too.";
  return { ...failure, remedy };
}

function progressInWords({ groups, users, pages }: ReadCounts, seconds: number): string {
  const rate = users === 0 ? '' : `, ${grouped(Math.round(users / Math.max(0.001, seconds)))}/s`;
  return `${counted(groups, 'group')}, ${counted(users, 'user')}, ${counted(pages, 'page')}${rate}`;
}

type Read = { readonly counts: ReadCounts; readonly failure: ConnectorFailure | null };

function report(cli: Cli, options: PullOptions, { counts, failure }: Read, seconds: number): number {
  const { terminal } = cli;
  const file = failure === null ? options.out : `${options.out}.partial`;
  if (failure !== null) {
    const [what = '', ...rest] = failureLines(failure, whoActsNow(failure.kind));
    terminal.note(
      `${terminal.noteStyle('red', 'error')}: only part of the directory was read. ${harmless(what)}`,
    );
    for (const line of rest) terminal.note(`  ${harmless(line.trim())}`);
  }
  if (terminal.json) {
    const { pages, groups, users, unreadable, problems } = counts;
    terminal.document({
      complete: failure === null,
      file,
      users,
      groups,
      unreadable,
      problems,
      pages,
      seconds,
      failure,
    });
  } else {
    const unread =
      counts.unreadable === 0 ? '' : `, ${counted(counts.unreadable, 'record')} could not be read`;
    const read = `${counted(counts.users, 'user')} and ${counted(counts.groups, 'group')}`;
    terminal.line(`${read} in ${seconds.toFixed(1)} s${unread}: ${file}`);
  }
  writeProblems(cli, counts);
  return failure === null && counts.unreadable === 0 ? EXIT.ok : EXIT.failed;
}

/** As they stand in the file, but for those of groups and members, which are in no line of it. */
function writeProblems({ terminal }: Cli, { problems, unreadable }: ReadCounts): void {
  for (const problem of problems)
    terminal.note(`${terminal.noteStyle('yellow', 'unreadable')}: ${harmless(problem)}`);
  if (unreadable > problems.length) terminal.note(`  and ${grouped(unreadable - problems.length)} more`);
}

async function openConnectorFor(cli: Cli, options: PullOptions) {
  const provider = providerNamed(options.provider);
  const given = {
    settings: settingsFrom(provider, options) ?? {},
    credentials: credentialsFrom(provider, options) ?? withoutCredentials(provider),
    network: networkFrom(provider, options) ?? {},
  };
  if (given.credentials === null) {
    throw new Problem({
      code: 'invalid-input',
      message: 'No credentials are given.',
      remedy:
        'Okta: --token-file; Entra ID: --client-secret-file or --private-key-file; Google: --service-account-file; docs/cli.md has them all.',
    });
  }
  try {
    return await cli.installation.openConnector(provider, given);
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const { message, remedy } = error.failure;
    throw new Problem({ code: 'invalid-input', message, remedy }, { cause: error });
  }
}

/** Files are read with the rights of whoever types the command. null: the provider knows nobody without credentials. */
function withoutCredentials(provider: Provider): object | null {
  return provider === 'file' ? {} : null;
}

async function openForWriting(path: string) {
  try {
    return await open(path, 'w', 0o600);
  } catch (error) {
    throw new Problem(
      {
        code: 'invalid-input',
        message: `--out: ${path} cannot be written (${(error as NodeJS.ErrnoException).code}).`,
        remedy: 'Name a file in a folder that exists and that you may write to.',
      },
      { cause: error },
    );
  }
}
