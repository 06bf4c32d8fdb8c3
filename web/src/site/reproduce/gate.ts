// Holds the work while it is paused, and lets the events of its thread through while it is not.

/** Milliseconds after which the thread looks for messages: a pause is felt at once, and the look costs nothing. */
const breath = 20;

export class Gate {
  readonly #now: () => number;
  readonly #yield: () => Promise<void>;
  #last: number;
  #began: number;
  #held = 0;
  #pausedAt: number | undefined;
  #open: Promise<void> = Promise.resolve();
  #release = () => {};

  /** Yield returns after the events that wait have been dispatched. */
  constructor(now: () => number = () => performance.now(), yieldToEvents: () => Promise<void> = nextTask) {
    this.#now = now;
    this.#yield = yieldToEvents;
    this.#last = now();
    this.#began = this.#last;
  }

  pause(): void {
    if (this.#pausedAt !== undefined) return;
    this.#pausedAt = this.#now();
    this.#open = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#held += this.#now() - this.#pausedAt;
    this.#pausedAt = undefined;
    this.#release();
  }

  /** Returns when work may go on. */
  readonly pass = async (): Promise<void> => {
    if (this.#now() - this.#last > breath) {
      await this.#yield();
      this.#last = this.#now();
    }
    while (this.#pausedAt !== undefined) await this.#open;
  };

  /** Seconds since the gate was made, without those of pauses. */
  get seconds(): number {
    return ((this.#pausedAt ?? this.#now()) - this.#began - this.#held) / 1000;
  }
}

/** A task of its own without the delay that timers have. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
