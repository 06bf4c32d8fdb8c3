// The test page, called from outside its browser.

import type { Command, Commands, Outcome } from "../src/testpage/main.ts";
import { decodeFailure } from "../src/worker/protocol.ts";
import type { Browser, Tab } from "./browser.ts";

export type Request<C extends Command> = Parameters<Commands[C]>[0];
export type Answer<C extends Command> = Awaited<ReturnType<Commands[C]>>;

export class TestPage {
  readonly #tab: Tab;

  static async open(browser: Browser, address: string): Promise<TestPage> {
    return new TestPage(await browser.open(`${address}testpage.html`));
  }

  private constructor(tab: Tab) {
    this.#tab = tab;
  }

  /** Runs a command in the page; a failure there is thrown here. */
  async call<C extends Command>(command: C, request: Request<C>): Promise<Answer<C>> {
    const expression = `window.reprise(${JSON.stringify(command)}, ${JSON.stringify(request)})`;
    const outcome = JSON.parse(await this.#tab.evaluate(expression)) as Outcome<Answer<C>>;
    if ("failure" in outcome) throw decodeFailure(outcome.failure);
    return outcome.value;
  }

  evaluate(expression: string): Promise<string> {
    return this.#tab.evaluate(expression);
  }

  close(): Promise<void> {
    return this.#tab.close();
  }
}
