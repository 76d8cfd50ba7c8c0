/** Mappings with attributes and a scope, drawn by chance, over the people and groups of lives.ts; and what each expression in them means. */
import fc from 'fast-check';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import { mapping as plain } from './lives.ts';

type Value = string | number | boolean | readonly string[] | null;
type IsIn = (group: string) => boolean;

/** Throws where the expression fails. */
export const VALUES: Readonly<Record<string, (user: DirectoryUser, isIn: IsIn) => Value>> = {
  'user.displayName + "/" + user.department': (user) => `${user.displayName ?? ''}/${user.department ?? ''}`,
  '"g1" in groupIds ? "grouped" : user.department': (user, isIn) =>
    isIn('g1') ? 'grouped' : user.department,
  'has(user.custom.note) ? "noted" : ""': (user) => (user.custom['note'] === undefined ? null : 'noted'),
  'user.department.startsWith("Z") ? user.department : ""': (user) =>
    user.department?.startsWith('Z') ? user.department : null,
  'string(user.custom.note)': (user) => {
    const { note } = user.custom;
    if (note === undefined || typeof note === 'object') throw new Error('no text follows from it');
    return String(note);
  },
};

export const SCOPES: Readonly<Record<string, (user: DirectoryUser, isIn: IsIn) => boolean>> = {
  'user.department != "ADA LOVELACE"': (user) => user.department !== 'ADA LOVELACE',
  '"Group g2" in groups || user.displayName != ""': (user, isIn) =>
    isIn('Group g2') || user.displayName !== null,
  'user.custom.note != "Ada Lovelace"': (user) => {
    if (user.custom['note'] === undefined) throw new Error('there is none');
    return user.custom['note'] !== 'Ada Lovelace';
  },
  '"g1" in groupIds || !user.department.contains("Zo")': (user, isIn) =>
    isIn('g1') || !(user.department ?? '').includes('Zo'),
};

const orNot = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
const from = (...names: string[]) => fc.constantFrom(...names).map((name) => ({ from: name }));
const source = fc.oneof(
  from('department', 'displayName', 'email', 'custom.note'),
  fc.constantFrom(...Object.keys(VALUES)).map((value) => ({ value })),
);
const attribute = fc
  .record({
    source,
    transform: orNot(fc.subarray(['lower', 'beforeAt', 'digits', 'upper'], { minLength: 1, maxLength: 2 })),
    default: orNot(fc.constantFrom('none', 'A default')),
    owner: fc.constantFrom('directory', 'first'),
  })
  .map(({ source: given, ...rest }) => ({ ...given, ...rest }));

export const mappings: fc.Arbitrary<Mapping> = fc
  .record({
    department: orNot(attribute),
    displayName: fc.constantFrom(undefined, { owner: 'first' }, { from: 'userName' }),
    email: fc.constantFrom(undefined, { transform: ['lower'] }),
    phone: fc.constantFrom(undefined, { owner: 'local' }),
    note: orNot(attribute),
    made: orNot(attribute),
    scope: orNot(fc.constantFrom(...Object.keys(SCOPES))),
  })
  .map(({ note, made, scope, ...attributes }) => {
    const given = {
      ...plain,
      scope,
      attributes: { ...attributes, 'custom.note': note, 'custom.made': made },
    };
    return Mapping.parse(JSON.parse(JSON.stringify(given))); // without what is undefined
  });
