/** Which names somebody may have meant by one that there is not. */
import { distance } from 'fastest-levenshtein';

/** Of so many names, the near ones are looked for. */
export const MOST_LIKENED = 500;

/** So many are named. */
const MOST = 3;

/** The nearest first: those that begin with it, that contain it, and those that few letters make it. Case does not count. */
export function nearNames(given: string, names: readonly string[]): readonly string[] {
  const wanted = given.toLowerCase();
  if (wanted.length < 2) return [];
  const allowed = Math.min(3, Math.floor(wanted.length / 3));
  return [...new Set(names)]
    .flatMap((name) => {
      const far = farFrom(wanted, name.toLowerCase(), allowed);
      return far === null ? [] : [{ name, far }];
    })
    .toSorted((one, other) => one.far - other.far)
    .slice(0, MOST)
    .map(({ name }) => name);
}

/** In letters to put in, leave out or exchange: one of two neighbours for the other is two. null: too far. */
function farFrom(wanted: string, name: string, allowed: number): number | null {
  if (name.startsWith(wanted)) return 0;
  if (name.includes(wanted)) return 0.5;
  const starts = [name, ...name.split(' ')];
  const edits = Math.min(...starts.map((one) => distance(wanted, one)));
  return edits <= allowed ? edits : null;
}
