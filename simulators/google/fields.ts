/** Google's partial responses: `fields=nextPageToken,users(id,primaryEmail)`, also written `users/id`. */

export type Selection = ReadonlyMap<string, readonly string[] | null>;

/** Top-level names, each with the names under it, or null for everything under it. null: no selection at all. */
export function selectionOf(fields: string | null): Selection | null {
  if (fields === null || fields.trim() === '' || fields.trim() === '*') return null;
  const selection = new Map<string, readonly string[] | null>();
  for (const part of topLevel(fields)) {
    const name = headOf(part);
    const inner = innerOf(part.slice(name.length));
    const known = selection.get(name) ?? [];
    selection.set(name, inner === null || inner === '*' ? null : [...known, ...topLevel(inner).map(headOf)]);
  }
  return selection;
}

/** What stands behind a name: `(a,b)` or `/a`. */
function innerOf(rest: string): string | null {
  if (rest.startsWith('/')) return rest.slice(1);
  return rest.startsWith('(') && rest.endsWith(')') ? rest.slice(1, -1) : null;
}

const headOf = (part: string): string => /^[^(/]+/.exec(part)?.[0] ?? part;

/** Splits at commas outside of brackets. */
function topLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const letter of text) {
    if (letter === '(') depth += 1;
    if (letter === ')') depth -= 1;
    if (letter === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else part += letter;
  }
  return [...parts, part.trim()].filter((name) => name !== '');
}
