/**
 * `npm run bench`: what a full sync of a large directory costs, what it costs applications to read what a user may do, and what it costs
 * to move a part of the tenants, each figure beside the floor that was measured in the same run on the same machine. Machines differ and
 * are shared; the ratio is what can be compared.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { joinEmbeddedPostgres } from '../src/store/embedded.ts';
import { migrate } from '../src/store/migrate.ts';
import { measureReads } from './authorization.ts';
import { say } from './children.ts';
import { measureFairness } from './fairness.ts';
import {
  type Figure,
  fairFigures,
  figures,
  pullFigures,
  readFigures,
  reviewFigures,
  scaleFigures,
  table,
  treeFigures,
} from './figures.ts';
import { populate } from './population.ts';
import { measureReview } from './review.ts';
import { measureDirectory, measureLarge, measurePull } from './sync.ts';
import { measureTree } from './tenancy.ts';

const HELP = `npm run bench -- [SECTION …] [--users N] [--tenants N] [--seconds N] [--pull] [--out FILE]

  sync            a full sync of a simulated Entra ID directory, its apply, and what follows a small change
  large           the same in a directory ten times as large, and what a hundred changes and one cost there
  authorization   reading what a user may do, over HTTP, with the key of an application that sees all tenants
  review          listing, filtering, grouping and approving very many open changes
  fair            one worker's runs of very many tenants, all due at the same moment, and of a customer with many connections
  tenants         moving a part of the tree while others read of it, and saying what is below the root
  Without a section: all.

  --users N    how many there are (default 100000 in the directory, 1000000 elsewhere; of large, in the large one; of review, 200000 changes;
               of fair, 1000 in the directory of each tenant)
  --tenants N  that they are spread over, eight deep (default 10000); of fair, that are due (default 1000)
  --seconds N  for each measurement of reads (default 10)
  --pull       of sync, only the first pull: how long it takes, and how much memory the worker needs for it
  --out FILE   also write the figures as a JSON array of {name, value, unit, floor, ratio, limit, ok}

The limits of sync are those of 100,000 users; with another size they are in proportion. What is moved is a tenth as large as the rest.
Of fair, few tenants or small directories show what it takes to warm up.
`;

const sections = {
  sync: () => withPostgres(syncFigures),
  large: largeFigures,
  authorization: () => withPostgres(authorizationFigures),
  review: () => withPostgres(reviewing),
  fair: () => withPostgres(fairnessFigures),
  tenants: () => withPostgres(tenantFigures),
} as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    users: { type: 'string' },
    tenants: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    pull: { type: 'boolean', default: false },
    out: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help === true) {
  process.stdout.write(HELP);
} else {
  const measured: Figure[] = [];
  for (const [name, figuresOf] of Object.entries(sections)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const found = await figuresOf();
    process.stdout.write(`\n${table(found)}\n`);
    measured.push(...found);
  }
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(measured, null, 2)}\n`);
}

async function withPostgres<T>(work: (url: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'));
  chmodSync(folder, 0o755); // run by root, PostgreSQL works as another user
  const postgres = await joinEmbeddedPostgres(folder);
  try {
    await migrate(postgres.url);
    return await work(postgres.url);
  } finally {
    await postgres.leave();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function syncFigures(url: string): Promise<readonly Figure[]> {
  const users = Number(values.users ?? 100_000);
  if (values.pull) return pullFigures(users, await measurePull(url, users));
  return figures(await measureDirectory(url, users));
}

async function largeFigures(): Promise<readonly Figure[]> {
  const users = Number(values.users ?? 1_000_000);
  const small = await withPostgres((url) => measureDirectory(url, Math.ceil(users / 10)));
  return scaleFigures(small, await withPostgres((url) => measureLarge(url, users)));
}

async function authorizationFigures(url: string): Promise<readonly Figure[]> {
  const population = { users: Number(values.users ?? 1_000_000), tenants: Number(values.tenants ?? 10_000) };
  say(`${population.users} users in ${population.tenants} tenants`);
  await populate(url, population);
  const secretKey = randomBytes(32).toString('base64');
  const sample = { seconds: Number(values.seconds), users: 20_000 };
  say('the floor');
  const floor = await measureReads({ serve: 'floor', url, secretKey }, sample);
  say('reads');
  const api = await measureReads({ serve: 'api', url, secretKey }, sample);
  return readFigures('authorization reads', api, floor);
}

async function reviewing(url: string): Promise<readonly Figure[]> {
  const changes = Number(values.users ?? 200_000);
  say(`${changes} open changes of one connection, and as many of several`);
  return reviewFigures(changes, await measureReview(url, changes));
}

async function fairnessFigures(url: string): Promise<readonly Figure[]> {
  const crowd = { tenants: Number(values.tenants ?? 1_000), users: Number(values.users ?? 1_000) };
  return fairFigures(crowd, await measureFairness(url, crowd));
}

async function tenantFigures(url: string): Promise<readonly Figure[]> {
  const population = { users: Number(values.users ?? 1_000_000), tenants: Number(values.tenants ?? 10_000) };
  say(`${population.users} users in ${population.tenants} tenants`);
  await populate(url, population);
  const part = { tenants: Math.ceil(population.tenants / 10), users: Math.ceil(population.users / 10) };
  say(`moves of ${part.tenants} tenants more with ${part.users} users`);
  return treeFigures(part, await measureTree(url, part));
}
