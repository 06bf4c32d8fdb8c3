// Chromium, driven over its own protocol.

import { chromium, type LaunchOptions } from "playwright-core";
import type { Browser } from "./browser.ts";

export function chromiumOptions(): LaunchOptions {
  return {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    // Root, as in a container, has no sandbox to give.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  };
}

export async function launchChromium(): Promise<Browser> {
  const browser = await chromium.launch(chromiumOptions());
  return {
    async open(address) {
      const page = await browser.newPage();
      await page.goto(address);
      return { evaluate: (expression) => page.evaluate(expression), close: () => page.close() };
    },
    close: () => browser.close(),
  };
}
