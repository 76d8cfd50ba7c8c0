/** docs/scenarios.md names tests: they are there, and each line about what is read speaks of every source. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PROVIDERS } from '../../src/domain/directory.ts';
import { documentAt, rowsOf, sectionOf } from './documents.ts';

const page = documentAt('docs/scenarios.md');
const headings = [...page.text.matchAll(/^## (\d+)\. .*$/gm)].map(([heading, line]) => ({ heading, line }));
const names: Readonly<Record<string, (typeof PROVIDERS)[number]>> = {
  'Entra ID': 'entra',
  Okta: 'okta',
  Google: 'google',
  SCIM: 'scim',
  LDAP: 'ldap',
  file: 'file',
};

const rowsBelow = (heading: string) =>
  rowsOf(sectionOf(page, heading), 2).filter(([source]) => source !== 'source') as [string, string][];

/** Of a cell: each file with the title of a test in it, which ends with the next file, a remark or the cell. */
const testsIn = (cell: string) =>
  [...cell.matchAll(/`((?:test|connectors)\/[^`]+\.ts)` › (.*?)(?=; `|$)/g)].map(
    ([, file = '', rest = '']) => ({
      file,
      rest,
    }),
  );

it('has every line about pulls and deltas, and the causes', () => {
  expect(headings.map(({ line }) => Number(line))).toEqual([
    ...Array.from({ length: 14 }, (_, at) => at + 1),
    20,
  ]);
});

it.each(headings)('says for every source which test shows line $line, or why none can', ({ heading }) => {
  const sources = rowsBelow(heading).flatMap(([source]) => source.split(', '));
  const named = new Set(sources.flatMap((source) => names[source] ?? []));
  expect([...named].sort()).toEqual([...PROVIDERS].sort());
});

it.each(headings)('names tests that are there, at line $line', ({ heading }) => {
  for (const [source, cell] of rowsBelow(heading)) {
    const tests = testsIn(cell);
    if (tests.length === 0) expect(cell, source).toMatch(/cannot (?:be shown|show): \w/);
    for (const { file, rest } of tests) {
      const titles = titlesIn(file);
      expect(titles.filter((title) => rest.startsWith(title)).length, `${file}: ${rest}`).toBeGreaterThan(0);
    }
  }
});

it.each<[string, readonly number[]]>([
  ['## Matching and identity', [15, 16, 17, 18, 19, 21, 22, 23]],
  ['## Review, guards and applies', [24, 25, 26, 27, 28, 29, 30, 31, 32, 33]],
  ['## Scale', [40]],
])('names tests that are there, below %s', (heading, lines) => {
  const rows = rowsOf(sectionOf(page, heading), 2).slice(1) as [string, string][];
  expect([...new Set(rows.map(([line]) => Number.parseInt(line, 10)))]).toEqual(lines);
  for (const [line, cell] of rows) {
    const tests = testsIn(cell);
    expect(tests.length, line).toBeGreaterThan(0);
    for (const { file, rest } of tests)
      expect(
        titlesIn(file).some((title) => rest.startsWith(title)),
        `${file}: ${rest}`,
      ).toBe(true);
  }
});

/** As they are written: with their placeholders. Short ones are left out, with which anything may begin. */
function titlesIn(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8');
  const inQuotes = [...text.matchAll(/(?<=\(|^\s+)(['"])((?:(?!\1).){12,})\1,/gm)];
  return inQuotes.map(([, , title = '']) => title);
}
