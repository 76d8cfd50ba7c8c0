/**
 * Whom an entry of the admin audit log is about. Pure. Sources: Reports API, "Admin activity report", appendices on user, group,
 * org, and domain settings events.
 */
import { createHash } from 'node:crypto';
import { Activity, type Event } from './schema.ts';

/**
 * A user by the addresses at that time, any of which may find them. `group`: the address of the group that somebody joined or
 * left. With neither nobody is named, and many may look different now.
 */
export type Concern = { readonly addresses: readonly string[]; readonly group: string | null };

export type Entry = {
  /** The same for every mention of one entry, different for any two. */
  readonly key: string;
  /** Milliseconds since 1970, by Google's clock; infinite where it cannot be read. */
  readonly time: number;
  readonly concerns: readonly Concern[];
};

/** An entry that cannot be read may be about anybody, at any time. */
export function toEntry(object: unknown): Entry {
  const { data } = Activity.safeParse(object);
  const time = Date.parse(data?.id.time ?? '');
  if (data === undefined || Number.isNaN(time))
    return { key: keyOf(JSON.stringify(object)), time: Number.POSITIVE_INFINITY, concerns: [nobodyNamed] };
  const { id, events } = data;
  return { key: keyOf(`${id.time} ${id.uniqueQualifier}`), time, concerns: events.flatMap(concernsOf) };
}

const nobodyNamed: Concern = { addresses: [], group: null };

const keyOf = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 11);

/** Units that are moved or called otherwise take their people along, domain aliases give everybody an address, … */
const ABOUT_MANY: ReadonlySet<string> = new Set([
  'BULK_UPLOAD',
  'EDIT_ORG_UNIT_NAME',
  'MOVE_ORG_UNIT',
  'REMOVE_ORG_UNIT',
  'ADD_DOMAIN_ALIAS',
  'REMOVE_DOMAIN_ALIAS',
  'REMOVE_SECONDARY_DOMAIN',
  'CHANGE_PRIMARY_DOMAIN',
  // Which groups there are, and what they are called, only a full pull tells.
  'CREATE_GROUP',
  'DELETE_GROUP',
  'CHANGE_GROUP_NAME',
  'CHANGE_GROUP_EMAIL',
]);
const MEMBERSHIP: ReadonlySet<string> = new Set([
  'ADD_GROUP_MEMBER',
  'REMOVE_GROUP_MEMBER',
  'UPDATE_GROUP_MEMBER',
  'GROUP_MEMBER_BULK_UPLOAD',
]);
/** Of the events about one user, those that happen often and leave no trace in what is read. All others name their user. */
const WITHOUT_TRACE: ReadonlySet<string> = new Set([
  'CHANGE_PASSWORD',
  'CHANGE_PASSWORD_ON_NEXT_LOGIN',
  'CHANGE_RECOVERY_EMAIL',
  'CHANGE_RECOVERY_PHONE',
  'DOWNLOAD_USERLIST_CSV',
  'BULK_UPLOAD_NOTIFICATION_SENT',
  'RESET_SIGNIN_COOKIES',
  'REVOKE_3LO_TOKEN',
  'USER_LICENSE_ASSIGNMENT',
  'USER_LICENSE_REVOKE',
  'USER_LICENSE_REASSIGNMENT',
]);

function concernsOf({ type, name, parameters }: Event): readonly Concern[] {
  const toldOf = (wanted: string) =>
    parameters.flatMap((one) => (one.name === wanted && one.value?.trim() ? [one.value.trim()] : []));
  if (ABOUT_MANY.has(name)) return [nobodyNamed];
  const addresses = toldOf('USER_EMAIL');
  if (MEMBERSHIP.has(name)) return [{ addresses, group: toldOf('GROUP_EMAIL')[0] ?? null }];
  if (type !== 'USER_SETTINGS' || WITHOUT_TRACE.has(name)) return [];
  return [{ addresses: [...addresses, ...(name === 'RENAME_USER' ? toldOf('NEW_VALUE') : [])], group: null }];
}
