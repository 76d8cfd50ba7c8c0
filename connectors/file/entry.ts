/** One entry of a file: a line of CSV or NDJSON, an element of a JSON array; and how it is cut out of the bytes around it. */
import { type Buffer, isUtf8 } from 'node:buffer';
import { fileError } from './place.ts';

export type Entry =
  | {
      readonly kind: 'entry';
      /** Its line in the file, or its number in a JSON array, from 1. */
      readonly at: number;
      /** What stands under a column, as the format has it; undefined where the entry has no such column. */
      readonly value: (column: string) => unknown;
    }
  | {
      readonly kind: 'broken';
      readonly at: number;
      readonly problem: string;
      /** The value under a column where it stands at its right place whatever is broken, else undefined. */
      readonly value: (column: string) => unknown;
    };

/** What lies at one position of the bytes. */
export type Piece =
  /** `entry: null`: a blank line or the like. `next`: the position behind it. `at`: the number of what follows. */
  | { readonly kind: 'piece'; readonly entry: Entry | null; readonly next: number; readonly at: number }
  /** It goes on behind the bytes that are there. */
  | { readonly kind: 'more' }
  | { readonly kind: 'end' };

/** Throws ConnectorError 'misconfigured' for bytes that are not what the settings say. */
export type Cut = (data: Buffer, from: number, at: number, isLast: boolean) => Piece;

export const MORE: Piece = { kind: 'more' };
export const END: Piece = { kind: 'end' };

const CONTENT_REMEDY =
  'Have the export corrected, or the settings if they describe another kind of file; connectors/file/README.md shows each.';

/** For content that makes all that follows doubtful: one wrong quote moves every row behind it. */
export function notAsDescribed(problem: string) {
  return fileError('misconfigured', `The file is not what the settings say: ${problem}.`, CONTENT_REMEDY);
}

/** Throws for anything but UTF-8: a name read in another encoding would be another name. */
export function textOf(data: Buffer, from: number, to: number, where: string): string {
  if (isUtf8(data.subarray(from, to))) return data.toString('utf8', from, to);
  throw fileError(
    'misconfigured',
    `${where} is not UTF-8.`,
    'Have the file written in UTF-8 ("CSV UTF-8" in Excel); other encodings are not guessed.',
  );
}
