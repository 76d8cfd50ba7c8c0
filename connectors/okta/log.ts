/** Okta's System Log: which of its events are read, and whom each is about (Okta developer documentation, "Event types"). */
import { ExternalId } from '../../src/domain/ids.ts';
import { LogEvent } from './schema.ts';

/** `unreadable`: how many entries do not say whom they are about. */
export type Concerned = {
  readonly users: readonly ExternalId[];
  /** In which something happened to somebody who is not named, or which are gone. */
  readonly groups: readonly ExternalId[];
  /** New, or called otherwise: the log may have an old name. */
  readonly renamed: readonly ExternalId[];
  readonly unreadable: number;
};

/** Whom an event names: the user whom it happened to, or only the group or app in which something happened to many. */
type Names = 'user' | 'group' | 'renamed-group' | 'many';

/**
 * By how the event's type begins. A membership that a rule makes is an event of its own; the rule's events name at most the group.
 * Events that are not here, sign-ins for instance, are not asked for.
 */
const READ: Readonly<Record<string, Names>> = {
  'user.lifecycle.create': 'user',
  'user.lifecycle.activate': 'user',
  'user.lifecycle.reactivate': 'user',
  'user.lifecycle.suspend': 'user',
  'user.lifecycle.unsuspend': 'user',
  'user.lifecycle.deactivate': 'user',
  'user.lifecycle.delete.': 'user',
  'user.account.update_profile': 'user',
  'user.account.update_primary_email': 'user',
  'user.account.update_user_type': 'user',
  'group.user_membership.': 'user',
  'group.lifecycle.delete': 'group',
  'group.lifecycle.': 'renamed-group',
  'group.profile.': 'renamed-group',
  'system.import.group.delete': 'group',
};
/** Read where an app's assignments are the scope. */
const OF_APPS: Readonly<Record<string, Names>> = {
  'application.user_membership.': 'user',
  'group.application_assignment.': 'many',
};

const nobody: Concerned = { users: [], groups: [], renamed: [], unreadable: 0 };
const unreadable: Concerned = { ...nobody, unreadable: 1 };

/** What is asked of the log, in its own filter language. */
export function eventFilter(appScope: string | null): string {
  const operator = (type: string) => (type.endsWith('.') ? 'sw' : 'eq');
  return Object.keys(readWith(appScope))
    .map((type) => `eventType ${operator(type)} "${type}"`)
    .join(' or ');
}

/**
 * An event is a hint to look, never the news itself. One that failed changed nothing. Where a user is expected and none is named, the
 * group is, so that its members are read anew; where neither is, nobody can tell whom it is about.
 */
export function aboutWhom(event: unknown, appScope: string | null): Concerned {
  const read = LogEvent.safeParse(event);
  if (!read.success) return unreadable;
  const { eventType, outcome, target } = read.data;
  const names = namesIn(eventType, appScope);
  if (names === null || outcome?.result === 'FAILURE' || outcome?.result === 'DENY') return nobody;
  const ofType = (type: string) => (target ?? []).filter((one) => one.type === type).map(({ id }) => id);
  if (isOfApps(eventType) && !concerns(appScope, ofType('AppInstance'))) return nobody;
  if (names === 'many') return unreadable;
  const users = names === 'user' ? identified(ofType('User')) : [];
  if (users === null) return unreadable;
  if (users.length > 0) return { ...nobody, users };
  const groups = identified(ofType('UserGroup'));
  if (groups === null || groups.length === 0) return unreadable;
  return names === 'renamed-group' ? { ...nobody, renamed: groups } : { ...nobody, groups };
}

function readWith(appScope: string | null): Readonly<Record<string, Names>> {
  return appScope === null ? READ : { ...READ, ...OF_APPS };
}

function namesIn(eventType: string, appScope: string | null): Names | null {
  for (const [type, names] of Object.entries(readWith(appScope))) {
    if (type.endsWith('.') ? eventType.startsWith(type) : eventType === type) return names;
  }
  return null;
}

function isOfApps(eventType: string): boolean {
  return Object.keys(OF_APPS).some((type) => eventType.startsWith(type));
}

/** An event that names no app may be about this one. */
function concerns(appScope: string | null, apps: readonly unknown[]): boolean {
  return apps.length === 0 || apps.includes(appScope);
}

/** null where one of them has no usable id. */
function identified(ids: readonly unknown[]): readonly ExternalId[] | null {
  const read = ids.map((id) => ExternalId.safeParse(id));
  return read.every(({ success }) => success) ? read.flatMap(({ data }) => data ?? []) : null;
}
