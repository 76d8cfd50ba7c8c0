import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLogger } from '../../src/log.ts';
import { Failures } from '../../src/signIn/failures.ts';
import { freshSetUpLink, offerSetUp, setUpIsGood, setUpIsOpen } from '../../src/signIn/setUp.ts';
import { deleteTenant } from '../../src/tenancy/tenantLife.ts';
import { removeDueTenants } from '../../src/tenancy/tenantRemoval.ts';
import { type Served, serve } from '../api/served.ts';
import { asOwner } from '../support/database.ts';
import { anOperator, aTenant } from '../support/tenancy.ts';
import { Browser } from './browser.ts';
import { openStage, type Stage } from './stage.ts';

/** Whether the token opens the set-up, for whoever looks for the first time. */
const isGood = (deps: Served['deps']) => {
  const { clock } = deps;
  const failures = {
    secrets: new Failures(clock),
    providers: new Failures(clock),
    beginnings: new Failures(clock),
  };
  return setUpIsGood({ ...deps, failures }, TOKEN, { address: '127.0.0.1' });
};

const TOKEN = 'a-token-that-the-operator-has-chosen';

describe('once somebody has accepted an invitation', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage.close());

  const deps = () => ({ ...stage.served.deps, publicUrl: () => stage.served.url });
  const accepted = async () =>
    await stage.accept(await stage.invite(await stage.principal('First')), 'first');

  it.each([
    ['while a set-up token was open', true],
    ['before any was offered', false],
  ])('%s, set-up stays over when the tenant that it was of is removed', async (_, wasOffered) => {
    const form = await new Browser().open(`${stage.served.url}/set-up`);
    if (wasOffered) expect(await offerSetUp(deps(), TOKEN)).toMatchObject({ state: 'token' });
    expect((await accepted()).page.status).toBe(200);
    const isOver = async () => {
      expect(await setUpIsOpen(deps())).toBe(false);
      expect(await isGood(deps())).toBe(false);
      expect(await offerSetUp(deps(), TOKEN)).toEqual({ state: 'done' });
      expect((await new Browser().submit(form, /set-up/, { token: TOKEN, name: 'Mallory' })).status).toBe(
        403,
      );
    };
    await isOver();
    await deleteTenant(deps(), stage.served.operator, { tenant: stage.harbor });
    await removeDueTenants({ ...deps(), log: openLogger('silent') }, AbortSignal.timeout(30_000));
    const { rows } = await asOwner(stage.served.databaseUrl, (owner) =>
      owner.query('SELECT FROM sign_in_link WHERE tenant_id = $1', [stage.harbor]),
    );
    expect(rows).toEqual([]);
    await isOver();
  });
});

describe('an install from before that was written at the root', () => {
  const migration = readFileSync(
    join(import.meta.dirname, '../../prisma/migrations/20261122094100_set_up_over/migration.sql'),
    'utf8',
  );
  let served: Served;
  beforeEach(async () => {
    served = await serve();
  });
  afterEach(() => served.close());

  const deps = () => ({ ...served.deps, publicUrl: () => served.url });
  const asBefore = (text: string, values: readonly unknown[] = []) =>
    asOwner(served.databaseUrl, (owner) => owner.query(text, [...values]));
  const INVITED = `INSERT INTO sign_in_link (id, tenant_id, principal_id, purpose, secret_hash, used_at)
    SELECT $1, tenant_id, id, 'invitation', '\\x01', $2 FROM principal LIMIT 1`;

  it('goes on with set-up where nobody has come in', async () => {
    await offerSetUp(deps(), TOKEN);
    await asBefore(INVITED, [v7(), null]);
    await asBefore(migration);
    expect(await isGood(deps())).toBe(true);
  });

  it('has set-up over where an invitation was used, the link that was open as well', async () => {
    await offerSetUp(deps(), TOKEN);
    await asBefore(INVITED, [v7(), new Date()]);
    await asBefore(migration);
    await asBefore(`DELETE FROM sign_in_link WHERE purpose = 'invitation'`);
    expect(await isGood(deps())).toBe(false);
    await expect(freshSetUpLink(deps(), served.operator)).rejects.toMatchObject({ code: 'not-allowed-now' });
  });

  it('has set-up over where only the audit log tells of whoever came in', async () => {
    const tenant = await aTenant(served.deps);
    const actor = (await anOperator(served.deps)).actor;
    await served.deps.store.signIn.recordRefusal(tenant, {
      at: served.deps.clock.now(),
      entry: { actor, action: 'login.bound', subject: { kind: 'tenant', id: tenant }, details: {} },
    });
    expect(await setUpIsOpen(deps())).toBe(true);
    await asBefore(migration);
    expect(await setUpIsOpen(deps())).toBe(false);
    expect(await offerSetUp(deps(), TOKEN)).toEqual({ state: 'done' });
  });
});
