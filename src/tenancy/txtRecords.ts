/** TXT records, as name servers tell them. */
import { Resolver } from 'node:dns/promises';
import type { TxtAnswer } from '../domain/domainClaim.ts';

/** Never throws. */
export type TxtRecords = (name: string) => Promise<TxtAnswer>;

/** Two seconds for a server, then twice that: a person waits for it. */
const PATIENCE = { timeout: 2_000, tries: 2 };
/** The name, or a record of this type, does not exist. */
const NONE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/** `servers`: their addresses, with a port where it is not 53; null: those of this machine. Aliases (CNAME) are followed. */
export function txtRecordsFrom(servers: readonly string[] | null): TxtRecords {
  return async (name) => {
    const resolver = new Resolver(PATIENCE);
    if (servers !== null) resolver.setServers([...servers]);
    try {
      const records = await resolver.resolveTxt(name);
      return { kind: 'found', values: records.map((parts) => parts.join('')) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      return NONE.has(code) ? { kind: 'none' } : { kind: 'failed', code };
    }
  };
}
