/** The Reports API v1, as far as a directory sync asks it: the admin audit log, newest first (reference: activities.list). */
import type { Directory } from '../directory.ts';
import type { Group } from '../population/groups.ts';
import { type Answer, type ApiRequest, decodeCursor, wholeNumber } from '../protocol.ts';
import { bytes } from '../written.ts';
import { invalid, refuse } from './answers.ts';
import { type Entry, Journal } from './journal.ts';

export class ReportsApi {
  readonly #directory: Directory;
  readonly #customerId: string;
  readonly #addressOfGroup: (group: Group) => string;
  /** null until somebody asks: who only lists users need not pay for it. */
  #journal: Journal | null = null;

  constructor(directory: Directory, customerId: string, addressOfGroup: (group: Group) => string) {
    this.#directory = directory;
    this.#customerId = customerId;
    this.#addressOfGroup = addressOfGroup;
  }

  activities(request: ApiRequest): Answer {
    const { searchParams } = request.url;
    if (request.params.get('user') !== 'all') return invalid('Invalid Input: userKey');
    if (request.params.get('application') !== 'admin') return invalid('Invalid Input: applicationName');
    const limit = wholeNumber(searchParams.get('maxResults') ?? '1000', 1, 1_000);
    if (limit === null) return invalid('Invalid Input: maxResults');
    const since = Date.parse(searchParams.get('startTime') ?? '1970-01-01T00:00:00Z');
    if (Number.isNaN(since) || since > Date.now()) return invalid('Invalid Input: startTime');
    this.#journal ??= new Journal(this.#directory, this.#addressOfGroup);
    this.#journal.observe();
    const { entries } = this.#journal;
    const token = searchParams.get('pageToken');
    const at = token === null ? { position: entries.length } : decodeCursor(token);
    if (at === null || at.position > entries.length) return refuse({ because: 'bad-cursor' });
    const first = entries.findIndex(({ time }) => time >= since);
    const oldest = Math.max(first === -1 ? entries.length : first, at.position - limit);
    const items = entries
      .slice(oldest, at.position)
      .map((entry, index) => this.#item(entry, oldest + index))
      .toReversed();
    const more = first !== -1 && oldest > first;
    const around = { kind: 'admin#reports#activities', etag: `"${entries.length}"` };
    return { kind: 'list', key: 'items', items, start: at.position, next: more ? oldest : null, around };
  }

  #item({ time, type, name, parameters }: Entry, number: number): Buffer {
    return bytes(
      JSON.stringify({
        kind: 'admin#reports#activity',
        id: {
          time: new Date(time).toISOString(),
          uniqueQualifier: String(-1_000_000_007 * (number + 1)),
          applicationName: 'admin',
          customerId: this.#customerId,
        },
        actor: { callerType: 'USER', profileId: '1000' },
        events: [
          {
            type,
            name,
            parameters: Object.entries(parameters).map(([key, value]) => ({ name: key, value })),
          },
        ],
      }),
    );
  }
}
