/** Mappings with attributes and a scope, drawn by chance, over the people and groups of lives.ts. */
import fc from 'fast-check';
import { Mapping } from '../../src/domain/mapping.ts';
import { mapping as plain } from './lives.ts';
import { SCOPES, VALUES } from './meanings.ts';

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
