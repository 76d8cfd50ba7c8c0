/**
 * `rollcall demo`: three simulated directories, a first import, some weeks of life, and what is pending then. Every step may be the
 * last one of this process: the next start finds what is done done.
 *
 *   empty --first sync, approve, apply--> imported (remembered) --the directory lives--> lived --sync--> changes wait
 *   next start: the same seed gives the same directory, the same life is lived again, and nothing but that waits
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Simulator, SimulatorAccess } from '../../simulators/start.ts';
import type { Daemon } from '../daemon.ts';
import type { Connection } from '../domain/connection.ts';
import { Problem } from '../domain/problem.ts';
import { Opened } from '../opened.ts';
import { applyTo } from './apply.ts';
import { goOnWith } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { type Company, companies } from './demoDirectories.ts';
import { DemoState } from './demoState.ts';
import { type DemoResult, summaryOf, writeDemoSummary } from './demoSummary.ts';
import { examples } from './examples.ts';
import { everything } from './lists.ts';
import { noteNewInstall } from './newInstall.ts';
import { syncOne } from './sync.ts';
import { counted, type Progress } from './terminal.ts';

type DemoOptions = { readonly exit?: boolean; readonly fresh?: boolean };

export function addDemoCommand(program: Command, cli: Cli): void {
  const demo = program
    .command('demo')
    .description(
      'three simulated directories, a daemon, and changes that wait for you; nothing leaves this machine',
    )
    .option('--exit', 'end after the summary instead of staying until Ctrl-C')
    .option('--fresh', 'begin anew instead of going on with the data of the last demo')
    .action((options: DemoOptions) => cli.run(() => runDemo(cli, options)));
  examples(
    demo,
    'rollcall demo',
    'rollcall demo --exit --json',
    'rollcall demo --fresh --data /tmp/rollcall-demo',
  );
}

type Demo = {
  readonly cli: Cli;
  readonly app: App;
  readonly state: DemoState;
  readonly opened: Opened;
  readonly progress: Progress;
};

async function runDemo(cli: Cli, options: DemoOptions): Promise<void> {
  const started = Date.now();
  const folder = cli.dataOption() ?? join(process.env['ROLLCALL_DATA'] || '.rollcall', 'demo');
  if (cli.dataOption() === undefined) goOnWith(folder);
  const config = cli.config(folder);
  const state = DemoState.take(config.dataFolder, cli.installation.makeFolder);
  const opened = new Opened();
  opened.add(async () => state.release());
  const progress = cli.terminal.progress();
  try {
    if (options.fresh === true) {
      state.forget();
      await cli.installation.eraseEmbedded(config);
    }
    progress.update('demo', 'starting PostgreSQL and three directories');
    const keys = join(config.dataFolder, 'simulators');
    const opening = cli.openApp(config).then((app) => {
      opened.add(() => app.close());
      return app;
    });
    const [app, simulators] = await allEnded([opening, startSimulators(keys, opened)]);
    progress.clear();
    noteNewInstall(cli.terminal, app);
    cli.signal.throwIfAborted();
    const demo: Demo = { cli, app, state, opened, progress };
    const running = companies.map((company, at) => runCompany(demo, company, simulatorAt(simulators, at)));
    const [daemon, results] = await allEnded([startDaemon(demo), allEnded(running)]);
    progress.clear();
    const seconds = (Date.now() - started) / 1000;
    if (cli.terminal.json) cli.terminal.document(summaryOf(results, seconds));
    else {
      const apiKey = await apiKeyFor(demo);
      writeDemoSummary(cli.terminal, {
        results,
        seconds,
        apiKey,
        url: daemon.url ?? '',
        stays: options.exit !== true,
      });
    }
    if (options.exit !== true && !cli.signal.aborted) await once(cli.signal, 'abort');
  } finally {
    progress.clear();
    await opened.close();
  }
}

/** Like Promise.all, but nothing is under way any more when it rejects: what failed is then closed with everything else. */
async function allEnded<const Work extends readonly Promise<unknown>[]>(work: Work) {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

/** In processes of their own, which end with this one, however it ends. */
async function startSimulators(keys: string, opened: Opened): Promise<readonly Simulator[]> {
  const { spawnSimulator } = await import('../../simulators/start.ts');
  const starting = companies.map(async ({ provider, users, seed, domain }) => {
    const simulator = await spawnSimulator(provider, { users, seed, domain, caDir: keys });
    opened.add(() => simulator.close());
    return simulator;
  });
  return await allEnded(starting);
}

function simulatorAt(simulators: readonly Simulator[], at: number): Simulator {
  const simulator = simulators[at];
  if (simulator === undefined) throw new Error('there are fewer directories than companies');
  return simulator;
}

/** The API on its usual port, or on a free one where a real daemon has that. */
async function startDaemon({ cli, app, opened }: Demo): Promise<Daemon> {
  const log = createWriteStream(join(app.config.dataFolder, 'daemon.log'), { flags: 'a' });
  opened.add(async () => void log.end());
  const daemon = await cli.installation.openDaemon(app.config, 'all', log).catch((error: unknown) => {
    if (!(error instanceof Problem) || error.code !== 'port-in-use') throw error;
    return cli.installation.openDaemon({ ...app.config, port: 0 }, 'all', log);
  });
  opened.add(() => daemon.close());
  return daemon;
}

async function runCompany(demo: Demo, company: Company, simulator: Simulator): Promise<DemoResult> {
  const { cli, app, state, progress } = demo;
  const connection = await connect(demo, company, simulator);
  const watching = { progress, signal: cli.signal, note: () => {} };
  if (!state.hasLived(company.tenant)) {
    const run = await syncOne(app, connection, watching);
    const applied = await approveAndApply(demo, connection);
    state.rememberLife(company.tenant);
    progress.clear();
    cli.terminal.note(
      `${company.tenant}: ${counted(run.users, 'directory user')} read, ${counted(applied, 'change')} applied`,
    );
  }
  cli.signal.throwIfAborted();
  progress.update(company.connection, 'some weeks pass');
  await company.live(simulator);
  const run = await syncOne(app, connection, watching);
  return await resultOf(demo, company, connection, run.failure?.message ?? null);
}

/** Ports, certificates and credentials may be new ones since the last start. */
async function connect({ app }: Demo, company: Company, simulator: SimulatorAccess): Promise<Connection> {
  const { operator } = app;
  const reach = {
    settings: simulator.settings,
    credentials: simulator.credentials,
    // A simulator's limits are nobody else's.
    network: { baseUrl: simulator.origin, ca: simulator.ca, proxy: null, share: 1 },
  };
  const tenants = await everything((page) => operator.listTenants(page));
  const known = tenants.find((one) => one.name === company.tenant);
  const tenant = known ?? (await operator.createTenant({ name: company.tenant }));
  await operator.verifyDomain({ tenant: tenant.id, domain: company.domain });
  const connections = await everything((page) => operator.listConnections({ tenant: tenant.id, ...page }));
  const before = connections.find((one) => one.name === company.connection);
  if (before !== undefined) return await operator.updateConnection({ connection: before.id, ...reach });
  return await operator.createConnection({
    tenant: tenant.id,
    name: company.connection,
    provider: company.provider,
    mapping: {
      ...company.mapping,
      roles: [...company.mapping.roles],
      everyone: [...company.mapping.everyone],
      groups: [...company.mapping.groups],
    },
    schedule: '0 * * * *',
    timeZone: 'Europe/Berlin',
    ...reach,
  });
}

async function approveAndApply({ cli, app }: Demo, connection: Connection): Promise<number> {
  const [summary] = await app.operator.summarise({ connection: connection.id });
  await app.operator.decide({
    verdict: 'approve',
    reason: 'First import of the demo',
    connection: connection.id,
    revision: summary?.revision ?? 0,
  });
  const applied = await applyTo(cli, app, connection);
  return applied.reduce((sum, one) => sum + one.applied, 0);
}

async function resultOf(
  { app }: Demo,
  company: Company,
  connection: Connection,
  failure: string | null,
): Promise<DemoResult> {
  const { operator } = app;
  const [summary] = await operator.summarise({ connection: connection.id });
  if (failure !== null || summary === undefined) {
    throw new Problem({
      code: 'run-failed',
      message: `The demo's sync of ${company.tenant} did not end well: ${failure ?? 'its connection is gone'}.`,
      remedy: 'Start it again, with --fresh if it stays so.',
    });
  }
  const users = await everything((page) =>
    operator.listUsers({ connection: connection.id, state: 'active', ...page }),
  );
  const sets = (['new', 'changed', 'deleted', 'conflict'] as const).map(async (set) => {
    const { items } = await operator.listChanges({
      connection: connection.id,
      set,
      limit: set === 'changed' ? 3 : 2,
    });
    return items;
  });
  return { company, summary, users: users.length, samples: (await Promise.all(sets)).flat() };
}

/** One and the same at every start, because a stored key cannot be shown again. */
async function apiKeyFor({ app, state }: Demo): Promise<string> {
  if (state.apiKey !== null) return state.apiKey;
  const { operator } = app;
  const name = 'Demo visitor';
  const known = (await everything((page) => operator.listPrincipals(page))).find((one) => one.name === name);
  const principal = known ?? (await operator.createPrincipal({ name, role: 'system' }));
  const { key } = await operator.createKey({ principal: principal.id });
  state.rememberApiKey(key);
  return key;
}
