/** Why somebody whom a directory has is, or is not, an auth user: see src/domain/standing.ts. */
import { z } from 'zod';
import type { AuthUserId, ConnectionId, RunId } from '../domain/ids.ts';
import { ChangeId, ConnectionId as Connection, ExternalId } from '../domain/ids.ts';
import { invalidInput, notFound, parseId, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { type Found, standingOf, standings } from '../domain/standing.ts';
import { inOrder, type TimelineEntry } from '../domain/timeline.ts';
import type { ChangeView } from '../store/changes.ts';
import type { Store } from '../store/store.ts';
import { entriesOf, keyOf } from './timeline.ts';

export const PersonRequest = z
  .strictObject({
    connection: z.string(),
    externalId: ExternalId.optional().describe("The provider's id of the person; this or `address`."),
    address: z
      .string()
      .min(1)
      .max(320)
      .optional()
      .describe('The address or user name that the directory has of them, in any case.'),
  })
  .refine(
    ({ externalId, address }) => (externalId === undefined) !== (address === undefined),
    'externalId or address has to be given, and not both',
  );

export type ExplainedPerson = Found & {
  readonly connection: ConnectionId;
  readonly externalId: ExternalId;
  /** The standing as a sentence. */
  readonly says: string;
  readonly user: AuthUserId | null;
  /** As last read; null: the directory has nobody of this id, or nothing was understood of them. */
  readonly groups: readonly string[] | null;
  /** What waits, or was refused. */
  readonly change: ChangeView | null;
  /** When everybody was read for the last time. */
  readonly lastComplete: { readonly run: RunId; readonly at: Date } | null;
  readonly timeline: readonly TimelineEntry[];
};

const LONGEST = 200;

/** Throws `invalid-input` where several have this address, `not-found` for the connection, and for an address that nobody has. */
export async function explainPerson(
  { store }: { readonly store: Store },
  caller: Caller,
  input: z.input<typeof PersonRequest>,
): Promise<ExplainedPerson> {
  for (const action of ['users.read', 'changes.read', 'connections.read'] as const) authorise(caller, action);
  const request = parseInput(PersonRequest, input);
  const id = parseId(Connection, request.connection);
  const stored = id === null ? null : await store.connections.get(caller.tenant, id);
  if (stored === null) throw notFound('connection');
  const connection = stored.id;
  const externalId = request.externalId ?? (await whoHas(store, caller, connection, request.address ?? ''));
  const person = { connection, externalId };
  const reading = await store.histories.lastReading(caller.tenant, person);
  const change =
    reading.change === null ? null : await store.changes.get(caller.tenant, ChangeId.parse(reading.change));
  const history = await store.histories.of(
    caller.tenant,
    { user: reading.authUser, persons: [person] },
    LONGEST,
  );
  const found = standingOf({
    isLinked: reading.authUser !== null,
    mapping: stored.mapping,
    ...{ read: reading.read, change, noted: reading.noted },
  });
  return {
    ...person,
    ...found,
    says: standings[found.standing],
    user: reading.authUser,
    groups: reading.read?.groups.map(({ name }) => name) ?? null,
    change,
    lastComplete: reading.lastComplete,
    timeline: inOrder(entriesOf(history, new Map([[keyOf(person), reading]])), LONGEST),
  };
}

async function whoHas(store: Store, caller: Caller, connection: ConnectionId, address: string) {
  const [one, ...others] = await store.histories.named(caller.tenant, connection, address);
  if (one === undefined) throw new Problem(NOBODY);
  if (others.length === 0) return one;
  const ids = [one, ...others].join(', ');
  throw invalidInput(
    [{ path: 'address', message: `${others.length + 1} people of this directory have it` }],
    `Give the external id of the one who is meant instead: ${ids}.`,
  );
}

const NOBODY = {
  code: 'not-found',
  message: 'Nobody in this directory, as it was last read, has this address or user name.',
  remedy:
    'Give the id that the directory has for them; or sync again (`rollcall sync`), if they are there since a short time ago.',
} as const;

/** Connections whose directory has, or had, somebody of this id. */
export async function findPerson(
  { store }: { readonly store: Store },
  caller: Caller,
  externalId: string,
): Promise<readonly ConnectionId[]> {
  authorise(caller, 'users.read');
  const parsed = ExternalId.safeParse(externalId);
  return parsed.success ? await store.histories.whoseIs(caller.tenant, parsed.data) : [];
}
