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

  it('is listed the newest first or the oldest first, and by action, actor and time; pages go on where the last ended', async () => {
    const acme = await withHistory();
    const list = async (input: object) => {
      const numbers: number[] = [];
      let after: number | null = null;
      do {
        const page = { limit: 3, ...input, ...(after === null ? {} : { after }) };
        const found = await listAudit(install, acme.administrator, page);
        numbers.push(...found.items.map(({ number }) => number));
        after = found.next;
        if (numbers.length === 3) await acme.sync(); // what is added meanwhile moves nothing
      } while (after !== null);
      return numbers;
    };
    const { items } = await listAudit(install, acme.administrator, { limit: 500, order: 'oldest' });
    const numbers = items.map(({ number }) => number);
    expect(await list({})).toEqual(numbers.toReversed());
    expect((await list({ order: 'oldest' })).slice(0, numbers.length)).toEqual(numbers);
    const last = numbers.at(-1) ?? 0;
    const meant = async (input: object) => (await list(input)).filter((one) => one <= last).toReversed();
    const of = (chosen: (entry: (typeof items)[number]) => boolean) =>
      items.flatMap((entry) => (chosen(entry) ? [entry.number] : []));
    const moment = items.at(-1)?.at ?? '';
    expect(await meant({ to: moment })).toEqual(of(({ at }) => at < moment));
    expect(await meant({ from: moment })).toEqual(of(({ at }) => at >= moment));
    expect(await meant({ to: '2001-01-01T00:00:00Z' })).toEqual([]);
    const applied = of(({ action }) => action === 'change.applied');
    expect(applied).toHaveLength(5);
    expect(await meant({ action: 'change.applied' })).toEqual(applied);
    expect(await meant({ action: 'change' })).toEqual(applied);
    for (const action of ['change.', 'change.*']) expect(await meant({ action })).toEqual(applied);
    expect(await meant({ action: 'chang' })).toEqual([]);
    const decider = items.find(({ action }) => action === 'changes.approved')?.actor;
    const own = of(({ actor }) => actor.name === decider?.name);
    expect(await meant({ actor: decider?.name })).toEqual(own);
    expect(await meant({ actor: 'nobody' })).toEqual([]);
    await expect(list({ from: moment, to: moment })).rejects.toMatchObject({ code: 'invalid-input' });
  });

  it('goes on behind the entries that were looked at for a page, although none of them is meant', async () => {
    const acme = await withHistory();
    const last = (await listAudit(install, acme.administrator, { limit: 1 })).items[0]?.number ?? 0;
    await tamper(
      `INSERT INTO audit_entry (tenant_id, number, at, actor, action, subject, details, hash)
       SELECT tenant_id, number + n, at, actor, 'filled', subject, details, hash FROM audit_entry, generate_series(1, 25000) n
       WHERE tenant_id = $1 AND number = (SELECT max(number) FROM audit_entry WHERE tenant_id = $1)`,
      acme,
    );
    await tamper('UPDATE audit_head SET number = number + 25000 WHERE tenant_id = $1', acme);
    const page = { action: 'apply.finished', limit: 1 };
    const { items, next } = await listAudit(install, acme.administrator, page);
    expect([items, next]).toEqual([[], last + 25_000 - 20_000 + 1]);
    const behind = await listAudit(install, acme.administrator, { ...page, after: next });
    expect(behind).toMatchObject({ items: [{ action: 'apply.finished' }] });
    const oldest = await listAudit(install, acme.administrator, { ...page, order: 'oldest', after: last });
    expect(oldest).toEqual({ items: [], next: last + 20_000 });
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
