/**
 * Opens what every part of Rollcall stands on, and closes it in reverse. Apart from main.ts, because loading it loads Prisma and the
 * vendors' libraries, which `rollcall --help` must not wait for.
 */
import { Breakers } from '../connectors/breaker.ts';
import type { ConnectorDefinition } from '../connectors/contract.ts';
import type { Config } from './config.ts';
import type { Provider } from './domain/directory.ts';
import { Problem } from './domain/problem.ts';
import { publicUrlOf, type SessionLimits } from './domain/signIn.ts';
import type { Logger } from './log.ts';
import type { Outgoing } from './notifications/deps.ts';
import { networks } from './notifications/reach.ts';
import { Opened } from './opened.ts';
import { connectAsOwner } from './store/database.ts';
import { hasEmbeddedPostgres, joinEmbeddedPostgres } from './store/embedded.ts';
import { migrate } from './store/migrate.ts';
import { keyFromFolder } from './store/secrets.ts';
import { openStore, type Store } from './store/store.ts';
import type { SyncDeps } from './sync/sync.ts';
import { openStoredConnector } from './tenancy/connections.ts';
import { type TxtRecords, txtRecordsFrom } from './tenancy/txtRecords.ts';

export type Connectors = Readonly<Record<Provider, ConnectorDefinition>>;

export type Install = {
  /** What use cases take. */
  readonly deps: SyncDeps & {
    readonly store: Store;
    readonly supportMinutes: number;
    readonly sessionLimits: SessionLimits;
    /** As far as the configuration says. */
    readonly publicUrl: () => string | null;
    readonly connectors: Connectors;
    readonly txtRecords: TxtRecords;
    readonly outgoing: Outgoing;
    readonly log: Logger;
  };
  /** Of the database's owner. */
  readonly databaseUrl: string;
  /** Its database was empty until now. */
  readonly isNew: boolean;
  /** Where the embedded PostgreSQL keeps its files; null: the database is another. */
  readonly databaseFolder: string | null;
  close(): Promise<void>;
};

/**
 * Starts or joins the embedded PostgreSQL unless there is another database, brings the schema up to date, opens the store. With
 * `begins: false` nothing is made where there is no install: throws `bad-configuration`.
 */
export async function openInstall(
  config: Config,
  log: Logger,
  connectors: Connectors,
  { begins = true }: { readonly begins?: boolean } = {},
): Promise<Install> {
  const opened = new Opened();
  try {
    const { url: databaseUrl, folder: databaseFolder } = await databaseOf(config, opened, begins);
    const migrated = await migrate(databaseUrl, begins);
    if (migrated === null) throw noInstall(config);
    const { applied, wasEmpty: isNew } = migrated;
    const secretKey = secretKeyOf(config); // not before: a key in the folder says that there is an install
    if (applied.length > 0) log.info({ event: 'database.migrated', migrations: applied.length, isNew });
    const store = await openStore(databaseUrl, secretKey);
    opened.add(() => store.close());
    const clock = { now: () => new Date() };
    const stored = { store, connectors };
    const breakers = new Breakers(() => clock.now().getTime());
    const openConnector: SyncDeps['openConnector'] = (connection) =>
      openStoredConnector({ ...stored, breakers }, connection);
    const supportMinutes = config.supportHours * 60;
    const { sessionLimits, longestRunMs, fullEveryMs } = config;
    const publicUrl = () => publicUrlOf(config);
    return {
      deps: {
        ...stored,
        clock,
        log,
        openConnector,
        supportMinutes,
        sessionLimits,
        publicUrl,
        txtRecords: txtRecordsFrom(config.dnsServers),
        outgoing: { mail: config.mail, allowed: networks(config.notifyNetworks) },
        longestRunMs,
        fullEveryMs,
      },
      databaseUrl,
      isNew,
      databaseFolder,
      close: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function databaseOf(config: Config, opened: Opened, begins: boolean) {
  const { databaseUrl, dataFolder, secretKey } = config;
  if (databaseUrl !== null) return { url: databaseUrl, folder: null };
  const keyElsewhere = secretKey !== null;
  if (!begins && !hasEmbeddedPostgres(dataFolder, { keyElsewhere })) throw noInstall(config);
  const postgres = await joinEmbeddedPostgres(dataFolder, { keyElsewhere });
  opened.add(() => postgres.leave());
  return postgres;
}

function noInstall({ databaseUrl, dataFolder }: Config): Problem {
  const place =
    databaseUrl === null ? `the folder ${dataFolder}` : 'the database that DATABASE_URL names: it is empty';
  const other =
    databaseUrl === null
      ? 'Name the folder of the one that is meant with --data or in ROLLCALL_DATA, or its database in DATABASE_URL'
      : 'Name the database of the one that is meant in DATABASE_URL';
  return new Problem({
    code: 'bad-configuration',
    message: `There is no install in ${place}.`,
    remedy: `${other}. To make a new one there: \`rollcall start\`, or \`rollcall tenants add NAME\`.`,
  });
}

function secretKeyOf({ secretKey, dataFolder }: Config): string {
  if (secretKey !== null) return secretKey;
  try {
    return keyFromFolder(dataFolder);
  } catch (error) {
    throw new Problem(
      {
        code: 'data-folder-unusable',
        message: `The data folder ${dataFolder} cannot be used: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}.`,
        remedy:
          'Give this user the right to write there, or name another folder in ROLLCALL_DATA or with --data.',
      },
      { cause: error },
    );
  }
}

/** Makes the embedded database of a data folder as good as new. For the demo, whose data are made up; nothing brings them back. */
export async function eraseEmbedded({ dataFolder, secretKey }: Config): Promise<void> {
  const postgres = await joinEmbeddedPostgres(dataFolder, { keyElsewhere: secretKey !== null });
  try {
    const owner = await connectAsOwner(postgres.url);
    try {
      await owner.query(
        'DROP SCHEMA IF EXISTS rollcall_jobs CASCADE; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public',
      );
    } finally {
      await owner.end();
    }
  } finally {
    await postgres.leave();
  }
}
