import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asOwner, type FreshDatabase, freshDatabase } from '../support/database.ts';
import { parsePrismaSchema } from '../support/prismaSchema.ts';

const described = parsePrismaSchema(
  readFileSync(join(import.meta.dirname, '..', '..', 'prisma', 'schema.prisma'), 'utf8'),
);

type Columns = Record<string, Record<string, string>>;
type Keys = Record<string, string[]>;

let database: FreshDatabase;
let columns: Columns;
let primaryKeys: Keys;
let uniques: Keys;
let foreignKeys: Keys;
let indexes: Columns;

/** Index or constraint columns in their order, without those over expressions. */
const ordered = (array: string, table: string) =>
  `(SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(${array}) WITH ORDINALITY k (attnum, n)
    JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = k.attnum)`;

async function readDatabase(client: pg.Client): Promise<void> {
  const found = await client.query(
    `SELECT table_name, column_name, udt_name || CASE is_nullable WHEN 'YES' THEN '?' ELSE '' END AS type
     FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'`,
  );
  columns = {};
  for (const { table_name, column_name, type } of found.rows) {
    columns[table_name] ??= {};
    Object.assign(columns[table_name] ?? {}, { [column_name]: type });
  }
  const known = await client.query(
    `SELECT i.indrelid::regclass::text AS table, c.relname AS name, i.indisprimary AS primary, i.indisunique AS unique,
            i.indpred IS NOT NULL AS partial, ${ordered('(i.indkey::smallint[])[0:i.indnkeyatts - 1]', 'i.indrelid')} AS columns
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
     WHERE t.relnamespace = 'public'::regnamespace`,
  );
  primaryKeys = {};
  uniques = {};
  indexes = {};
  for (const index of known.rows) {
    indexes[index.table] ??= {};
    if (index.primary) primaryKeys[index.table] = index.columns.split(',');
    else if (index.unique && !index.partial) {
      uniques[index.table] = [...(uniques[index.table] ?? []), index.columns];
    } else if (!index.partial) Object.assign(indexes[index.table] ?? {}, { [index.name]: index.columns });
  }
  const references = await client.query(
    `SELECT conrelid::regclass::text AS table, ${ordered('conkey', 'conrelid')} AS columns,
            confrelid::regclass::text AS target, ${ordered('confkey', 'confrelid')} AS referenced
     FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace`,
  );
  foreignKeys = {};
  for (const one of references.rows) {
    const key = `${one.columns} -> ${one.target}(${one.referenced})`;
    foreignKeys[one.table] = [...(foreignKeys[one.table] ?? []), key].sort();
  }
}

beforeAll(async () => {
  database = await freshDatabase();
  await asOwner(database.url, readDatabase);
});
afterAll(() => database.drop());

describe('migrations and schema.prisma', () => {
  it('have the same tables', () => {
    expect(Object.keys(described).sort()).toEqual(Object.keys(columns).sort());
    expect(Object.keys(described).length).toBeGreaterThan(15);
  });

  it.each(Object.keys(described))('describe the same columns, types and nulls of %s', (table) => {
    expect(columns[table]).toEqual(described[table]?.columns);
  });

  it.each(Object.keys(described))('describe the same keys and relations of %s', (table) => {
    const { primaryKey = [], uniques: unique = [], foreignKeys: keys = [] } = described[table] ?? {};
    // Prisma needs an id; this table has none that could be one, because part of its key may be null.
    if (table === 'role_assignment') {
      expect(primaryKeys[table]).toBeUndefined();
      expect(uniques[table]).toEqual([[...primaryKey, 'connection_id'].join(',')]);
    } else {
      expect(primaryKeys[table] ?? []).toEqual(primaryKey);
      expect((uniques[table] ?? []).sort()).toEqual(unique);
    }
    expect(foreignKeys[table] ?? []).toEqual(keys);
  });

  it.each(Object.keys(described))('name the same indexes of %s', (table) => {
    expect(indexes[table]).toMatchObject(described[table]?.indexes ?? {});
  });
});
