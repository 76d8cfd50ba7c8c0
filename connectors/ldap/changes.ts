/**
 * Who has changed in Active Directory since the last reading, by the counter that each domain controller keeps (public
 * documentation, "Polling for Changes Using USNChanged"). The numbers are one controller's own: a token names it, and another
 * one, or the same after it was restored from a backup, does not honour it.
 */
import { z } from 'zod';
import type { ExternalId } from '../../src/domain/ids.ts';
import {
  type Changes,
  type ChangesPage,
  ConnectorError,
  type Cursor,
  type DeltaToken,
  type RenamedGroup,
} from '../contract.ts';
import { type NamedSearch, readEntry } from './directory.ts';
import { anyOf, atLeast, atMost, both, equals, not } from './filters.ts';
import type { GroupTree, Reading } from './groups.ts';
import {
  type Facts,
  groupBaseOf,
  readFacts,
  readInvocation,
  rootAround,
  showDeleted,
  textsIn,
  withinDomain,
} from './place.ts';
import { fileTimeOf, generalizedTimeMs, isWithin } from './values.ts';
import type { Entry } from './wire.ts';

const Token = z.object({
  controller: z.string().min(1),
  invocation: z.string().min(1),
  /** Of the last change that was there when the token was made. */
  usn: z.string().regex(/^\d{1,20}$/),
  /** By the controller's clock, in milliseconds since 1970. */
  at: z.int().min(0),
});
type Token = z.infer<typeof Token>;

/** What a search of the feed is about. */
type ChangeSearch = NamedSearch & { readonly about: 'users' | 'groups' | 'units' | 'deleted' };

const DAY_MS = 86_400_000;
/** Clocks differ: whoever expired shortly before the last reading is named again. */
const OVERLAP_MS = 600_000;
const PAGE_SIZE = 1000;
/** The well-known GUID of the container of deleted objects (MS-ADTS section 6.1.1.4). */
const DELETED_OBJECTS = '18E2EA80684F11D2B9AA00C04F79F805';

export class DomainChanges implements Changes {
  /**
   * Deleted objects stay for 60 days in the oldest domains, 180 in others; a domain that was told otherwise keeps them at least two
   * (tombstoneLifetime, msDS-DeletedObjectLifetime). A connection is read far more often than every other day.
   */
  readonly tokenLifetimeMs = 2 * DAY_MS;
  readonly #reading: (signal: AbortSignal) => Promise<Reading>;
  readonly #tree: (signal: AbortSignal) => Promise<GroupTree>;

  constructor(
    reading: (signal: AbortSignal) => Promise<Reading>,
    tree: (signal: AbortSignal) => Promise<GroupTree>,
  ) {
    this.#reading = reading;
    this.#tree = tree;
  }

  readonly begin: Changes['begin'] = async (signal) => {
    // What was known when this connector was opened is no later than now, and so leaves nobody out.
    const reading = await this.#reading(signal);
    const token = await tokenOf(reading, reading.facts, signal);
    if (token === null) {
      throw new ConnectorError({
        kind: 'permission-missing',
        message: 'The domain controller does not tell how far its counter of changes has come.',
        remedy:
          "Let the account read the controller's NTDS settings (invocationId), as every account of the domain can unless that was taken away, and give the address of a domain controller as url.",
      });
    }
    return JSON.stringify(token);
  };

  readonly fetch: Changes['fetch'] = async (text, cursor, signal) => {
    const reading = await this.#reading(signal);
    if (cursor !== null) {
      const page = await reading.directory.proceed('changes', cursor, PAGE_SIZE, signal);
      return this.#pageOf(reading, page, signal);
    }
    const since = readToken(text);
    // Read before any search, so that nothing falls between.
    const now = await tokenOf(reading, await readFacts(reading.directory, signal), signal);
    if (since === null || now === null || !isSameCount(since, now)) {
      throw expired(
        'The counter of changes is another one than last time: of another domain controller, or begun anew.',
      );
    }
    const bin = await deletedObjects(reading, signal);
    if (bin === null) {
      throw expired('The account may not see deleted objects, so that who was deleted is not told.');
    }
    const searches = searchesSince(reading, since, now, bin);
    const page = await reading.directory.begin('changes', searches, PAGE_SIZE, signal, now);
    return this.#pageOf(reading, page, signal);
  };

  /** A group that changed has changed whatever it is in; those have no new number. The tree is read for the first group, once. */
  async #pageOf(reading: Reading, page: Read, signal: AbortSignal): Promise<ChangesPage> {
    const named = toPage(reading, page);
    if (named.groups.length === 0) return named;
    const tree = await this.#tree(signal);
    const base = groupBaseOf(reading.settings);
    const changed = named.groups.flatMap((id) => tree.get(id) ?? []);
    const above = tree.around(changed).filter(({ dn }) => isWithin(dn, base));
    return { ...named, groups: [...new Set([...named.groups, ...above.map(({ id }) => id)])] };
  }
}

/** null where the server keeps no such counter, or does not show it. */
async function tokenOf({ directory }: Reading, facts: Facts, signal: AbortSignal): Promise<Token | null> {
  const { serviceDn, highestUsn, currentTime } = facts;
  if (serviceDn === null || highestUsn === null) return null;
  const invocation = await readInvocation(directory, serviceDn, signal);
  const at = generalizedTimeMs(currentTime ?? '');
  const token = Token.safeParse({ controller: serviceDn, invocation, usn: highestUsn, at });
  return token.success ? token.data : null;
}

function readToken(text: DeltaToken): Token | null {
  try {
    return Token.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function isSameCount(since: Token, now: Token): boolean {
  const sameController = since.controller === now.controller && since.invocation === now.invocation;
  return sameController && BigInt(now.usn) >= BigInt(since.usn);
}

/** The container's own DN, which also shows that this account may look into it; null where it may not. */
async function deletedObjects(
  { directory, settings, facts }: Reading,
  signal: AbortSignal,
): Promise<string | null> {
  const dn = `<WKGUID=${DELETED_OBJECTS},${rootAround(settings.baseDn, facts)}>`;
  const asked = { dn, attributes: ['isDeleted'], what: 'the deleted objects', controls: [showDeleted] };
  return (await readEntry(directory, asked, signal))?.dn ?? null;
}

/**
 * Over the whole domain, not the base alone: who was moved out of the base has changed too. Somebody whose account expired has
 * not, for the directory, but is another one for us. Whoever is in a unit that was renamed or moved has not either, and is
 * elsewhere all the same: then only a full pull tells.
 */
function searchesSince(
  { schema, settings, facts, reader: { groupAttributes } }: Reading,
  since: Token,
  now: Token,
  bin: string,
): ChangeSearch[] {
  const next = String(BigInt(since.usn) + 1n);
  const changed = atLeast('uSNChanged', next);
  const isA = (name: string) => equals('objectClass', name);
  const expiredMeanwhile = both(
    atLeast('accountExpires', fileTimeOf(since.at - OVERLAP_MS)),
    atMost('accountExpires', fileTimeOf(now.at + OVERLAP_MS)),
  );
  const base = rootAround(settings.baseDn, facts);
  const shared = { scope: 'sub', attributes: [schema.id], controls: [withinDomain] } as const;
  const people = both(isA('user'), not(isA('computer')), anyOf([changed, expiredMeanwhile]));
  const units = both(
    anyOf([isA('organizationalUnit'), isA('container')]),
    changed,
    not(atLeast('uSNCreated', next)), // a new unit holds only who was put there, and that is a change of theirs
  );
  const gone = both(equals('isDeleted', 'TRUE'), anyOf([isA('user'), isA('group')]), changed);
  return [
    { ...shared, about: 'users', what: 'the users that changed', base, filter: people },
    {
      ...shared,
      about: 'groups',
      what: 'the groups that changed',
      base,
      filter: both(isA('group'), changed),
      attributes: groupAttributes,
    },
    { ...shared, about: 'units', what: 'the units that changed', base, filter: units },
    {
      ...shared,
      about: 'deleted',
      what: 'the deleted objects',
      base: bin,
      filter: gone,
      attributes: [schema.id, 'objectClass'],
      controls: [showDeleted],
    },
  ];
}

type Read = {
  readonly search: NamedSearch | null;
  readonly entries: readonly Entry[];
  readonly next: Cursor | null;
  readonly memory: object;
};

/**
 * Whoever was in a deleted group was in the groups above it as well; which ones these were nobody can say any more, and they have no
 * new number: their links ended with the object that they led to.
 */
function toPage({ reader }: Reading, { search, entries, next, memory }: Read): ChangesPage {
  const { about } = search as ChangeSearch;
  const users: ExternalId[] = [];
  const groups: ExternalId[] = [];
  const renamed: RenamedGroup[] = [];
  let unreadable = 0;
  for (const entry of entries) {
    const id = reader.idOf(entry);
    if (id === null || about === 'units' || (about === 'deleted' && isGroup(entry))) unreadable += 1;
    else if (about === 'groups') {
      const read = reader.group(entry);
      groups.push(id);
      renamed.push({ externalId: id, name: read.kind === 'group' ? read.group.name : null });
    } else users.push(id);
  }
  return { users, groups, renamed, unreadable, next, token: next === null ? JSON.stringify(memory) : null };
}

function isGroup(entry: Entry): boolean {
  return textsIn(entry, 'objectClass').some((name) => name.toLowerCase() === 'group');
}

function expired(message: string): ConnectorError {
  const remedy = 'Nobody has to act: a full pull follows.';
  return new ConnectorError({ kind: 'cursor-expired', message, remedy });
}
