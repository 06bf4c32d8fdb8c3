// Where the visitor is, and how to go elsewhere without loading the page again.

import { parseRoute, type Route } from "./route.ts";

export class Location {
  readonly #window: Window;
  readonly #listeners = new Set<() => void>();
  #route: Route;

  constructor(window: Window) {
    this.#window = window;
    this.#route = this.#read();
    window.addEventListener("popstate", () => this.#changed());
  }

  get route(): Route {
    return this.#route;
  }

  /** Calls back after each change, until what it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Goes to a page, and to its top. */
  go(path: string): void {
    this.#window.history.pushState(null, "", path);
    this.#changed();
    this.#window.scrollTo(0, 0);
  }

  /** Changes the address of where the visitor is: typing in a search leaves one step in the history, not one per letter. */
  replace(path: string): void {
    this.#window.history.replaceState(null, "", path);
    this.#changed();
  }

  #read(): Route {
    const { pathname, search } = this.#window.location;
    return parseRoute(pathname, search);
  }

  #changed(): void {
    this.#route = this.#read();
    for (const listener of this.#listeners) listener();
  }
}
