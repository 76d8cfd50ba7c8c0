/** Handed to whatever needs the time, so that a test can decide what time it is. */
export type Clock = { readonly now: () => Date };
