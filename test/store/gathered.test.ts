import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Gathered } from '../../src/store/gathered.ts';

/** Answers when it is told to: ten times what was asked. */
function gathering(most: number, sideBySide: number) {
  const asked: { readonly questions: readonly number[]; answer(): void; fail(error: Error): void }[] = [];
  const gathered = new Gathered<number, number>(
    (questions) =>
      new Promise((resolve, fail) => {
        asked.push({ questions, answer: () => resolve(questions.map((one) => one * 10)), fail });
      }),
    { most, sideBySide },
  );
  const several = (...questions: readonly number[]) => Promise.all(questions.map((one) => gathered.ask(one)));
  return { asked, gathered, several, questions: () => asked.map((one) => one.questions) };
}

describe('questions that are gathered', () => {
  it('go together when they come together, and each has its own answer', async () => {
    const { asked, several, questions } = gathering(10, 2);
    const answers = several(1, 2, 3);
    await turn();
    expect(questions()).toEqual([[1, 2, 3]]);
    asked[0]?.answer();
    expect(await answers).toEqual([10, 20, 30]);
  });

  it('wait while as many as may be are under way, and then go together, no more than may be at once', async () => {
    const { asked, several, questions } = gathering(2, 2);
    const first = several(1, 2, 3, 4);
    await turn();
    await turn();
    const later = several(5, 6, 7);
    await turn();
    expect(questions()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    asked[1]?.answer();
    await turn();
    await turn();
    expect(questions().slice(2)).toEqual([[5, 6]]);
    asked[0]?.answer();
    await turn();
    await turn();
    expect(questions().slice(3)).toEqual([[7]]);
    for (const one of asked) one.answer();
    expect([await first, await later]).toEqual([
      [10, 20, 30, 40],
      [50, 60, 70],
    ]);
  });

  it('fail together, and those that come later do not', async () => {
    const { asked, gathered } = gathering(10, 1);
    const failing = [gathered.ask(1), gathered.ask(2)];
    await turn();
    const later = gathered.ask(3);
    asked[0]?.fail(new Error('the database is gone'));
    for (const one of failing) await expect(one).rejects.toThrow('the database is gone');
    await turn();
    await turn();
    asked[1]?.answer();
    expect(await later).toBe(30);
  });

  it('are not answered at all when the answers are too few', async () => {
    const gathered = new Gathered<number, number>(async () => [1], { most: 10, sideBySide: 1 });
    const both = await Promise.allSettled([gathered.ask(1), gathered.ask(2)]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
