/** Where each field that an auth user holds comes from: what part of which mapping, a person, or nothing that is known any more. */
import type { Fields, FieldValue } from './authUser.ts';
import { canonical } from './canonical.ts';
import type { DirectoryUser, GroupRef } from './directory.ts';
import type { ConnectionId } from './ids.ts';
import { compileMapping, isMapped, type Mapping } from './mapping.ts';

/** What of a mapping a value comes from. `changed`: it is not just the attribute, but what the mapping's transforms make of it. */
export type FieldRule =
  | { readonly from: 'attribute'; readonly attribute: string; readonly changed: boolean }
  | { readonly from: 'expression'; readonly expression: string }
  | { readonly from: 'default' };

/** A person, through Rollcall; `audit`: number of the entry in the audit log of the auth user's tenant. */
export type EditedByHand = {
  readonly from: 'hand';
  readonly by: string;
  readonly at: string;
  readonly audit: number;
};

export type FieldSource = {
  readonly field: string;
  readonly value: FieldValue;
  /**
   * `above`: a directory of a tenant above, of which nothing is told, may give it. `before`: nothing that is known gives this value now; it
   * was given earlier, by what is otherwise by now.
   */
  readonly because: FieldRule | EditedByHand | { readonly from: 'above' | 'before' };
  /** Whose directory gives it; null: none does. */
  readonly connection: ConnectionId | null;
  /** Who decides what the field holds; null: no directory sets it. */
  readonly owner: 'directory' | 'first' | null;
  /** Another value, that a directory gives: a change for it waits or was refused, or whoever was first keeps theirs. */
  readonly wanted: { readonly connection: ConnectionId; readonly value: FieldValue } | null;
};

/** One directory that the auth user is linked to. `read`: as last read; null: not there. */
export type LinkedDirectory = {
  readonly connection: ConnectionId;
  readonly mapping: Mapping;
  readonly read: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] } | null;
};

type Offer = {
  readonly connection: ConnectionId;
  readonly value: FieldValue;
  readonly rule: FieldRule;
  readonly owner: 'directory' | 'first';
};

/** `byHand`: the last time that each field was edited by a person. `isLinkedAbove`: another directory has them, of which nothing is known here. */
export function fieldSources(
  held: Fields,
  linked: readonly LinkedDirectory[],
  {
    byHand,
    isLinkedAbove,
  }: { readonly byHand: ReadonlyMap<string, EditedByHand>; readonly isLinkedAbove: boolean },
): readonly FieldSource[] {
  const unknown = { from: isLinkedAbove ? 'above' : 'before' } as const;
  const offers = Map.groupBy(linked.flatMap(offersOf), ({ field }) => field);
  return Object.entries(held)
    .filter(([, value]) => value !== null)
    .map(([field, value]) => sourceOf(field, value, offers.get(field) ?? [], byHand.get(field) ?? unknown));
}

function sourceOf(
  field: string,
  value: FieldValue,
  offers: readonly Offer[],
  otherwise: FieldSource['because'],
): FieldSource {
  const giving = offers.find((offer) => canonical(offer.value) === canonical(value));
  if (giving !== undefined) {
    const { connection, rule: because, owner } = giving;
    return { field, value, because, connection, owner, wanted: null };
  }
  const [other] = offers;
  return {
    field,
    value,
    because: otherwise,
    connection: null,
    owner: other?.owner ?? null,
    wanted: other === undefined ? null : { connection: other.connection, value: other.value },
  };
}

function offersOf({ connection, mapping, read }: LinkedDirectory): readonly (Offer & { field: string })[] {
  if (read === null) return [];
  const mapped = compileMapping(mapping).map(read.user, read.groups);
  if (!isMapped(mapped)) return [];
  const plain = compileMapping(withoutDefaults(mapping)).map(read.user, read.groups);
  const own: Fields = isMapped(plain) ? plain.fields : {};
  const isDefault = (field: string, value: FieldValue) => value !== null && (own[field] ?? null) === null;
  return Object.entries(mapped.fields).map(([field, value]) => ({
    field,
    connection,
    value,
    rule: isDefault(field, value) ? { from: 'default' } : ruleOf(field, mapping),
    owner: mapping.attributes?.[field]?.owner === 'first' ? 'first' : 'directory',
  }));
}

function withoutDefaults(mapping: Mapping): Mapping {
  const { attributes } = mapping;
  if (attributes === undefined) return mapping;
  const bare = Object.entries(attributes).map(([field, { default: _, ...attribute }]) => [field, attribute]);
  return { ...mapping, attributes: Object.fromEntries(bare) };
}

function ruleOf(field: string, { attributes = {} }: Mapping): FieldRule {
  const { from: attribute = field, value, transform = [] } = attributes[field] ?? {};
  if (value !== undefined) return { from: 'expression', expression: value };
  return { from: 'attribute', attribute, changed: transform.length > 0 };
}
