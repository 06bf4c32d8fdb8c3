// Firefox, driven over WebDriver BiDi.

import { launch } from "puppeteer-core";
import type { Browser } from "./browser.ts";

export async function launchFirefox(): Promise<Browser> {
  const browser = await launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    // A first start, with a new profile, takes a quarter of a minute; a training takes what it takes.
    timeout: 90_000,
    protocolTimeout: 900_000,
  });
  return {
    async open(address) {
      const page = await browser.newPage();
      await page.goto(address);
      return {
        evaluate: async (expression) => (await page.evaluate(expression)) as string,
        close: () => page.close(),
      };
    },
    close: () => browser.close(),
  };
}
