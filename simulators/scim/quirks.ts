/** In what a simulated SCIM service differs from the RFCs, as real ones do. */

export const QUIRKS = {
  'index-only': 'Pages by index only, and says so.',
  'ignores-cursor': 'Says that it pages by cursor, and answers with the first page by index.',
  'no-totals': 'Pages by cursor without totalResults.',
  'short-lived-cursors': 'A cursor expires as soon as anything in the directory changes.',
  'no-config': 'Has no ServiceProviderConfig.',
  'small-pages': 'Gives 25 records at once, however many are asked for.',
  'one-page': 'Gives everybody at once, whatever is asked for.',
  'same-page': 'Gives the first page, whichever is asked for by index.',
  'page-totals': 'Says the length of the page as totalResults.',
  shuffled: 'Lists in another order each time.',
  'no-sort': 'Says that it sorts, and refuses to.',
  'no-filter': 'Refuses every filter.',
  'ignores-filter': 'Lists everybody, whatever the filter says.',
  'bare-404': 'Answers 404 without a body.',
  'active-text': 'Writes active as "True" and "False".',
  'active-absent': 'Leaves active out where it is true.',
  'manager-text': 'Writes the manager as a bare id.',
  'manager-id': 'Writes the manager as {"managerId"}, as SCIM 1.1 did.',
  'untyped-members': 'Leaves out the type of members; their $ref tells it.',
} as const satisfies Record<string, string>;

export type Quirk = keyof typeof QUIRKS;
export type Quirks = ReadonlySet<Quirk>;

export const isQuirk = (name: string): name is Quirk => Object.hasOwn(QUIRKS, name);

/** Throws an Error that lists the names where one is none of them. */
export function quirksFrom(names: readonly string[]): Quirks {
  const unknown = names.find((name) => !isQuirk(name));
  if (unknown === undefined) return new Set(names.filter(isQuirk));
  throw new Error(`No such quirk: ${unknown}. There are ${Object.keys(QUIRKS).join(', ')}.`);
}
