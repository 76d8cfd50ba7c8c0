/**
 * One statement for what is asked at about the same time. A trip to PostgreSQL and back costs more than many reads by an index: under
 * load, whoever comes while others are under way goes together with all who wait, and nobody waits on purpose.
 */

type Waiting<Question, Answer> = {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
};

export class Gathered<Question, Answer> {
  readonly #askAll: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #most: number;
  readonly #sideBySide: number;
  #waiting: Waiting<Question, Answer>[] = [];
  #underWay = 0;

  /** `askAll` gives an answer to each question, in their order: of no more than `most` at once, and no more than `sideBySide` such. */
  constructor(
    askAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
    { most, sideBySide }: { readonly most: number; readonly sideBySide: number },
  ) {
    this.#askAll = askAll;
    this.#most = most;
    this.#sideBySide = sideBySide;
  }

  /** Throws what `askAll` throws for all that were asked together. */
  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ question, resolve, reject });
      this.#askSoon();
    });
  }

  /** After all that has come in by now was read. */
  #askSoon(): void {
    if (this.#underWay >= this.#sideBySide) return;
    this.#underWay += 1;
    setImmediate(async () => {
      const asked = this.#waiting.splice(0, this.#most);
      if (asked.length > 0) await this.#askTogether(asked);
      this.#underWay -= 1;
      if (this.#waiting.length > 0) this.#askSoon();
    });
  }

  async #askTogether(asked: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.#askAll(asked.map(({ question }) => question));
      if (answers.length !== asked.length)
        throw new Error(`${answers.length} answers to ${asked.length} questions`);
      for (const [n, { resolve }] of asked.entries()) resolve(answers[n] as Answer);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
