/** Mappings with attributes and a scope, drawn by chance: over the people and groups of lives.ts. */
import fc from 'fast-check';
import { Mapping } from '../../src/domain/mapping.ts';
import { mapping as plain } from './lives.ts';

const owner = fc.constantFrom('directory' as const, 'first' as const);
const source = fc.oneof(
  fc.constantFrom('department', 'displayName', 'email', 'custom.note').map((from) => ({ from })),
  fc
    .constantFrom(
      'user.displayName + "/" + user.department',
      '"g1" in groups ? "grouped" : user.department',
      'has(user.custom.note) ? "noted" : ""',
      'user.department.startsWith("Z") ? user.department : ""',
      'string(user.custom.note)',
    )
    .map((value) => ({ value })),
);
const transform = fc.option(
  fc.subarray(['lower', 'beforeAt', 'digits', 'upper'] as const, { minLength: 1, maxLength: 2 }),
  { nil: undefined },
);
const otherwise = fc.option(fc.constantFrom('none', 'A default'), { nil: undefined });
const attribute = fc
  .record({ source, transform, otherwise, owner })
  .map(({ source: from, otherwise: given, ...rest }) => ({ ...from, ...rest, default: given }));
const scope = fc.constantFrom(
  undefined,
  'user.department != "ADA LOVELACE"',
  '"Group g2" in groups || user.displayName != ""',
  'user.custom.note != "Ada Lovelace"',
  '"g1" in groupIds',
);

export const mappings = fc
  .record({
    department: fc.option(attribute, { nil: undefined }),
    displayName: fc.constantFrom(undefined, { owner: 'first' }, { from: 'userName', owner: 'directory' }),
    note: fc.option(attribute, { nil: undefined }),
    made: fc.option(attribute, { nil: undefined }),
    phone: fc.constantFrom(undefined, { owner: 'local' }),
    scope,
  })
  .map(({ department, displayName, note, made, phone, scope: within }) =>
    Mapping.parse(
      JSON.parse(
        JSON.stringify({
          ...plain,
          scope: within,
          attributes: { department, displayName, phone, 'custom.note': note, 'custom.made': made },
        }),
      ),
    ),
  );
