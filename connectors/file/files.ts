/** The files of one connection: opened anew for each page, and read only while they stay as they were found. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { ConnectorError, type Usage } from '../contract.ts';
import type { SessionTuning } from '../session.ts';
import { notAsDescribed } from './entry.ts';
import { failureOf, fileError, moving, type OpenedFile, type Place } from './place.ts';
import { type Batch, openTable, type Position, readEntries, type Table } from './reading.ts';
import { columnsIn, type FileSettings, membershipColumnsIn } from './settings.ts';
import { Survey } from './survey.ts';

type Clock = {
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** `table: null`: the file is empty. */
type Opened = { readonly file: OpenedFile; readonly table: Table | null };

/** The state in which a file was found. A cursor carries it, so that nobody goes on in another file. */
export type Surveyed = { readonly survey: Survey; readonly fingerprint: string };

export class Files {
  readonly #settings: FileSettings;
  readonly #place: Place;
  readonly #clock: Clock;
  readonly #usage = { requests: 0, waitedMs: 0, bytes: 0 };
  /** Of the files by path, as they were first found: all that is read through this instance is read from them. */
  readonly #found = new Map<string, string>();
  /** How those files are laid out: their first lines need not be read again for every page. */
  readonly #tables = new Map<string, Table | null>();
  #survey: Promise<Survey> | null = null;

  constructor(settings: FileSettings, place: Place, { clock, sleep }: SessionTuning) {
    this.#settings = settings;
    this.#place = place;
    this.#clock = {
      now: clock ?? Date.now,
      sleep: sleep ?? ((ms, signal) => wait(ms, undefined, { signal })),
    };
  }

  get usage(): Usage {
    return { ...this.#usage, retries: 0, throttled: 0 };
  }

  /** Both files read as a whole, once. Throws ConnectorError. */
  async surveyed(signal: AbortSignal): Promise<Surveyed> {
    const surveying = this.#survey ?? this.#read(signal);
    this.#survey = surveying;
    try {
      return { survey: await surveying, fingerprint: this.#fingerprint() };
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** The next call begins with the files as they are then. */
  #forget(): void {
    this.#survey = null;
    this.#found.clear();
    this.#tables.clear();
  }

  #fingerprint(): string {
    return [...this.#found.values()].join('_');
  }

  /**
   * `from` as a cursor had it. Throws 'cursor-expired' when the file is not the one that the cursor was made for, and when it
   * changes while it is read.
   */
  async page(
    from: { readonly position: Position; readonly fingerprint: string } | null,
    most: number,
    signal: AbortSignal,
  ) {
    const { survey, fingerprint } = await this.surveyed(signal);
    if (from !== null && from.fingerprint !== fingerprint) throw this.#expired();
    const entries = await this.#using(this.#settings.file, signal, async ({ file, table }) => {
      if (table === null) return { entries: [], next: null, unit: 'line' as const };
      const read: Batch['entries'][number][] = [];
      let next: Position | null = null;
      const how = { meter: this.#usage, signal, most };
      for await (const batch of readEntries(file, table, from?.position ?? table.start, how)) {
        read.push(...batch.entries);
        next = batch.next;
      }
      return { entries: read, next, unit: table.unit };
    });
    return { ...entries, survey, fingerprint };
  }

  /** Who goes on with a cursor finds the files as they were when it was made, or begins anew. */
  async expectSame(fingerprint: string, signal: AbortSignal): Promise<Survey> {
    const surveyed = await this.surveyed(signal);
    if (surveyed.fingerprint !== fingerprint) throw this.#expired();
    return surveyed.survey;
  }

  #expired(): ConnectorError {
    this.#forget();
    return fileError(
      'cursor-expired',
      'The file is not the one any more whose reading was begun.',
      'Nobody has to act: it is read from its beginning.',
    );
  }

  /** Whether the file of users is there and may be read. Throws ConnectorError. */
  async reach(signal: AbortSignal): Promise<void> {
    const file = await this.#open(this.#settings.file, signal);
    await file.handle.close();
  }

  /** The file of users as it is laid out, for the test of a connection; null where it is empty. */
  async look(signal: AbortSignal): Promise<Table | null> {
    return await this.#using(this.#settings.file, signal, async ({ table }) => table);
  }

  /** `changed`: what to say of a file that changes meanwhile. */
  async #using<T>(
    path: string,
    signal: AbortSignal,
    work: (opened: Opened) => Promise<T>,
    changed: () => ConnectorError = () => this.#expired(),
  ): Promise<T> {
    signal.throwIfAborted();
    const file = await this.#open(path, signal);
    try {
      const table = await this.#tableOf(file);
      const result = await work({ file, table });
      if (await file.isUnchanged()) return result;
    } catch (error) {
      signal.throwIfAborted();
      // What changes while it is read can look like anything: that it changed is the better word for it.
      if (await file.isUnchanged()) throw error instanceof ConnectorError ? error : failureOf(error, path);
    } finally {
      await file.handle.close();
    }
    throw changed();
  }

  async #tableOf(file: OpenedFile): Promise<Table | null> {
    const { path } = file;
    const known = this.#tables.get(path);
    if (known !== undefined) return known;
    const table = await openTable(file, this.#settings, this.#usage);
    const expected = path === this.#settings.file ? columnsIn(this.#settings) : this.#groupColumns();
    if (table !== null) refuseMissing(table, expected, path);
    this.#tables.set(path, table);
    return table;
  }

  #groupColumns(): readonly string[] {
    const { groups } = this.#settings;
    return groups !== null && 'file' in groups ? membershipColumnsIn(groups.columns) : [];
  }

  /** Waits until nobody has written to the file for a while, unless this instance has found it so before. */
  async #open(path: string, signal: AbortSignal): Promise<OpenedFile> {
    this.#usage.requests += 1;
    const file = await this.#place.open(path);
    try {
      const found = this.#found.get(path);
      if (found === undefined) {
        this.#refuseOld(file);
        const waitMs = this.#settings.quietSeconds * 1000 - Math.max(0, this.#clock.now() - file.changedAtMs);
        if (waitMs > 0) await this.#sleep(waitMs, signal);
        if (!(await file.isUnchanged())) throw moving(path);
        this.#found.set(path, file.fingerprint);
      } else if (found !== file.fingerprint) {
        throw this.#expired();
      }
      return file;
    } catch (error) {
      await file.handle.close();
      throw error;
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#usage.waitedMs += ms;
    try {
      await this.#clock.sleep(ms, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  #refuseOld({ path, changedAtMs }: OpenedFile): void {
    const { maxAgeHours } = this.#settings;
    const hours = (this.#clock.now() - changedAtMs) / 3_600_000;
    if (maxAgeHours === null || hours <= maxAgeHours) return;
    throw fileError(
      'misconfigured',
      `${path} was written ${Math.floor(hours)} hours ago; the connection takes nothing older than ${maxAgeHours}.`,
      'Look why the export does not write it any more, or raise maxAgeHours in the settings.',
    );
  }

  async #read(signal: AbortSignal): Promise<Survey> {
    const { file, groups } = this.#settings;
    this.#found.clear();
    this.#tables.clear();
    const survey = new Survey(columnsIn(this.#settings));
    await this.#readWhole(file, signal, (batch) => survey.addPeople(batch.entries, this.#settings));
    if (survey.missingColumns.length > 0) throw withoutColumns(file, survey.missingColumns, null);
    if (groups !== null && 'file' in groups)
      await this.#readWhole(groups.file, signal, (batch) =>
        survey.addMemberships(batch.entries, groups.columns),
      );
    return survey;
  }

  async #readWhole(path: string, signal: AbortSignal, take: (batch: Batch) => void): Promise<void> {
    const surveyed = async ({ file, table }: Opened) => {
      let entries = 0;
      if (table !== null) {
        for await (const batch of readEntries(file, table, table.start, { meter: this.#usage, signal })) {
          entries += batch.entries.length;
          take(batch);
        }
      }
      await this.#prove(file, entries, signal);
    };
    await this.#using(path, signal, surveyed, () => moving(path));
  }

  /** Holds the file against what the export says of it in a small file beside it. */
  async #prove(file: OpenedFile, entries: number, signal: AbortSignal): Promise<void> {
    const { proof } = this.#settings;
    if (proof === 'none') return;
    const beside = await this.#place.open(`${file.path}.${proof}`);
    const said = await firstLineOf(beside).finally(() => beside.handle.close());
    if (proof === 'rows' && said === String(entries)) return;
    if (proof === 'sha256' && said.split(/\s/)[0]?.toLowerCase() === (await this.#digestOf(file, signal)))
      return;
    const what =
      proof === 'rows' ? `has ${entries} entries, which is not what` : 'does not have the digest that';
    throw fileError(
      'unavailable',
      `${file.path} ${what} ${beside.path} says: the upload is not whole, or one of the two is of another day.`,
      'Nobody has to act while an upload is under way. If it stays, have both files written again, the small one last.',
    );
  }

  async #digestOf({ handle }: OpenedFile, signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of handle.createReadStream({ start: 0, autoClose: false, signal }))
      hash.update(chunk);
    return hash.digest('hex');
  }
}

/** What is longer is no such file. */
const LONGEST_PROOF = 1_000;

async function firstLineOf({ handle }: OpenedFile): Promise<string> {
  const { bytesRead, buffer } = await handle.read({ buffer: Buffer.alloc(LONGEST_PROOF) });
  return buffer.toString('utf8', 0, bytesRead).trim().split('\n')[0] ?? '';
}

function refuseMissing({ columns }: Table, expected: readonly string[], path: string): void {
  if (columns === null) return;
  const missing = expected.filter((column) => !columns.includes(column));
  if (missing.length > 0) throw withoutColumns(path, missing, columns.length);
  const twice = expected.filter((column) => columns.indexOf(column) !== columns.lastIndexOf(column));
  if (twice.length > 0) throw notAsDescribed(`${path} has more than one column ${twice.join(', ')}`);
}

/** The names of the columns that are there are not told: without a header they would be somebody's data. */
function withoutColumns(path: string, missing: readonly string[], found: number | null): ConnectorError {
  const among = found === null ? 'no entry has' : `its ${found} columns do not include`;
  return fileError(
    'misconfigured',
    `${path}: ${among} ${missing.join(', ')}.`,
    found === 1
      ? 'Set the delimiter that the file uses, and see that its first line holds the names of the columns.'
      : 'Correct the columns in the settings, or have the export write them; a column that never holds anything is left out of the settings.',
  );
}
