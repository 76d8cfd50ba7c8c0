/** `GET /v1.0/users/delta` and `/groups/delta` ("Use delta query to track changes in Microsoft Graph data"). */
import { randomBytes } from 'node:crypto';
import type { Directory } from '../directory.ts';
import { isListed, type Person } from '../population/people.ts';
import { type Answer, type ApiRequest, decodeCursor } from '../protocol.ts';
import { bytes } from '../written.ts';
import { graphError } from './answers.ts';
import { type GroupChange, Journal } from './journal.ts';
import type { EntraObjects } from './objects.ts';

/** Graph chooses the size itself; `$top` is ignored. */
const PAGE = 200;

type Feed = 'users' | 'groups';

export class Changes {
  readonly #directory: Directory;
  readonly #objects: EntraObjects;
  readonly #journal: Journal;
  /** Links of another process's life are worth nothing here. */
  readonly #life = randomBytes(6).toString('base64url');

  constructor(directory: Directory, objects: EntraObjects) {
    this.#directory = directory;
    this.#objects = objects;
    this.#journal = new Journal(directory);
  }

  /** Without a token everybody comes first, with `latest` nobody. What happens while pages are read is on the last of them. */
  answer(feed: Feed, request: ApiRequest): Answer {
    this.#journal.catchUp();
    const { searchParams } = request.url;
    const token = searchParams.get('$deltatoken');
    const since = token === null ? 0 : this.#placeIn(token, this.#journal[feed].length);
    const cursor = searchParams.get('$skiptoken');
    const start = cursor === null ? since : (decodeCursor(cursor)?.position ?? null);
    if (since === null || start === null)
      return graphError(request, 400, 'syncStateNotFound', 'The sync state generation is not found; resync.');
    return token === null ? this.#everybody(feed, request, start) : this.#since(feed, request, start);
  }

  #since(feed: Feed, request: ApiRequest, start: number): Answer {
    const end = Math.min(this.#journal[feed].length, start + PAGE);
    const items =
      feed === 'users'
        ? this.#journal.users.slice(start, end).flatMap((serial) => this.#userItem(request, serial))
        : this.#journal.groups.slice(start, end).map((change) => this.#groupItem(change));
    return this.#page(feed, request, { items, start, next: end < this.#journal[feed].length ? end : null });
  }

  /** What happened meanwhile is told with the next reading, and what had happened before once more. */
  #everybody(feed: Feed, request: ApiRequest, start: number): Answer {
    if (feed === 'users') {
      const { people, next } = this.#directory.page(start, PAGE, isListed);
      const items = people.flatMap((person) => this.#userItem(request, person.serial));
      return this.#page(feed, request, { items, start, next }, 0);
    }
    const groups = this.#directory.groups.slice(start, start + PAGE);
    const items = groups.map(({ serial, members }) =>
      this.#groupItem({ group: serial, renamed: true, added: members, removed: [] }),
    );
    const next = start + PAGE < this.#directory.groups.length ? start + PAGE : null;
    return this.#page(feed, request, { items, start, next }, 0);
  }

  #page(
    feed: Feed,
    request: ApiRequest,
    page: { items: readonly Buffer[]; start: number; next: number | null },
    place = this.#journal[feed].length,
  ): Answer {
    const { origin, pathname } = request.url;
    const around = { '@odata.context': `${origin}/v1.0/$metadata#${feed}` };
    const link = `${origin}${pathname}?$deltatoken=${this.#link(place)}`;
    const last = page.next === null ? { '@odata.deltaLink': link } : {};
    return { kind: 'list', key: 'value', ...page, around: { ...around, ...last } };
  }

  /** Removed as `changed`: can still be restored; as `deleted`: gone for good. Who was silently left out of lists is not named. */
  #userItem(request: ApiRequest, serial: number): readonly Buffer[] {
    const person = this.#directory.people[serial];
    if (person === undefined || !person.visible) return [];
    const reason = reasonOf(person);
    const id = this.#objects.userIdOf(serial);
    if (reason !== null) return [bytes(JSON.stringify({ id, '@removed': { reason } }))];
    const minimal = /return=minimal/.test(String(request.headers['prefer'] ?? ''));
    const select = minimal ? 'id,displayName,jobTitle' : request.url.searchParams.get('$select');
    return [this.#objects.users(select)(person)];
  }

  #groupItem({ group, renamed, added, removed }: GroupChange): Buffer {
    const type = '#microsoft.graph.user';
    const members = [
      ...added.map((serial) => ({ '@odata.type': type, id: this.#objects.userIdOf(serial) })),
      ...removed.map((serial) => ({
        '@odata.type': type,
        id: this.#objects.userIdOf(serial),
        '@removed': { reason: 'deleted' },
      })),
    ];
    const id = this.#objects.groupIdOf(group);
    const name = renamed ? { displayName: this.#directory.groups[group]?.name } : {};
    return bytes(
      JSON.stringify({ id, ...name, ...(members.length > 0 ? { 'members@delta': members } : {}) }),
    );
  }

  #link(place: number): string {
    return `${this.#life}.${place}`;
  }

  /** null for a token of another life, or none at all. */
  #placeIn(token: string, size: number): number | null {
    if (token === 'latest') return size;
    const [life, place = ''] = token.split('.');
    return life === this.#life && /^\d{1,9}$/.test(place) && Number(place) <= size ? Number(place) : null;
  }
}

function reasonOf(person: Person): 'changed' | 'deleted' | null {
  if (person.state === 'deleted') return 'changed';
  return person.state === 'purged' ? 'deleted' : null;
}
