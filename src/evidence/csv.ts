/** Rows for spreadsheets (RFC 4180), of which no cell is taken for a formula. */

export type Cell = string | number | boolean | null;

/** What spreadsheets evaluate, or skip to come to what they evaluate. */
const FORMULA = /^[=+\-@\t\r\n]/;

/** Spreadsheets take a file for UTF-8 only where it begins with this. */
export const BYTE_ORDER_MARK = '\uFEFF';

/** With the end of the line. Text that a spreadsheet would evaluate comes with an apostrophe before it. */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
