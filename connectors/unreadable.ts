/** Records that a provider's schema does not fit, for providers that keep a record's id in `id`. */
import { z } from 'zod';
import { ExternalId } from '../src/domain/ids.ts';
import { cleanText } from '../src/domain/normalise.ts';
import type { UnreadableRecord } from './contract.ts';

export const Identified = z.object({ id: ExternalId });

/** Zod's messages name the expected type and the field, whose name may hold anything, never the value that was there. */
export function unreadable(record: unknown, error: z.ZodError): UnreadableRecord {
  const identified = Identified.safeParse(record);
  const problems = error.issues.map((issue) => `${issue.path.join('.') || 'record'}: ${issue.message}`);
  return {
    kind: 'unreadable',
    externalId: identified.success ? identified.data.id : null,
    problem: cleanText(problems.join('; ')) ?? '',
  };
}
