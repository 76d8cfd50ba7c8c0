/** What a unique index refuses. */
import { Problem } from '../domain/problem.ts';
import { Prisma } from './generated/client.ts';

/** PostgreSQL's "unique violation", as `pg` gives it. */
const UNIQUE_VIOLATION = '23505';

/** Throws `name-taken` in the place of Prisma's error or of PostgreSQL's. Only names are unique among what goes through here. */
export async function refusingTakenNames<T>(
  said: { readonly message: string; readonly remedy: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isDuplicate(error) ? new Problem({ code: 'name-taken', ...said }, { cause: error }) : error;
  }
}

/** Whether a unique index refused it. */
export function isDuplicate(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientKnownRequestError) return error.code === 'P2002';
  return (error as { readonly code?: unknown }).code === UNIQUE_VIOLATION;
}
