import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import type { Cli } from '../../src/cli/cli.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { openTerminal } from '../../src/cli/terminal.ts';

const document = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const never = () => {
  throw new Error('building the program opens nothing');
};
const program = buildProgram({
  terminal: openTerminal(false),
  installation: {
    version: '1.2.3',
    openApp: never,
    openDaemon: never,
    openConnector: never,
    makeFolder: never,
    eraseEmbedded: never,
    checkUp: never,
  },
  signal: new AbortController().signal,
  config: never,
  dataOption: never,
  openApp: never,
  withApp: never,
  next: never,
  run: never,
} satisfies Cli);

/** Every command below the program, by what is typed. */
function commandsOf(command: Command, name: string): [string, Command][] {
  return command.commands.flatMap((one) => {
    const full = `${name} ${one.name()}`;
    return [[full, one] as [string, Command], ...commandsOf(one, full)];
  });
}

/** Sections of the document by their heading's command, without its arguments. */
function sections(): Map<string, string> {
  const parts = document.split(/^## /m).slice(1);
  return new Map(parts.map((part) => [/^`?([^`<[\n]+?)\s*(?:[`<[].*)?\n/.exec(part)?.[1] ?? '', part]));
}

const flagsIn = (section: string | undefined) =>
  [...(section ?? '').matchAll(/^\| `(-[^`]+)` \|/gm)].map((row) => row[1]).sort();
const commands = commandsOf(program, 'rollcall');

it('describes every command of the program and no other', () => {
  const described = [...sections().keys()].filter((heading) => heading.startsWith('rollcall '));
  expect(described.sort()).toEqual(commands.map(([name]) => name).sort());
  expect(commands.length).toBeGreaterThan(30);
});

it.each(commands)('describes every option of `%s` and no other', (name, command) => {
  expect(flagsIn(sections().get(name))).toEqual(command.options.map((option) => option.flags).sort());
});

it('describes the options of every command', () => {
  const own = [...program.options.map((option) => option.flags), '-h, --help'];
  expect(flagsIn(sections().get('Options of every command'))).toEqual(own.sort());
});

it('shows each command by an example that is spelt as the command is', () => {
  for (const [name, command] of commands) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    expect(help, name).toMatch(/Examples:\n +\$ .*rollcall /);
  }
});
