import { expect, it } from 'vitest';
import { ACTIONS, allowedToSupport, mayDo, PRINCIPAL_ROLES } from '../../src/domain/permission.ts';
import { documentAt, rowsOf, sectionOf } from './documents.ts';

const page = documentAt('docs/administrators.md');
const permissions = sectionOf(page, '## Permissions');

it('the page about administrators says of every role and permission whether it has it, as the code does', () => {
  const [heading, ...rows] = rowsOf(permissions, PRINCIPAL_ROLES.length + 3);
  expect(heading?.slice(1, -2).map((cell) => cell.replaceAll('`', ''))).toEqual([...PRINCIPAL_ROLES]);
  const held = ACTIONS.map((action) => [
    action,
    ...PRINCIPAL_ROLES.map((role) => mayDo(role, action)),
    ...[false, true].map((mayWrite) => allowedToSupport(mayWrite).includes(action)),
  ]);
  expect(rows.map(([action, ...cells]) => [action, ...cells.map((cell) => cell === 'yes')])).toEqual(held);
  expect(new Set(rows.flatMap(([, ...cells]) => cells))).toEqual(new Set(['yes', '–']));
});

it('the page about administrators says what each permission is for, and what each role is', () => {
  const meanings = rowsOf(permissions, 2).slice(1);
  expect(meanings.map(([action]) => action)).toEqual([...ACTIONS]);
  const roles = rowsOf(sectionOf(page, '## Principals and roles'), 2).slice(1);
  expect(roles.map(([role]) => role)).toEqual([...PRINCIPAL_ROLES]);
});
