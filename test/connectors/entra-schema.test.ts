import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntraUser, isEntraUser } from '../../connectors/entra/schema.ts';

const COMPLETE = {
  id: 'u1',
  accountEnabled: true,
  userPrincipalName: 'ada@contoso.example',
  mail: null,
  employeeOrgData: { division: 'Analytical', costCenter: null },
  businessPhones: ['+44 20 1'],
  onPremisesSyncEnabled: null,
  onPremisesExtensionAttributes: { extensionAttribute1: 'one', extensionAttribute2: null },
  manager: { id: 'u2' },
};

const anything = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    '',
    'text',
    'u1\u0000',
    true,
    0,
    [],
    {},
    [null],
    ['text'],
    ['text', 1],
  ),
  fc.constantFrom<unknown>(
    { id: 'u2' },
    { id: '' },
    { division: 1 },
    { division: 'Research', more: 1 },
    { a: 1 },
  ),
  fc.jsonValue(),
);
const altered = fc
  .dictionary(fc.constantFrom(...Object.keys(EntraUser.shape), 'unknown'), anything, { maxKeys: 3 })
  .map((values) => ({ ...COMPLETE, ...values }));

describe('the quick look at a user', () => {
  it('takes what the schema takes, and leaves to the schema what it does not', () => {
    expect(isEntraUser(COMPLETE)).toBe(true);
    fc.assert(
      fc.property(fc.oneof(altered, fc.jsonValue()), (item) => {
        expect(isEntraUser(item)).toBe(EntraUser.safeParse(item).success);
      }),
      { numRuns: 2_000 },
    );
  });
});
