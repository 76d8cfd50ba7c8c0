/** Why an approval of a whole change set came upon nothing that it could approve. */
import { CHANGE_KINDS } from '../domain/change.ts';
import type { ConnectionId } from '../domain/ids.ts';
import { type Criteria, criteriaFrom } from './criteria.ts';
import type { Operator } from './operator.ts';
import { counted } from './terminal.ts';

/** More are not told apart. */
const COUNTED = 500;

export type Undecided = {
  readonly because: 'held' | 'by-name' | 'arrived-later' | 'conflict' | 'approved-before' | 'nothing-waits';
  /** At least so many where it is 500. */
  readonly changes: number;
};

type Asked = {
  readonly connection: ConnectionId;
  readonly revision: number;
  readonly includeHeld: boolean;
  /** Held, and let go by name alone; counted where held ones are meant. */
  readonly byName: number;
};

export async function whyNothing(
  operator: Operator,
  { connection, includeHeld, byName }: Asked,
  criteria: Criteria,
): Promise<readonly Undecided[]> {
  const kinds = criteria.kind ?? CHANGE_KINDS;
  const meant = await criteriaFrom(operator, criteria);
  const count = async (state: string, kind: readonly string[]) => {
    if (kind.length === 0) return 0;
    const filter = { ...meant, connection, state: [state], kind };
    return Math.min((await operator.groupChanges({ ...filter, by: 'kind' })).changes, COUNTED);
  };
  const others = kinds.filter((kind) => kind !== 'conflict');
  const conflicts = kinds.filter((kind) => kind === 'conflict');
  const found: Undecided[] = [
    { because: 'held', changes: includeHeld ? 0 : await count('held', others) },
    { because: 'by-name', changes: byName },
    // Of this revision an open one would have been approved.
    { because: 'arrived-later', changes: await count('open', others) },
    { because: 'conflict', changes: (await count('open', conflicts)) + (await count('held', conflicts)) },
    { because: 'approved-before', changes: await count('approved', others) },
  ];
  const some = found.filter(({ changes }) => changes > 0);
  return some.length > 0 ? some : [{ because: 'nothing-waits', changes: 0 }];
}

/** One sentence for a person, with what to do about it. */
export function undecidedInWords({ because, changes }: Undecided, { connection, revision }: Asked): string {
  const many = `${counted(changes, 'change')}${changes < COUNTED ? '' : ' or more'}`;
  switch (because) {
    case 'held':
      return `${many} held back by a guard, a policy or a person: --include-held approves what is held too.`;
    case 'by-name':
      return `${many} held because of whom they concern (protected users, last holders, last administrators): approve those by their ids.`;
    case 'arrived-later':
      return `${many} arrived after revision ${revision}: look again with \`rollcall changes --connection ${connection}\` and give the revision that stands there.`;
    case 'conflict':
      return `${many} in conflict, which nobody can approve: \`rollcall show CHANGE\` says what a person has to settle first.`;
    case 'approved-before':
      return `${many} approved already: \`rollcall apply ${connection}\` carries them out.`;
    case 'nothing-waits':
      return 'Nothing waits that this command is about.';
  }
}
