// Something that is loaded: its value, or why there is none. A new key loads anew and drops what was under way; the
// old value stays visible meanwhile, so that a list does not flicker while its search changes.

export interface Loaded<T> {
  readonly key: string | undefined;
  readonly value: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
}

export class Resource<T> {
  readonly #load: (key: string, signal: AbortSignal) => Promise<T>;
  readonly #listeners = new Set<() => void>();
  #state: Loaded<T> = { key: undefined, value: undefined, error: undefined, loading: false };
  #controller = new AbortController();

  /** Initial is what was loaded already, and for which key. */
  constructor(load: (key: string, signal: AbortSignal) => Promise<T>, initial?: { key: string; value: T }) {
    this.#load = load;
    if (initial) this.#state = { ...this.#state, ...initial };
  }

  readonly get = (): Loaded<T> => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Loads what the key names, unless that is there or under way. */
  want(key: string): void {
    if (key !== this.#state.key) this.#start(key);
  }

  /** Tries again after a failure. */
  readonly retry = (): void => {
    if (this.#state.key !== undefined) this.#start(this.#state.key);
  };

  /** Drops what is under way. */
  stop(): void {
    this.#controller.abort();
    if (this.#state.loading) this.#set({ ...this.#state, key: undefined, loading: false });
  }

  #start(key: string): void {
    this.#controller.abort();
    const controller = new AbortController();
    this.#controller = controller;
    this.#set({ key, value: this.#state.value, error: undefined, loading: true });
    const finish = (state: Partial<Loaded<T>>) => {
      if (!controller.signal.aborted) this.#set({ key, value: undefined, error: undefined, loading: false, ...state });
    };
    this.#load(key, controller.signal).then(
      (value) => finish({ value }),
      (error: unknown) => finish({ error }),
    );
  }

  #set(state: Loaded<T>): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
