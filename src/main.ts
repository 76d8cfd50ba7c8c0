/** Composition root: hands the command line what it may open, and the connectors to whatever needs them. */
import packageJson from '../package.json' with { type: 'json' };
import type { Installation } from './cli/cli.ts';
import { runCommandLine } from './cli/program.ts';
import type { Config } from './config.ts';
import { openLogger } from './log.ts';
import { makeFolder } from './store/makeFolder.ts';

/** Loaded when they are first needed: the vendors' libraries take longer to load than most commands take to run. */
async function openParts(
  config: Config,
  log: ReturnType<typeof openLogger>,
  how: { readonly begins?: boolean } = {},
) {
  const [{ openInstall }, { connectorsWith }] = await Promise.all([
    import('./install.ts'),
    import('../connectors/registry.ts'),
  ]);
  return await openInstall(
    config,
    log,
    connectorsWith({ root: config.fileRoot, keyed: true }, config.machine, config.googleMachine),
    how,
  );
}

/** A command tells people what happens; its log is for whoever looks for a fault. */
function commandLog({ logLevel }: Config) {
  const wanted = logLevel === 'debug' || logLevel === 'trace';
  return openLogger(wanted ? logLevel : 'silent', process.stderr);
}

const installation: Installation = {
  version: packageJson.version,
  openApp: async (config, operator, how) => {
    const { openOperator } = await import('./cli/operator.ts');
    const install = await openParts(config, commandLog(config), how);
    try {
      const { isNew, databaseFolder, close } = install;
      return { operator: await openOperator(install.deps, operator), config, isNew, databaseFolder, close };
    } catch (error) {
      await install.close();
      throw error;
    }
  },
  openDaemon: async (config, parts, destination) => {
    const { openDaemon } = await import('./daemon.ts');
    const install = await openParts(config, openLogger(config.logLevel, destination));
    return await openDaemon(config, install, parts);
  },
  makeFolder,
  eraseEmbedded: async (config) => {
    const { eraseEmbedded } = await import('./install.ts');
    await eraseEmbedded(config);
  },
  openConnector: async (provider, input) => {
    const { connectorsWith, openConnector } = await import('../connectors/registry.ts');
    // Whoever sits at the terminal reads with their own rights.
    return openConnector(provider, input, connectorsWith({ root: process.cwd(), keyed: false }));
  },
  checkUp: async function* (config) {
    const [{ checkUp }, { connectorsWith }] = await Promise.all([
      import('./checkUp.ts'),
      import('../connectors/registry.ts'),
    ]);
    yield* checkUp(
      config,
      connectorsWith({ root: config.fileRoot, keyed: true }, config.machine, config.googleMachine),
      commandLog(config),
    );
  },
};

process.exitCode = await runCommandLine(process.argv.slice(2), installation);
