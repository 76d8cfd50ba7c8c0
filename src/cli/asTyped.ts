/** Commands that are shown are commands that can be typed: `npx rollcall …` where it was started so. */

import { shellWord } from '../domain/shellWord.ts';

/** `rollcall` where it stands for the command, and not within a longer way to call it. */
const COMMAND = /(?<![\w/.-]|npx |-- )rollcall (?=[a-z])/g;

/** From now on every command that is shown is about this install: --data as it was typed. */
export function goOnWith(data: string): void {
  process.env['ROLLCALL_COMMAND'] =
    `${process.env['ROLLCALL_COMMAND'] || 'rollcall'} --data ${shellWord(data)}`;
}

/** The text with every command in it as whoever reads it can type it. bin/rollcall.js says how that is. */
export function asTyped(text: string, command = process.env['ROLLCALL_COMMAND'] || 'rollcall'): string {
  return text.replaceAll(COMMAND, `${command} `);
}
