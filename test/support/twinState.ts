/** What the twin knows: auth users, and the changes that wait or are remembered. */

export type Value = string | number | boolean | readonly string[];
export type Values = Readonly<Record<string, Value>>;
export type Side = {
  readonly state: string;
  readonly fields: Values;
  readonly roles: readonly string[];
  /** Missing for the connection's own tenant. */
  readonly tenant?: string;
};

export type TwinUser = {
  readonly label: string;
  /** In the directory of the connection. */
  externalId: string | null;
  /** Has a link to some other connection. */
  readonly linkedElsewhere: boolean;
  state: string;
  fields: Values;
  /** Given by the directory. */
  roles: readonly string[];
  /** Names below the connection's tenant. */
  place: string | null;
  version: number;
  agreedVersion: number;
};

export type TwinField = {
  readonly field: string;
  readonly before: Value | null;
  readonly after: Value | null;
  readonly owner?: 'first';
};

export type TwinChange = {
  readonly externalId: string;
  readonly kind: string;
  readonly cause: string;
  readonly user: string | null;
  readonly before: Side | null;
  readonly after: Side | null;
  readonly fields: readonly TwinField[];
  readonly gained: readonly string[];
  readonly lost: readonly string[];
  readonly candidates: readonly string[];
  /** By what was made after what: of the change itself, and of the tenants that were there on the way. What is missing of them is made. */
  readonly made: number;
  readonly found: readonly number[];
  baseVersion: number | null;
  state: string;
  /** The guard that holds it; null where none does. */
  heldBy: string | null;
};
