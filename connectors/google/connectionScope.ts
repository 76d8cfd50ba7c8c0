/**
 * Whom the connection's settings leave out: people of other domains, and of other organisational units. Units are named by their
 * path or by their ID, which stays when a unit is renamed or moved. All that is named must be there: a unit that is called
 * something else today would make all its people look as if they had left, or bring in everybody who was to stay out.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { ConnectorError } from '../contract.ts';
import type { Account } from './account.ts';
import { OrgUnits } from './schema.ts';

const Unit = z.string().regex(/^(\/.*|id:\S+)$/, {
  error: 'Expected the path of an organisational unit, as /Staff/Berlin, or its ID, as id:03ph8a2z1',
});

export const ScopeSettings = z.strictObject({
  /** One of the account's domains; null: all of them. */
  domain: z
    .string()
    .regex(/^[^\s@/]+\.[^\s@/]+$/, { error: 'Expected a domain, as example.com' })
    .nullable()
    .default(null),
  /** The nearest unit that is named decides; where none is, who is in no unit of `include` is out, unless there is none. */
  orgUnits: z
    .strictObject({
      include: z.array(Unit).max(200).default([]),
      exclude: z.array(Unit).max(200).default([]),
    })
    .prefault({}),
});
export type ScopeSettings = z.infer<typeof ScopeSettings>;

/** `unknown`: the user may be in or out; nobody can tell. */
export type Verdict = 'in' | 'out' | 'unknown';

/** Units as they are called at one time. */
export type ScopeNow = {
  /** The same as long as the named units are called what they are called. Empty where none is named. */
  readonly mark: string;
  /** Of the living: the deleted have no unit any more, and leave nobody in doubt. */
  judge(user: DirectoryUser): Verdict;
};

export type ConnectionScope = {
  /** No setting leaves anybody out. */
  readonly isWhole: boolean;
  /** What lists of users are asked with. */
  readonly which: { readonly domain: string } | { readonly customer: string };
  /** Throws 'misconfigured' where a unit is not there. */
  now(signal: AbortSignal): Promise<ScopeNow>;
};

export const namesOrgUnits = ({ orgUnits }: ScopeSettings): boolean =>
  orgUnits.include.length + orgUnits.exclude.length > 0;

export function scopeOver(account: Account, settings: ScopeSettings): ConnectionScope {
  const { domain } = settings;
  const ofDomain = (user: DirectoryUser): Verdict => {
    if (domain === null) return 'in';
    if (user.email === null) return 'unknown';
    return user.email.toLowerCase().endsWith(`@${domain.toLowerCase()}`) ? 'in' : 'out';
  };
  return {
    isWhole: domain === null && !namesOrgUnits(settings),
    which: domain === null ? { customer: account.customer } : { domain },
    async now(signal) {
      if (!namesOrgUnits(settings)) return { mark: '', judge: ofDomain };
      const paths = await pathsOf(account, signal);
      const include = settings.orgUnits.include.map((unit) => pathOf(paths, unit));
      const exclude = settings.orgUnits.exclude.map((unit) => pathOf(paths, unit));
      const ofUnit = nearestDecides(include, exclude);
      const judge = (user: DirectoryUser): Verdict => {
        const verdict = ofDomain(user);
        if (verdict !== 'in') return verdict;
        return user.orgUnit === null ? 'unknown' : ofUnit(user.orgUnit);
      };
      return { mark: markOf(include, exclude), judge };
    },
  };
}

/** Paths by whatever a unit may be named by, in small letters: no two units differ in large and small letters only. */
async function pathsOf({ api, directory, customer }: Account, signal: AbortSignal) {
  const { data } = await api.ask({ subject: 'orgUnits', isStart: true, signal }, (options) =>
    directory.orgunits.list(
      { customerId: customer, type: 'all', fields: 'kind,organizationUnits(orgUnitId,orgUnitPath)' },
      options,
    ),
  );
  const read = OrgUnits.safeParse(data);
  if (!read.success) {
    throw new ConnectorError({
      kind: 'unexpected-response',
      message: `Google's answer is no list of organisational units: ${z.prettifyError(read.error)}.`,
      remedy: 'Nothing was concluded from it. If the next run says the same, report it as a defect.',
      status: 200,
    });
  }
  const named = read.data.organizationUnits.flatMap(({ orgUnitId, orgUnitPath }) => [
    [orgUnitId.toLowerCase(), orgUnitPath] as const,
    [orgUnitPath.toLowerCase(), orgUnitPath] as const,
  ]);
  return new Map([['/', '/'], ...named]); // the top is in no list
}

function pathOf(paths: ReadonlyMap<string, string>, unit: string): string {
  const path = paths.get(unit.length > 1 ? unit.toLowerCase().replace(/\/+$/, '') : unit);
  if (path !== undefined) return path;
  throw new ConnectorError({
    kind: 'misconfigured',
    message: `There is no organisational unit ${unit}, which the setting "orgUnits" names.`,
    remedy:
      'It may have been renamed, moved or deleted: correct the setting. In the Admin console, Directory › Organisational units shows what there is. A unit named by its ID keeps it.',
  });
}

function nearestDecides(include: readonly string[], exclude: readonly string[]) {
  const decisions = new Map([
    ...include.map((path) => [path.toLowerCase(), true] as const),
    ...exclude.map((path) => [path.toLowerCase(), false] as const),
  ]);
  const verdictOf = (decision: boolean): Verdict => (decision ? 'in' : 'out');
  return (orgUnit: string): Verdict => {
    for (let path = orgUnit.toLowerCase(); path !== ''; path = path.slice(0, path.lastIndexOf('/'))) {
      const decision = decisions.get(path);
      if (decision !== undefined) return verdictOf(decision);
    }
    return verdictOf(decisions.get('/') ?? include.length === 0);
  };
}

function markOf(include: readonly string[], exclude: readonly string[]): string {
  const named = JSON.stringify([include.toSorted(), exclude.toSorted()]);
  return createHash('sha256').update(named).digest('base64url').slice(0, 11);
}
