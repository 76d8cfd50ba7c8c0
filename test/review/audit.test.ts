import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAudit, verifyAudit } from '../../src/review/audit.ts';
import { editUser } from '../../src/tenancy/users.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

async function withHistory(): Promise<Connected> {
  const acme = await install.connect({ directory: aDirectory({ users: 5 }) });
  await acme.syncAndApply();
  return acme;
}

/** As somebody with the database's own password could. */
async function tamper(sql: string, acme: Connected): Promise<void> {
  await asOwner(install.database.url, async (client) => {
    await client.query('ALTER TABLE audit_entry DISABLE TRIGGER USER');
    await client.query(sql, [acme.tenant]);
    await client.query('ALTER TABLE audit_entry ENABLE TRIGGER USER');
  });
}

const verify = async (acme: Connected) => {
  const { tenants } = await verifyAudit(install, acme.administrator, { tenant: acme.tenant });
  return tenants[0];
};

describe('The audit log', () => {
  it('is whole after runs, decisions and applies', async () => {
    const acme = await withHistory();
    const found = await verify(acme);
    expect(found).toMatchObject({ ok: true });
    const { items } = await listAudit(install, acme.administrator, { limit: 500 });
    expect(items).toHaveLength(found?.entries ?? 0);
    expect(items.map(({ action }) => action)).toEqual(
      expect.arrayContaining([
        'plan.stored',
        'changes.approved',
        'apply.started',
        'change.applied',
        'apply.finished',
      ]),
    );
  });

  it.each<[string, string, object]>([
    [
      'an entry that was altered',
      `UPDATE audit_entry SET details = '{"changes": 1}' WHERE tenant_id = $1 AND number = 3`,
      { brokenAt: 3, because: 'the entry was altered' },
    ],
    [
      'an entry that was taken out',
      'DELETE FROM audit_entry WHERE tenant_id = $1 AND number = 2',
      { brokenAt: 2, because: 'the entry is missing' },
    ],
    [
      'entries that were exchanged',
      `UPDATE audit_entry e SET at = o.at, actor = o.actor, action = o.action, subject = o.subject, details = o.details, hash = o.hash
       FROM audit_entry o WHERE e.tenant_id = $1 AND o.tenant_id = $1 AND e.number IN (2, 3) AND o.number = 5 - e.number`,
      { brokenAt: 2, because: 'the entry was altered' },
    ],
    [
      'an entry that was added at the end',
      `INSERT INTO audit_entry SELECT tenant_id, number + 1, at, actor, action, subject, details, hash FROM audit_entry
       WHERE tenant_id = $1 AND number = (SELECT max(number) FROM audit_entry WHERE tenant_id = $1)`,
      { because: 'the entry was altered' },
    ],
    [
      'an end that was cut off',
      'DELETE FROM audit_entry WHERE tenant_id = $1 AND number > 4',
      { brokenAt: 5, because: 'the end of the log was cut off' },
    ],
    [
      'an end that was cut off with its record',
      `UPDATE audit_head SET number = 4 WHERE tenant_id = $1`,
      { because: 'the recorded end of the log is not the one of its entries' },
    ],
  ])('shows %s', async (_, sql, broken) => {
    const acme = await withHistory();
    await tamper(sql, acme);
    expect(await verify(acme)).toMatchObject({ ok: false, ...broken });
  });

  it('is whole at every moment, also while it grows', async () => {
    const acme = await withHistory();
    const [user] = await acme.users();
    const grows = async () => {
      for (let at = 0; at < 25; at++)
        await editUser(install, install.operator, { user: user?.id ?? '', displayName: `Name ${at}` });
    };
    const isVerified = async () => {
      const found = [];
      for (let at = 0; at < 25; at++) found.push(await verify(acme));
      return found;
    };
    const [, ...found] = await Promise.all([grows(), isVerified(), isVerified()]);
    for (const one of found.flat()) expect(one).toMatchObject({ ok: true });
  });

  it('refuses to be rewritten even by the owner of the database, as long as nobody switches that off', async () => {
    const acme = await withHistory();
    const rewrite = asOwner(install.database.url, (client) =>
      client.query('DELETE FROM audit_entry WHERE tenant_id = $1', [acme.tenant]),
    );
    await expect(rewrite).rejects.toThrow('never changed or removed');
  });

  it('is for those who may read it, and of one tenant only', async () => {
    const [acme, other] = [await withHistory(), await withHistory()];
    const reviewer = await aCaller(install, acme.tenant, 'reviewer');
    await expect(verifyAudit(install, reviewer, {})).rejects.toMatchObject({ code: 'forbidden' });
    const foreign = { tenant: other.tenant };
    await expect(verifyAudit(install, acme.administrator, foreign)).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(listAudit(install, acme.administrator, foreign)).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});
