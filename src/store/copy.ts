/** COPY … FROM STDIN of rows that are in memory: a page or a batch, never a whole directory. */
import type pg from 'pg';

/** Strings are taken as they are; null is NULL. Numbers, JSON and bytea (`\x…`) come as the text that PostgreSQL reads. */
export type CopyValue = string | null;

/** Sends the rows in one go and resolves when PostgreSQL has them. `target` is `table (columns)`. */
export function copyInto(
  client: pg.ClientBase,
  target: string,
  rows: readonly (readonly CopyValue[])[],
): Promise<void> {
  return new Promise((done, failed) => {
    const copied = (error: Error | null) => (error === null ? done() : failed(error));
    client.query(new CopyIn(`COPY ${target} FROM STDIN`, Buffer.from(rows.map(line).join('')), copied));
  });
}

/** What of pg's connection a query that it does not know itself needs. */
type Connection = {
  readonly stream: { cork(): void; uncork(): void; write(bytes: Buffer): boolean };
  query(text: string): void;
  endCopyFrom(): void;
};

/**
 * A query of pg's that sends its rows behind the statement at once. A stream for COPY waits to be asked for them, and this process, which
 * thinks about the next rows meanwhile, hears of that late: PostgreSQL would wait for it each time. What follows a statement that fails,
 * PostgreSQL drops (its manual, 54.2.6, COPY Operations).
 */
class CopyIn implements pg.Submittable {
  readonly #statement: string;
  readonly #rows: Buffer;
  readonly #done: (error: Error | null) => void;

  constructor(statement: string, rows: Buffer, done: (error: Error | null) => void) {
    this.#statement = statement;
    this.#rows = rows;
    this.#done = done;
  }

  submit(connection: unknown): void {
    const { stream } = connection as Connection;
    const header = Buffer.alloc(5, 'd'); // CopyData, and how long it is
    header.writeUInt32BE(this.#rows.length + 4, 1);
    stream.cork();
    (connection as Connection).query(this.#statement);
    stream.write(header);
    stream.write(this.#rows);
    (connection as Connection).endCopyFrom();
    stream.uncork();
  }

  handleCopyInResponse(): void {}

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#done(null);
  }

  handleError(error: Error): void {
    this.#done(error);
  }
}

function line(values: readonly CopyValue[]): string {
  let text = '';
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? null;
    if (at > 0) text += '\t';
    text += value === null ? '\\N' : inCopyText(value);
  }
  return `${text}\n`;
}

const SPECIAL = /[\\\t\n\r]/;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function inCopyText(value: string): string {
  return SPECIAL.test(value) ? value.replace(/[\\\t\n\r]/g, (found) => escapes[found] ?? found) : value;
}
