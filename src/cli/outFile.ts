/** Files that `--out` asks for. */
import { writeFileSync } from 'node:fs';
import { Problem } from '../domain/problem.ts';

/** Takes the place of one that is there; a new one only its owner can read, for it may name people. Throws `invalid-input`. */
export function writeOut(file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o600 });
  } catch (error) {
    throw new Problem(
      {
        code: 'invalid-input',
        message: `--out: ${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`,
        remedy: 'Name a file in a folder that exists and that you may write to.',
      },
      { cause: error },
    );
  }
}
