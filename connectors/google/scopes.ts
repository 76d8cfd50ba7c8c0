/**
 * What Rollcall asks a Workspace account about, each with the one scope that it needs and the privilege that the impersonated
 * administrator needs besides. Source: each method's "Authorization scopes" in the Directory and Reports API references.
 */

const SUBJECTS = {
  users: {
    scope: 'https://www.googleapis.com/auth/admin.directory.user.readonly',
    privilege: 'Admin API privilege "Users › Read", for all organisational units',
    verb: 'list users',
  },
  groups: {
    scope: 'https://www.googleapis.com/auth/admin.directory.group.readonly',
    privilege: 'Admin API privilege "Groups › Read"',
    verb: 'list groups',
  },
  members: {
    scope: 'https://www.googleapis.com/auth/admin.directory.group.member.readonly',
    privilege: 'Admin API privilege "Groups › Read"',
    verb: 'list members',
  },
  orgUnits: {
    scope: 'https://www.googleapis.com/auth/admin.directory.orgunit.readonly',
    privilege: 'Admin API privilege "Organisational units › Read"',
    verb: 'list organisational units',
  },
  activities: {
    scope: 'https://www.googleapis.com/auth/admin.reports.audit.readonly',
    privilege: 'Admin console privilege "Reports"',
    verb: 'read the admin audit log',
  },
} as const;

export type Subject = keyof typeof SUBJECTS;
export type Scope = (typeof SUBJECTS)[Subject]['scope'];

export const scopeOf = (subject: Subject): Scope => SUBJECTS[subject].scope;
/** Stands behind "a role with the". */
export const privilegeOf = (subject: Subject): string => SUBJECTS[subject].privilege;
/** Stands behind "may not" and "to". */
export const verbOf = (subject: Subject): string => SUBJECTS[subject].verb;

/** What a pull cannot do without; organisational units only where the connection's settings name some. */
export function neededScopes(settings: { readonly namesOrgUnits: boolean }): readonly Scope[] {
  const always = [scopeOf('users'), scopeOf('groups'), scopeOf('members')];
  return settings.namesOrgUnits ? [...always, scopeOf('orgUnits')] : always;
}
