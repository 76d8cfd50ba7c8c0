import fc from 'fast-check';
import { expect, it } from 'vitest';
import { csvLine } from '../../src/evidence/csv.ts';

it('writes no cell that a spreadsheet would evaluate', () => {
  const cells = ['=1+1', '+1', '-2', '@SUM(A1)', '\t=1', '\r=1', 'plain', -5, true, null];
  expect(csvLine(cells)).toBe(`'=1+1,'+1,'-2,'@SUM(A1),'\t=1,"'\r=1",plain,-5,true,\r\n`);
});

it('writes what can be read back, whatever the text', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (texts) => {
      const read = parsed(csvLine(texts));
      expect(read.map((cell, at) => (cell === texts[at] ? cell : cell.slice(1)))).toEqual(texts);
      for (const cell of read) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
    }),
  );
});

/** RFC 4180, of one line. */
function parsed(line: string): readonly string[] {
  const cells: string[] = [];
  let rest = line.slice(0, -2);
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"/.exec(rest);
    const cell = quoted?.[0] ?? rest.split(',')[0] ?? '';
    cells.push(quoted === null ? cell : (quoted[1] ?? '').replaceAll('""', '"'));
    if (rest.length === cell.length) return cells;
    rest = rest.slice(cell.length + 1);
  }
}
