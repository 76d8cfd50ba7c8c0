import { beforeAll, describe, expect, it } from 'vitest';
import { startDnsServer } from '../support/dnsServer.ts';
import { aCommandLine } from './commandLine.ts';

const { env, run, said, json, file } = aCommandLine();
beforeAll(async () => {
  await json('tenants', 'add', 'Harbor');
  await json('tenants', 'add', 'Ferries');
  await json('tenants', 'add', 'Logistics', '--parent', 'Harbor');
  await json('tenants', 'add', 'Rotterdam', '--parent', 'Logistics');
}, 60_000);

/** First words of the lines under the heading, with the blanks before them. */
const firstWords = (table: string) =>
  table
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => /^ *\S+/.exec(line)?.[0]);

describe('rollcall tenants', () => {
  it('shows the tree, each below its parent, by name; or a part of it', { timeout: 240_000 }, async () => {
    expect(firstWords(await said('tenants', 'list', '--tree'))).toEqual([
      'Rollcall',
      '  Ferries',
      '  Harbor',
      '    Logistics',
      '      Rotterdam',
    ]);
    expect(firstWords(await said('tenants', 'list', '--tree', '--parent', 'Logistics'))).toEqual([
      'Logistics',
      '  Rotterdam',
    ]);
    const { items } = await json('tenants', 'list', '--tree');
    expect(items).toHaveLength(5);
  });

  it('shows one with its children and what is below it', { timeout: 240_000 }, async () => {
    expect(await json('tenants', 'show', 'Harbor')).toMatchObject({
      name: 'Harbor',
      kind: 'individual',
      state: 'active',
      inheritsRoles: true,
      effectivePlan: null,
      children: { items: [{ name: 'Logistics' }], next: null },
      descendants: { individual: 2, organisation: 0, enterprise: 0 },
    });
    const text = await said('tenants', 'show', 'Harbor');
    expect(text).toMatch(/below it +individual: 2, organisation: 0, enterprise: 0/);
    expect(text).toMatch(/Logistics +individual +active/);
  });

  it('moves one with all below it, and says where it stands then', { timeout: 240_000 }, async () => {
    const { dataKey } = await json('tenants', 'show', 'Ferries');
    const text = await said('tenants', 'move', 'Logistics', 'Ferries');
    expect(text).toMatch(new RegExp(`^Logistics is a part of Ferries now\\. Data key: ${dataKey}\\d+\\.\n$`));
    expect((await json('tenants', 'show', 'Rotterdam')).dataKey).toMatch(
      new RegExp(`^${dataKey}\\d+\\.\\d+\\.$`),
    );
    const refused = await run('tenants', 'move', 'Ferries', 'Rotterdam');
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toContain('A tenant cannot be moved below itself.');
  });

  it('claims a domain, looks for its record, and withdraws it, however it is spelled', {
    timeout: 240_000,
  }, async () => {
    const dns = await startDnsServer();
    env['ROLLCALL_DNS_SERVERS'] = dns.address;
    try {
      const domain = ['tenants', 'domain', 'Ferries'];
      const claim = await json(...domain, 'bücher.example');
      expect(claim).toMatchObject({ domain: 'xn--bcher-kva.example', state: 'pending' });
      expect(await said(...domain)).toMatch(/xn--bcher-kva\.example +pending/);
      const missing = await run(...domain, 'bücher.example', '--check');
      expect(missing).toMatchObject({ code: 3, stdout: expect.stringContaining(claim.record.value) });
      expect(missing.stderr).toContain('There is no TXT record of this name.');
      // To look at what the record has to be is no failure, whatever was seen of it.
      expect(await run(...domain, 'bücher.example')).toMatchObject({ code: 0 });
      dns.names.set(claim.record.name, { txt: [[claim.record.value]] });
      expect(await said(...domain, 'bücher.example', '--check')).toContain('is verified by its record');
      dns.names.clear();
      const lost = await run(...domain, 'bücher.example', '--check');
      expect(lost.code).toBe(3);
      expect(lost.stderr.match(/There is no TXT record of this name\./g)).toHaveLength(1);
      expect(await said(...domain, 'Bücher.Example ', '--withdraw')).toContain('does not claim');
      expect(await said(...domain)).toBe('No domain of Ferries is verified or claimed.\n');
    } finally {
      delete env['ROLLCALL_DNS_SERVERS'];
      await dns.close();
    }
  });

  it('names the rules that lead to where a moved tenant was', { timeout: 240_000 }, async () => {
    await json('tenants', 'add', 'Yards');
    await json('tenants', 'add', 'North', '--parent', 'Yards');
    await json('tenants', 'add', 'Dock', '--parent', 'North');
    const token = file('token', '00made-up');
    const rules = [{ tenant: 'South' }, { tenant: 'North/{officeLocation}', create: true }];
    const mapping = file('mapping.json', JSON.stringify({ rules }));
    const org = ['--provider', 'okta', '--url', 'https://yards.okta.example', '--token-file', token];
    await json('connections', 'add', 'Yards Okta', '--tenant', 'Yards', ...org, '--mapping', mapping);
    const { code, stderr } = await run('tenants', 'move', 'Dock', 'Yards');
    expect(code).toBe(0);
    expect(stderr).toBe(
      'Rule 2 of the connection Yards Okta may put people in North/{officeLocation}, where Dock is not any more: change the rule, or they come to a tenant that is missing, which is made anew.\n',
    );
    expect((await run('tenants', 'move', 'Dock', 'Yards')).stderr).toBe('');
  });

  it('suspends, resumes, and sets what holds in one', { timeout: 240_000 }, async () => {
    expect(await said('tenants', 'suspend', 'Ferries')).toBe('Ferries is suspended, with all below it.\n');
    expect(await said('tenants')).toMatch(/Ferries +individual +suspended/);
    expect(await said('tenants', 'resume', 'Ferries')).toBe('Ferries is active.\n');
    expect(await json('tenants', 'inherit', 'Rotterdam', 'off')).toMatchObject({ inheritsRoles: false });
    const { id } = await json('product-plans', 'add', 'Business');
    expect(await json('tenants', 'plan', 'Ferries', 'Business')).toMatchObject({
      plan: id,
      effectivePlan: id,
    });
    expect(await json('tenants', 'show', 'Rotterdam')).toMatchObject({ plan: null, effectivePlan: id });
    expect(await said('tenants', 'plan', 'Ferries', 'none')).toBe(
      'Ferries has no product plan of its own.\n',
    );
  });

  it('deletes what nothing uses; the rest on a date, until which it can be called off', {
    timeout: 240_000,
  }, async () => {
    const refused = await run('tenants', 'delete', 'Logistics');
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toContain('The tenant is in use: 1 tenant below it.');
    expect(await json('tenants', 'delete', 'Logistics', '--at', '2999-01-31')).toMatchObject({
      state: 'suspended',
      deleteAt: '2999-01-31T00:00:00.000Z',
    });
    expect(await said('tenants', 'keep', 'Logistics')).toBe('Logistics stays, and is active.\n');
    const { id } = await json('tenants', 'delete', 'Rotterdam');
    expect((await run('tenants', 'show', 'Rotterdam')).code).toBe(2);
    const { items } = await json('audit', 'list', '--tenant', id);
    expect(items[0]).toMatchObject({ action: 'tenant.deleted' });
    expect(await said('audit', 'verify')).toContain(`${id} (deleted)`);
    for (const at of ['tomorrow', '31.01.2999', '2001-01-31'])
      expect((await run('tenants', 'delete', 'Logistics', '--at', at)).code, at).toBe(2);
  });
});
