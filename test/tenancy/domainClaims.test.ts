import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DomainClaim } from '../../src/domain/domainClaim.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import {
  checkDomainClaim,
  claimDomain,
  listDomainClaims,
  recheckDomains,
  withdrawDomainClaim,
} from '../../src/tenancy/domainClaims.ts';
import { listDomains, verifyDomain } from '../../src/tenancy/tenants.ts';
import { txtRecordsFrom } from '../../src/tenancy/txtRecords.ts';
import { type DnsServer, startDnsServer } from '../support/dnsServer.ts';
import { aCaller, aTenancy, aTenant, auditOf } from '../support/tenancy.ts';

const HOUR_MS = 3_600_000;
const tenancy = await aTenancy();
let dns: DnsServer;
let deps: typeof tenancy.deps & { txtRecords: ReturnType<typeof txtRecordsFrom> };
let tenant: TenantId;
let administrator: Caller;
beforeAll(async () => {
  dns = await startDnsServer();
  deps = { ...tenancy.deps, txtRecords: txtRecordsFrom([dns.address]) };
});
afterAll(() => dns.close());
beforeEach(async () => {
  dns.names.clear();
  tenant = await aTenant(deps);
  administrator = await aCaller(deps, tenant);
});

const claim = (domain = 'acme.example') => claimDomain(deps, administrator, { tenant, domain });
const check = ({ id }: Pick<DomainClaim, 'id'>) => checkDomainClaim(deps, administrator, id);
const verified = async (of = tenant) =>
  (await listDomains(deps, tenancy.operator, of)).map(({ domain, verifiedBy }) => [domain, verifiedBy]);
const publish = ({ record }: Pick<DomainClaim, 'record'>, ...others: string[][]) =>
  dns.names.set(record.name, { txt: [...others, [record.value]] });

describe('a claimed domain', () => {
  it('is verified once its record is there, which only then is asked for', async () => {
    const claimed = await claim('Acme.Example');
    expect(claimed).toMatchObject({
      domain: 'acme.example',
      record: { name: '_rollcall-challenge.acme.example', type: 'TXT' },
      state: 'pending',
      checkedAt: null,
    });
    expect(claimed.record.value).toMatch(/^rollcall-domain-verification=[\w-]{32}$/);
    expect(await check(claimed)).toMatchObject({
      state: 'pending',
      problem: expect.stringContaining('no TXT record'),
    });
    expect(await verified()).toEqual([]);
    publish(claimed);
    expect(await check(claimed)).toMatchObject({ state: 'verified', problem: null });
    expect(await verified()).toEqual([['acme.example', 'dns']]);
    expect(dns.asked).toContain('_rollcall-challenge.acme.example');
  });

  it('is verified by a value in parts, among others of the same name, and behind an alias', async () => {
    const [parts, alias] = [await claim('parts.example'), await claim('alias.example')];
    const { value } = parts.record;
    dns.names.set(parts.record.name, { txt: [['v=spf1 -all'], [value.slice(0, 10), value.slice(10)]] });
    dns.names.set('challenges.else.example', { txt: [[alias.record.value]] });
    dns.names.set(alias.record.name, { alias: 'challenges.else.example' });
    expect(await check(parts)).toMatchObject({ state: 'verified' });
    expect(await check(alias)).toMatchObject({ state: 'verified' });
  });

  it('is not verified by the record of another tenant, nor of another domain of its own', async () => {
    const claimed = await claim();
    const other = await aTenant(deps);
    const theirs = await claimDomain(deps, tenancy.operator, { tenant: other, domain: 'acme.example' });
    const elsewhere = await claim('else.example');
    expect(theirs.record.name).toBe(claimed.record.name);
    dns.names.set(claimed.record.name, { txt: [[theirs.record.value], [elsewhere.record.value]] });
    expect(await check(claimed)).toMatchObject({
      state: 'pending',
      problem: expect.stringContaining('none has the value'),
    });
    expect(await verified()).toEqual([]);
  });

  it.each(['server-failure', 'refused'] as const)(
    'is neither verified nor lost by an answer of %s',
    async (failure) => {
      const claimed = await claim();
      dns.names.set(claimed.record.name, failure);
      expect(await check(claimed)).toMatchObject({
        state: 'pending',
        problem: expect.stringContaining('did not answer'),
      });
    },
  );

  it('keeps nobody waiting for servers that say nothing', async () => {
    const claimed = await claim();
    dns.names.set(claimed.record.name, 'silent');
    expect(await check(claimed)).toMatchObject({
      state: 'pending',
      problem: expect.stringContaining('ETIMEOUT'),
    });
  }, 30_000);

  it('has the same record however often it is claimed, and another once it was withdrawn', async () => {
    const first = await claim();
    expect(await claim()).toEqual(first);
    await withdrawDomainClaim(deps, administrator, first.id);
    expect((await claim()).record.value).not.toBe(first.record.value);
  });

  it('is verified no more once it is withdrawn, unless somebody has attested it by hand', async () => {
    const [mine, attested] = [await claim(), await claim('attested.example')];
    publish(mine);
    await check(mine);
    await verifyDomain(deps, tenancy.operator, { tenant, domain: 'attested.example' });
    await withdrawDomainClaim(deps, administrator, mine.id);
    await withdrawDomainClaim(deps, administrator, attested.id);
    expect(await verified()).toEqual([['attested.example', 'operator']]);
  });

  it('stays attested by hand where its record was found as well, whichever came first', async () => {
    const [before, after] = [await claim('before.example'), await claim('after.example')];
    await verifyDomain(deps, tenancy.operator, { tenant, domain: 'before.example' });
    for (const one of [before, after]) {
      publish(one);
      expect(await check(one)).toMatchObject({ state: 'verified' });
    }
    await verifyDomain(deps, tenancy.operator, { tenant, domain: 'after.example' });
    for (const one of [before, after]) await withdrawDomainClaim(deps, administrator, one.id);
    expect(await verified()).toEqual([
      ['after.example', 'operator'],
      ['before.example', 'operator'],
    ]);
  });

  it('is audited as it is claimed, verified, lost and found again, and not at each look', async () => {
    const claimed = await claim();
    publish(claimed);
    await check(claimed);
    await check(claimed);
    dns.names.clear();
    await check(claimed);
    await check(claimed);
    publish(claimed);
    await check(claimed);
    const entries = await auditOf(tenancy.database.url, tenant);
    expect(entries.map(({ action }) => action).filter((action) => action.startsWith('domain.'))).toEqual([
      'domain.claimed',
      'domain.verified',
      'domain.record-lost',
      'domain.record-back',
    ]);
  });

  it('is audited as verified once, however many look at the same time', async () => {
    const claimed = await claim('crowd.example');
    publish(claimed);
    await Promise.all([1, 2, 3].map(() => check(claimed)));
    const entries = await auditOf(tenancy.database.url, tenant);
    const verifying = entries.filter(({ action }) => action === 'domain.verified');
    expect(verifying).toEqual([expect.objectContaining({ details: { domain: 'crowd.example', by: 'dns' } })]);
  });

  it('that two customers have verified is shown to whoever sees both, and to nobody else', async () => {
    const other = await aTenant(deps);
    const stranger = await aCaller(deps, other);
    const theirs = await claimDomain(deps, stranger, { tenant: other, domain: 'joint.example' });
    const mine = await claim('joint.example');
    dns.names.set(mine.record.name, { txt: [[mine.record.value], [theirs.record.value]] });
    await check(mine);
    expect(await checkDomainClaim(deps, stranger, theirs.id)).toMatchObject({
      state: 'verified',
      alsoVerifiedFor: [],
    });
    expect(await listDomainClaims(deps, tenancy.operator, tenant)).toMatchObject([
      { alsoVerifiedFor: [other] },
    ]);
    const below = await aTenant(deps, { parent: tenant });
    await verifyDomain(deps, tenancy.operator, { tenant: below, domain: 'joint.example' });
    expect(await listDomainClaims(deps, tenancy.operator, tenant)).toMatchObject([
      { alsoVerifiedFor: [other] },
    ]);
  });

  it('is nothing to those of other tenants, nor may readers claim one', async () => {
    const claimed = await claim();
    const stranger = await aCaller(deps, await aTenant(deps));
    await expect(checkDomainClaim(deps, stranger, claimed.id)).rejects.toMatchObject({ code: 'not-found' });
    await expect(claimDomain(deps, stranger, { tenant, domain: 'x.example' })).rejects.toMatchObject({
      code: 'not-found',
    });
    const reviewer = await aCaller(deps, tenant, 'reviewer');
    await expect(claimDomain(deps, reviewer, { tenant, domain: 'x.example' })).rejects.toMatchObject({
      code: 'forbidden',
    });
    await expect(claim('not a domain')).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('the daily look', () => {
  it('is at verified domains that nobody has looked at for a day; a lost record is shown, and takes nothing', async () => {
    const signal = new AbortController().signal;
    const [mine] = [await claim(), await claim('pending.example')];
    publish(mine);
    await check(mine);
    dns.names.clear();
    expect(await recheckDomains(deps, signal)).toBe(0);
    tenancy.clock.advance(25 * HOUR_MS);
    expect(await recheckDomains(deps, signal)).toBeGreaterThan(0);
    expect(await listDomainClaims(deps, administrator, tenant)).toMatchObject([
      { domain: 'acme.example', state: 'lost', problem: expect.stringContaining('no TXT record') },
      { domain: 'pending.example', state: 'pending', checkedAt: null },
    ]);
    expect(await verified()).toEqual([['acme.example', 'dns']]);
    expect(await recheckDomains(deps, signal)).toBe(0);
  });

  it('goes on to the others where a claim is withdrawn while its record is asked for', async () => {
    const [first, second] = [await claim('first.example'), await claim('second.example')];
    for (const one of [first, second]) {
      publish(one);
      await check(one);
      tenancy.clock.advance(HOUR_MS);
    }
    dns.names.clear();
    tenancy.clock.advance(25 * HOUR_MS);
    const withdrawing: typeof deps.txtRecords = async (name) => {
      if (name === first.record.name) await withdrawDomainClaim(deps, administrator, first.id);
      return await deps.txtRecords(name);
    };
    await recheckDomains({ ...deps, txtRecords: withdrawing }, new AbortController().signal);
    expect(await listDomainClaims(deps, administrator, tenant)).toMatchObject([
      { domain: 'second.example', state: 'lost' },
    ]);
  });

  it('leaves for the next time whom it was stopped before', async () => {
    const [first, second] = [await claim('first.example'), await claim('second.example')];
    for (const one of [first, second]) {
      publish(one);
      await check(one);
      tenancy.clock.advance(HOUR_MS);
    }
    dns.names.clear();
    tenancy.clock.advance(25 * HOUR_MS);
    const stopped = new AbortController();
    const stopping: typeof deps.txtRecords = async (name) => {
      if (name === first.record.name) stopped.abort();
      return await deps.txtRecords(name);
    };
    await recheckDomains({ ...deps, txtRecords: stopping }, stopped.signal);
    await recheckDomains(deps, new AbortController().signal);
    expect(await listDomainClaims(deps, administrator, tenant)).toMatchObject([
      { domain: 'first.example', state: 'lost' },
      { domain: 'second.example', state: 'lost' },
    ]);
  });
});
