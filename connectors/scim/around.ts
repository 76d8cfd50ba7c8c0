/**
 * Which groups a group is in. SCIM does not tell: only what is in a group. So either the service's own schema says that no group can be in
 * another, or all groups are read, where they are not more than a full pull would ask for.
 */
import type { ExternalId } from '../../src/domain/ids.ts';
import { abreast } from '../abreast.ts';
import type { Cursor } from '../contract.ts';
import { Identified } from '../unreadable.ts';
import { allGroups } from './lists.ts';
import type { Members } from './members.ts';
import type { Pages, Read } from './pages.ts';
import { GroupSchema } from './schema.ts';
import { type ScimService, saidOf } from './service.ts';

/** Of more, nothing is asked: a cursor holds them, and a full pull is near. */
export const MOST_CHANGED = 100;
/** Groups that are read in any case; and as many as a full pull has pages of users, of a hundred. */
const ALWAYS_READ = 100;
const USERS_FOR_A_GROUP = 100;
/** Requests for single groups under way at the same time. */
const AT_ONCE = 4;

const SCHEMA = '/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group';

type Counted = { readonly users: number | null; readonly groups: number | null };

export class Around {
  readonly #service: ScimService;
  readonly #pages: Pages;
  readonly #members: Members;

  constructor(service: ScimService, pages: Pages, members: Members) {
    this.#service = service;
    this.#pages = pages;
    this.#members = members;
  }

  /** These and all that they are in, at any depth; a group that may hold one of them counts. null where that would be too much to ask. */
  async of(
    changed: readonly ExternalId[],
    { users, groups }: Counted,
    signal: AbortSignal,
  ): Promise<readonly ExternalId[] | null> {
    if (await this.#isFlat(signal)) return [...new Set(changed)];
    const most = Math.max(ALWAYS_READ, (users ?? 0) / USERS_FOR_A_GROUP);
    if (groups === null || groups > most) return null;
    this.#members.forget(); // what was read before the change
    const all = await this.#everyGroup(signal);
    if (all === null) return null;
    const read = await abreast(all, (id) => this.#members.groupsIn(id, signal), AT_ONCE);
    const reached = new Set(changed);
    for (let before = -1; before < reached.size; ) {
      before = reached.size;
      for (const [at, id] of all.entries()) {
        const inside = read[at];
        if (inside === null || inside?.some((one) => reached.has(one))) reached.add(id);
      }
    }
    return [...reached];
  }

  /** null where one of them cannot be told by its id. */
  async #everyGroup(signal: AbortSignal): Promise<readonly ExternalId[] | null> {
    const ids = new Set<ExternalId>();
    let cursor: Cursor | null = null;
    do {
      const page: Read = await this.#pages.read(allGroups, cursor, signal);
      for (const record of page.records) {
        const { success, data } = Identified.safeParse(record);
        if (!success) return null;
        ids.add(data.id);
      }
      cursor = page.next;
    } while (cursor !== null);
    return [...ids];
  }

  /** Only where it is said in so many words: a service may keep no schemas, or copy the one of the RFC, by which groups nest. */
  async #isFlat(signal: AbortSignal): Promise<boolean> {
    const said = await saidOf(this.#service, SCHEMA, GroupSchema, signal);
    const members = said?.attributes.find(({ name }) => name.toLowerCase() === 'members');
    const kinds = (members?.subAttributes ?? []).flatMap(({ name, canonicalValues, referenceTypes }) => {
      if (name.toLowerCase() === 'type') return canonicalValues ?? [];
      return ['$ref', 'value'].includes(name.toLowerCase()) ? (referenceTypes ?? []) : [];
    });
    return kinds.length > 0 && kinds.every((kind) => /^users?$/i.test(kind));
  }
}
