import { describe, expect, it } from 'vitest';
import {
  describeExpressionError,
  type ExpressionValue,
  expressionsOver,
} from '../../src/domain/expression.ts';

class Person {
  readonly department: string;
  readonly aliases: readonly string[];
  readonly custom: Readonly<Record<string, unknown>>;
  constructor(values: Partial<Person>) {
    this.department = values.department ?? '';
    this.aliases = values.aliases ?? [];
    this.custom = values.custom ?? {};
  }
}

type Values = { readonly user: Person; readonly groups: readonly string[] };
const compile = expressionsOver<Values>({
  variables: { user: 'Person', groups: 'list<string>' },
  records: {
    Person: {
      class: Person,
      fields: { department: 'string', aliases: 'list<string>', custom: 'map<string, dyn>' },
    },
  },
});

const ANNA = new Person({
  department: 'Sales',
  aliases: ['anna@one.example', 'anna@two.example'],
  custom: { level: 3, code: 'x', tags: ['a', 'b'], lead: true },
});

function errorOf(text: string, result: 'truth' | 'value' = 'value'): string {
  const compiled = compile(text, result);
  return compiled.ok ? 'compiles' : describeExpressionError(compiled.error);
}

function resultOf(text: string, user = ANNA, groups: readonly string[] = []): ExpressionValue | string {
  const compiled = compile(text, 'value');
  if (!compiled.ok) return describeExpressionError(compiled.error);
  const evaluated = compiled.expression.evaluate({ user, groups });
  return evaluated.ok ? evaluated.value : `fails: ${evaluated.problem}`;
}

describe('an expression', () => {
  it.each<[string, ExpressionValue]>([
    ['user.department + "-" + user.custom.code', 'Sales-x'],
    ['user.department.lowerAscii().trim()', 'sales'],
    ['user.custom.level == 3 ? "lead" : "member"', 'lead'],
    ['int(user.custom.level) + 1', 4],
    ['user.custom.lead', true],
    ['user.custom.tags', ['a', 'b']],
    ['has(user.custom.nothing) ? user.custom.nothing : null', null],
    ['user.custom.?nothing.orValue("none")', 'none'],
    ['user.custom["code"]', 'x'],
    ['user.aliases.filter(a, a.endsWith("@two.example"))', ['anna@two.example']],
    ['"Sales" in groups', false],
    ['"/Sales/Berlin".within("/Sales") && !"/Salesmen".within("/Sales") && "/Sales".within("/")', true],
  ])('%s gives %j', (text, value) => {
    expect(resultOf(text)).toEqual(value);
  });

  it.each([
    ['user.dept', 'line 1, column 6: no such key: dept'],
    ['user.department ==\n  user.nope', 'line 2, column 8: no such key: nope'],
    ['"ä😀" + 1', 'line 1, column 1: no such overload: string + int'],
    ['["ä😀", nobody]', 'line 1, column 8: unknown variable: nobody'],
    ['1 +', 'line 1, column 4: unexpected token: the end'],
    [' ', 'line 1, column 1: is empty'],
    ['groups[0] == user', 'line 1, column 1: no such overload: string == Person'],
    ['user', 'line 1, column 1: gives Person, not a text, a number, yes or no, or a list of texts'],
  ])('%j is refused with the position: %s', (text, error) => {
    expect(errorOf(text)).toBe(error);
  });

  it('that has to say yes or no is refused where it may say something else', () => {
    expect(errorOf('user.department', 'truth')).toBe('line 1, column 1: gives string, not bool (yes or no)');
    expect(errorOf('user.custom.lead', 'truth')).toBe('line 1, column 1: gives dyn, not bool (yes or no)');
    expect(errorOf('user.custom.lead == true', 'truth')).toBe('compiles');
  });

  it.each([
    [
      'user.department.matches("(a+)+$")',
      'matches() is not available: regular expressions may take any time',
    ],
    ['cel.bind(a, "x", a + a)', 'bind() is not available'],
    ['timestamp("2026-01-01T00:00:00Z") < timestamp(0)', 'timestamp() is not available'],
    ['groups.all(a, groups.all(b, a == b))', 'all() stands inside another macro over a list'],
    ['groups.map(a, a + a).map(b, b + b)', 'map() stands inside another macro over a list'],
    ['user.department.split("").join(user.department)', 'join() takes a separator that is spelled out'],
    ['groups.join("-").split("").join("-")', 'join() stands inside another'],
    ['groups.exists(user, user == "x")', "user is a variable already; the list's needs another name"],
    ['groups.all(g, user.department.split("").size() > 0)', 'split() stands inside a macro'],
    ['groups.exists(g, groups.join(",") == g)', 'join() stands inside a macro'],
    [
      'user.custom.a.split("").all(c, user.custom.b.lastIndexOf(user.custom.b) > 0)',
      'may take more than 1,000,000 steps',
    ],
    ['has(user.department)', 'has() is for what may be missing'],
    [`"${'x'.repeat(2_000)}"`, 'is longer than 2000 characters'],
    [`${'('.repeat(200)}1${')'.repeat(200)}`, 'is nested too deeply'],
    [`[${'1,'.repeat(900)}1]`, 'is too long: it has more than'],
  ])('is bounded: %.60s', (text, error) => {
    expect(errorOf(text).toLowerCase()).toContain(error.toLowerCase());
  });

  it('may compare with a hundred things', () => {
    const many = Array.from({ length: 100 }, (_, at) => `"g${at}" in groups`).join(' || ');
    expect(resultOf(many, ANNA, ['g99'])).toBe(true);
  });

  it('that fails says why, and nothing of the values', () => {
    expect(resultOf('user.custom.nothing')).toBe('fails: no such key: nothing');
    expect(resultOf('bool(user.department) ? 1 : 2')).not.toContain('Sales');
    expect(resultOf('int(user.department)')).toBe('fails: int() of a text that is no whole number');
    expect(resultOf('user.custom.level / 0.0')).toMatch(/^fails: gives a value that is not/);
    expect(resultOf('[user.custom.level]')).toMatch(/^fails: gives a value that is not/);
    const table = '{"DE": "Germany"}[user.custom.code]';
    const ada = new Person({ custom: { code: 'ada@harbor.example', level: 9_223_372_036_854_775_807n } });
    expect(resultOf(table, ada)).toBe('fails: no such key');
    expect(resultOf(`${table} == "" || ${table} == "x"`, ada)).toBe('fails: no such key');
    expect(resultOf('{"DE": 1}[?user.custom.code].orValue({"DE": 1}[user.custom.code])', ada)).toBe(
      'fails: no such key',
    );
    expect(resultOf('user.custom.level + 1', ada)).toBe('fails: a number is too large');
    expect(resultOf('user.custom.code > 3', ada)).toBe('fails: > does not fit the kinds of its values');
    expect(resultOf('user.custom.code.size() + int(user.custom.tags)')).toBe(
      'fails: int() does not fit the kinds of its values',
    );
    expect(resultOf('user.aliases[7]')).toBe('fails: a list has no element there');
    expect(resultOf('user.custom.constructor')).toBe('fails: no such key: constructor');
  });

  it('lists what it uses', () => {
    const compiled = compile(
      '"Sales" in groups || groups.exists(g, g == user.custom.code) || user.custom["a b"].c == has(user.custom.d) || user.aliases[0] == ""',
      'truth',
    );
    expect(
      compiled.ok && compiled.expression.uses.map(({ variable, path, member }) => [variable, path, member]),
    ).toEqual([
      ['groups', [], 'Sales'],
      ['groups', [], null],
      ['user', ['custom', 'code'], null],
      ['user', ['custom', 'a b', 'c'], null],
      ['user', ['custom', 'd'], null],
      ['user', ['aliases'], null],
    ]);
  });
});
