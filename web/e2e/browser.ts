// What the tests need of a browser, whichever protocol drives it.

import { launchChromium } from "./chromium.ts";
import type { Diary } from "./diary.ts";
import { launchFirefox } from "./firefox.ts";
import { launchWebKit } from "./webkit.ts";

export interface Browser {
  /** Opens an address in a tab of its own. */
  open(address: string): Promise<Tab>;
  close(): Promise<void>;
}

export interface Tab {
  /** What its page has said since. */
  readonly diary: Diary;
  /** Evaluates an expression, waits if it is a promise, and returns its text. */
  evaluate(expression: string): Promise<string>;
  close(): Promise<void>;
}

const launchers: Readonly<Record<string, () => Promise<Browser>>> = {
  chromium: launchChromium,
  firefox: launchFirefox,
  webkit: launchWebKit,
};

/** The browsers that REPRISE_E2E_BROWSERS lists, separated by commas, or else the given ones. */
export function browsers(otherwise: string): { name: string; launch: () => Promise<Browser> }[] {
  const names = (process.env.REPRISE_E2E_BROWSERS ?? otherwise).split(",");
  return names.map((name) => {
    const launch = launchers[name];
    if (launch === undefined) throw new Error(`REPRISE_E2E_BROWSERS: ${name} is none of ${Object.keys(launchers)}`);
    return { name, launch };
  });
}
