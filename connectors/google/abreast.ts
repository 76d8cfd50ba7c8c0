/** Several calls at once. How many are really under way, and how fast, is the session's business. */

const LANES = 8;

/** The results in the order of the items. After the first failure nothing new is begun. */
export async function abreast<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): Promise<R[]> {
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
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}
