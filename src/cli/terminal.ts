/**
 * Where a command speaks: results on standard output, everything about the way there on standard error. Knows whether a person
 * or a program listens, and makes what comes from directories harmless to a terminal.
 */
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

/** `indent`: so many columns stand empty before it, as in a tree. */
export type Cell =
  | string
  | { readonly text: string; readonly style: Style }
  | { readonly text: string; readonly indent: number };

/** Thrown by writing when the reader of standard output has gone (`| head`): the command ends quietly. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

export type Terminal = {
  /** One JSON document on standard output and nothing else there. */
  readonly json: boolean;
  /** A person can be asked: standard input and error are terminals. */
  readonly interactive: boolean;
  /** One line of result. */
  line(text?: string): void;
  /** Part of a result, as it is. */
  write(text: string): void;
  /** Whether any of the result has been written. */
  hasBegun(): boolean;
  /** The whole result, with --json. */
  document(value: unknown): void;
  /** Rows below their headings, columns aligned. The last column is cut at the edge of a terminal. */
  table(headings: readonly string[], rows: readonly (readonly Cell[])[]): void;
  /** For people who watch; on standard error. */
  note(text: string): void;
  /** Colours text for standard output, if that shows colours. */
  style(style: Style, text: string): string;
  /** Colours text for standard error. */
  noteStyle(style: Style, text: string): string;
  progress(): Progress;
  /** The answer without surrounding blanks; empty at Ctrl-D. Only where `interactive`. Throws the signal's reason. */
  ask(question: string, signal: AbortSignal): Promise<string>;
};

/** What is under way, by name: one line redrawn on a terminal, a plain line now and then elsewhere. */
export type Progress = {
  update(name: string, text: string): void;
  /** Takes the line away, so that something else can be written. */
  clear(): void;
};

const PLAIN_INTERVAL_MS = 5_000;
const REDRAW_INTERVAL_MS = 80;

export function openTerminal(json: boolean): Terminal {
  let readerGone = false;
  let begun = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    readerGone = true;
  });
  process.stderr.on('error', () => {}); // nobody is left to be told
  const write = (text: string) => {
    if (readerGone) throw new ReaderGone();
    begun = true;
    process.stdout.write(text);
  };
  const style = (format: Style, text: string) => styled(format, text, process.stdout);
  return {
    json,
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    write,
    hasBegun: () => begun,
    line: (text = '') => write(`${text}\n`),
    document: (value) => write(`${JSON.stringify(value, null, 2)}\n`),
    table: (headings, rows) => {
      const width = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
      for (const line of layOut(headings, rows, width, style)) write(`${line}\n`);
    },
    note: (text) => {
      process.stderr.write(`${text}\n`); // its answer is no business of whoever hands ours on as an exit code
    },
    style,
    noteStyle: (format, text) => styled(format, text, process.stderr),
    progress: () => (process.stderr.isTTY ? redrawnProgress() : plainProgress()),
    ask: async (question, signal) => {
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT')); // raw mode swallows Ctrl-C
      try {
        return (await reader.question(question, { signal })).trim();
      } catch (error) {
        signal.throwIfAborted();
        if ((error as NodeJS.ErrnoException).code === 'ABORT_ERR') return '';
        throw error;
      } finally {
        reader.close();
      }
    },
  };
}

function styled(format: Style, text: string, stream: NodeJS.WriteStream): string {
  return styleText(format, text, { stream });
}

/** Without control characters and direction overrides: a display name must not move the cursor or reverse a line. */
export function harmless(text: string): string {
  return text
    .replace(/\s+/gu, ' ')
    .replace(/[\p{Cc}\p{Cs}\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/gu, '\uFFFD');
}

/** How many columns a terminal uses for the text. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{Mn}/u.test(character)) continue;
    width += /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\uFF01-\uFF60]/u.test(
      character,
    )
      ? 2
      : 1;
  }
  return width;
}

/** At most so many columns; what is missing is marked. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  for (const character of text) {
    if (widthOf(kept) + widthOf(character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

function layOut(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  terminalWidth: number,
  style: Terminal['style'],
): string[] {
  const heading = headings.map((text): Cell => ({ text, style: 'dim' }));
  const all = [heading, ...rows];
  const textOf = (cell: Cell | undefined) => {
    if (typeof cell !== 'object') return harmless(cell ?? '');
    return ' '.repeat('indent' in cell ? cell.indent : 0) + harmless(cell.text);
  };
  const widths = headings.map((_, at) =>
    all.reduce((most, row) => Math.max(most, widthOf(textOf(row[at]))), 0),
  );
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  return all.map((row) => {
    const cells = headings.map((_, at) => {
      const cell = row[at];
      const text = at === last ? cut(textOf(cell), Math.max(12, terminalWidth - before)) : textOf(cell);
      const padding = at === last ? '' : ' '.repeat((widths[at] ?? 0) - widthOf(text) + 2);
      return (typeof cell === 'object' && 'style' in cell ? style(cell.style, text) : text) + padding;
    });
    return cells.join('').trimEnd();
  });
}

function redrawnProgress(): Progress {
  const texts = new Map<string, string>();
  let drawnAt = 0;
  return {
    update: (name, text) => {
      texts.set(name, text);
      if (Date.now() - drawnAt < REDRAW_INTERVAL_MS) return;
      drawnAt = Date.now();
      const line = [...texts].map(([of, what]) => `${of}: ${what}`).join(' · ');
      process.stderr.write(`\r\u001B[2K${cut(harmless(line), (process.stderr.columns || 80) - 1)}`);
    },
    clear: () => {
      texts.clear();
      drawnAt = 0;
      process.stderr.write('\r\u001B[2K');
    },
  };
}

function plainProgress(): Progress {
  const writtenAt = new Map<string, number>();
  return {
    update: (name, text) => {
      // Nothing in the first seconds: what is done by then says so itself.
      const last = writtenAt.get(name) ?? Date.now();
      writtenAt.set(name, last);
      if (Date.now() - last < PLAIN_INTERVAL_MS) return;
      writtenAt.set(name, Date.now());
      process.stderr.write(`${harmless(`${name}: ${text}`)}\n`);
    },
    clear: () => writtenAt.clear(),
  };
}

/** 12345 -> 12,345 */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** `3 users`, `1 user` */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `40 s`, `12 min`, `3 h` */
export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5_400 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

/** Time left at the pace so far, in words; empty while nothing can be said. */
export function timeLeft(done: number, total: number, elapsedMs: number): string {
  if (done === 0 || done >= total || elapsedMs < 1_000) return '';
  const seconds = Math.ceil(((total - done) / done) * (elapsedMs / 1000));
  return seconds < 90 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
}
