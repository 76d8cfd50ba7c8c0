/** Counts those whom a directory lists by the domain of their address: where one is missing, it shows which. */
import type { UserRecord } from '../../connectors/contract.ts';
import type { DomainSizes } from '../domain/run.ts';

/** Bounded, whatever the directory is like: all further ones count as one. */
const MOST = 1_000;
const OTHERS = '';

export class DomainCount {
  readonly #sizes: Map<string, number>;

  /** Goes on from what was counted before. */
  constructor(before: DomainSizes) {
    this.#sizes = new Map(Object.entries(before));
  }

  /** The deprovisioned do not count: they are listed for the last time. */
  add(records: readonly UserRecord[]): void {
    for (const record of records) {
      if (record.kind !== 'user' || record.user.state === 'deprovisioned') continue;
      const address = record.user.email ?? record.user.userName ?? '';
      const at = address.lastIndexOf('@');
      const domain = at < 0 ? OTHERS : address.slice(at + 1).toLowerCase();
      const counted = this.#sizes.has(domain) || this.#sizes.size < MOST ? domain : OTHERS;
      this.#sizes.set(counted, (this.#sizes.get(counted) ?? 0) + 1);
    }
  }

  get sizes(): DomainSizes {
    return Object.fromEntries(this.#sizes);
  }
}
