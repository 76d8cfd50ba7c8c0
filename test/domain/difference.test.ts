import { describe, expect, it } from 'vitest';
import type { FieldChange, ProposedChange } from '../../src/domain/change.ts';
import { differenceInWords, differenceKey, differenceOf } from '../../src/domain/difference.ts';
import { aChange } from '../support/builders.ts';

const of = (...fields: FieldChange[]) => differenceOf(aChange({ kind: 'update', fields }));
const words = (given: Partial<ProposedChange>) => differenceInWords(differenceOf(aChange(given)));
const title = (before: string, after: string) => ({ field: 'jobTitle', before, after });

describe('The difference that a change makes', () => {
  it('is the same for all who get the same value, and another for another', () => {
    expect(of(title('Engineer', 'Senior Engineer'))).toEqual(of(title('Engineer', 'Senior Engineer')));
    expect(differenceInWords(of(title('Engineer', 'Senior Engineer')))).toBe(
      'jobTitle: Engineer → Senior Engineer',
    );
    expect(differenceKey(of(title('Engineer', 'Senior Engineer')))).not.toBe(
      differenceKey(of(title('Engineer', 'Chief'))),
    );
  });

  it('does not hang on the order of the fields', () => {
    const [one, other] = [title('a', 'b'), { field: 'company', before: 'x', after: 'y' }];
    expect(differenceKey(of(one, other))).toBe(differenceKey(of(other, one)));
  });

  it.each([
    ['email', 'ada@old.test', 'ada@new.test', 'email: @old.test → @new.test'],
    ['email', 'ada@old.test', 'eve@new.test', 'email: another name, @old.test → @new.test'],
    ['email', 'ada@old.test', 'eve@old.test', 'email: changed'],
    ['userName', 'ADA@Old.test', 'ada@new.test', 'userName: @old.test → @new.test'],
    ['userName', 'ada', 'eve', 'userName: changed'],
    ['displayName', 'Ada', 'Ada L', 'displayName: changed'],
    ['displayName', null, 'Ada L', 'displayName: set'],
    ['phone', '030', null, 'phone: emptied'],
    ['department', null, 'Sales', 'department: — → Sales'],
    ['department', 'Sales', null, 'department: Sales → —'],
    ['custom.level', '3', '4', 'custom.level: 3 → 4'],
    ['custom.badge', '48213', '48214', 'custom.badge: changed'],
    ['jobTitle', 'x'.repeat(101), 'y', 'jobTitle: changed'],
  ])('of %s, from %s to %s, is: %s', (field, before, after, expected) => {
    expect(differenceInWords(of({ field, before, after }))).toBe(expected);
  });

  it('has the roles and the tenant in it: who gets more is not on the same line', () => {
    expect(
      words({ kind: 'update', fields: [title('a', 'b')], rolesGained: ['admin'], rolesLost: ['viewer'] }),
    ).toBe('jobTitle: a → b; + admin; − viewer');
    const after = { state: 'active', fields: {}, roles: [], tenant: 'West' };
    expect(words({ kind: 'create', before: null, after })).toBe('a new auth user in West');
  });

  it('of conflicts is why they are', () => {
    expect(words({ kind: 'conflict', cause: 'address-taken' })).toBe(
      'the address belongs to another auth user',
    );
  });
});
