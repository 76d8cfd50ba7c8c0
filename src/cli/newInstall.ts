/** What is said when there was no install until now: whoever begins in another folder than the one that was meant hears it. */
import type { App } from './cli.ts';
import { harmless, type Terminal } from './terminal.ts';

/** On standard error, with --json too. */
export function noteNewInstall(
  terminal: Terminal,
  { isNew, databaseFolder, config }: Omit<App, 'operator' | 'close'>,
): void {
  if (!isNew) return;
  const { dataFolder } = config;
  if (databaseFolder === null) {
    terminal.note('The database was empty: this is a new install.');
    return;
  }
  terminal.note(
    harmless(
      `This is a new, empty install, made in ${dataFolder}. For another one, name its folder with --data.`,
    ),
  );
  if (!databaseFolder.startsWith(dataFolder))
    terminal.note(
      harmless(
        `Its PostgreSQL cannot enter that folder and keeps its files in ${databaseFolder}: the two belong together.`,
      ),
    );
}
