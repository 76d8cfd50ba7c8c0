/** `rollcall config`: what there is as a file, what a file would change, and loading it. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Json } from '../domain/canonical.ts';
import type { Shown, Unnamed } from '../domain/configuration.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { contentOf } from './directoryOptions.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { writeOut } from './outFile.ts';
import { counted, grouped, harmless, type Style, type Terminal } from './terminal.ts';

type Difference = Awaited<ReturnType<App['operator']['diffConfiguration']>>;
type Loaded = Awaited<ReturnType<App['operator']['loadConfiguration']>>;

export function addConfigCommands(program: Command, cli: Cli): void {
  const config = program.command('config').description('the whole configuration as one file');
  examples(
    config,
    'rollcall config export --out rollcall.yaml',
    'rollcall config diff rollcall.yaml',
    'rollcall config load rollcall.yaml',
  );
  const exported = config
    .command('export')
    .description(
      'write roles, product plans, tenants, connections and local users as a file, without credentials',
    )
    .option('--tenant <tenant>', 'only this tenant and what is below it, without roles and product plans')
    .option('--out <file>', 'write there instead of to standard output')
    .action((options: { tenant?: string; out?: string }) => cli.withApp((app) => write(cli, app, options)));
  examples(
    exported,
    'rollcall config export --out rollcall.yaml',
    "rollcall config export --tenant 'Harbor Foods'",
  );
  const diff = config
    .command('diff')
    .description('show what loading a file would change; nothing is changed')
    .argument('<file>', 'YAML or JSON; - reads standard input')
    .option('--detailed-exitcode', 'end with 0: no difference, 1: failed, 2: differences')
    .action((file: string, options: { detailedExitcode?: boolean }) => {
      const configuration = contentOf(file, 'The configuration'); // before anything is opened
      return cli.withApp((app) => showDifference(cli, app, { file, configuration }, options));
    });
  examples(
    diff,
    'rollcall config diff rollcall.yaml',
    'rollcall config diff rollcall.yaml --detailed-exitcode --json',
  );
  const load = config
    .command('load')
    .description('make and change what a file says, after showing what that is; nothing is removed')
    .argument('<file>', 'YAML or JSON; - reads standard input')
    .option('--yes', 'without asking')
    .action((file: string, options: { yes?: boolean }) => {
      const configuration = contentOf(file, 'The configuration');
      return cli.withApp((app) => loadFile(cli, app, { file, configuration }, options.yes === true));
    });
  examples(load, 'rollcall config load rollcall.yaml', 'rollcall config load rollcall.yaml --yes --json');
}

async function write(
  cli: Cli,
  { operator }: App,
  { tenant, out }: { tenant?: string; out?: string },
): Promise<void> {
  const { terminal } = cli;
  const of = tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id };
  const exported = await operator.exportConfiguration(of);
  if (out !== undefined) writeOut(out, exported.configuration);
  if (terminal.json)
    return terminal.document(out === undefined ? exported : { out, leftOut: exported.leftOut });
  if (out === undefined) terminal.write(exported.configuration);
  else terminal.line(`Wrote ${out}.`);
  const { connections, users, directoryUsers } = exported.leftOut;
  if (connections > 0) terminal.note(`Left out: ${counted(connections, 'connection')} that cannot be read.`);
  if (users > 0)
    terminal.note(`Left out: ${counted(users, 'local user')} without a user name that is theirs alone.`);
  if (directoryUsers > 0)
    terminal.note(
      `Left out: ${counted(directoryUsers, 'user')} with roles given by hand, of a connection that is not in the file.`,
    );
}

type GivenFile = { readonly file: string; readonly configuration: string };

/** Variables of this process, and files beside the configuration. */
function lookUpFor({ file }: GivenFile): Parameters<App['operator']['diffConfiguration']>[1] {
  const folder = file === '-' ? process.cwd() : dirname(resolve(file));
  return (reference) => {
    if ('env' in reference) return process.env[reference.env]?.trim() || null;
    try {
      return readFileSync(resolve(folder, reference.file), 'utf8').trim() || null;
    } catch {
      return null; // said with its place in the configuration, where it is needed
    }
  };
}

async function showDifference(
  { terminal }: Cli,
  { operator }: App,
  given: GivenFile,
  { detailedExitcode }: { detailedExitcode?: boolean },
): Promise<number> {
  const { configuration } = given;
  const difference = await operator.diffConfiguration({ configuration }, lookUpFor(given));
  if (terminal.json) terminal.document(difference);
  else writeDifference(terminal, difference);
  return detailedExitcode && difference.differences.length > 0 ? EXIT.changesWait : EXIT.ok;
}

async function loadFile(cli: Cli, { operator }: App, given: GivenFile, yes: boolean): Promise<number> {
  const { terminal, signal } = cli;
  const { configuration } = given;
  const lookUp = lookUpFor(given);
  const difference = await operator.diffConfiguration({ configuration }, lookUp);
  if (!terminal.json) writeDifference(terminal, difference);
  const { stamp, differences } = difference;
  if (differences.length > 0 && !yes && !(await agreed(cli, differences.length))) return EXIT.notNow;
  const progress = terminal.progress();
  try {
    const loaded = await operator.loadConfiguration({ configuration, stamp }, lookUp, {
      signal,
      onProgress: ({ what, done, total }) =>
        progress.update(what, `${grouped(done)} of ${grouped(total)} loaded`),
    });
    progress.clear();
    if (terminal.json) terminal.document({ ...difference, loaded });
    else if (differences.length > 0) terminal.line(loadedInWords(loaded));
  } finally {
    progress.clear();
  }
  return EXIT.ok;
}

async function agreed({ terminal, signal }: Cli, differences: number): Promise<boolean> {
  if (!terminal.interactive) {
    throw new Problem({
      code: 'invalid-input',
      message: 'Nobody is here to agree to the difference; nothing was changed.',
      remedy: 'Look at it with `rollcall config diff`, then add --yes.',
    });
  }
  const answer = await terminal.ask(`Load ${counted(differences, 'difference')}? Type yes: `, signal);
  if (answer.toLowerCase() === 'yes') return true;
  terminal.note('Nothing was loaded.');
  return false;
}

/** So many of a kind are shown; --json has all. */
const MOST_SHOWN = 100;

const HEADINGS = {
  role: 'roles',
  'product-plan': 'product plans',
  tenant: 'tenants',
  connection: 'connections',
  user: 'users',
} as const satisfies Record<Shown['kind'], string>;

const SIGNS = {
  create: ['+', 'green'],
  update: ['~', 'yellow'],
} as const satisfies Record<Shown['action'], readonly [string, Style]>;

function writeDifference(terminal: Terminal, { differences, waiting, unnamed }: Difference): void {
  const kinds = Map.groupBy(differences, ({ kind }) => kind);
  for (const [kind, list] of kinds) {
    terminal.line(terminal.style('bold', HEADINGS[kind]));
    for (const { action, name, fields } of list.slice(0, MOST_SHOWN)) {
      const [sign, style] = SIGNS[action];
      terminal.line(`  ${terminal.style(style, sign)} ${harmless(name)}`);
      for (const { field, before, after } of fields)
        terminal.line(
          `      ${harmless(field)}: ${action === 'create' ? '' : `${inWords(before)} → `}${inWords(after)}`,
        );
    }
    if (list.length > MOST_SHOWN)
      terminal.line(`  … and ${grouped(list.length - MOST_SHOWN)} more; --json has all of them`);
  }
  const made = differences.filter(({ action }) => action === 'create').length;
  terminal.line(
    differences.length === 0
      ? 'Everything is as the file says.'
      : `To create: ${grouped(made)}, to change: ${grouped(differences.length - made)}.`,
  );
  if (waiting > 0) terminal.note(waitingInWords(waiting));
  const left = unnamedInWords(unnamed);
  if (left !== '') terminal.note(`There and not in the file, and left alone: ${left}.`);
}

function waitingInWords(waiting: number): string {
  return waiting === 1
    ? '1 user of a directory is not there yet: load the file again once it is.'
    : `${grouped(waiting)} users of directories are not there yet: load the file again once they are.`;
}

function inWords(value: Json): string {
  return harmless(typeof value === 'string' ? value : JSON.stringify(value));
}

function unnamedInWords(unnamed: Unnamed): string {
  const words = {
    ...{ roles: 'role', productPlans: 'product plan', tenants: 'tenant', connections: 'connection' },
    ...{ users: 'local user', domains: 'domain', assignments: 'role assignment' },
  } as const satisfies Record<keyof Unnamed, string>;
  return Object.entries(words)
    .flatMap(([key, noun]) => {
      const count = unnamed[key as keyof Unnamed];
      return count === 0 ? [] : [counted(count, noun)];
    })
    .join(', ');
}

function loadedInWords(loaded: Loaded): string {
  const all = Object.values(loaded);
  const sum = (of: 'created' | 'updated') => grouped(all.reduce((total, one) => total + one[of], 0));
  return `Loaded: ${sum('created')} created, ${sum('updated')} changed.`;
}
