/** Domains, organisational units and groups of a directory that would lose many of their people, though the whole may hardly shrink. */
import type { ShrinkingPart } from '../domain/guard.ts';
import type { TakenRun } from '../domain/run.ts';
import type { BulkTransaction } from './database.ts';

export async function concernParts(
  _tx: BulkTransaction,
  _run: TakenRun,
  _atLeast: number,
): Promise<readonly ShrinkingPart[]> {
  return [];
}
