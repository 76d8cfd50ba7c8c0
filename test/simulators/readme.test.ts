import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { VERBS } from '../../simulators/control.ts';
import { FAULTS } from '../../simulators/faults.ts';
import { POPULATIONS } from '../../simulators/population/groups.ts';
import { SCENARIOS } from '../../simulators/scenarios.ts';
import { QUIRKS } from '../../simulators/scim/quirks.ts';

const readme = readFileSync(new URL('../../simulators/README.md', import.meta.url), 'utf8').replace(
  / +/g,
  ' ',
);

/** The names in the first column of the table under a heading. */
function rowsUnder(heading: string): readonly string[] {
  const section = readme.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name = '']) => name);
}

it('lists every fault, in its own words, and no other', () => {
  expect(rowsUnder('Faults')).toEqual(Object.keys(FAULTS));
  for (const [name, { says }] of Object.entries(FAULTS))
    expect(readme).toContain(`| \`${name}\` | ${says} |`);
});

it('lists every quirk, in its own words, and no other', () => {
  expect(rowsUnder('Quirks')).toEqual(Object.keys(QUIRKS));
  for (const [name, says] of Object.entries(QUIRKS)) expect(readme).toContain(`| \`${name}\` | ${says} |`);
});

it('lists every verb and no other', () => {
  expect(rowsUnder('Verbs')).toEqual(Object.keys(VERBS));
});

it('lists every population, in its own words, and no other', () => {
  expect(rowsUnder('Populations')).toEqual(Object.keys(POPULATIONS));
  for (const [name, { says }] of Object.entries(POPULATIONS))
    expect(readme).toContain(`| \`${name}\` | ${says} |`);
});

it('says of every scenario by which names it is shown', () => {
  const named = (names: readonly string[] = []) => names.map((name) => `\`${name}\``).join(', ');
  for (const [at, { says, faults, populations, verbs }] of Object.entries(SCENARIOS)) {
    const cells = [at, says, named(faults), named(populations), named(verbs)];
    expect(readme).toContain(`| ${cells.join(' | ')} |`.replace(/ +/g, ' '));
  }
});
