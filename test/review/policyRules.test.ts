import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { ReviewRule } from '../../src/domain/reviewRules.ts';
import { overrideGuard } from '../../src/review/guards.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { setTenantPolicy } from '../../src/tenancy/tenantPolicy.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

type Rules = readonly ReviewRule[];

const rule = (name: string, when: string, decide: ReviewRule['decide']): ReviewRule => ({
  name,
  when,
  decide,
});
const approveAll = rule('everybody', 'true', 'approve');

const DAY = 86_400_000;

/** Joiners u1 to u3. */
async function withRules(rules: Rules, tenant?: TenantId): Promise<Connected> {
  const directory = aDirectory({ users: 3 });
  const acme = await install.connect({
    directory,
    guards: noGuards,
    policy: { rules: [...rules] },
    ...(tenant === undefined ? {} : { tenant }),
  });
  await acme.sync();
  return acme;
}

async function setRules(acme: Connected, rules: Rules): Promise<void> {
  const policy = { samePerson: 'show' as const, guards: noGuards, rules: [...rules] };
  await updateConnection(install, install.operator, { connection: acme.connection, policy });
}

const tenantRules = (tenant: TenantId, rules: Rules) =>
  setTenantPolicy(install, install.operator, { tenant, rules: [...rules] });

describe('Policy rules', () => {
  it('approve, hold and reject what is new in a plan, the first that holds, with one decision and one audit entry each', async () => {
    const acme = await withRules([
      rule('not u2', 'user.userName.startsWith("u2")', { reject: { reason: 'a test account' } }),
      rule('look at u3', 'user.userName.startsWith("u3")', { hold: { reason: 'somebody looks' } }),
      approveAll,
    ]);
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.inState('rejected')).toEqual(['u2']);
    expect(await acme.inState('held')).toEqual(['u3']);
    expect((await acme.changeOf('u2')).decision).toMatchObject({
      ...{ verdict: 'reject', madeBy: 'policy', by: null, until: null },
      reason: 'policy rule “not u2”: a test account',
    });
    const entries = (await auditOf(install.database.url, acme.tenant)).filter(
      ({ actor }) => actor.name === 'policy',
    );
    expect(
      entries.map(({ action, details }) => `${action} ${details['changes']}: ${details['rule']}`).sort(),
    ).toEqual(['changes.approved 1: everybody', 'changes.held 1: look at u3', 'changes.rejected 1: not u2']);
    await acme.apply();
    expect((await acme.users()).map(({ externalId }) => externalId)).toEqual(['u1']);
  });
});
