/** Renders the description of a change that the domain made: in one line, and in full. */

import { awaitedInWords, ruleInWords } from '../domain/approval.ts';
import { FIELD_NAMES } from '../domain/attributes.ts';
import type { AuthUserState, Fields, FieldValue } from '../domain/authUser.ts';
import { type ChangeSetName, type ChangeState, causes, explainNote, setOf } from '../domain/change.ts';
import { explainFinding } from '../domain/guard.ts';
import { linkedBecause } from '../domain/matching.ts';
import { Problem } from '../domain/problem.ts';
import { asTyped } from './asTyped.ts';
import type { Operator } from './operator.ts';
import { harmless, type Style, type Terminal } from './terminal.ts';

export type ShownChange = Awaited<ReturnType<Operator['getChange']>>;
type CommentView = Awaited<ReturnType<Operator['listComments']>>['items'][number];

export const styleOfSet = {
  new: 'green',
  changed: 'yellow',
  deleted: 'red',
  conflict: 'magenta',
} as const satisfies Record<ChangeSetName, Style>;

export const styleOfState = {
  open: 'reset',
  approved: 'green',
  rejected: 'dim',
  held: 'bold',
  moved: 'yellow',
  applied: 'green',
  failed: 'red',
  superseded: 'dim',
} as const satisfies Record<ChangeState, Style>;

export function valueInWords(value: FieldValue): string {
  if (value === null || value === '') return '—';
  return Array.isArray(value) ? value.join(', ') || '—' : String(value);
}

/** Auth users by id, as people know them. */
export type KnownAs = ReadonlyMap<string, string>;

/** Of the auth users that the changes' candidates are: whoever may see the change may see them, they are of one tenant. */
export async function knownAs(operator: Operator, changes: readonly ShownChange[]): Promise<KnownAs> {
  const ids = new Set(changes.flatMap(({ candidates }) => candidates.map(({ authUser }) => authUser)));
  const named = [...ids].map(async (id) => [id, await nameOf(operator, id)] as const);
  return new Map((await Promise.all(named)).flatMap(([id, name]) => (name === null ? [] : [[id, name]])));
}

/** null: erased since, or without any name. */
async function nameOf(operator: Operator, id: string): Promise<string | null> {
  try {
    const { displayName, email, userName } = await operator.getUser(id);
    const address = email ?? userName;
    return displayName === null || address === null
      ? (displayName ?? address)
      : `${displayName} <${address}>`;
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return null;
    throw error;
  }
}

/** What would happen, without the name: `jobTitle: Buyer → Senior Buyer; + editor`. */
export function effectOf(change: ShownChange, known: KnownAs = new Map()): string {
  const roles = [
    ...change.rolesGained.map((role) => `+ ${role}`),
    ...change.rolesLost.map((role) => `− ${role}`),
  ];
  const states = { before: stateIn(change.before), after: stateIn(change.after) };
  switch (change.kind) {
    case 'create':
      return [placed('a new auth user', change), ...roles].join('; ');
    case 'link':
      return [linkedTo(change), ...fieldsOf(change), ...roles].join('; ');
    case 'reactivate':
      return [
        `${states.before ?? 'not active'} → ${states.after ?? 'active'}`,
        ...fieldsOf(change),
        ...roles,
      ].join('; ');
    case 'update':
      return [...fieldsOf(change), ...roles].join('; ');
    case 'unlink':
      return ['no longer linked to the directory', ...fieldsOf(change), ...roles].join('; ');
    case 'suspend':
    case 'delete':
      return [
        `${states.before ?? 'active'} → ${states.after ?? change.kind}`,
        ...fieldsOf(change),
        ...roles,
      ].join('; ');
    case 'conflict':
      if (change.cause === 'tenant-missing') return placed('belongs', change);
      return (
        change.candidates
          .map(({ authUser, because }) => `${known.get(authUser) ?? 'an auth user'} ${because}`)
          .join('; ') || 'needs a person'
      );
  }
}

function linkedTo({ before, after }: ShownChange): string {
  const because = linkedBecause(fieldsIn(before), fieldsIn(after));
  return because === null
    ? 'linked to the auth user whom a rule names'
    : `linked to the auth user who ${because}`;
}

function fieldsIn(side: ShownChange['before']): Fields {
  return side !== null && typeof side === 'object' && 'fields' in side ? (side['fields'] as Fields) : {};
}

function fieldsOf(change: ShownChange): string[] {
  return change.fields.map(
    ({ field, before, after }) => `${field}: ${valueInWords(before)} → ${valueInWords(after)}`,
  );
}

/** With the tenant below the connection's that the auth user would be in. */
function placed(what: string, { after }: ShownChange): string {
  const tenant = after !== null && typeof after === 'object' && 'tenant' in after ? after['tenant'] : null;
  return typeof tenant === 'string' ? `${what} in ${tenant}` : what;
}

function stateIn(side: ShownChange['before']): AuthUserState | null {
  if (side === null || typeof side !== 'object' || !('state' in side)) return null;
  const { state } = side;
  return state === 'active' || state === 'suspended' || state === 'deleted' ? state : null;
}

/** Why a guard, a policy or a person has decided so; null where nothing was decided. */
export function decisionInWords(change: ShownChange): string | null {
  const { decision } = change;
  if (decision === null) return null;
  const who = decision.by ?? `a ${decision.madeBy}`;
  const why = decision.finding === null ? decision.reason : explainFinding(decision.finding);
  const verdict = { approve: 'approved', reject: 'rejected', hold: 'held' }[decision.verdict];
  const until = decision.until === null ? '' : ` until ${decision.until}`;
  return `${verdict}${until} by ${who}: ${why}`;
}

/** In a word, where the sentence stands once for many. */
export function whoHolds({ decision }: ShownChange): string {
  return decision?.finding == null
    ? `held by ${decision?.by ?? `a ${decision?.madeBy ?? 'person'}`}`
    : `held: ${decision.finding.guard}`;
}

function riskInWords({ risk }: ShownChange): string {
  const reasons = risk.reasons.map(({ because }) => because);
  return reasons.length === 0 ? risk.level : `${risk.level}: ${reasons.join('; ')}`;
}

/** All that is known about one change. */
export function writeChange(
  terminal: Terminal,
  change: ShownChange,
  names: { readonly tenant: string; readonly connection: string; readonly known: KnownAs },
): void {
  const { style, line } = terminal;
  const set = setOf[change.kind];
  const facts = (label: string, text: string) => line(`  ${label.padEnd(10)}  ${harmless(text)}`);
  line(`${style(styleOfSet[set], change.kind)}  ${style('bold', harmless(change.name))}`);
  facts('change', change.id);
  facts('of', `${names.connection}, ${names.tenant}`);
  facts('in there', change.externalId);
  if (change.authUser !== null)
    facts(
      'auth user',
      change.baseVersion === null ? change.authUser : `${change.authUser}, version ${change.baseVersion}`,
    );
  facts('cause', causes[change.cause]);
  facts('risk', riskInWords(change));
  facts('state', change.state);
  const decision = decisionInWords(change);
  if (decision !== null) facts('decision', decision);
  writeReview(change, facts);
  if (change.outcome !== null)
    facts('outcome', `${change.outcome}${change.outcomeReason === null ? '' : `: ${change.outcomeReason}`}`);
  if (change.note !== null) facts('note', explainNote(change.note));
  if (change.undoes !== null)
    facts('undoes', `${change.undoes}${change.undoReason === null ? '' : `: ${change.undoReason}`}`);
  const effect = effectOf({ ...change, fields: [], rolesGained: [], rolesLost: [] }, names.known);
  if (effect !== '') facts('effect', effect);
  if (change.fields.length > 0) {
    line();
    terminal.table(
      ['field', 'before', '', 'after'],
      inReadingOrder(change.fields).map(({ field, before, after, owner }) => [
        owner === 'first' ? `${field} (kept from now on)` : field,
        { text: valueInWords(before), style: 'red' as const },
        '→',
        { text: valueInWords(after), style: 'green' as const },
      ]),
    );
  }
  writeRoles(terminal, change);
  writeCandidates(terminal, change, names.known);
  line();
  if (change.remedy !== null) facts('settled by', asTyped(change.remedy));
  facts('allowed', change.actions.join(', ') || 'nothing any more');
}

/** What the policy asks for beyond one approval, how far that has come, and who is to look at it. */
function writeReview(
  { state, approvals, assignee }: ShownChange,
  facts: (label: string, text: string) => void,
): void {
  if (assignee !== null) facts('assigned', `to ${assignee.name}`);
  if (approvals === null) return;
  const { given, deadline, validHours, configurators } = approvals;
  if (state !== 'applied' && state !== 'superseded') facts('approvals', awaitedInWords(approvals));
  facts('asked by', ruleInWords(approvals));
  for (const { by, at, reason } of given) facts('approved', `by ${by} at ${at}: ${reason}`);
  if (configurators === 'refused')
    facts(
      'not by',
      'whoever has changed the configuration of the connection since the last apply before this change',
    );
  if (deadline !== null) facts('deadline', `${deadline}${approvals.overdue ? ', which is over' : ''}`);
  if (validHours !== null) facts('valid', `for ${validHours} hours once it is approved`);
}

export function writeComments(terminal: Terminal, comments: readonly CommentView[]): void {
  if (comments.length === 0) return;
  terminal.line();
  for (const { by, at, text } of comments) {
    terminal.line(`  ${terminal.style('dim', harmless(`${by}, ${at}`))}`);
    for (const line of text.split('\n')) terminal.line(`    ${harmless(line)}`);
  }
}

/** As the mapping lists them; what it does not list comes last. */
function inReadingOrder(fields: ShownChange['fields']): ShownChange['fields'] {
  const place = ({ field }: { field: string }) => {
    const at = (FIELD_NAMES as readonly string[]).indexOf(field);
    return at === -1 ? FIELD_NAMES.length : at;
  };
  return fields.toSorted((a, b) => place(a) - place(b));
}

function writeRoles(terminal: Terminal, change: ShownChange): void {
  if (change.rolesGained.length + change.rolesLost.length === 0) return;
  terminal.line();
  for (const role of change.rolesGained) terminal.line(terminal.style('green', `  + role ${harmless(role)}`));
  for (const role of change.rolesLost) terminal.line(terminal.style('red', `  − role ${harmless(role)}`));
}

function writeCandidates(terminal: Terminal, change: ShownChange, known: KnownAs): void {
  if (change.candidates.length === 0) return;
  terminal.line();
  for (const { authUser, because } of change.candidates)
    terminal.line(
      `  candidate ${harmless(known.get(authUser) ?? 'an auth user')} ${harmless(because)} (${authUser})`,
    );
}
