/** What came of an attempt to send. `problem` goes into a list that administrators read: it has no secret and nothing of what came back. */
export type Sent =
  | { readonly ok: true; readonly problem: string | null }
  /** `again`: it may pass by itself; no earlier than after so long where the receiver said so. */
  | { readonly ok: false; readonly problem: string; readonly again: boolean; readonly afterMs?: number };
