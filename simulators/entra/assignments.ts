/** Who is assigned to the directory's one enterprise application: some people directly, and the members of two groups. */
import type { Directory } from '../directory.ts';
import { guids } from '../population/ids.ts';
import { isListed, type Person } from '../population/people.ts';
import { type Answer, type ApiRequest, decodeCursor, json, wholeNumber } from '../protocol.ts';
import { bytes } from '../written.ts';
import { graphError, refuse } from './answers.ts';
import type { EntraObjects } from './objects.ts';

/** The second holds nothing but groups: nobody is assigned through it, for only direct members of a group are. */
const GROUPS = ['Engineering', 'Product Development'];
const isAssigned = (person: Person): boolean => isListed(person) && person.serial % 40 === 3;

/** Object ids of those among so many people of this seed who are assigned themselves; Graph then lists each of them as an assignment. */
export function assignedThemselves(seed: number, people: number): readonly string[] {
  const { of } = guids(seed, 'entra-user');
  return Array.from({ length: people }, (_, serial) => serial)
    .filter((serial) => serial % 40 === 3)
    .map(of);
}

/** Object id of the enterprise application in the directory of this seed. */
export const servicePrincipalOf = (seed: number): string => guids(seed, 'entra-tenant').of(4);

export class Assignments {
  readonly #directory: Directory;
  readonly #objects: EntraObjects;
  readonly #clientId: string;
  readonly #id: string;

  constructor(directory: Directory, objects: EntraObjects, clientId: string) {
    this.#directory = directory;
    this.#objects = objects;
    this.#clientId = clientId;
    this.#id = servicePrincipalOf(directory.seed);
  }

  /** `GET /v1.0/servicePrincipals?$filter=appId eq '…'` */
  find(request: ApiRequest): Answer {
    const appId = /^appId eq '([\w-]+)'$/.exec(request.url.searchParams.get('$filter') ?? '')?.[1];
    if (appId === undefined) return refuse({ because: 'bad-request', detail: 'Only appId eq is supported.' });
    const value = appId === this.#clientId ? [{ id: this.#id, appId, displayName: 'Rollcall' }] : [];
    return json(200, { value });
  }

  /** `GET /v1.0/servicePrincipals/{id}/appRoleAssignedTo` */
  list(request: ApiRequest): Answer {
    const id = request.params.get('principal') ?? '';
    if (id !== this.#id) {
      return graphError(request, 404, 'Request_ResourceNotFound', `Resource '${id}' does not exist.`);
    }
    const { searchParams, origin } = request.url;
    const cursor = searchParams.get('$skiptoken');
    const start = cursor === null ? 0 : decodeCursor(cursor)?.position;
    const limit = wholeNumber(searchParams.get('$top') ?? '100', 1, 999);
    if (start === undefined) return refuse({ because: 'bad-cursor' });
    if (limit === null) return refuse({ because: 'bad-request', detail: 'Invalid page size.' });
    const all = this.#all();
    const items = all.slice(start, start + limit);
    const next = start + limit < all.length ? start + limit : null;
    const around = { '@odata.context': `${origin}/v1.0/$metadata#appRoleAssignments` };
    return { kind: 'list', key: 'value', items, start, next, around };
  }

  #all(): readonly Buffer[] {
    const { groups, people } = this.#directory;
    const ofGroups = groups
      .filter(({ name }) => GROUPS.includes(name))
      .map(({ serial, name }) => this.#assignment(this.#objects.groupIdOf(serial), 'Group', name));
    const ofPeople = people
      .filter(isAssigned)
      .map((person) => this.#assignment(this.#objects.userIdOf(person.serial), 'User', person.local));
    return [...ofGroups, ...ofPeople];
  }

  #assignment(principalId: string, principalType: 'User' | 'Group', principalDisplayName: string): Buffer {
    return bytes(
      JSON.stringify({
        id: Buffer.from(principalId).toString('base64url'),
        appRoleId: '00000000-0000-0000-0000-000000000000',
        createdDateTime: '2026-01-01T00:00:00Z',
        principalDisplayName,
        principalId,
        principalType,
        resourceDisplayName: 'Rollcall',
        resourceId: this.#id,
      }),
    );
  }
}
