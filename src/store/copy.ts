/** COPY … FROM STDIN of rows that are in memory: a page or a batch, never a whole directory. */
import type pg from 'pg';
import { from } from 'pg-copy-streams';

/** Strings are taken as they are; null is NULL. Numbers, JSON and bytea (`\x…`) come as the text that PostgreSQL reads. */
export type CopyValue = string | null;

/** Sends the rows in one go and resolves when PostgreSQL has them. `target` is `table (columns)`. */
export function copyInto(
  client: pg.ClientBase,
  target: string,
  rows: readonly (readonly CopyValue[])[],
): Promise<void> {
  return new Promise((done, failed) => {
    const stream = client.query(from(`COPY ${target} FROM STDIN`));
    stream.on('error', failed); // a session that ends may say so twice
    stream.once('finish', done);
    stream.end(rows.map(line).join(''));
  });
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
