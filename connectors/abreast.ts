/** Several calls at once. How many requests are really under way, and how fast, is the session's business. */

/** As many as a session has under way by default. */
const LANES = 8;

/** The results in the order of the items. After the first failure nothing new is begun. */
export async function abreast<T, R>(
  items: Iterable<T>,
  work: (item: T) => Promise<R>,
  lanes = LANES,
): Promise<R[]> {
  const results: R[] = [];
  const rest = [...items].entries();
  let failed = false;
  const lane = async () => {
    for (const [at, item] of rest) {
      if (failed) return;
      results[at] = await work(item).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
