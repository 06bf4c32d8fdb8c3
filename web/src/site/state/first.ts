// The answer that the server wrote into the page, so that the page can be drawn without asking for it.

import type { Route } from "./route.ts";

export class First {
  #key: string | undefined;
  readonly #value: unknown;

  /** Takes the text of the element that holds the answer. */
  constructor(route: Route, text: string) {
    this.#key = keyOf(route);
    this.#value = JSON.parse(text);
  }

  /** Returns the answer if it is what the key asks for. A second time it would be old, and is undefined. */
  take(key: string): unknown {
    if (key !== this.#key) return undefined;
    this.#key = undefined;
    return this.#value;
  }
}

/** What a page asks for first, as its useLoaded names it. */
function keyOf(route: Route): string | undefined {
  return route.page === "closure" ? route.ref : undefined;
}
