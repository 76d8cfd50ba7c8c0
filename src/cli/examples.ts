/** Help of a command ends with lines that can be typed. */
import type { Command } from 'commander';
import { asTyped } from './asTyped.ts';

export function examples(command: Command, ...lines: readonly string[]): void {
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${asTyped(line)}`).join('\n')}`);
}
