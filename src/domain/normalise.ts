/** One spelling for text that looks the same, so that no difference comes back with every run. */

/** Visible characters below U+0300, blanks inside only: NFC already, nothing to take out. Nearly every value is one. */
const CLEAN =
  /^[!-~\u00a1-\u00ac\u00ae-\u02ff](?:[ -~\u00a1-\u00ac\u00ae-\u02ff]*[!-~\u00a1-\u00ac\u00ae-\u02ff])?$/;
const BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
/** Controls (PostgreSQL refuses NUL), soft hyphen, zero-width and direction marks, byte order mark. */
const INVISIBLE = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu;

/**
 * Composed (NFC), trimmed, without control, zero-width and direction characters; line breaks and tabs become a blank.
 * null where nothing is left. Half a surrogate pair, which no UTF-8 can hold, becomes U+FFFD. Cleaning twice changes nothing.
 */
export function cleanText(value: string | null | undefined): string | null {
  if (value === null || value === undefined) return null;
  if (CLEAN.test(value)) return value;
  const cleaned = value.toWellFormed().replace(BREAKS, ' ').replace(INVISIBLE, '').normalize('NFC').trim();
  return cleaned === '' ? null : cleaned;
}
