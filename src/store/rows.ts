/** Turns rows of auth users into domain values and back. */
import type { AuthUserState, Fields, FieldValue, StoredAuthUser } from '../domain/authUser.ts';
import { emailKey } from '../domain/email.ts';
import type { AuthUserId, TenantId } from '../domain/ids.ts';

export type AuthUserRow = {
  readonly id: AuthUserId;
  readonly tenant_id: TenantId;
  readonly state: AuthUserState;
  readonly version: number;
  readonly user_name: string | null;
  readonly email: string | null;
  readonly display_name: string | null;
  readonly attributes: Readonly<Record<string, FieldValue>>;
  readonly roles: readonly string[] | null;
};

export function toStoredAuthUser(row: AuthUserRow): StoredAuthUser {
  return {
    id: row.id,
    tenant: row.tenant_id,
    state: row.state,
    version: row.version,
    fields: { ...row.attributes, userName: row.user_name, email: row.email, displayName: row.display_name },
    roles: row.roles ?? [],
  };
}

/** The columns of an auth user's fields. Attributes hold only fields that have a value. */
export function toColumns(fields: Fields) {
  const { userName = null, email = null, displayName = null, ...others } = fields;
  const attributes: Record<string, FieldValue> = {};
  for (const [name, value] of Object.entries(others)) if (value !== null) attributes[name] = value;
  return {
    user_name: userName,
    email,
    email_key: emailKey(email as string | null),
    display_name: displayName,
    attributes,
  };
}
