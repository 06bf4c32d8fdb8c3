// Answers to questions that come faster than they can be answered: one at a time, and after it only the newest.

export class Latest<Question, Answer> {
  readonly #ask: (question: Question) => Promise<Answer>;
  readonly #answered: (answer: Answer, question: Question) => void;
  readonly #failed: (thrown: unknown) => void;
  #waiting: { readonly question: Question } | undefined;
  #busy = false;
  #closed = false;

  constructor(
    ask: (question: Question) => Promise<Answer>,
    answered: (answer: Answer, question: Question) => void,
    failed: (thrown: unknown) => void,
  ) {
    this.#ask = ask;
    this.#answered = answered;
    this.#failed = failed;
  }

  put(question: Question): void {
    this.#waiting = { question };
    if (!this.#busy) void this.#work();
  }

  /** After this, nothing is told any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = undefined;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let next = this.#waiting; next !== undefined; next = this.#waiting) {
      this.#waiting = undefined;
      try {
        const answer = await this.#ask(next.question);
        if (!this.#closed) this.#answered(answer, next.question);
      } catch (thrown) {
        if (!this.#closed) this.#failed(thrown);
      }
    }
    this.#busy = false;
  }
}
