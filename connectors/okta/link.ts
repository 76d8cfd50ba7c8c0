/** Reads `Link` headers (RFC 8288): where a list goes on. */

/** `next`: where the list goes on, null where this was its last page. `malformed`: nobody can tell. */
export type ListLinks =
  | { readonly kind: 'links'; readonly next: string | null }
  | { readonly kind: 'malformed' };

/** One link with its parameters, up to the comma that ends it. Its target may hold commas and semicolons itself. */
const oneLink = /\s*<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:"[^"]*"|[^\s";,]+))?)*)\s*(?:,|$)/y;
const oneParameter = /;\s*([^\s=;]+)(?:\s*=\s*(?:"([^"]*)"|([^\s";,]+)))?/g;

/**
 * Finds the link with relation `next`. Okta sends one `link` line for each relation, which HTTP clients join with `, `
 * (Okta developer documentation, "Pagination"). What cannot be read to its end is `malformed` and not "no next link": a list
 * that was cut short must not look like a list that was read.
 */
export function readLinks(header: string): ListLinks {
  const targets = new Set<string>();
  oneLink.lastIndex = 0;
  while (oneLink.lastIndex < header.length) {
    const link = oneLink.exec(header);
    if (link === null) return { kind: 'malformed' };
    const [, target = '', parameters = ''] = link;
    const relation = [...parameters.matchAll(oneParameter)].find(([, name]) => name?.toLowerCase() === 'rel');
    const relations = (relation?.[2] ?? relation?.[3] ?? '').toLowerCase().split(/\s+/);
    if (relations.includes('next')) targets.add(target);
  }
  const [next = null] = targets;
  return targets.size > 1 ? { kind: 'malformed' } : { kind: 'links', next };
}
