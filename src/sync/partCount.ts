/**
 * Counts those whom a directory lists by the domain of their address and by their organisational unit: where one is missing, or has
 * lost many, it shows which.
 */
import type { UserRecord } from '../../connectors/contract.ts';
import type { PartSizes, TakenRun } from '../domain/run.ts';

/** Bounded, whatever the directory is like: all further ones count as one. */
const MOST = 1_000;
const OTHERS = '';

export class PartCount {
  readonly #domains: Map<string, number>;
  readonly #orgUnits: Map<string, number>;

  /** Goes on from what was counted before. */
  constructor({ domains, orgUnits }: Pick<TakenRun, 'domains' | 'orgUnits'>) {
    this.#domains = new Map(Object.entries(domains));
    this.#orgUnits = new Map(Object.entries(orgUnits));
  }

  /** The deprovisioned do not count: they are listed for the last time. */
  add(records: readonly UserRecord[]): void {
    for (const record of records) {
      if (record.kind !== 'user' || record.user.state === 'deprovisioned') continue;
      const address = record.user.email ?? record.user.userName ?? '';
      const at = address.lastIndexOf('@');
      count(this.#domains, at < 0 ? OTHERS : address.slice(at + 1).toLowerCase());
      if (record.user.orgUnit !== null) count(this.#orgUnits, record.user.orgUnit);
    }
  }

  get sizes(): { readonly domains: PartSizes; readonly orgUnits: PartSizes } {
    return { domains: Object.fromEntries(this.#domains), orgUnits: Object.fromEntries(this.#orgUnits) };
  }
}

function count(sizes: Map<string, number>, part: string): void {
  const counted = sizes.has(part) || sizes.size < MOST ? part : OTHERS;
  sizes.set(counted, (sizes.get(counted) ?? 0) + 1);
}
