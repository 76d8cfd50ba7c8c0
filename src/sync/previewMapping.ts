/** What another mapping would change, before it is saved: from what was last read, without asking the provider. Nothing is kept of it. */
import { z } from 'zod';
import { desiredHashOf } from '../domain/authUser.ts';
import type { Clock } from '../domain/clock.ts';
import type { Connection } from '../domain/connection.ts';
import { emailKeyOf } from '../domain/email.ts';
import { explainFinding, type Finding } from '../domain/guard.ts';
import { ConnectionId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { isMapped, Mapping, rolesIn } from '../domain/mapping.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { LastRead, Previewed, Restaged } from '../store/mappingPreviews.ts';
import type { Store } from '../store/store.ts';
import { type NewRoleName, unknownAmong } from '../tenancy/roles.ts';
import { compileInTime } from './mappingTime.ts';
import { fill } from './plan.ts';
import { left } from './staged.ts';
import { readingOf } from './sync.ts';

export const MappingPreviewRequest = z.strictObject({ connection: z.string(), mapping: Mapping });

/** `held`: what guards would hold changes for. `newRoles`: those that are made when the mapping is saved. */
export type MappingPreview = Previewed & {
  readonly held: readonly string[];
  readonly newRoles: readonly NewRoleName[];
};

/**
 * The changes that the next full run would propose by this mapping if the directory is still as it was last read. Runs, plans and applies
 * of the connection wait meanwhile.
 * Throws `invalid-input`, also for roles that the caller could not save; `not-found`; `not-allowed-now` before the first complete run.
 */
export async function previewMapping(
  deps: { readonly store: Store; readonly clock: Clock },
  caller: Caller,
  input: z.input<typeof MappingPreviewRequest>,
): Promise<MappingPreview> {
  authorise(caller, 'connections.read');
  authorise(caller, 'changes.read');
  const { connection: wanted, mapping } = parseInput(MappingPreviewRequest, input);
  const id = parseId(ConnectionId, wanted);
  const connection = id === null ? null : await deps.store.connections.get(caller.tenant, id);
  if (connection === null) throw notFound('connection');
  const newRoles = await unknownAmong(deps, caller, connection.tenant, rolesIn(mapping));
  const compiled = compileInTime(mapping);
  const findings: Finding[] = [];
  const found = await deps.store.mappingPreviews.preview({
    connection: connection.id,
    tenant: connection.tenant,
    ...readingOf({ ...connection, mapping } satisfies Connection),
    groups: compiled.groups,
    stage: ({ externalId, user, groups, agreedHash }: LastRead): Restaged => {
      const mapped = compiled.map(user, groups);
      if (!isMapped(mapped)) return { externalId, ...left(mapped) };
      const desiredHash = desiredHashOf(mapped);
      if (desiredHash === agreedHash) return { externalId, settled: true };
      return { externalId, desiredHash, emailKey: emailKeyOf(mapped.fields) };
    },
    plan: async (plan, run) => findings.push(...(await fill(plan, run, deps.clock.now()))),
  });
  if (found === null) throw new Problem(NOTHING_READ);
  return { ...found, held: findings.map(explainFinding), newRoles };
}

const NOTHING_READ = {
  code: 'not-allowed-now',
  message: 'The directory has not been read completely yet.',
  remedy: 'Start a run; or try the mapping on a few users with `rollcall connections test --mapping`.',
} as const;
