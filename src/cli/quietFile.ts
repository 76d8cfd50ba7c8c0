/** What is said where a file is not read yet because somebody may still be writing to it. */
import { z } from 'zod';
import type { Terminal } from './terminal.ts';

/** So long nobody asks what is going on. */
const PATIENCE_MS = 1_500;

const Settings = z.object({ quietSeconds: z.number().default(10) });

/** Says it once, unless what this gives is called before. Silent for other providers, and where nothing is waited for. */
export function noteWhileQuiet(
  terminal: Pick<Terminal, 'note'>,
  { provider, settings }: { readonly provider: string; readonly settings: unknown },
): () => void {
  const { quietSeconds } = Settings.safeParse(settings).data ?? { quietSeconds: 0 };
  if (provider !== 'file' || quietSeconds === 0) return () => {};
  const note = `Nothing is read yet: a file that was written just now is waited for until nobody has written to it for ${quietSeconds} s (quietSeconds).`;
  const timer = setTimeout(() => terminal.note(note), PATIENCE_MS);
  return () => clearTimeout(timer);
}
