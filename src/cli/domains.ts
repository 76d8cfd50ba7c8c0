/** `rollcall tenants domain`: whose a domain is, by a record in it or by somebody's word. */
import type { DomainClaim } from '../domain/domainClaim.ts';
import { domainKey } from '../domain/email.ts';
import { notFound } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import type { Tenant } from '../domain/tenant.ts';
import type { App, Cli } from './cli.ts';
import { EXIT } from './failure.ts';
import type { Operator } from './operator.ts';
import { date } from './tenantLife.ts';
import { harmless, type Terminal } from './terminal.ts';

export type DomainOptions = {
  readonly check?: boolean;
  readonly attest?: boolean;
  readonly withdraw?: boolean;
};

type Asked = DomainOptions & { readonly tenant: string; readonly domain: string | undefined };

export async function domains(cli: Cli, { operator }: App, asked: Asked): Promise<number> {
  const { domain, check = false, attest = false, withdraw = false } = asked;
  const tenant = await operator.findTenant(asked.tenant);
  const wanted = [check, attest, withdraw].filter(Boolean).length;
  if (wanted > 1 || (wanted === 1 && domain === undefined)) {
    throw new Problem({
      code: 'invalid-input',
      message:
        wanted > 1
          ? 'Only one of --check, --attest and --withdraw can be done at once.'
          : 'No domain is named.',
      remedy: 'Name the domain behind the tenant, with one of these options or none.',
    });
  }
  if (domain === undefined) return await list(cli, operator, tenant);
  if (attest) return await attestDomain(cli, operator, tenant, domain);
  if (withdraw) return await withdrawClaim(cli, operator, tenant, domain);
  const claim = await operator.claimDomain({ tenant: tenant.id, domain });
  if (!check) return await tell(cli, operator, claim);
  const seen = await operator.checkDomainClaim(claim.id);
  await tell(cli, operator, seen);
  return seen.problem === null ? EXIT.ok : EXIT.notNow;
}

async function list({ terminal }: Cli, operator: Operator, { id, name }: Tenant): Promise<number> {
  const verified = await operator.listDomains(id);
  const claims = await operator.listDomainClaims(id);
  if (terminal.json) terminal.document({ items: verified, claims, next: null });
  else if (verified.length + claims.length === 0)
    terminal.line(`No domain of ${name} is verified or claimed.`);
  else {
    const byDomain = new Map(claims.map((claim) => [claim.domain, claim]));
    const rows = verified.map(({ domain, verifiedAt, verifiedBy }) => {
      const claim = byDomain.get(domain);
      const state = claim?.state === 'lost' ? 'verified, record lost' : 'verified';
      return [domain, state, date(verifiedAt), verifiedBy === 'dns' ? 'a TXT record' : 'an operator'];
    });
    const known = new Set(verified.map(({ domain }) => domain));
    const pending = claims
      .filter(({ domain }) => !known.has(domain))
      .map(({ domain, state }) => [domain, state, '', '']);
    terminal.table(['domain', 'state', 'verified', 'by'], [...rows, ...pending]);
    for (const claim of claims) await warn(terminal, operator, claim);
  }
  return EXIT.ok;
}

async function attestDomain(
  { terminal }: Cli,
  operator: Operator,
  tenant: Tenant,
  domain: string,
): Promise<number> {
  const verified = await operator.verifyDomain({ tenant: tenant.id, domain });
  if (terminal.json) terminal.document(verified);
  else
    terminal.line(
      `${tenant.name} owns ${verified.domain}, by your word: addresses in it may be matched with stored users.`,
    );
  return EXIT.ok;
}

async function withdrawClaim(
  { terminal }: Cli,
  operator: Operator,
  tenant: Tenant,
  domain: string,
): Promise<number> {
  const key = domainKey(domain);
  const claim = (await operator.listDomainClaims(tenant.id)).find((one) => one.domain === key);
  const known = (await operator.listDomains(tenant.id)).find((one) => one.domain === key);
  const attested = known !== undefined && known.verifiedBy !== 'dns';
  if (key === null || (claim === undefined && !attested)) throw notFound('domain claim', domain);
  if (attested) await operator.unverifyDomain({ tenant: tenant.id, domain: key });
  if (claim !== undefined) await operator.withdrawDomainClaim(claim.id);
  if (terminal.json) terminal.document({ withdrawn: key });
  else
    terminal.line(
      claim === undefined
        ? `${tenant.name} does not own ${key} by an operator's word any more.`
        : `${tenant.name} does not claim ${key} any more.`,
    );
  return EXIT.ok;
}

async function tell(cli: Cli, operator: Operator, claim: DomainClaim): Promise<number> {
  const { terminal } = cli;
  if (terminal.json) {
    terminal.document(claim);
    return EXIT.ok;
  }
  const { verifiedBy = 'dns' } =
    (await operator.listDomains(claim.tenant)).find(({ domain }) => domain === claim.domain) ?? {};
  if (verifiedBy !== 'dns')
    terminal.line(`${claim.domain} is verified by an operator's word. A record would prove it besides:`);
  if (claim.state === 'verified')
    terminal.line(
      `${claim.domain} is verified by its record: addresses in it may be matched with stored users.`,
    );
  else {
    if (verifiedBy === 'dns') terminal.line('Set this record in the zone of the domain:');
    terminal.line(`  ${claim.record.name}  ${claim.record.type}  ${claim.record.value}`);
  }
  if (claim.state === 'pending' && claim.problem !== null) terminal.note(claim.problem);
  await warn(terminal, operator, claim);
  if (claim.state !== 'verified') cli.next(`tenants domain ${claim.tenant} ${claim.domain} --check`);
  return EXIT.ok;
}

async function warn(
  terminal: Terminal,
  operator: Operator,
  { domain, state, problem, alsoVerifiedFor }: DomainClaim,
) {
  if (state === 'lost' && problem !== null)
    terminal.note(`${domain}: its record was not seen the last time. ${problem}`);
  for (const id of alsoVerifiedFor) {
    const other = await operator.getTenant(id);
    terminal.note(
      `${domain} is verified for ${harmless(other.name)} as well, which is neither above nor below: look which is right.`,
    );
  }
}
