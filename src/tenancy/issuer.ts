/** Who issues the tokens that a directory's users sign in to applications with: what applications find an auth user by. */
import type { ConnectorDefinition } from '../../connectors/contract.ts';
import { canonical, type Json } from '../domain/canonical.ts';
import type { Connection } from '../domain/connection.ts';
import type { Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';

type Directory = Pick<Connection, 'network'> & { readonly settings: unknown };

/**
 * By what a new connection reads. null where the provider has no issuer of its own, and where the answers may come from somebody else:
 * with another address, or with a certificate authority of the connection's own, whoever configures it could say anything of
 * the users of any directory.
 */
export function issuerOf(definition: ConnectorDefinition, { settings, network }: Directory): string | null {
  if (network.baseUrl !== null || network.ca !== null) return null;
  const known = definition.settings.safeParse(settings);
  return known.success ? (definition.issuerOf?.(known.data) ?? null) : null;
}

/** One that is said and does not follow from the settings. Throws `forbidden` unless the system says it. */
export function saidIssuer(caller: Caller, said: string): string {
  if (caller.role === 'system') return said;
  throw new Problem({
    code: 'forbidden',
    message: 'Only the role system says who issues the tokens of a directory’s users.',
    remedy:
      'Leave `issuer` out: of a new connection it follows from the settings; or ask somebody with the role system.',
  });
}

/**
 * What a change of a connection makes of it. Users that were read stay, wherever they were read from, and whoever configures a connection
 * could have had anything read before they change it: so only what was known all along, and still follows from the settings, stays
 * known. Everything else the system says anew, and an issuer that was said counts for no other directory.
 */
export function issuerWanted(
  definition: ConnectorDefinition,
  change: {
    readonly caller: Caller;
    readonly before: Connection;
    readonly after: Directory;
    /** null: as the settings say. undefined: nothing is said. */
    readonly said: string | null | undefined;
  },
): string | null {
  const { caller, before, after, said } = change;
  const same = isSame(before, after);
  if (typeof said === 'string') return said === before.issuer && same ? said : saidIssuer(caller, said);
  const follows = issuerOf(definition, after);
  if (said === null && caller.role === 'system') return follows;
  if (said === undefined && same) return before.issuer;
  return before.issuer === follows && issuerOf(definition, before) === follows ? follows : null;
}

function isSame(before: Directory, after: Directory): boolean {
  const place = ({ settings, network: { baseUrl, ca } }: Directory) =>
    canonical({ settings: settings as Json, baseUrl, ca });
  return place(before) === place(after);
}
