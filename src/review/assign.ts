/** Who is to look at which changes, and what people say about them. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { ChangeId, PrincipalId } from '../domain/ids.ts';
import { invalidInput, notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions, toPage } from '../domain/page.ts';
import { authorise, type Caller, mayDo } from '../domain/permission.ts';
import type { Assignee } from '../store/assignments.ts';
import type { CommentView } from '../store/comments.ts';
import type { Store } from '../store/store.ts';
import { ChangeCriteria, toStoredFilter, Whose } from './changes.ts';

export type AssignDeps = { readonly store: Store; readonly clock: Clock };

const To = z
  .union([PrincipalId, z.literal('me')], { error: 'is neither the id of a principal nor me' })
  .nullable()
  .describe(
    'Who is to look at them, who has to be one that may decide; me: the caller; null: nobody any more.',
  );

const Named = z.strictObject({
  to: To,
  changes: z
    .array(ChangeId)
    .min(1, 'names no change')
    .max(10_000, 'names more than 10000 changes: give a filter instead')
    .describe('Changes one by one.'),
});

const ByFilter = z.strictObject({
  to: To,
  ...Whose.shape,
  filter: ChangeCriteria.default({}).describe('Which of those that wait; empty: all.'),
});

export const AssignmentRequest = z.union([Named, ByFilter]);

/** It decides nothing. Throws `invalid-input`, `not-found` for the principal. */
export async function assignChanges(
  deps: AssignDeps,
  caller: Caller,
  input: unknown,
): Promise<{ readonly assigned: number }> {
  authorise(caller, 'changes.decide');
  const isNamed = typeof input === 'object' && input !== null && 'changes' in input;
  const request = parseInput<typeof Named | typeof ByFilter>(isNamed ? Named : ByFilter, input);
  const to = await assignee(deps, caller, request.to);
  if (!('changes' in request)) await refuseUnknown(deps, caller, request);
  const { tenant, connection, filter = {} } = 'changes' in request ? {} : request;
  const of =
    'changes' in request
      ? { changes: request.changes }
      : { filter: { tenant, connection, ...toStoredFilter(caller, filter) } };
  const how = { to, actor: caller.actor, at: deps.clock.now() };
  return { assigned: await deps.store.assignments.assign(caller.tenant, of, how) };
}

/** Where nothing is found because there is no such place, whoever asks hears that. */
async function refuseUnknown(
  { store }: AssignDeps,
  caller: Caller,
  { tenant, connection }: z.output<typeof ByFilter>,
): Promise<void> {
  if (tenant !== undefined && (await store.tenants.get(caller.tenant, tenant)) === null)
    throw notFound('tenant');
  if (connection !== undefined && (await store.connections.find(caller.tenant, connection)) === null)
    throw notFound('connection');
}

async function assignee({ store }: AssignDeps, caller: Caller, to: z.output<typeof To>): Promise<Assignee> {
  if (to === null) return null;
  if (to === 'me' || to === caller.principal) return { id: caller.principal, name: caller.actor.name };
  const principal = await store.principals.get(caller.tenant, to);
  if (principal === null) throw notFound('principal');
  const wrong = (message: string) => invalidInput([{ path: 'to', message }]);
  if (principal.disabledAt !== null) throw wrong('is disabled');
  if (!mayDo(principal.role, 'changes.decide'))
    throw wrong(`has the role ${principal.role}, which decides nothing`);
  return { id: principal.id, name: principal.name };
}

const LONGEST_COMMENT = 4_000;

export const NewComment = z.strictObject({
  change: z.string(),
  text: z
    .string()
    .trim()
    .min(1, 'is empty')
    .max(LONGEST_COMMENT, `is longer than ${LONGEST_COMMENT} characters`)
    .describe('Plain text. It stays as it is.'),
});

/** Whoever may decide may say something, whatever the change's state. Throws `invalid-input`, `not-found`. */
export async function commentOnChange(
  deps: AssignDeps,
  caller: Caller,
  input: z.input<typeof NewComment>,
): Promise<CommentView> {
  authorise(caller, 'changes.decide');
  const { change, text } = parseInput(NewComment, input);
  const id = parseId(ChangeId, change);
  const said = { text, principal: caller.principal, actor: caller.actor, at: deps.clock.now() };
  const comment = id === null ? null : await deps.store.comments.add(caller.tenant, id, said);
  if (comment === null) throw notFound('change');
  return comment;
}

export const ListComments = PageOptions.extend({ change: z.string() });

/** Oldest first: those on any change of the same person in the connection. Throws `not-found`. */
export async function listComments(
  deps: AssignDeps,
  caller: Caller,
  input: z.input<typeof ListComments>,
): Promise<Listed<CommentView>> {
  authorise(caller, 'changes.read');
  const { change, limit, after } = parseInput(ListComments, input);
  const id = parseId(ChangeId, change);
  const rows =
    id === null ? null : await deps.store.comments.list(caller.tenant, id, { limit: limit + 1, after });
  if (rows === null) throw notFound('change');
  return toPage(rows, limit);
}
