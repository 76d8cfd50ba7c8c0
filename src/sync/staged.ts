/** What is stored of a directory user: the hash of what is wanted, and the rest only where somebody has to look at it. */
import { hash } from 'node:crypto';
import type { UserRecord } from '../../connectors/contract.ts';
import { desiredHashOf } from '../domain/authUser.ts';
import { fingerprintOf } from '../domain/canonical.ts';
import type { GroupRef } from '../domain/directory.ts';
import { emailKeyOf } from '../domain/email.ts';
import { type CompiledMapping, isMapped, MAPPING_VERSION, type Mapping } from '../domain/mapping.ts';
import type { NotMapped } from '../domain/written.ts';
import type { KnownContents } from '../store/directoryUsers.ts';
import type { StagedUser } from '../store/staging.ts';

/** The groups of a user, with the names of the groups. Many people are in the same ones: what is made for one serves the others. */
class GroupSets {
  readonly #byId: ReadonlyMap<string, GroupRef>;
  readonly #ofEveryone: readonly string[];
  readonly #made = new Map<string, readonly GroupRef[]>();

  constructor(groups: readonly (GroupRef & { readonly everyone: boolean })[]) {
    this.#byId = new Map(groups.map(({ externalId, name }) => [externalId, { externalId, name }]));
    this.#ofEveryone = groups.filter((group) => group.everyone).map((group) => group.externalId);
  }

  /** In the order of their ids, each once. */
  of(ids: readonly string[]): readonly GroupRef[] {
    if (ids.length === 0 && this.#ofEveryone.length === 0) return NONE;
    const sorted = [...new Set([...this.#ofEveryone, ...ids])].sort();
    const key = sorted.join('\n');
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const set = sorted.flatMap((id) => this.#byId.get(id) ?? []);
    if (this.#made.size > 5_000) this.#made.clear(); // bounded, whatever the directory is like
    this.#made.set(key, set);
    return set;
  }
}

const NONE: readonly GroupRef[] = [];

/** Whom the mapping makes nothing of. */
export function left(mapped: NotMapped): { readonly problem: string } | { readonly absence: 'excluded' } {
  return mapped.state === 'unreadable' ? { problem: mapped.problem } : { absence: 'excluded' };
}

/** Makes rows of records, by one mapping, with the groups that were read. */
export class Stager {
  readonly #mapping: CompiledMapping;
  readonly #salt: string;
  readonly #sets: GroupSets;

  constructor(
    mapping: Mapping,
    compiled: CompiledMapping,
    groups: readonly (GroupRef & { readonly everyone: boolean })[],
  ) {
    this.#mapping = compiled;
    this.#salt = fingerprintOf({ version: MAPPING_VERSION, mapping });
    this.#sets = new GroupSets(groups);
  }

  /** Empty for a record that names nobody. `groups`: ids of those that the user is in. */
  stage(record: UserRecord, groups: readonly string[], known: KnownContents): readonly StagedUser[] {
    if (record.kind === 'unreadable') {
      return record.externalId === null ? [] : [{ externalId: record.externalId, problem: record.problem }];
    }
    const { user } = record;
    const { externalId } = user;
    const refs = this.#sets.of(groups);
    // A connector makes all its users in the same way, with their members in one order: the text needs no sorting.
    const json = JSON.stringify({ user, groups: refs });
    const digest = hash('sha256', json + this.#salt, 'buffer');
    const before = known.find(digest);
    if (before === 'settled') return [{ externalId, settled: true }];
    const content = before === null ? { json, hash: digest.toString('hex') } : null;
    const mapped = this.#mapping.map(user, refs);
    if (!isMapped(mapped)) return [{ externalId, content, ...left(mapped) }];
    return [{ externalId, content, emailKey: emailKeyOf(mapped.fields), desiredHash: desiredHashOf(mapped) }];
  }
}
