/** One signal out of several. */

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
