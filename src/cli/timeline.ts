/** An entry of a timeline in words: what, who and why, and the ids that lead on. */
import { causes, explainNote } from '../domain/change.ts';
import { explainFinding } from '../domain/guard.ts';
import type { ConnectionId } from '../domain/ids.ts';
import type { RoleReason } from '../domain/roleReasons.ts';
import type { TimelineEntry } from '../domain/timeline.ts';
import { valueInWords } from './describe.ts';

type Of<What extends TimelineEntry['what']> = Extract<TimelineEntry, { what: What }>;

const VERDICTS = { approve: 'approved', reject: 'rejected', hold: 'held' } as const;

/** Three cells. */
export async function entryInWords(
  entry: TimelineEntry,
  nameOf: (id: ConnectionId) => Promise<string>,
): Promise<readonly string[]> {
  switch (entry.what) {
    case 'proposed':
      return proposedInWords(entry, await nameOf(entry.connection));
    case 'decided':
      return [
        `${verdictInWords(entry)}${entry.until === null ? '' : ` until ${entry.until}`}`,
        whoAndWhy(entry),
        `change ${entry.change}, decision ${entry.decision}`,
      ];
    case 'carried-out':
      return [
        entry.version === null ? entry.outcome : `${entry.outcome}: version ${entry.version}`,
        [entry.by ?? 'the system', entry.reason].filter((text) => text !== null).join(': '),
        `change ${entry.change}, apply ${entry.apply}`,
      ];
    case 'withdrawn':
      return ['withdrawn', entry.note === null ? '' : explainNote(entry.note), `change ${entry.change}`];
    case 'told-same':
    case 'told-apart':
      return [
        entry.what === 'told-same' ? 'is the same person' : 'is another person',
        `${entry.by}: ${entry.reason}`,
        `pair ${entry.pair}`,
      ];
    case 'commented':
      return ['comment', `${entry.by}: ${entry.text}`, `change ${entry.change}, comment ${entry.comment}`];
    case 'adjusted':
      return adjustmentInWords(entry);
    case 'recorded':
      return [`${entry.action} ${detailsInWords(entry)}`.trim(), entry.by.name, `audit entry ${entry.audit}`];
  }
}

function verdictInWords({ verdict, approval }: Of<'decided'>): string {
  if (approval === null) return VERDICTS[verdict];
  const which = `approval ${approval.number} of ${approval.of}`;
  return approval.last ? `${VERDICTS[verdict]}: ${which}` : which;
}

export function reasonInWords(reason: RoleReason): string {
  switch (reason.from) {
    case 'everyone':
      return 'everybody in the directory has it';
    case 'group':
      return `member of ${reason.group}`;
    case 'rule':
      return reason.group === null
        ? `rule ${reason.rule}`
        : `rule ${reason.rule}, as a member of ${reason.group}`;
    case 'adjustment':
      return `${reason.by} said so: ${reason.reason}`;
  }
}

function proposedInWords(entry: Of<'proposed'>, connection: string): readonly string[] {
  const { change, run, undoes, undoReason } = entry;
  const leads = undoes === null ? `run ${run}` : `takes back ${undoes}`;
  return [
    `proposed: ${differenceInWords(entry)}`,
    `${connection}: ${causes[entry.cause]}${undoReason === null ? '' : `: ${undoReason}`}`,
    `change ${change}, ${leads}`,
  ];
}

function adjustmentInWords({
  rolesAdded,
  rolesRemoved,
  place,
  by,
  reason,
}: Of<'adjusted'>): readonly string[] {
  const roles = [...rolesAdded.map((role) => `+ ${role}`), ...rolesRemoved.map((role) => `− ${role}`)];
  return [`adjusted: ${roles.join(', ')}`, `${by}: ${reason}`, place === null ? '' : `tenant ${place}`];
}

/** The reason of a rule begins with its name. */
function whoAndWhy({ by, madeBy, rule, reason, finding }: Of<'decided'>): string {
  if (rule !== null) return reason;
  return `${by ?? `a ${madeBy}`}: ${finding === null ? reason : explainFinding(finding)}`;
}

function differenceInWords({ kind, fields, rolesGained, rolesLost }: Of<'proposed'>): string {
  const parts = [
    ...fields.map(({ field, before, after }) => `${field}: ${valueInWords(before)} → ${valueInWords(after)}`),
    ...rolesGained.map(({ role, because, certain }) => {
      const why = because.map(reasonInWords).join('; ');
      const kept = certain ? '' : 'what was read of them then is not kept; may come from: ';
      return why === '' ? `+ ${role}` : `+ ${role} (${kept}${why})`;
    }),
    ...rolesLost.map((role) => `− ${role}`),
  ];
  return [kind, ...parts].join(', ');
}

function detailsInWords({ details }: Of<'recorded'>): string {
  const { fields, role } = details;
  if (Array.isArray(fields)) return fields.join(', ');
  return typeof role === 'string' ? role : '';
}
