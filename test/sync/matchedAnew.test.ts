import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { checkDomainClaim, claimDomain, withdrawDomainClaim } from '../../src/tenancy/domainClaims.ts';
import { txtRecordsFrom } from '../../src/tenancy/txtRecords.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type DnsServer, startDnsServer } from '../support/dnsServer.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aUser } from '../support/tenancy.ts';
import { untilWaiting } from '../support/waiting.ts';

let install: Install;
let dns: DnsServer;
beforeAll(async () => {
  install = await Install.open();
  dns = await startDnsServer();
});
afterAll(async () => {
  await dns.close();
  await install.close();
});
beforeEach(() => dns.names.clear());

/** Gives what withdraws it. */
async function proven(tenant: TenantId, by: Caller): Promise<() => Promise<void>> {
  const deps = { store: install.store, clock: install.clock, txtRecords: txtRecordsFrom([dns.address]) };
  const claim = await claimDomain(deps, by, { tenant, domain: 'example.test' });
  dns.names.set(claim.record.name, { txt: [[claim.record.value]] });
  expect(await checkDomainClaim(deps, by, claim.id)).toMatchObject({ state: 'verified' });
  return () => withdrawDomainClaim(deps, by, claim.id);
}

/** Whoever comes is proposed to be linked with an auth user; the next run would be a delta. */
async function linking(to: Connected, { cause, more }: { cause: string; more: object }): Promise<void> {
  await aUser(install.database.url, to.tenant, more);
  await to.sync({ full: true });
  expect(await to.changeOf('ada')).toMatchObject({ kind: 'link', cause });
  expect(await to.sync()).toMatchObject({ kind: 'delta' });
}

const ada = { id: 'ada', email: 'ada@example.test', employeeId: 'E-7' };
const withFeed = (policy: object = {}) =>
  install.connect({ directory: aDirectory({ users: [ada], hasFeed: true }), guards: noGuards, policy });

describe('A link that is proposed is taken back by the next run, which reads all,', () => {
  it('where the domain of the address is withdrawn', async () => {
    const [to, other] = [await withFeed(), await withFeed()];
    await other.sync();
    const withdraw = await proven(to.tenant, to.administrator);
    await linking(to, { cause: 'matched-by-email', more: { email: 'ada@example.test' } });
    await withdraw();
    expect(await to.sync()).toMatchObject({ kind: 'full' });
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'conflict', cause: 'address-unverified' });
    expect(await other.sync()).toMatchObject({ kind: 'delta' });
  });

  it('where matching rules are edited', async () => {
    const to = await withFeed({ matching: [{ by: 'employeeId', confidence: 'certain' }] });
    await linking(to, { cause: 'matched-by-rule', more: { attributes: { employeeId: 'E-7' } } });
    const { connection } = to;
    const policy = { guards: noGuards, matching: [{ by: 'employeeId', confidence: 'likely' } as const] };
    await updateConnection(install, install.operator, { connection, policy });
    expect(await to.sync()).toMatchObject({ kind: 'full' });
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'conflict', cause: 'match-unsure' });
    await updateConnection(install, install.operator, {
      connection,
      policy: { ...policy, guards: { ...noGuards, deletedPercent: 99 } },
    });
    expect(await to.sync()).toMatchObject({ kind: 'delta' });
  });

  it('also where the domain is that of a tenant below, whose administrator withdraws it', async () => {
    const to = await withFeed();
    const below = await install.tenant(to.tenant);
    const withdraw = await proven(below, await aCaller(install, below));
    await to.sync();
    expect(await to.sync()).toMatchObject({ kind: 'delta' });
    await withdraw();
    expect(await to.sync()).toMatchObject({ kind: 'full' });
  });

  it('also where that happens while a delta is on its way', async () => {
    const to = await withFeed();
    await to.sync();
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE connection SET delta_token = NULL WHERE id = $1', [to.connection]);
      const run = to.sync();
      await untilWaiting(client, 1);
      await client.query('COMMIT');
      expect(await run).toMatchObject({ kind: 'delta' });
    });
    expect(await to.sync()).toMatchObject({ kind: 'full' });
  });
});
