/** Asks the provider for named users, as they are now, until nobody is left to ask for. */
import {
  type Connector,
  ConnectorError,
  type FoundUser,
  type UserRecord,
} from '../../connectors/contract.ts';
import type { ExternalId } from '../domain/ids.ts';
import type { CompiledMapping } from '../domain/mapping.ts';
import type { TakenRun } from '../domain/run.ts';
import { type DirectoryUsers, KnownContents } from '../store/directoryUsers.ts';
import type { StagedUser, Staging } from '../store/staging.ts';
import type { Touched } from '../store/touched.ts';
import type { Progress } from './progress.ts';
import { Stager } from './staged.ts';

export type PullDeps = {
  readonly staging: Staging;
  readonly touched: Touched;
  readonly directoryUsers: DirectoryUsers;
  readonly connector: Connector;
};

/** The contract's largest number. */
const AT_ONCE = 100;

/** Throws `ConnectorError` where the provider refuses, or does not say one thing of each; then nobody of that batch is stored. */
export async function lookUpTouched(
  { connector, staging, touched }: PullDeps,
  run: TakenRun,
  mapping: CompiledMapping,
  signal: AbortSignal,
  progress: Progress,
): Promise<void> {
  const { lookUp } = connector;
  if (lookUp === null) return;
  const read = await staging.readGroups(run);
  const stager = new Stager(run.mapping, mapping, read);
  const stage = (record: UserRecord, ids: readonly string[]) => stager.stage(record, ids, KnownContents.none);
  const groups = mapping.readsEveryGroup ? null : read.map((group) => group.externalId);
  const named = new Set<string>(read.map((group) => group.externalId));
  for (let last: ExternalId | null = null; ; ) {
    const ids: readonly ExternalId[] = await touched.next(run, last, AT_ONCE);
    if (ids.length === 0) return;
    last = ids.at(-1) ?? null;
    const found = await lookUp(ids, groups, signal);
    refuseSilence(ids, found);
    const rows = found.flatMap((one): readonly StagedUser[] => {
      if (one.kind === 'gone' || one.kind === 'out-of-scope')
        return [{ externalId: one.externalId, absence: one.kind }];
      if (one.kind === 'unreadable') return stage(one, []);
      if (one.groups.some((group) => !named.has(group))) {
        if (run.kind !== 'full') throw new UnknownGroup();
        return [
          { externalId: one.user.externalId, problem: 'is in a group that came after the groups were read' },
        ];
      }
      return stage(one, one.groups);
    });
    const next = { phase: 'look-up' as const, cursor: null };
    await staging.stageUsers(run, [{ users: rows, anew: () => rows, nameless: 0, next }]);
    progress.page('look-up', rows.length);
  }
}

/** Of whom nothing is said, or two things, nothing is known: not to be taken for an answer. */
function refuseSilence(ids: readonly ExternalId[], found: readonly FoundUser[]): void {
  const answered = new Set(found.map((one) => (one.kind === 'user' ? one.user.externalId : one.externalId)));
  if (found.length === ids.length && ids.every((id) => answered.has(id))) return;
  throw new ConnectorError({
    kind: 'unexpected-response',
    message: 'The provider did not answer once for each user that it was asked for.',
    remedy: 'Run again later; if it stays, report this as a defect.',
  });
}

/** A user is in a group that the last full pull did not read: its name, and so the roles that follow from it, are not known. */
export class UnknownGroup extends Error {
  override readonly name = 'UnknownGroup';
}
