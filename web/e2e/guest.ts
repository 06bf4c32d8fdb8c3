// A browser beside others in one test: pages are opened, acted on by clicks and keys, and closed in the middle of it.

import { afterAll, beforeAll } from "vitest";
import type { Browser, Tab } from "./browser.ts";
import { site } from "./native.ts";

/** Things to do in a page; each waits until what it needs is there. */
const inPage = `
  const patience = 240000;
  async function until(look) {
    for (const end = Date.now() + patience; Date.now() < end; await new Promise((go) => setTimeout(go, 30))) {
      const found = look();
      if (found) return found;
    }
    throw new Error("in vain: " + look + " on " + document.body.innerText.slice(0, 2000));
  }
  const one = (selector) => until(() => document.querySelector(selector));
  const button = (text) => until(() => [...document.querySelectorAll("button:not(:disabled)")].find((b) => b.textContent.trim() === text));
  const click = async (text) => (await button(text)).click();
  const said = (words) => until(() => document.body.innerText.includes(words));
  const field = (label) => until(() => document.getElementById([...document.querySelectorAll("label")].find((l) => l.textContent === label)?.htmlFor));
  const set = (input, value) => {
    const type = input instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(type.prototype, "value").set.call(input, value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
`;

export class Guest {
  #browser: Browser | undefined;

  /** To be made in a suite, whose tests it is for. */
  constructor(launch: () => Promise<Browser>) {
    beforeAll(async () => {
      this.#browser = await launch();
    });
    afterAll(() => this.#browser?.close());
  }

  /** Opens a page of the site in a tab; by way of another address, where one is given. */
  open(path: string, address = site): Promise<Tab> {
    if (this.#browser === undefined) throw new Error("there is no browser");
    return this.#browser.open(`${address}${path}`);
  }

  /** Runs statements in a page and returns what they return. */
  async act<T = unknown>(tab: Tab, statements: string): Promise<T> {
    const text = await tab.evaluate(`(async () => { ${inPage} ${statements}; return true; })().then(JSON.stringify)`);
    return JSON.parse(text) as T;
  }
}
