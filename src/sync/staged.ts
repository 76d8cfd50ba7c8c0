/** What is stored of a directory user: the hash of what is wanted, and the rest only where somebody has to look at it. */
import { hash } from 'node:crypto';
import type { UserRecord } from '../../connectors/contract.ts';
import { desiredHashOf } from '../domain/authUser.ts';
import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import { emailKeyOf } from '../domain/email.ts';
import { type CompiledMapping, isMapped } from '../domain/mapping.ts';
import type { NotMapped } from '../domain/written.ts';
import type { KnownUser, StagedUser, UserContent } from '../store/staging.ts';

/** The groups of a user, with the names of the groups. Many people are in the same ones: what is made for one serves the others. */
export class GroupSets {
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

/** A connector makes all its users in the same way, with their members in one order: the text needs no sorting. */
function contentOf(user: DirectoryUser, groups: readonly GroupRef[]): UserContent {
  const json = JSON.stringify({ user, groups });
  return { json, hash: hash('sha256', json, 'hex') };
}

/** Whom the mapping makes nothing of. */
export function left(mapped: NotMapped): { readonly problem: string } | { readonly absence: 'excluded' } {
  return mapped.state === 'unreadable' ? { problem: mapped.problem } : { absence: 'excluded' };
}

/** Empty for a record that names nobody. */
export function toStaged(
  record: UserRecord,
  mapping: CompiledMapping,
  sets: GroupSets,
  known: ReadonlyMap<string, KnownUser>,
): readonly StagedUser[] {
  if (record.kind === 'unreadable') {
    return record.externalId === null ? [] : [{ externalId: record.externalId, problem: record.problem }];
  }
  const { user } = record;
  const { externalId } = user;
  const before = known.get(externalId);
  const groups = sets.of(before?.groups ?? []);
  const read = contentOf(user, groups);
  const content = before?.contentHash === read.hash ? null : read;
  const mapped = mapping.map(user, groups);
  if (!isMapped(mapped)) return [{ externalId, content, ...left(mapped) }];
  const desiredHash = desiredHashOf(mapped);
  const differs = before?.agreedHash !== desiredHash;
  return [
    { externalId, content, differs, emailKey: differs ? emailKeyOf(mapped.fields) : null, desiredHash },
  ];
}
