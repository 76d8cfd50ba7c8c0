import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { desiredHashOf } from '../../src/domain/authUser.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { parseInput } from '../../src/domain/input.ts';
import { compileMapping, isMapped, Mapping } from '../../src/domain/mapping.ts';
import { planSeen } from '../../src/domain/plan.ts';
import { aDirectoryUser, aPlanContext, aSeenUser, aStoredUser, surely } from '../support/builders.ts';
import { asUser, attributes as somebody } from '../support/lives.ts';
import { mappings } from '../support/mappings.ts';

const group = (externalId: string, name: string) => ({ externalId: ExternalId.parse(externalId), name });
const compiled = (mapping: object) => compileMapping(Mapping.parse(mapping));
const fieldOf = (field: string, attribute: object, given: object = {}, groups: string[] = []) => {
  const named = groups.map((name, at) => group(`g${at}`, name));
  const mapped = compiled({ attributes: { [field]: attribute } }).map(aDirectoryUser(given), named);
  return isMapped(mapped) ? mapped.fields[field] : mapped;
};

describe('A field', () => {
  it.each<[string, object, object, unknown]>([
    ['costCenter', { from: 'custom.code' }, { custom: { code: 'C1' } }, 'C1'],
    ['costCenter', { from: 'custom.code' }, { custom: { code: 7 } }, '7'],
    ['costCenter', { from: 'custom.code' }, { custom: { code: ['C1'] } }, 'C1'],
    ['costCenter', { from: 'custom.code' }, { custom: { code: ['C1', 'C2'] } }, null],
    ['costCenter', { from: 'custom.code', default: 'none' }, { custom: {} }, 'none'],
    ['costCenter', { from: 'custom.constructor' }, { custom: {} }, null],
    ['userName', { from: 'email', transform: ['lower'] }, { email: 'Ada@X.example' }, 'ada@x.example'],
    ['userName', { from: 'email', transform: ['beforeAt', 'upper'] }, { email: 'ada@x.example' }, 'ADA'],
    ['company', { from: 'email', transform: ['afterAt'] }, { email: 'ada@x.example' }, 'x.example'],
    ['company', { from: 'email', transform: ['afterAt'] }, { email: 'ada' }, 'ada'],
    ['phone', { transform: ['digits'] }, { phone: '+49 (30) 12-34' }, '49301234'],
    ['phone', { transform: ['digits'], default: '0' }, { phone: 'none' }, '0'],
    ['department', { default: ' R&D\u200b ' }, { department: null }, 'R&D'],
    ['custom.level', { from: 'custom.grade' }, { custom: { grade: 3 } }, 3],
    ['custom.level', { default: 1 }, { custom: {} }, 1],
    ['custom.tags', { transform: ['lower'] }, { custom: { tags: ['A', ' \u200b', 'B'] } }, ['a', 'b']],
    ['custom.tags', { transform: ['digits'], default: [] }, { custom: { tags: ['A'] } }, null],
    [
      'department',
      { value: 'user.department + " of " + user.company' },
      { department: 'A', company: 'B' },
      'A of B',
    ],
    ['department', { value: 'user.jobTitle + "\u200b "' }, { jobTitle: null }, null],
    ['department', { value: 'user.custom.level' }, { custom: { level: 3 } }, '3'],
    ['custom.n', { value: 'int(user.custom.level) + 1' }, { custom: { level: 3 } }, 4],
    ['custom.n', { value: 'user.aliases' }, { aliases: ['a@x.example'] }, ['a@x.example']],
    ['custom.n', { value: 'user.state + user.externalId' }, {}, 'activeu1'],
    ['custom.n', { value: 'orgUnit.within("/Sales")' }, { orgUnit: '/Sales/Berlin' }, true],
    ['custom.n', { value: 'has(user.custom.x) ? user.custom.x : null', default: 'd' }, {}, 'd'],
  ])('%s by %j of %j holds %j', (field, attribute, given, value) => {
    expect(fieldOf(field, attribute, given)).toEqual(value);
  });

  it('may hang on groups, by name or id, in whatever order they come', () => {
    const mapping = {
      groups: null,
      attributes: { 'custom.teams': { value: 'groups.filter(g, g != "All").join(",")' } },
    };
    const of = (groups: ReturnType<typeof group>[]) =>
      surely(compiled(mapping)).map(aDirectoryUser(), groups).fields['custom.teams'];
    expect(of([group('1', 'B'), group('2', 'All'), group('3', 'A')])).toBe('A,B');
    expect(of([group('3', 'A'), group('1', 'B'), group('2', 'All')])).toBe('A,B');
    expect(fieldOf('department', { value: '"Sales" in groups ? "S" : "?"' }, {}, ['Sales'])).toBe('S');
    expect(fieldOf('department', { value: '"g0" in groupIds ? "S" : "?"' }, {}, ['Sales'])).toBe('S');
  });

  it('that cannot be made out leaves its user as they are, unless they may not come in anyway', () => {
    const attribute = { value: 'string(int(user.custom.level))' };
    const unreadable = {
      state: 'unreadable',
      problem: expect.stringMatching(/^mapping\.attributes\.phone: no such key: level/),
    };
    expect(fieldOf('phone', attribute)).toEqual(unreadable);
    expect(fieldOf('phone', attribute, { state: 'deprovisioned' })).toBeNull();
    expect(fieldOf('phone', attribute, { state: 'suspended' })).toBeNull();
    expect(fieldOf('phone', { value: 'user.custom.tags' }, { custom: { tags: ['a', 'b'] } })).toMatchObject({
      problem: 'mapping.attributes.phone: gives a value that is not a text',
    });
  });

  it('that is local, or that omit names, is none of the directory', () => {
    const { fields } = surely(
      compiled({ omit: ['phone'], attributes: { department: { owner: 'local' } } }),
    ).map(aDirectoryUser(), []);
    expect(fields).not.toHaveProperty('phone');
    expect(fields).not.toHaveProperty('department');
  });
});

describe('Whoever is out of the scope', () => {
  const scopeOf = (scope: string, given: object = {}, groups: string[] = []) =>
    compiled({ scope }).map(
      aDirectoryUser(given),
      groups.map((name, at) => group(`g${at}`, name)),
    ).state;

  it.each<[string, object, string[], string]>([
    ['user.department == "Sales"', { department: 'Sales' }, [], 'active'],
    ['user.department == "Sales"', { department: null }, [], 'out-of-scope'],
    ['"Sales" in groups && orgUnit.within("/EU")', { orgUnit: '/EU/De' }, ['Sales'], 'active'],
    ['"Sales" in groups && orgUnit.within("/EU")', { orgUnit: '/EUROPE' }, ['Sales'], 'out-of-scope'],
    ['user.state == "active"', { state: 'suspended' }, [], 'out-of-scope'],
    ['"Sales" in groups', { state: 'deprovisioned' }, [], 'deleted'],
    ['user.custom.level > 2', { custom: { level: 3 } }, [], 'active'],
    ['user.custom.level > 2', { custom: {} }, [], 'unreadable'],
    ['user.custom.level > 2', { custom: { level: 'high' } }, [], 'unreadable'],
    ['user.custom.level > 2', { custom: {}, state: 'deprovisioned' }, [], 'deleted'],
    ['has(user.custom.level) && user.custom.level > 2', { custom: {} }, [], 'out-of-scope'],
  ])('%s of %j in %j is told apart', (scope, given, groups, state) => {
    expect(scopeOf(scope, given, groups)).toBe(state);
  });
});

describe('when a mapping is saved', () => {
  const wrong = (mapping: object) => {
    try {
      parseInput(Mapping, mapping);
    } catch (error) {
      return (error as { fields: { path: string; message: string }[] }).fields.map(
        ({ path, message }) => `${path}: ${message}`,
      );
    }
    return [];
  };
  const ofField = (field: string, attribute: object) => wrong({ attributes: { [field]: attribute } });

  it.each<[object, RegExp]>([
    [{ scope: 'user.dept == "x"' }, /^scope: line 1, column 6: no such key: dept$/],
    [{ scope: 'true &&\n  user.department' }, /^scope: line 1, column 1: .*bool/],
    [{ scope: 'user.department' }, /^scope: line 1, column 1: gives string, not bool/],
    [
      { scope: 'user.custom["a" + "b"] == 1' },
      /^scope: line 1, column 1: user.custom is used without the name/,
    ],
    [
      { scope: 'user.custom.exists(k, true)' },
      /^scope: line 1, column 1: user.custom is used without the name/,
    ],
    [{ scope: 'groups.exists(g, g == "x")' }, /^scope: looks at groups otherwise than by a name/],
    [
      { omit: ['phone'], attributes: { phone: { owner: 'first' } } },
      /^attributes.phone: is named in omit as well/,
    ],
  ])('%j is refused with its position', (mapping, message) => {
    expect(wrong(mapping)).toEqual([expect.stringMatching(message)]);
  });

  it.each<[string, object, RegExp]>([
    [
      'phone',
      { value: 'user.phone + 1' },
      /^attributes.phone.value: line 1, column 1: no such overload: string \+ int/,
    ],
    [
      'phone',
      { value: 'user.aliases' },
      /^attributes.phone.value: line 1, column 1: gives list<string>, not a text/,
    ],
    ['phone', { value: '"x"', from: 'email' }, /^attributes.phone.value: is given beside from/],
    ['phone', { owner: 'local', from: 'email' }, /^attributes.phone.from: is of no use/],
    ['phone', {}, /^attributes.phone.owner: is the directory for every field/],
    ['phone', { from: 'nothing' }, /^attributes.phone.from: is no attribute/],
    ['phone', { default: 3 }, /^attributes.phone.default: is not text/],
    ['phone', { transform: ['reverse'] }, /^attributes.phone.transform.0: /],
    ['nothing', { from: 'email' }, /^attributes.nothing: /],
    ['email', { owner: 'first' }, /^attributes.email.owner: cannot be first/],
    ['email', { default: 'x@y.example' }, /^attributes.email.default: would be the same for everybody/],
    ['userName', { owner: 'local' }, /^attributes.userName.owner: cannot be local/],
  ])('%s as %j is refused', (field, attribute, message) => {
    expect(ofField(field, attribute)).toEqual([expect.stringMatching(message)]);
  });

  it('what is right is taken, and stays as it was written', () => {
    const mapping = {
      groups: null,
      scope: 'groups.exists(g, g.startsWith("app-"))',
      attributes: { 'custom.a b': { value: 'user.custom["c d"]', owner: 'first' } },
    };
    expect(wrong(mapping)).toEqual([]);
    expect(Mapping.parse(mapping)).toMatchObject(mapping);
    expect(Object.keys(Mapping.parse({}))).toEqual(['omit', 'custom', 'roles', 'everyone', 'groups']);
  });

  it('it is known which groups and custom attributes have to be read', () => {
    const { groups, reads, custom } = compiled({
      custom: ['badge'],
      scope: '"Sales" in groups || "g7" in groupIds || user.custom.grade == 1.0',
      attributes: { phone: { from: 'custom.extension' }, 'custom.seat': { owner: 'first' } },
    });
    expect(groups).toEqual(['Sales', 'g7']);
    expect([reads(group('g7', 'x')), reads(group('g8', 'x'))]).toEqual([true, false]);
    expect(custom).toEqual(['badge', 'extension', 'seat', 'grade']);
  });
});

describe('Who owns a field', () => {
  const mapping = { attributes: { department: { owner: 'first' } } };
  const planned = (stored: object, directory: object, of: object = mapping) => {
    const desired = surely(compiled(of)).map(
      aDirectoryUser({ email: null, displayName: null, ...directory }),
      [],
    );
    const { fields } = surely(compiled({})).map(aDirectoryUser({ email: null, displayName: null }), []);
    const linked = { ...aStoredUser({ fields: { ...fields, ...stored } }), agreedVersion: 3 };
    const change = planSeen(
      { ...aSeenUser({ linked }), desired, desiredHash: desiredHashOf(desired) },
      aPlanContext(),
    );
    return change?.fields ?? null;
  };

  it('is the directory: what is different here is changed back, also to nothing', () => {
    expect(planned({ department: 'Here' }, { department: 'There' }, {})).toEqual([
      { field: 'department', before: 'Here', after: 'There' },
    ]);
    expect(planned({ department: 'Here' }, { department: null }, {})).toEqual([
      { field: 'department', before: 'Here', after: null },
    ]);
  });

  it('is whoever was first: only where there is nothing is something given', () => {
    expect(planned({ department: 'Here' }, { department: 'There' })).toBeNull();
    expect(planned({ department: 'Here' }, { department: null })).toBeNull();
    expect(planned({ department: null }, { department: 'There' })).toEqual([
      { field: 'department', before: null, after: 'There', owner: 'first' },
    ]);
  });

  it('is part of what directory and auth user agree on: another owner has everybody looked at again', () => {
    const hashBy = (attributes: object) =>
      desiredHashOf(surely(compiled({ attributes })).map(aDirectoryUser({ department: 'X' }), []));
    const hashes = [{}, { department: { owner: 'first' } }, { department: { owner: 'local' } }].map(hashBy);
    expect(new Set(hashes).size).toBe(3);
  });
});

describe('Where a group could not be read', () => {
  const unread = (id: string) => ({ membersUnknown: [group(id, id)], someUnreadable: false, read: [] });
  const inDoubt = (mapping: object, id = 'vip') => compiled(mapping).inDoubt(unread(id));

  it('a field that hangs on it keeps its value, and whoever is new waits', () => {
    const doubt = inDoubt({ attributes: { phone: { value: '"vip" in groups ? "1" : "2"' } } });
    const map = (stored: object | null, groups: string[] = []) =>
      doubt?.map(
        aDirectoryUser(),
        groups.map((name) => group(name, name)),
        stored === null ? null : { roles: [], fields: stored as never },
      );
    expect(map({ phone: 'kept' })).toMatchObject({ fields: { phone: 'kept' } });
    expect(map({ phone: 'kept' }, ['vip'])).toMatchObject({ fields: { phone: '1' } });
    expect(map(null)).toEqual({
      state: 'unreadable',
      problem: 'mapping.attributes.phone: not all groups are known',
    });
  });

  it('nobody is taken for out of a scope that hangs on it, and only who is surely in it comes', () => {
    const doubt = inDoubt({ scope: '"vip" in groups || user.department == "A"' });
    expect(doubt?.scope).toBe(true);
    const map = (given: object) => doubt?.map(aDirectoryUser(given), [], null).state;
    expect([map({ department: 'A' }), map({ department: 'B' })]).toEqual(['active', 'unreadable']);
  });

  it('an expression that looks at all groups hangs on each, and one that names others on none', () => {
    const all = { groups: null, scope: 'groups.exists(g, g == "other")' };
    expect(inDoubt(all)?.scope).toBe(true);
    expect(inDoubt(all)?.map(aDirectoryUser(), [], null).state).toBe('unreadable');
    expect(inDoubt({ scope: '"other" in groups' })).toBeNull();
  });
});

it('The same user and groups always give the same, be the mapping compiled once or twice', () => {
  fc.assert(
    fc.property(mappings, fc.array(somebody, { maxLength: 20 }), fc.boolean(), (mapping, people, grouped) => {
      const [one, other] = [compileMapping(mapping), compileMapping(mapping)];
      for (const given of people) {
        const { id: _, ...rest } = asUser('u1', given);
        const user = aDirectoryUser(rest);
        const groups = grouped ? [group('g2', 'Group g2'), group('g1', 'g1')] : [];
        const mapped = one.map(user, groups);
        expect(other.map(structuredClone(user), [...groups].reverse())).toEqual(mapped);
        expect(one.map(user, groups)).toEqual(mapped);
        if (isMapped(mapped)) expect(JSON.parse(JSON.stringify(mapped))).toEqual(mapped);
      }
    }),
    { numRuns: 50 },
  );
});
