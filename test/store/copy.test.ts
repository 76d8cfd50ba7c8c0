import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { copyInto } from '../../src/store/copy.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';

let fresh: FreshDatabase;
let client: pg.Client;
beforeAll(async () => {
  fresh = await freshDatabase({ migrated: false });
  client = new pg.Client({ connectionString: fresh.url });
  await client.connect();
  await client.query('CREATE TEMP TABLE copied (number int, text text)');
});
afterAll(async () => {
  await client.end();
  await fresh.drop();
});

const copied = async () =>
  (await client.query('SELECT text FROM copied ORDER BY number')).rows.map((row) => row.text);

it('stores texts as they are, and null as NULL', async () => {
  const texts = ['', '\\N', '\\.', 'a\tb\r\nc\\d', 'ä€𝒳', null];
  await copyInto(
    client,
    'copied',
    texts.map((text, number) => [`${number}`, text]),
  );
  expect(await copied()).toEqual(texts);
  await client.query('TRUNCATE copied');
});

it('takes no rows, and more than PostgreSQL reads at once', async () => {
  await copyInto(client, 'copied', []);
  expect(await copied()).toEqual([]);
  const rows = Array.from({ length: 50_000 }, (_, number) => [`${number}`, 'x'.repeat(100)]);
  await copyInto(client, 'copied', rows);
  expect((await client.query('SELECT count(*)::int AS rows FROM copied')).rows).toEqual([{ rows: 50_000 }]);
  await client.query('TRUNCATE copied');
});

it('fails with what PostgreSQL says, before the rows or within them, and what follows is done', async () => {
  const rows = Array.from({ length: 50_000 }, (_, number) => [
    number === 40_000 ? 'no number' : `${number}`,
    'x',
  ]);
  await expect(copyInto(client, 'missing', rows)).rejects.toMatchObject({ code: '42P01' });
  await expect(copyInto(client, 'copied', rows)).rejects.toMatchObject({ code: '22P02' });
  await copyInto(client, 'copied', [['1', 'one']]);
  expect(await copied()).toEqual(['one']);
});

it('fails where the session ends', async () => {
  const other = new pg.Client({ connectionString: fresh.url });
  other.on('error', () => {});
  await other.connect();
  const { rows } = await other.query('SELECT pg_backend_pid() AS pid');
  await client.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
  await expect(copyInto(other, 'pg_temp.none', [['1']])).rejects.toThrow();
});
