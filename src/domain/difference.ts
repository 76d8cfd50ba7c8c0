/**
 * What a change does, without whom it does it to: changes that do the same are one line for a reviewer. "jobTitle: Engineer → Senior
 * Engineer" is the same for everybody whom it happens to; a name or a phone number is everybody's own, so that only what happened to it
 * is the same; and of an address the domain is.
 */
import type { FieldValue } from './authUser.ts';
import { fingerprintOf, type Json } from './canonical.ts';
import { type Cause, type ChangeKind, causes, type FieldChange, type ProposedChange } from './change.ts';
import { emailKey } from './email.ts';

export type FieldDifference =
  | { readonly field: string; readonly how: 'value'; readonly before: FieldValue; readonly after: FieldValue }
  /** Of an address: `sameName` says that what stands before the @ stays. */
  | {
      readonly field: string;
      readonly how: 'domain';
      readonly before: string;
      readonly after: string;
      readonly sameName: boolean;
    }
  /** Of what is everybody's own. */
  | { readonly field: string; readonly how: 'set' | 'emptied' | 'changed' };

export type Difference = {
  readonly kind: ChangeKind;
  /** Of conflicts alone, which do nothing but wait. */
  readonly cause: Cause | null;
  readonly fields: readonly FieldDifference[];
  /** Below the connection's tenant, of whom is new; of all others it is a field. */
  readonly place: string | null;
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  /** Of whom is put back as suspended, and not as active. */
  readonly as?: 'suspended';
};

/** Fields whose values many people share. */
const SHARED: ReadonlySet<string> = new Set([
  'jobTitle',
  'department',
  'division',
  'costCenter',
  'company',
  'employeeType',
  'officeLocation',
  'locale',
  'orgUnit',
  'userType',
  'tenant',
]);
const ADDRESSES: ReadonlySet<string> = new Set(['email', 'userName']);
const CUSTOM = 'custom.';
/** What a value of a custom attribute has that is one person's: an address, or a number or date of some length. */
const PERSONAL = /@|\d{4}/;
/** Longer ones are texts rather than values. */
const LONGEST = 100;

export function differenceOf(change: ProposedChange): Difference {
  const { kind, cause, rolesGained, rolesLost } = change;
  if (kind === 'conflict') return { kind, cause, ...NOTHING };
  return {
    kind,
    cause: null,
    fields: change.fields.length === 0 ? NONE : change.fields.map(fieldDifference).sort(byField),
    place: change.before === null ? placeIn(change.after) : null,
    rolesGained,
    rolesLost,
    ...(kind === 'reactivate' && isSuspended(change.after) && { as: 'suspended' }),
  };
}

const NONE: readonly never[] = [];
const NOTHING = { fields: NONE, place: null, rolesGained: NONE, rolesLost: NONE };

function isSuspended(after: Json | null): boolean {
  return (after as { readonly state?: string } | null)?.state === 'suspended';
}

function byField(one: FieldDifference, other: FieldDifference): number {
  return one.field < other.field ? -1 : 1;
}

function placeIn(after: Json | null): string | null {
  const { tenant } = (after ?? {}) as { readonly tenant?: string };
  return tenant ?? null;
}

function fieldDifference({ field, before, after }: FieldChange): FieldDifference {
  if (isShared(field, before) && isShared(field, after)) return { field, how: 'value', before, after };
  const isMoved = ADDRESSES.has(field) && before !== null && after !== null;
  return (isMoved ? domainChange(field, before, after) : null) ?? ofOnesOwn(field, before, after);
}

function ofOnesOwn(field: string, before: FieldValue, after: FieldValue): FieldDifference {
  return { field, how: before === null ? 'set' : after === null ? 'emptied' : 'changed' };
}

/** As of a field whose values are everybody's own. */
export function withoutValues(change: FieldDifference): FieldDifference {
  return change.how === 'value' ? ofOnesOwn(change.field, change.before, change.after) : change;
}

function isShared(field: string, value: FieldValue): boolean {
  if (value === null || typeof value === 'boolean') return SHARED.has(field) || field.startsWith(CUSTOM);
  const text = Array.isArray(value) ? value.join(', ') : String(value);
  if (text.length > LONGEST) return false;
  return SHARED.has(field) || (field.startsWith(CUSTOM) && !PERSONAL.test(text));
}

/** null: the domain stays, or one of them is no address. */
function domainChange(field: string, before: FieldValue, after: FieldValue): FieldDifference | null {
  const [from, to] = [addressIn(before), addressIn(after)];
  if (from === null || to === null || from.domain === to.domain) return null;
  return { field, how: 'domain', before: from.domain, after: to.domain, sameName: from.name === to.name };
}

function addressIn(value: FieldValue): { readonly name: string; readonly domain: string } | null {
  const key = typeof value === 'string' ? emailKey(value) : null;
  if (key === null) return null;
  const at = key.lastIndexOf('@');
  return { name: key.slice(0, at), domain: key.slice(at + 1) };
}

/** The same for the same difference, wherever and whenever; 32 hexadecimal digits. */
export function differenceKey(difference: Difference): string {
  return fingerprintOf(difference as unknown as Json).slice(0, 32);
}

/** One line, in plain words. */
export function differenceInWords(difference: Difference): string {
  const { kind, cause, fields, place, rolesGained, rolesLost, as } = difference;
  const roles = [...rolesGained.map((role) => `+ ${role}`), ...rolesLost.map((role) => `− ${role}`)];
  switch (kind) {
    case 'create':
      return [place === null ? 'a new auth user' : `a new auth user in ${place}`, ...roles].join('; ');
    case 'link':
      return ['linked to an auth user who was there', ...fields.map(fieldInWords), ...roles].join('; ');
    case 'reactivate':
      return [
        as === 'suspended' ? 'suspended again' : 'active again',
        ...fields.map(fieldInWords),
        ...roles,
      ].join('; ');
    case 'update':
      return [...fields.map(fieldInWords), ...roles].join('; ');
    case 'unlink':
      return ['no longer linked to the directory', ...fields.map(fieldInWords), ...roles].join('; ');
    case 'suspend':
      return ['suspended', ...fields.map(fieldInWords), ...roles].join('; ');
    case 'delete':
      return ['deleted', ...fields.map(fieldInWords), ...roles].join('; ');
    case 'conflict':
      return cause === null ? 'needs a person' : causes[cause];
  }
}

function fieldInWords(change: FieldDifference): string {
  const { field } = change;
  switch (change.how) {
    case 'value':
      return `${field}: ${valueInWords(change.before)} → ${valueInWords(change.after)}`;
    case 'domain':
      return `${field}: ${change.sameName ? '' : 'another name, '}@${change.before} → @${change.after}`;
    case 'set':
      return `${field}: set`;
    case 'emptied':
      return `${field}: emptied`;
    case 'changed':
      return `${field}: changed`;
  }
}

function valueInWords(value: FieldValue): string {
  if (value === null || value === '') return '—';
  return Array.isArray(value) ? value.join(', ') || '—' : String(value);
}
