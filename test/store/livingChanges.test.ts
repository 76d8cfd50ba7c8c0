import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { TAKE_BACK } from '../../src/store/livingChanges.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';

const WAITING = 600;

let install: Install;
let connected: Connected;
beforeAll(async () => {
  install = await Install.open();
  connected = await install.connect({ directory: aDirectory({ users: WAITING }) });
  await connected.sync();
});
afterAll(() => install.close());

type Blocks = 'Shared Hit Blocks' | 'Shared Read Blocks' | 'Local Hit Blocks' | 'Local Read Blocks';

/** What it costs to take back the changes of these people, for each of whom something else is proposed; nothing of it stays. */
async function costOfReplacing(
  kind: Snapshot['kind'],
  which: string,
): Promise<{ pages: number; temporary: number; taken: number }> {
  return await asOwner(install.database.url, async (client: pg.Client) => {
    const { connection } = connected;
    const {
      rows: [run],
    } = await client.query(`SELECT id FROM sync_run WHERE connection_id = $1 ORDER BY id DESC LIMIT 1`, [
      connection,
    ]);
    await client.query('BEGIN');
    await client.query(`ANALYZE change; ANALYZE staged_user`);
    await client.query(`DELETE FROM staged_user WHERE NOT (${which})`);
    await client.query(
      `CREATE TEMP TABLE planned AS SELECT gen_random_uuid() AS id, external_id, sha256(external_id::bytea) AS fingerprint, found_tenants
       FROM change WHERE connection_id = '${connection}' AND ${which}`,
    );
    const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${TAKE_BACK(kind)}`, [
      connection,
      run.id,
      kind,
    ]);
    const {
      rows: [taken],
    } = await client.query(`SELECT count(*)::int AS changes FROM change WHERE state = 'superseded'`);
    await client.query('ROLLBACK');
    const plan = rows[0]['QUERY PLAN'][0].Plan as Record<Blocks, number>;
    return {
      pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
      temporary: plan['Local Hit Blocks'] + plan['Local Read Blocks'],
      taken: taken.changes,
    };
  });
}

describe('What waits and is not true any more', () => {
  it('is taken back by going over the proposals once, not once for each of them', async () => {
    const { temporary, taken } = await costOfReplacing('complete', 'true');
    expect(taken).toBe(WAITING);
    expect(temporary).toBeLessThan(100);
  });

  it('is looked up for those whom a delta names, however many others wait', async () => {
    const { pages, taken } = await costOfReplacing('named', `external_id = 'u7'`);
    expect(taken).toBe(1);
    expect(pages).toBeLessThan(200);
  });
});
