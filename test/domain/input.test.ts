import { expect, it } from 'vitest';
import { z } from 'zod';
import { parseInput } from '../../src/domain/input.ts';
import { nearNames } from '../../src/domain/nearNames.ts';

it('What is handed in with the character NUL, which no database stores, is refused with the name of its field', () => {
  const schema = z.object({ filter: z.object({ rule: z.string() }), ids: z.array(z.string()) });
  expect(parseInput(schema, { filter: { rule: 'x' }, ids: ['1', '2'] })).toMatchObject({ ids: ['1', '2'] });
  expect(() => parseInput(schema, { filter: { rule: 'x' }, ids: ['1', 'two\0'] })).toThrow('ids.1');
  expect(() => parseInput(schema, { filter: { rule: '\0' }, ids: [] })).toThrow('filter.rule');
});

it.each([
  ['Brightwater', ['Brightwater Foods', 'Okta of Brightwater']],
  ['okta', ['Harbor Okta', 'Okta of Brightwater']],
  ['Habror Okta', ['Harbor Okta']],
  ['Lumenwork', ['Lumenworks']],
  ['Entra', []],
  ['', []],
])('By “%s” is meant what is like it: %j', (given, near) => {
  const names = ['Harbor Okta', 'Okta of Brightwater', 'Lumenworks', 'Brightwater Foods'];
  expect(nearNames(given, names).toSorted()).toEqual(near);
});
