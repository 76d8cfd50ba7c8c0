import { describe, expect, it } from 'vitest';
import type { FieldChange, ProposedChange } from '../../src/domain/change.ts';
import { NOTHING_NOTICED, type RiskFacts } from '../../src/domain/risk.ts';
import type { TakenRun } from '../../src/domain/run.ts';
import { PlannedGroups, TOLD_APART } from '../../src/store/changeGroups.ts';
import type { BulkTransaction } from '../../src/store/database.ts';
import { aChange } from '../support/builders.ts';

type Row = { readonly id: string; readonly first_id: string; readonly difference: unknown };

/** What a plan's groups store, of a transaction that takes it down. */
function planned() {
  const statements: Row[][] = [];
  const query = async (_: string, [rows]: readonly [string]) => statements.push(JSON.parse(rows));
  const tx = { query } as unknown as BulkTransaction;
  const facts: RiskFacts = { isPrivileged: () => false, isProtected: () => false, noticed: NOTHING_NOTICED };
  const run = { connection: 'c1', tenant: 't1' } as unknown as TakenRun;
  return { groups: new PlannedGroups(run, facts), tx, statements };
}

const update = (...fields: FieldChange[]): ProposedChange => aChange({ kind: 'update', fields });
const nickname = (at: number) => update({ field: 'custom.nickname', before: null, after: `nick ${at} ` });
const idOf = (at: number) => `${at}`.padStart(8, '0');

describe('The groups of a plan', () => {
  it('tell so many values of a field apart; of the rest they say that it was set, without the value', async () => {
    const { groups, tx, statements } = planned();
    const ids = Array.from({ length: 3 * TOLD_APART }, (_, at) => groups.groupOf(nickname(at), idOf(at)));
    expect(new Set(ids).size).toBe(TOLD_APART + 1);
    expect(groups.groupOf(nickname(7), idOf(9_000))).toBe(ids[7]);
    await groups.write(tx);
    const stored = statements.flat();
    expect(stored).toHaveLength(TOLD_APART + 1);
    expect(stored.at(-1)?.difference).toMatchObject({ fields: [{ field: 'custom.nickname', how: 'set' }] });
    const title = (after: string) => update({ field: 'jobTitle', before: 'Engineer', after });
    expect(groups.groupOf(title('Chief'), 'x')).not.toBe(groups.groupOf(title('Lead'), 'y'));
  });

  it('are remembered in bounded number, and stored once in a statement', async () => {
    const { groups, tx, statements } = planned();
    const department = (at: number) =>
      update(
        { field: 'jobTitle', before: 'x', after: `${at % 900}` },
        { field: 'company', before: 'x', after: `${Math.floor(at / 900)}` },
      );
    for (let from = 0; from < 6_000; from += 1_000) {
      for (let at = from; at < from + 1_000; at++) groups.groupOf(department(at), idOf(at));
      await groups.write(tx);
    }
    for (let at = 0; at < 1_000; at++) groups.groupOf(department(at), idOf(6_000 + at));
    await groups.write(tx);
    for (const rows of statements) expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    const first = statements[0]?.[0];
    // Known no more, and met again: the same group, and the statement keeps the smaller of the two.
    expect(statements.at(-1)?.[0]).toMatchObject({ id: first?.id, first_id: idOf(6_000) });
  });
});
