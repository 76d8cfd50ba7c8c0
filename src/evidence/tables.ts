/** What the files of an evidence pack say, line by line: each as JSON for machines, and as CSV for people. */
import type { FieldChange } from '../domain/change.ts';
import { userAsOf } from '../domain/userAsOf.ts';
import type { EvidentApply, EvidentChange, EvidentEntry, EvidentUser } from '../store/evidence.ts';
import { BYTE_ORDER_MARK, type Cell, csvLine } from './csv.ts';

/** `json` null: the same is among the lines of another file. `rows`: of the CSV, none or several for one. */
export type Table<Row> = {
  readonly name: string;
  readonly json: ((row: Row) => object) | null;
  readonly columns: readonly string[];
  readonly rows: (row: Row) => readonly (readonly Cell[])[];
};

type Lines<Row> = {
  readonly name: string;
  readonly head: string | null;
  readonly lines: (row: Row) => readonly string[];
};

/** The files of a table. */
export function linesOf<Row>({ name, json, columns, rows }: Table<Row>): readonly Lines<Row>[] {
  const csv: Lines<Row> = {
    name: `${name}.csv`,
    head: `${BYTE_ORDER_MARK}${csvLine(columns)}`,
    lines: (row) => rows(row).map(csvLine),
  };
  if (json === null) return [csv];
  const jsonLines = (row: Row) => [`${JSON.stringify(json(row))}\n`];
  return [{ name: `${name}.jsonl`, head: null, lines: jsonLines }, csv];
}

export const AUDIT: Table<EvidentEntry> = {
  name: 'audit',
  json: (entry) => entry,
  columns: [
    'tenant',
    'number',
    'at',
    'actor kind',
    'actor',
    'action',
    'subject kind',
    'subject',
    'details',
    'hash',
  ],
  rows: ({ tenant, number, at, actor, action, subject, details, hash }) => [
    [
      tenant,
      number,
      at,
      actor.kind,
      actor.name,
      action,
      subject.kind,
      subject.id,
      JSON.stringify(details),
      hash,
    ],
  ],
};

export const CHANGES: Table<EvidentChange> = {
  name: 'changes',
  json: (change) => change,
  columns: [
    ...[
      'change',
      'proposed',
      'tenant',
      'connection',
      'external id',
      'auth user',
      'kind',
      'cause',
      'risk',
      'fields',
    ],
    ...[
      'roles gained',
      'roles lost',
      'state',
      'last decision',
      'by',
      'reason',
      'apply',
      'outcome',
      'outcome reason',
      'closed',
    ],
  ],
  rows: (change) => {
    const last = change.decisions.at(-1);
    return [
      [
        ...[
          change.id,
          change.proposedAt,
          change.tenant,
          change.connection,
          change.externalId,
          change.authUser,
        ],
        ...[change.kind, change.cause, change.risk, change.fields.map(differenceInWords).join('; ')],
        ...[change.rolesGained.join('; '), change.rolesLost.join('; '), change.state],
        ...[last?.verdict ?? null, last === undefined ? null : whoDecided(last), last?.reason ?? null],
        ...[change.apply, change.outcome, change.outcomeReason, change.closedAt],
      ],
    ];
  },
};

export const DECISIONS: Table<EvidentChange> = {
  name: 'decisions',
  json: null,
  columns: ['change', 'decision', 'at', 'verdict', 'made by', 'by', 'reason', 'until', 'fingerprint'],
  rows: ({ id, decisions }) =>
    decisions.map((one) => [
      ...[id, one.id, one.at, one.verdict, one.madeBy],
      ...[whoDecided(one), one.reason, one.until, one.fingerprint],
    ]),
};

export const APPLIES: Table<EvidentApply> = {
  name: 'applies',
  json: (apply) => apply,
  columns: ['apply', 'tenant', 'connection', 'started', 'finished', 'by', 'state', 'changes', 'counts'],
  rows: ({ id, tenant, connection, createdAt, finishedAt, by, state, total, counts }) => [
    [id, tenant, connection, createdAt, finishedAt, by.name, state, total, JSON.stringify(counts)],
  ],
};

const asOf = ({ now, later }: EvidentUser) => userAsOf(now, later);

export const USERS: Table<EvidentUser> = {
  name: 'users',
  json: asOf,
  columns: [
    'auth user',
    'tenant',
    'state',
    'name',
    'address',
    'user name',
    'roles',
    'created',
    'changed since',
  ],
  rows: (row) => {
    const { id, tenant, state, displayName, email, userName, roles, createdAt, changedSince } = asOf(row);
    const names = [...new Set(roles.map(({ role }) => role))].sort();
    return [
      [id, tenant, state, displayName, email, userName, names.join('; '), createdAt, changedSince.join('; ')],
    ];
  },
};

/** For an access review: one line for each role that somebody holds. */
export const ROLES: Table<EvidentUser> = {
  name: 'roles',
  json: null,
  columns: ['role', 'auth user', 'name', 'address', 'state', 'held in', 'origin', 'connection', 'since'],
  rows: (row) => {
    const { id, displayName, email, state, roles } = asOf(row);
    return roles.map(({ role, tenant, origin, connection, grantedAt }) => [
      ...[role, id, displayName, email, state, tenant, origin, connection, grantedAt],
    ]);
  },
};

function whoDecided({ by, madeBy, rule }: EvidentChange['decisions'][number]): string {
  if (rule !== null) return `policy rule ${rule}`;
  return by ?? `a ${madeBy}`;
}

function differenceInWords({ field, before, after }: FieldChange): string {
  return `${field}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`;
}
