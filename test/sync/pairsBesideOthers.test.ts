import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { ANYBODY_AWAY, AWAY, SAME_NAME_AND_MANAGER } from '../../src/store/pairs.ts';
import { asOwner } from '../support/database.ts';
import { Install } from '../support/install.ts';

const OTHERS = 5_000;
let install: Install;
let tenant: TenantId;
beforeAll(async () => {
  install = await Install.open();
  tenant = await install.tenant();
  const other = await install.tenant();
  const away = `INSERT INTO auth_user (id, tenant_id, state, display_name, email_key, attributes)
    SELECT gen_random_uuid(), $1, 'suspended', 'Ada ' || n % 500, 'ada' || n % 500 || '@example.test',
      jsonb_build_object('employeeId', (n % 500)::text, 'manager', 'm') FROM generate_series(1, $2::int) n`;
  await asOwner(install.database.url, async (client) => {
    await client.query(away, [other, OTHERS]);
    await client.query('ANALYZE auth_user');
  });
});
afterAll(() => install.close());

type Node = { readonly [field: string]: unknown; readonly Plans?: readonly Node[] };

/** Rows of auth users that were read, and not only those that were given. */
const read = (node: Node): number =>
  (node['Relation Name'] === 'auth_user'
    ? (Number(node['Actual Rows'] ?? 0) + Number(node['Rows Removed by Filter'] ?? 0)) *
      Number(node['Actual Loops'] ?? 1)
    : 0) + (node.Plans ?? []).reduce((sum, one) => sum + read(one), 0);

const KEYS = `(VALUES ('7'), ('ada7@example.test'), ('Ada 7' || E'\\x1f' || 'm')) AS joining (key)`;

it.each([
  ['whether anybody is away', `SELECT ${ANYBODY_AWAY}`],
  ['who has a name and a manager', `SELECT FROM ${AWAY(KEYS, SAME_NAME_AND_MANAGER)}`],
  ['who has an employee number', `SELECT FROM ${AWAY(KEYS, 'a.employee_key = k.key')}`],
  ['who has an address', `SELECT FROM ${AWAY(KEYS, 'a.email_key = k.key')}`],
])('%s is known without a look at people of other tenants', async (_, text) => {
  const plan = await asOwner(install.database.url, async (client) => {
    await client.query('BEGIN; SET LOCAL ROLE rollcall_app');
    await client.query(`SELECT set_config('rollcall.tenant', $1, true)`, [tenant]);
    const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: Node }[] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
    );
    return rows[0]?.['QUERY PLAN'][0]?.Plan ?? {};
  });
  expect(JSON.stringify(plan)).toContain('auth_user');
  expect(read(plan)).toBe(0);
});
