/** Configuration as code: what there is as a file, what a file would change, and loading it. */
import { z } from 'zod';
import { type Compared, type Shown, shownOf, stampOf, type Unnamed } from '../domain/configuration.ts';
import { compareConfiguration } from '../domain/configurationDifference.ts';
import { TenantId } from '../domain/ids.ts';
import { parseInput } from '../domain/input.ts';
import { type Action, authorise, type Caller, can, seesHidden } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { getTenant } from '../tenancy/tenants.ts';
import { LARGEST_FILE, parseFile, refused } from './file.ts';
import { carryOutLoad, type Loaded, type LoadProgress } from './load.ts';
import { type ConfigurationDeps, readCurrent, readStanding, resolve } from './read.ts';
import { type LeftOut, writeFile } from './text.ts';

/** More than this are no configuration any more. */
const MOST_USERS = 100_000;

export const CONFIGURATION_READS = [
  'connections.read',
  'tenants.read',
  'roles.read',
  'users.read',
] as const satisfies Action[];
export const CONFIGURATION_WRITES = [
  'connections.write',
  'tenants.write',
  'users.write',
  ...CONFIGURATION_READS,
] as const satisfies Action[];

export const ExportedConfiguration = z.strictObject({
  tenant: TenantId.nullable()
    .default(null)
    .describe('Only of this tenant and those below it, and without roles and product plans.'),
});

export type Exported = {
  /** YAML. */
  readonly configuration: string;
  readonly leftOut: LeftOut;
};

/**
 * All that a file can say of the caller's subtree; loading it back changes nothing. Roles and product plans only for the role system.
 * Throws `invalid-input`, `forbidden`, `not-found` for the tenant, `answer-too-large`.
 */
export async function exportConfiguration(
  deps: ConfigurationDeps,
  caller: Caller,
  input: z.input<typeof ExportedConfiguration> = {},
): Promise<Exported> {
  for (const action of CONFIGURATION_READS) authorise(caller, action);
  const { tenant } = parseInput(ExportedConfiguration, input);
  const top = tenant === null ? caller.tenant : (await getTenant(deps, caller, tenant)).id;
  const standing = await readStanding(deps, caller);
  const users = await deps.store.configuration.usersOf(caller.tenant, {
    tenant: top,
    limit: MOST_USERS + 1,
    hidden: seesHidden(caller),
  });
  if (users.length > MOST_USERS) throw tooManyUsers();
  const pathOf = new Map(standing.tenants.map(({ id, path }) => [id, path]));
  const above = pathOf.get(top) ?? [];
  const tenants = standing.tenants.filter(({ path }) => above.every((name, depth) => path[depth] === name));
  const within = new Set(tenants.map(({ id }) => id));
  const whole = caller.role === 'system' && tenant === null;
  const { text, leftOut } = writeFile({
    roles: whole ? standing.roles : [],
    productPlans: whole ? standing.productPlans : [],
    tenants,
    connections: standing.connections.filter((one) => within.has(one.tenant)),
    users,
    pathOf,
  });
  return { configuration: text, leftOut };
}

function tooManyUsers(): Problem {
  return new Problem({
    code: 'answer-too-large',
    message: `There are more than ${MOST_USERS} local users, or users with roles given by hand.`,
    remedy: 'Export one tenant after the other with --tenant.',
  });
}

const GivenFile = z.strictObject({
  configuration: z.string().max(LARGEST_FILE).describe('The file, as YAML or JSON.'),
  secrets: z
    .record(z.string().regex(/^(env|file):/), z.string().max(100_000))
    .default({})
    .describe(
      'What the references of credentials stand for, by `env:NAME` and `file:PATH`: the server looks none of them up.',
    ),
});

export const ComparedConfiguration = GivenFile;

/** `longest`: longer files are not read, in UTF-16 code units. While one is read, whatever else the process does waits. */
type Bounds = { readonly longest?: number };

export type ConfigurationDifference = {
  /** What `loadConfiguration` is told: this is what was seen. */
  readonly stamp: string;
  readonly differences: readonly Shown[];
  /** Users of directories that have not brought them yet: what is given to them is given by a later load. */
  readonly waiting: number;
  /** What is there and not in the file: left alone. */
  readonly unnamed: Unnamed;
};

/**
 * What loading the file would change; nothing is changed. Whether credentials are those that are stored is told to whoever may write
 * connections, and recorded; to anybody else they are always given ones, so that theirs may be another stamp. Throws `forbidden`, and `invalid-input` with line and column of what is wrong.
 */
export async function diffConfiguration(
  deps: ConfigurationDeps,
  caller: Caller,
  input: z.input<typeof ComparedConfiguration>,
  bounds: Bounds = {},
): Promise<ConfigurationDifference> {
  for (const action of CONFIGURATION_READS) authorise(caller, action);
  const { compared, stamp } = await compare(deps, caller, parseInput(ComparedConfiguration, input), bounds);
  return shown(compared, stamp);
}

function shown({ differences, waiting, unnamed }: Compared, stamp: string): ConfigurationDifference {
  return { stamp, differences: shownOf(differences), waiting: waiting.length, unnamed };
}

async function compare(
  deps: ConfigurationDeps,
  caller: Caller,
  { configuration, secrets }: z.infer<typeof GivenFile>,
  { longest }: Bounds,
) {
  const { content, twice, locate } = parseFile(configuration, longest);
  const standing = await readStanding(deps, caller);
  const resolved = await resolve(deps, caller, content, { standing, secrets });
  if (resolved.opened.length > 0) {
    const by = { actor: caller.actor, at: deps.clock.now() };
    await deps.store.configuration.recordComparing(caller.tenant, resolved.opened, by);
  }
  const current = await readCurrent(deps, caller, standing, content);
  const isSystem = caller.role === 'system';
  const who = {
    isSystem,
    writesRoles: can(caller, 'roles.write'),
    isRoot: caller.tenant === deps.store.root,
  };
  const compared = compareConfiguration(resolved.wanted, current, who);
  const mistakes = [...twice, ...resolved.mistakes, ...compared.hindrances];
  if (mistakes.length > 0) throw refused(mistakes, locate);
  return { compared, current, resolved, locate, stamp: stampOf(caller.tenant, compared.differences) };
}

export const LoadedConfiguration = GivenFile.extend({
  stamp: z.string().describe('Of the difference that was seen: refused if it would be another one by now.'),
});

/**
 * Makes and changes what the difference shows, in this order: roles, product plans, tenants, connections, users; removes nothing. Tenants
 * are made, and users written, in large transactions, everything else in one of its own each. Whatever ends it half way: another load of the same file
 * does the rest.
 * Throws as `diffConfiguration`, `changed-since-shown`, and what the use cases throw that make one of a kind.
 */
export async function loadConfiguration(
  deps: ConfigurationDeps,
  caller: Caller,
  input: z.input<typeof LoadedConfiguration>,
  how: Bounds & {
    readonly signal?: AbortSignal;
    readonly onProgress?: (progress: LoadProgress) => void;
  } = {},
): Promise<Loaded> {
  for (const action of CONFIGURATION_WRITES) authorise(caller, action);
  const { stamp, ...given } = parseInput(LoadedConfiguration, input);
  const seen = await compare(deps, caller, given, how);
  if (seen.stamp !== stamp) {
    throw new Problem({
      code: 'changed-since-shown',
      message:
        'Loading the file would change something else by now than what was shown; nothing was changed.',
      remedy: 'Look at the difference again and load the file with its stamp.',
    });
  }
  return await carryOutLoad(deps, caller, seen, how);
}
