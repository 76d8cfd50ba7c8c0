/** Members who are known already, given out page by page. */
import { randomUUID } from 'node:crypto';
import type { Cursor, MemberRecord, Page } from '../contract.ts';

/** Whoever has to be searched for comes behind them. */
type Rest = ((signal: AbortSignal) => Promise<Page<MemberRecord>>) | null;

type Waiting = { readonly records: readonly MemberRecord[]; readonly at: number; readonly rest: Rest };

export class ToldMembers {
  readonly #waiting = new Map<Cursor, Waiting>();

  begin(
    kind: string,
    records: readonly MemberRecord[],
    rest: Rest,
    signal: AbortSignal,
  ): Promise<Page<MemberRecord>> {
    return this.#page(`${kind} told-${randomUUID()}`, { records, at: 0, rest }, signal);
  }

  /** null for a cursor that is none of these. */
  async proceed(cursor: Cursor, signal: AbortSignal): Promise<Page<MemberRecord> | null> {
    const waiting = this.#waiting.get(cursor);
    if (waiting === undefined) return null;
    const [kind = '', id = ''] = cursor.split(' ');
    const page = await this.#page(`${kind} ${id}`, waiting, signal);
    this.#waiting.delete(cursor);
    return page;
  }

  async #page(
    name: string,
    { records, at, rest }: Waiting,
    signal: AbortSignal,
  ): Promise<Page<MemberRecord>> {
    const end = at + AT_ONCE;
    const own = records.slice(at, end);
    if (end < records.length) {
      const next = `${name} ${end}`;
      this.#waiting.set(next, { records, at: end, rest });
      return { records: own, next };
    }
    if (rest === null) return { records: own, next: null };
    const more = await rest(signal);
    return { records: [...own, ...more.records], next: more.next };
  }
}

/** What a run stores in one go, so that a group of a million is not in memory once more. */
const AT_ONCE = 5_000;
