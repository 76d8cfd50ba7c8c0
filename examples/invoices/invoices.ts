/** The invoices: each with the data key of the tenant that it belongs to, by which a query finds whatever somebody may see. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { boundsOf, type Event, type Reach } from '../../clients/typescript/client.ts';

export type Invoice = {
  readonly number: number;
  readonly dataKey: string;
  readonly customer: string;
  readonly cents: number;
  readonly state: 'open' | 'paid';
};

export class Invoices {
  readonly #database: DatabaseSync;

  /** SQLite compares text by its bytes, so that `data_key` needs no index of a special kind. */
  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS invoice (
        number INTEGER PRIMARY KEY, data_key TEXT NOT NULL, customer TEXT NOT NULL, cents INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'open'
      ) STRICT;
      CREATE INDEX IF NOT EXISTS invoice_data_key ON invoice (data_key);
      CREATE TABLE IF NOT EXISTS followed (only INTEGER PRIMARY KEY CHECK (only = 1), cursor TEXT NOT NULL) STRICT;`);
  }

  add({ dataKey, customer, cents }: Pick<Invoice, 'dataKey' | 'customer' | 'cents'>): number {
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO invoice (data_key, customer, cents) VALUES (?, ?, ?)')
      .run(dataKey, customer, cents);
    return Number(lastInsertRowid);
  }

  /** Those within reach, and no others: one range of the index for each. */
  list(reach: readonly Reach[]): readonly Invoice[] {
    if (reach.length === 0) return [];
    const conditions = reach.map(({ within, except }) =>
      [inRange(within), ...except.map((key) => not(inRange(key)))].reduce(and),
    );
    const { text, values } = conditions.reduce(or);
    return this.#database
      .prepare(
        `SELECT number, data_key AS dataKey, customer, cents, state FROM invoice WHERE ${text} ORDER BY number`,
      )
      .all(...values) as unknown as readonly Invoice[];
  }

  get(number: number): Invoice | undefined {
    return this.#database
      .prepare('SELECT number, data_key AS dataKey, customer, cents, state FROM invoice WHERE number = ?')
      .get(number) as unknown as Invoice | undefined;
  }

  pay(number: number): void {
    this.#database.prepare(`UPDATE invoice SET state = 'paid' WHERE number = ?`).run(number);
  }

  /** null: nothing was followed yet. */
  get cursor(): string | null {
    const row = this.#database.prepare('SELECT cursor FROM followed').get();
    return row === undefined ? null : String(row['cursor']);
  }

  /**
   * What an event means for the invoices, and that it has been seen, in one transaction: killed between the two, the example would
   * otherwise write keys anew that are new already.
   */
  follow({ type, data, cursor }: Event): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const { dataKeyBefore: before, dataKey: after } = data;
      if (type === 'tenant.moved' && typeof before === 'string' && typeof after === 'string') {
        const { text, values } = inRange(before);
        this.#database
          .prepare(`UPDATE invoice SET data_key = ? || substr(data_key, ?) WHERE ${text}`)
          .run(after, before.length + 1, ...values);
      }
      this.#database
        .prepare(
          'INSERT INTO followed VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET cursor = excluded.cursor',
        )
        .run(cursor);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}

type Condition = { readonly text: string; readonly values: readonly SQLInputValue[] };

function inRange(dataKey: string): Condition {
  const { from, until } = boundsOf(dataKey);
  if (until === null) return { text: 'true', values: [] };
  return { text: '(data_key >= ? AND data_key < ?)', values: [from, until] };
}

const not = ({ text, values }: Condition): Condition => ({ text: `NOT ${text}`, values });
const joined = (word: string) => (one: Condition, other: Condition) => ({
  text: `(${one.text} ${word} ${other.text})`,
  values: [...one.values, ...other.values],
});
const and = joined('AND');
const or = joined('OR');
