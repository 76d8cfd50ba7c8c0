import { Environment } from '@marcbachmann/cel-js';
import { describe, expect, it } from 'vitest';
import { LONGEST_LIST, MOST_STEPS } from '../../src/domain/expressionCost.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { MatchExpression } from '../../src/domain/matchExpression.ts';
import { compileUserExpression, toUserValues, UserExpression } from '../../src/domain/userExpression.ts';
import { aDirectoryUser } from '../support/builders.ts';

const LONG = 'a,'.repeat(100_000);
const many = (count: number) => Array.from({ length: count }, (_, at) => `${'g'.repeat(300)}${at}`);
const groupsOf = (count: number) =>
  many(count).map((name, at) => ({ externalId: ExternalId.parse(`g${at}`), name }));

/** A directory that was filled to do harm. */
const worst = aDirectoryUser({
  department: LONG,
  jobTitle: LONG,
  aliases: many(LONGEST_LIST),
  custom: { x: LONG, y: LONG, tags: many(LONGEST_LIST) },
});

const values = toUserValues();

function evaluated(text: string, user = worst, groups = groupsOf(LONGEST_LIST)) {
  const compiled = compileUserExpression(text, 'value');
  return { ...compiled, result: compiled.evaluate(values(user, groups, 'none', compiled)) };
}

type Evaluate = (...given: unknown[]) => unknown;

/** Runs `work`, and counts the parts of expressions that are evaluated, the characters that texts are asked about, and what they are split into. */
function counted(work: () => void): number {
  const node = Object.getPrototypeOf(new Environment().parse('1').ast) as { evaluate: Evaluate };
  const { evaluate } = node;
  const own = new WeakMap<object, Evaluate>();
  let steps = 0;
  Object.defineProperty(node, 'evaluate', {
    configurable: true,
    get(this: object) {
      const known = own.get(this);
      if (known === undefined) return evaluate;
      return (...given: unknown[]) => {
        steps += 1;
        return known.apply(this, given);
      };
    },
    set(this: object, is: Evaluate) {
      own.set(this, is);
    },
  });
  const texts = String.prototype as unknown as Record<string, Evaluate>;
  const names = ['split', 'includes', 'indexOf', 'toLowerCase', 'toUpperCase', 'trim'];
  const before = names.map((name) => [name, texts[name]] as const);
  for (const [name, is] of before)
    texts[name] = function (this: string, ...given: unknown[]) {
      const result = is?.apply(this, given);
      steps += this.length / 64 + (Array.isArray(result) ? result.length : 0);
      return result;
    };
  try {
    work();
  } finally {
    for (const [name, is] of before) if (is !== undefined) texts[name] = is;
    Object.defineProperty(node, 'evaluate', { configurable: true, writable: true, value: evaluate });
  }
  return steps;
}

describe('What an expression costs', () => {
  it.each([
    'user.custom.x.split("").all(c, c == "a" || c == ",")',
    'user.custom.x.split("").map(c, c == ",", c + c).join("").lowerAscii()',
    'groups.filter(g, g.lowerAscii().contains("nothing"))',
    'groups.exists(g, user.aliases[0] == g || user.custom.tags[1] == g || g.endsWith("x"))',
    'user.custom.tags.exists(t, int(t) > 3)',
    'user.aliases.map(a, a.substring(1)).join("-")',
    Array.from({ length: 90 }, (_, at) => `"g${at}" in groups`).join(' && '),
    `${Array(20).fill('user.custom.x.split("").size()').join(' + ')} > 0`,
  ])('%.60s is within its estimate for a user who was made for it', (text) => {
    expect(UserExpression('value').safeParse(text).error?.issues).toBe(undefined);
    let bound = 0;
    const steps = counted(() => {
      bound = evaluated(text).steps;
    });
    expect(steps).toBeLessThanOrEqual(bound);
    expect(bound).toBeLessThanOrEqual(MOST_STEPS);
    expect(steps).toBeGreaterThan(10);
  });

  it.each([
    [
      Array(3).fill('user.custom.x.split("").all(c, user.custom.x.split("").size() > 0)').join(' && '),
      /^line 1, column 32: split\(\) stands inside a macro/,
    ],
    [
      'user.custom.x.split("").exists(c, user.custom.y.lastIndexOf(user.custom.x) > 0)',
      /^line 1, column 35: may take more than 1,000,000 steps/,
    ],
    [
      Array(9).fill('user.custom.x.split(",").exists(c, int(c) == 3)').join(' || '),
      /^line 1, column \d+: may take more than 1,000,000 steps for one person, up to here/,
    ],
  ])('%.60s is refused, and where is said', (text, message) => {
    expect(UserExpression('truth').safeParse(text).error?.issues[0]?.message).toMatch(message);
  });

  it('is bounded by what is seen: texts are cut, longer lists are not known', () => {
    expect(evaluated('user.custom.x.size() == 2000 && user.department.size() == 2000').result).toEqual({
      ok: true,
      value: true,
    });
    expect(evaluated('user.aliases[0].size()').result).toEqual({ ok: true, value: 256 });
    const more = aDirectoryUser({ aliases: many(1_001), custom: { tags: many(1_001), level: 1 } });
    const unknown = { ok: false, problem: expect.stringContaining('more than 1,000 elements') };
    expect(evaluated('user.aliases.size()', more).result).toEqual(unknown);
    expect(evaluated('"x" in user.custom.tags', more).result).toEqual(unknown);
    expect(evaluated('user.custom.level', more).result).toEqual({ ok: true, value: 1 });
  });

  it('of looking for a group by name hangs on the names, in however many somebody is', () => {
    const groups = groupsOf(5_000);
    const [first] = groups;
    const text = `"${first?.name}" in groups && "g4999" in groupIds && !("other" in groups)`;
    expect(evaluated(text, worst, groups).result).toEqual({ ok: true, value: true });
    expect(evaluated('groups.exists(g, g == "x")', worst, groups).result).toMatchObject({ ok: false });
    expect(evaluated('user.state', worst, groups).result).toEqual({ ok: true, value: 'active' });
  });

  it('does not make a field of any length', () => {
    const text =
      'user.custom.x + user.custom.y + user.department + user.jobTitle + user.custom.x + user.custom.y';
    expect(evaluated(text).result).toEqual({
      ok: false,
      problem: expect.stringContaining('more than 10,000 characters'),
    });
    expect(evaluated('user.custom.x.split("")').result).toMatchObject({ ok: false });
  });

  it('of a matching rule is bounded as well', () => {
    const refused = MatchExpression.safeParse('user.custom.exists(k, k == candidate.email)');
    expect(refused.error?.issues[0]?.message).toMatch(
      /^line 1, column 1: user.custom is used without the name/,
    );
    expect(MatchExpression.safeParse('user.custom.badge == candidate.custom.badge').success).toBe(true);
  });
});
