import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { csvCut, readFields } from '../../connectors/file/csv.ts';
import type { Cut } from '../../connectors/file/entry.ts';
import { arrayCut, ndjsonCut } from '../../connectors/file/json.ts';
import { Texts } from '../../connectors/file/texts.ts';

const text = fc.string({
  unit: fc.constantFrom('a', 'ü', '😀', '"', ';', '\n', '\r', ' ', '\\', '[', '}', ','),
});
const table = fc.array(fc.array(text, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 6 });

const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
const mayBePlain = (value: string) => !/^"|[;\n\r]/.test(value);
const written = (rows: readonly (readonly string[])[], lineEnd: string, plain: boolean) =>
  rows
    .map((row) => row.map((value) => (plain && mayBePlain(value) ? value : quoted(value))).join(';'))
    .join(lineEnd);

it('CSV gives back what was written, however it is quoted and its lines end', () => {
  fc.assert(
    fc.property(
      table,
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      fc.boolean(),
      (rows, lineEnd, plain, ended) => {
        const data = Buffer.from(written(rows, lineEnd, plain) + (ended ? lineEnd : ''));
        const read: (readonly string[])[] = [];
        for (let from = 0, at = 1; from < data.length; ) {
          const record = readFields(data, from, { delimiter: ';', at, isLast: true });
          if (record === null) return expect.unreachable('the data is all there');
          read.push(record.fields);
          from = record.next;
          at += record.lines;
        }
        expect(read).toEqual(rows);
      },
    ),
  );
});

/** What lies first in the data, and how much of it must be there before that is said. */
function neverTooEarly(cut: Cut, data: Buffer, from: number, at: number) {
  const whole = cut(data, from, at, true);
  for (let length = from; length < data.length; length += 1) {
    const part = cut(data.subarray(0, length), from, at, false);
    if (part.kind !== 'more') {
      expect(part.kind).toBe('piece');
      if (part.kind === 'piece' && whole.kind === 'piece')
        expect([part.next, part.at]).toEqual([whole.next, whole.at]);
    }
  }
}

it('no entry is cut before its end has been seen, wherever a piece of the file ends', () => {
  fc.assert(
    fc.property(table, fc.constantFrom('\n', '\r\n'), fc.boolean(), (rows, lineEnd, plain) => {
      neverTooEarly(csvCut(';', []), Buffer.from(`${written(rows, lineEnd, plain)}${lineEnd}`), 0, 1);
      const objects = rows.map((row) =>
        Object.fromEntries(row.map((value, place) => [`${place}${value}`, value])),
      );
      neverTooEarly(
        ndjsonCut,
        Buffer.from(objects.map((one) => `${JSON.stringify(one)}${lineEnd}`).join('')),
        0,
        1,
      );
      neverTooEarly(arrayCut, Buffer.from(JSON.stringify(objects, null, 1)), 1, 1);
    }),
  );
});

it('a text has one number, and a number one text, however many there are', () => {
  const texts = new Texts();
  const known = new Map<string, number>();
  // Its table grows more than once.
  for (let number = 0; number < 5_000; number += 1) known.set(`n${number}`, texts.add(`n${number}`));
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 60 }), (some) => {
      for (const one of [...some, ...some.map((text) => `${text}-`)]) {
        const before = known.get(one);
        if (before === undefined) expect(texts.numberOf(one)).toBe(null);
        const number = texts.add(one);
        expect(number).toBe(before ?? known.size);
        known.set(one, number);
      }
    }),
    { numRuns: 60 },
  );
  for (const [text, number] of known)
    expect([texts.textAt(number), texts.numberOf(text)]).toEqual([text, number]);
  expect(texts.count).toBe(known.size);
});
