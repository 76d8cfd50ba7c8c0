/** Handed to whatever needs the time, so that a test can decide what time it is. */
export type Clock = { readonly now: () => Date };

/** As people read it, to the minute. */
export function minute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
