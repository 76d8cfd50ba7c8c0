/** One signal out of several, and work that does not look at its signal. */

/** Like AbortSignal.any, but leaves no listener behind on a signal that lives as long as a run. */
export function joined(...signals: readonly AbortSignal[]) {
  const controller = new AbortController();
  const listeners = signals.map((signal) => ({ signal, abort: () => controller.abort(signal.reason) }));
  for (const { signal, abort } of listeners) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  }
  return {
    signal: controller.signal,
    abort: (reason: Error) => controller.abort(reason),
    release: () => {
      for (const { signal, abort } of listeners) signal.removeEventListener('abort', abort);
    },
  };
}

/** Ends with the signal's reason as soon as it is aborted, whenever the work itself does: what becomes of that is nobody's matter then. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
