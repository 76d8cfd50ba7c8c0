/** docs/evidence.md lists what is: how people may stand, where fields come from, what a pack is made of. */
import { expect, it } from 'vitest';
import { standings } from '../../src/domain/standing.ts';
import { MANIFEST, SIGNATURE } from '../../src/evidence/manifest.ts';
import { APPLIES, AUDIT, CHANGES, USERS } from '../../src/evidence/tables.ts';
import { documentAt, rowsOf, sectionOf } from './documents.ts';

const page = documentAt('docs/evidence.md');

it('has every standing, in the words that people are told', () => {
  const rows = rowsOf(sectionOf(page, '## Why somebody is no auth user'), 2).slice(1);
  const said = rows.map(([standing, says = '']) => [standing, says.split('; ')[0]]);
  expect(said).toEqual(Object.entries(standings).map(([standing, says]) => [standing, says.split('; ')[0]]));
});

it('has every file of an evidence pack', () => {
  const rows = rowsOf(sectionOf(page, '## An evidence pack'), 2).slice(1);
  const named = rows.flatMap(([cell = '']) => cell.replaceAll('`', '').split(', '));
  const tables = [...AUDIT, ...CHANGES, ...APPLIES, ...USERS];
  expect(named.sort()).toEqual([...tables.map(({ name }) => name), MANIFEST, SIGNATURE].sort());
});
