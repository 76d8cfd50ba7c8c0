/** What the files of an evidence pack say, line by line: each as JSON for machines, and as CSV for people. */
import type { FieldChange } from '../domain/change.ts';
import { type HeldRole, type UserAsOf, userAsOf } from '../domain/userAsOf.ts';
import type {
  EvidentApply,
  EvidentChange,
  EvidentDecision,
  EvidentEntry,
  EvidentUser,
} from '../store/evidence.ts';
import { BYTE_ORDER_MARK, type Cell, csvLine } from './csv.ts';

/** The files of one table: their names, their first lines, and the lines of each row. */
export type Table<Row> = readonly {
  readonly name: string;
  readonly head: string | null;
  readonly lines: (row: Row) => readonly string[];
}[];

/** Heading, and what stands below it. */
type Columns<Line> = readonly (readonly [heading: string, cell: (line: Line) => Cell])[];

function jsonLines<Row>(name: string, json: (row: Row) => object): Table<Row>[number] {
  return { name: `${name}.jsonl`, head: null, lines: (row) => [`${JSON.stringify(json(row))}\n`] };
}

/** Of a row, as many lines as `linesOf` makes of it. */
function csv<Row, Line>(
  name: string,
  linesOf: (row: Row) => readonly Line[],
  columns: Columns<Line>,
): Table<Row>[number] {
  return {
    name: `${name}.csv`,
    head: `${BYTE_ORDER_MARK}${csvLine(columns.map(([heading]) => heading))}`,
    lines: (row) => linesOf(row).map((line) => csvLine(columns.map(([, cell]) => cell(line)))),
  };
}

export const AUDIT: Table<EvidentEntry> = [
  jsonLines('audit', (entry) => entry),
  csv('audit', (entry) => [entry], [
    ['tenant', ({ tenant }) => tenant],
    ['number', ({ number }) => number],
    ['at', ({ at }) => at],
    ['actor kind', ({ actor }) => actor.kind],
    ['actor', ({ actor }) => actor.name],
    ['action', ({ action }) => action],
    ['subject kind', ({ subject }) => subject.kind],
    ['subject', ({ subject }) => subject.id],
    ['details', ({ details }) => JSON.stringify(details)],
    ['hash', ({ hash }) => hash],
  ]),
];

type Decided = { readonly change: EvidentChange; readonly decision: EvidentDecision };

export const CHANGES: Table<EvidentChange> = [
  jsonLines('changes', (change) => change),
  csv('changes', (change) => [change], [
    ['change', ({ id }) => id],
    ['proposed', ({ proposedAt }) => proposedAt],
    ['tenant', ({ tenant }) => tenant],
    ['connection', ({ connection }) => connection],
    ['external id', ({ externalId }) => externalId],
    ['auth user', ({ authUser }) => authUser],
    ['name', nameOf],
    ['kind', ({ kind }) => kind],
    ['cause', ({ cause }) => cause],
    ['risk', ({ risk }) => risk],
    ['fields', ({ fields }) => fields.map(differenceInWords).join('; ')],
    ['roles gained', ({ rolesGained }) => rolesGained.join('; ')],
    ['roles lost', ({ rolesLost }) => rolesLost.join('; ')],
    ['takes back', ({ undoes }) => undoes],
    ['taken back because', ({ undoReason }) => undoReason],
    ['state', ({ state }) => state],
    ['last decision', ({ decisions }) => decisions.at(-1)?.verdict ?? null],
    ['by', ({ decisions }) => whoDecided(decisions.at(-1))],
    ['reason', ({ decisions }) => decisions.at(-1)?.reason ?? null],
    ['comments', ({ comments }) => comments.map(({ by, text }) => `${by}: ${text}`).join('; ')],
    ['apply', ({ apply }) => apply],
    ['outcome', ({ outcome }) => outcome],
    ['outcome reason', ({ outcomeReason }) => outcomeReason],
    ['closed', ({ closedAt }) => closedAt],
  ]),
  csv(
    'decisions',
    (change): readonly Decided[] => change.decisions.map((decision) => ({ change, decision })),
    [
      ['change', ({ change }) => change.id],
      ['decision', ({ decision }) => decision.id],
      ['at', ({ decision }) => decision.at],
      ['verdict', ({ decision }) => decision.verdict],
      ['made by', ({ decision }) => decision.madeBy],
      ['by', ({ decision }) => whoDecided(decision)],
      ['reason', ({ decision }) => decision.reason],
      ['until', ({ decision }) => decision.until],
      ['fingerprint', ({ decision }) => decision.fingerprint],
    ],
  ),
];

export const APPLIES: Table<EvidentApply> = [
  jsonLines('applies', (apply) => apply),
  csv('applies', (apply) => [apply], [
    ['apply', ({ id }) => id],
    ['tenant', ({ tenant }) => tenant],
    ['connection', ({ connection }) => connection],
    ['started', ({ createdAt }) => createdAt],
    ['finished', ({ finishedAt }) => finishedAt],
    ['by', ({ by }) => by.name],
    ['state', ({ state }) => state],
    ['changes', ({ total }) => total],
    ['counts', ({ counts }) => JSON.stringify(counts)],
  ]),
];

const asOf = ({ now, later }: EvidentUser) => userAsOf(now, later);

type Held = { readonly user: UserAsOf; readonly held: HeldRole };

/** For an access review, `roles.csv` has one line for each role that somebody holds. */
export const USERS: Table<EvidentUser> = [
  jsonLines('users', asOf),
  csv('users', (row) => [asOf(row)], [
    ['auth user', ({ id }) => id],
    ['tenant', ({ tenant }) => tenant],
    ['state', ({ state }) => state],
    ['name', ({ displayName }) => displayName],
    ['address', ({ email }) => email],
    ['user name', ({ userName }) => userName],
    ['roles', ({ roles }) => [...new Set(roles.map(({ role }) => role))].sort().join('; ')],
    ['created', ({ createdAt }) => createdAt],
    ['changed since', ({ changedSince }) => changedSince.join('; ')],
  ]),
  csv(
    'roles',
    (row): readonly Held[] => {
      const user = asOf(row);
      return user.roles.map((held) => ({ user, held }));
    },
    [
      ['role', ({ held }) => held.role],
      ['auth user', ({ user }) => user.id],
      ['name', ({ user }) => user.displayName],
      ['address', ({ user }) => user.email],
      ['state', ({ user }) => user.state],
      ['held in', ({ held }) => held.tenant],
      ['origin', ({ held }) => held.origin],
      ['connection', ({ held }) => held.connection],
      ['since', ({ held }) => held.grantedAt],
    ],
  ),
];

function whoDecided(decision: EvidentDecision | undefined): string | null {
  if (decision === undefined) return null;
  return decision.rule === null ? (decision.by ?? `a ${decision.madeBy}`) : `policy rule ${decision.rule}`;
}

/** As the change shows the person. */
function nameOf({ before, after }: EvidentChange): string | null {
  const sides = [after, before] as readonly ({
    readonly fields?: Readonly<Record<string, unknown>>;
  } | null)[];
  const names = sides.flatMap((side) => [
    side?.fields?.['displayName'],
    side?.fields?.['email'],
    side?.fields?.['userName'],
  ]);
  return names.find((name): name is string => typeof name === 'string') ?? null;
}

function differenceInWords({ field, before, after }: FieldChange): string {
  return `${field}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`;
}
