import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { asOwner, type FreshDatabase, freshDatabase } from '../support/database.ts';

let fresh: FreshDatabase;

beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(() => fresh.drop());

it('works as the role that owns nothing, also where the URL has start-up options of its own', async () => {
  const url = new URL(fresh.url);
  url.searchParams.set('options', '-c work_mem=8MB');
  const database = await openDatabase(url.href);
  try {
    const [session] = await database.bulk(database.root, (tx) =>
      tx.query(`SELECT current_user AS role, current_setting('work_mem') AS memory`),
    );
    expect(session).toEqual({ role: 'rollcall_app', memory: '8MB' });
  } finally {
    await database.close();
  }
});

it('lets PostgreSQL notice within a minute that a worker’s machine is gone, unless the URL wants it otherwise', async () => {
  const url = new URL(fresh.url);
  url.searchParams.set('options', '-c tcp_user_timeout=5000');
  const settings = `SELECT current_setting('tcp_keepalives_idle') AS idle, current_setting('tcp_keepalives_interval') AS interval,
    current_setting('tcp_keepalives_count') AS count, current_setting('tcp_user_timeout') AS unanswered`;
  const database = await openDatabase(fresh.url);
  const impatient = await openDatabase(url.href);
  try {
    const client = await database.dedicated(); // the kind of session that holds a run's lock
    const [ofLock] = (await client.query(settings)).rows;
    await client.end();
    const aMinute = { idle: '30', interval: '10', count: '3', unanswered: '60000' };
    expect(ofLock).toMatchObject(aMinute);
    expect(await database.bulk(database.root, (tx) => tx.query(settings))).toMatchObject([aMinute]);
    const changed = { ...aMinute, unanswered: '5000' };
    expect(await impatient.bulk(impatient.root, (tx) => tx.query(settings))).toMatchObject([changed]);
  } finally {
    await database.close();
    await impatient.close();
  }
});

it('survives a session that PostgreSQL ends in the middle of a transaction', async () => {
  const database = await openDatabase(fresh.url);
  try {
    const broken = database.bulk(database.root, async (tx) => {
      const [session] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await asOwner(fresh.url, (owner) => owner.query('SELECT pg_terminate_backend($1)', [session?.pid]));
      return await tx.query('SELECT 1');
    });
    await expect(broken).rejects.toThrow();
    expect(await database.bulk(database.root, (tx) => tx.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  } finally {
    await database.close();
  }
});
